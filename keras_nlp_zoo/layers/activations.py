"""Activations by name, GELU's two forms among them."""

from typing import Any

import keras


@keras.saving.register_keras_serializable(package="keras_nlp_zoo")
def gelu_approximate(x: Any) -> Any:
    """GELU by its approximation with tanh, GPT-2's, and BERT's in KerasHub; `"gelu"` is the exact one.

    Paper: Hendrycks and Gimpel (2016), https://arxiv.org/abs/1606.08415, section 2.
    """
    return keras.activations.gelu(x, approximate=True)


def get_activation(activation: Any) -> Any:
    """`keras.activations.get`, which knows `"gelu_approximate"` too."""
    return gelu_approximate if activation == "gelu_approximate" else keras.activations.get(activation)


def activation_name(activation: Any) -> Any:
    """What `get_activation` makes this activation of."""
    return "gelu_approximate" if activation is gelu_approximate else keras.activations.serialize(activation)
