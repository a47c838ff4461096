"""How far float32 may be from the truth."""

import keras


def tolerance_of_recurrent_layers() -> float:
    """1e-5, but for PyTorch on a GPU.

    There cuDNN's networks, those of `torch.nn` too, are up to 9e-5 away from float64 (an H200), and gradients of
    weights, sums of the size of 5, up to 2.4e-4, whether or not they may round to ten bits
    (`torch.backends.cudnn.allow_tf32`).
    """
    if keras.backend.backend() == "torch":
        import torch

        if torch.cuda.is_available():
            return 3e-4
    return 1e-5
