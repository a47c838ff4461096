"""What encoder and decoder of the Transformer share: their arguments, and a stack of blocks.

Paper: Vaswani et al. (2017), "Attention Is All You Need", https://arxiv.org/abs/1706.03762.
"""

from typing import Any

import keras

from keras_nlp_zoo.layers.activations import activation_name, get_activation
from keras_nlp_zoo.layers.calling import run
from keras_nlp_zoo.layers.transformer_block import Block


class TransformerLayer(keras.layers.Layer):
    """What `Transformer`, `TransformerEncoder` and `TransformerDecoder` share.

    Args:
        num_layers: int. Blocks of the encoder, and of the decoder.
        num_heads: int. Heads of each attention; divides the width of the inputs.
        intermediate_dim: int. Width of the feed-forward layer in each block.
        dropout: float in `[0, 1)`. Dropout on what attention and feed-forward layers add to their inputs, as in
            section 5.4; `torch.nn` has it on the attention's weights and inside the feed-forward layers too.
        activation: str or function. The activation of the feed-forward layers.
        normalize_first: bool. Whether the inputs of attention and feed-forward layers are normalised (Xiong et al.
            2020, https://arxiv.org/abs/2002.04745), or, as in the paper, the sums after them.
        final_norm: bool. Whether encoder and decoder normalise their outputs once more, as `torch.nn.Transformer`
            does; the paper does not.
        layer_norm_epsilon: float. Added to the variance by layer normalisation.

    Raises:
        ValueError: an argument out of its range, or inputs whose width is no multiple of `num_heads`.
    """

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
        sizes = {"num_layers": num_layers, "num_heads": num_heads, "intermediate_dim": intermediate_dim}
        for name, value in sizes.items():
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ValueError(f"`{name}` must be an int of at least 1. Received: {name}={value!r}")
        if not 0 <= dropout < 1:
            raise ValueError(f"`dropout` must be in [0, 1). Received: dropout={dropout!r}")
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
