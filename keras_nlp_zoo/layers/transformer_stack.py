"""What encoder and decoder of the Transformer share: their arguments, and a stack of blocks.

Paper: Vaswani et al. (2017), "Attention Is All You Need", https://arxiv.org/abs/1706.03762.
"""

from typing import Any

import keras

from keras_nlp_zoo.checks import check_rates, check_sizes
from keras_nlp_zoo.layers.activations import activation_name, get_activation
from keras_nlp_zoo.layers.calling import run
from keras_nlp_zoo.layers.transformer_block import Block


class TransformerLayer(keras.layers.Layer):
    """What `Transformer`, `TransformerEncoder` and `TransformerDecoder` share; the first says their arguments."""

    def __init__(
        self,
        num_layers: int = 6,
        num_heads: int = 8,
        intermediate_dim: int = 2048,
        dropout: float = 0.1,
        activation: Any = "relu",
        normalize_first: bool = False,
        final_norm: bool = True,
        layer_norm_epsilon: float = 1e-5,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        check_sizes(num_layers=num_layers, num_heads=num_heads, intermediate_dim=intermediate_dim)
        check_rates(dropout=dropout)
        self.num_layers = num_layers
        self.num_heads = num_heads
        self.intermediate_dim = intermediate_dim
        self.dropout = dropout
        self.activation = get_activation(activation)
        self.normalize_first = normalize_first
        self.final_norm = final_norm
        self.layer_norm_epsilon = layer_norm_epsilon
        self.supports_masking = True

    def _scores_spec(self, queries: Any, keys: Any) -> Any:
        """Of attention scores, for the symbolic vectors that look and those they look at."""
        shape = (queries.shape[0], self.num_layers, self.num_heads, queries.shape[1], keys.shape[1])
        return keras.KerasTensor(shape, dtype=self.compute_dtype)

    def _options(self) -> dict[str, Any]:
        return {
            "num_layers": self.num_layers,
            "num_heads": self.num_heads,
            "intermediate_dim": self.intermediate_dim,
            "dropout": self.dropout,
            "activation": activation_name(self.activation),
            "normalize_first": self.normalize_first,
            "final_norm": self.final_norm,
            "layer_norm_epsilon": self.layer_norm_epsilon,
        }

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **self._options()}


class Stack(TransformerLayer):
    """The blocks of an encoder or a decoder."""

    def _make_blocks(self, cross_attention: bool) -> None:
        self.blocks = [
            Block(
                self.num_heads,
                self.intermediate_dim,
                self.dropout,
                self.activation,
                self.normalize_first,
                self.layer_norm_epsilon,
                cross_attention,
                dtype=self.dtype_policy,
                name=f"block_{i}",
            )
            for i in range(self.num_layers)
        ]
        self.norm = None
        if self.final_norm:
            self.norm = keras.layers.LayerNormalization(
                epsilon=self.layer_norm_epsilon, dtype=self.dtype_policy, name="norm"
            )

    def _build_blocks(self, inputs_shape: Any, memory_shape: Any = None) -> None:
        if inputs_shape[-1] % self.num_heads:
            raise ValueError(
                "`num_heads` must divide the width of the inputs. "
                f"Received: num_heads={self.num_heads}, inputs {inputs_shape[-1]} wide"
            )
        for block in self.blocks:
            block.build(inputs_shape, memory_shape)
        if self.norm is not None:
            self.norm.build(inputs_shape)

    def _finish(self, x: Any) -> Any:
        return x if self.norm is None else run(self.norm, x)
