from keras_nlp_zoo.interop.torch_weights import load_torch

__all__ = ["load_torch"]
