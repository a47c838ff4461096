"""Every classic NLP architecture for Keras 3, on JAX, TensorFlow and PyTorch."""

import keras

from keras_nlp_zoo import datasets, interop, layers, metrics, models, plots, samplers, text, training
from keras_nlp_zoo.registry import create_model, list_models
from keras_nlp_zoo.tasks import CausalLM, MaskedLM, QuestionAnswering, Seq2SeqLM, TextClassifier, TokenClassifier
from keras_nlp_zoo.text import Tokenizer

if keras.backend.backend() == "tensorflow":
    from keras_nlp_zoo.running import memory_tensorflow

    memory_tensorflow.keep_freed()

__version__ = "0.1.0"
__all__ = [
    "CausalLM",
    "MaskedLM",
    "QuestionAnswering",
    "Seq2SeqLM",
    "TextClassifier",
    "TokenClassifier",
    "Tokenizer",
    "create_model",
    "datasets",
    "interop",
    "layers",
    "list_models",
    "metrics",
    "models",
    "plots",
    "samplers",
    "text",
    "training",
]
