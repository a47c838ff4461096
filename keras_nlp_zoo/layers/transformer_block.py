"""One block of the Transformer: attention and a feed-forward layer.

Paper: Vaswani et al. (2017), "Attention Is All You Need", https://arxiv.org/abs/1706.03762, sections 3.1 to 3.3.
"""

from typing import Any

import keras
from keras import ops

from keras_nlp_zoo.layers.calling import run
from keras_nlp_zoo.layers.dense import Dense
from keras_nlp_zoo.layers.dropout import Dropout
from keras_nlp_zoo.layers.softmax import HIDDEN_SCORE, softmax


class Block(keras.layers.Layer):
    """Self-attention, attention to the memory if there is one, and a feed-forward layer, each added to its input."""

    def __init__(
        self,
        num_heads: int,
        intermediate_dim: int,
        dropout: float,
        activation: Any,
        normalize_first: bool,
        layer_norm_epsilon: float,
        cross_attention: bool,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.intermediate_dim = intermediate_dim
        self.activation = activation
        self.normalize_first = normalize_first
        self.supports_masking = True
        self.attention = Attention(num_heads, dtype=self.dtype_policy, name="attention")
        self.attention_norm = self._make_norm("attention_norm", layer_norm_epsilon)
        self.cross_attention: Any = None
        if cross_attention:
            self.cross_attention = CrossAttention(num_heads, dtype=self.dtype_policy, name="cross_attention")
            self.cross_attention_norm = self._make_norm("cross_attention_norm", layer_norm_epsilon)
        self.feedforward_norm = self._make_norm("feedforward_norm", layer_norm_epsilon)
        self.dropout_layer = None
        if dropout:
            self.dropout_layer = Dropout(dropout, dtype=self.dtype_policy, name="dropout")

    def _make_norm(self, name: str, epsilon: float) -> Any:
        return keras.layers.LayerNormalization(epsilon=epsilon, dtype=self.dtype_policy, name=name)

    def build(self, inputs_shape: Any, memory_shape: Any = None) -> None:
        dim = inputs_shape[-1]
        self.attention.build(inputs_shape)
        self.attention_norm.build(inputs_shape)
        if self.cross_attention is not None:
            self.cross_attention.build(inputs_shape, memory_shape)
            self.cross_attention_norm.build(inputs_shape)
        self.intermediate_dense = _dense(self, self.intermediate_dim, "intermediate", dim, self.activation)
        self.output_dense = _dense(self, dim, "output", self.intermediate_dim)
        self.feedforward_norm.build(inputs_shape)

    def call(
        self,
        inputs: Any,
        bias: Any = None,
        memory: Any = None,
        memory_bias: Any = None,
        cache: Any = None,
        index: Any = 0,
        training: bool = False,
    ) -> Any:
        """
        Args:
            inputs: float `(batch, length, dim)`.
            bias: float, added to the scores `(batch, heads, length, keys)`.
            memory: keys and values that `CrossAttention.read` has made.
            memory_bias: float, added to the scores `(batch, heads, length, memory_keys)`.
            cache: keys and values `(batch, heads, max_length, head_dim)`, in which those of the inputs are put; of one
                row they may be `(heads, max_length, head_dim)`.
            index: int or scalar tensor. Where they are put.

        Returns:
            The outputs `(batch, length, dim)`, a tuple of all keys and values, and a tuple of the weights of the
            attention and of that to the memory, or None.
        """
        query, key, value = self.attention.read(self._before(inputs, self.attention_norm))
        kept = key, value
        if cache is not None:
            kept = put(cache[0], key, index), put(cache[1], value, index)
            key, value = (one if len(one.shape) == 4 else one[None] for one in kept)
        seen = None if bias is None else bias.shape[-1]
        added, scores = self.attention.attend(query, key[:, :, :seen], value[:, :, :seen], bias)
        x = self._after(inputs, added, self.attention_norm, training)
        memory_scores = None
        if self.cross_attention is not None:
            query = self.cross_attention.query(self._before(x, self.cross_attention_norm))
            added, memory_scores = self.cross_attention.attend(query, *memory, memory_bias)
            x = self._after(x, added, self.cross_attention_norm, training)
        added = run(self.intermediate_dense, self._before(x, self.feedforward_norm))
        added = run(self.output_dense, added)
        return self._after(x, added, self.feedforward_norm, training), kept, (scores, memory_scores)

    def _before(self, x: Any, norm: Any) -> Any:
        return run(norm, x) if self.normalize_first else x

    def _after(self, x: Any, added: Any, norm: Any, training: bool) -> Any:
        if self.dropout_layer is not None:
            added = run(self.dropout_layer, added, training=training)
        return x + added if self.normalize_first else run(norm, x + added)


class Attention(keras.layers.Layer):
    """Multi-head attention of vectors to one another, section 3.2.2. It is used by its parts, `read` and `attend`."""

    def __init__(self, num_heads: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.num_heads = num_heads

    def build(self, inputs_shape: Any) -> None:
        dim = inputs_shape[-1]
        self.head_dim = dim // self.num_heads
        self.query_key_value_dense = _dense(self, 3 * dim, "query_key_value", dim)
        self.output_dense = _dense(self, dim, "output", dim)

    def read(self, inputs: Any) -> list[Any]:
        """Queries, keys and values, each `(batch, heads, length, head_dim)`."""
        return [self._heads(one) for one in ops.split(run(self.query_key_value_dense, inputs), 3, axis=-1)]

    def attend(self, query: Any, key: Any, value: Any, bias: Any = None) -> tuple[Any, Any]:
        """softmax(q k / sqrt(head_dim)) v of each head, and a product that mixes the heads; equation 1.

        Written out: on CPU it is faster than `keras.ops.dot_product_attention` on every backend, and shows the
        weights.

        Returns:
            `(batch, length, dim)`, and the weights `(batch, heads, length, keys)`.
        """
        scores = ops.einsum("bhqd,bhkd->bhqk", query * self.head_dim**-0.5, key)
        scores = ops.cast(scores, "float32")
        scores = ops.cast(softmax(scores if bias is None else ops.add(scores, bias)), value.dtype)
        outputs = ops.einsum("bhqk,bhkd->bqhd", scores, value)
        batch, length, _, _ = ops.shape(outputs)
        outputs = ops.reshape(outputs, (batch, length, self.num_heads * self.head_dim))
        return run(self.output_dense, outputs), scores

    def _heads(self, x: Any) -> Any:
        batch, length, _ = ops.shape(x)
        # The heads come first: with the length first a cache would be copied into this order at every step.
        return ops.transpose(ops.reshape(x, (batch, length, self.num_heads, self.head_dim)), (0, 2, 1, 3))


class CrossAttention(Attention):
    """Multi-head attention of vectors to others, the memory."""

    def build(self, inputs_shape: Any, memory_shape: Any = None) -> None:
        dim = inputs_shape[-1]
        self.head_dim = dim // self.num_heads
        self.query_dense = _dense(self, dim, "query", dim)
        self.key_value_dense = _dense(self, 2 * dim, "key_value", (memory_shape or inputs_shape)[-1])
        self.output_dense = _dense(self, dim, "output", dim)

    def query(self, inputs: Any) -> Any:
        """Queries `(batch, heads, length, head_dim)`."""
        return self._heads(run(self.query_dense, inputs))

    def read(self, memory: Any) -> list[Any]:
        """Keys and values of the memory, each `(batch, heads, memory_length, head_dim)`."""
        return [self._heads(one) for one in ops.split(run(self.key_value_dense, memory), 2, axis=-1)]


def _dense(layer: keras.layers.Layer, units: int, name: str, dim: int, activation: Any = None) -> Any:
    """A built `Dense` for vectors `dim` wide."""
    dense = Dense(units, activation=activation, dtype=layer.dtype_policy, name=name)
    dense.build((None, None, dim))
    return dense


def put(cache: Any, values: Any, index: Any) -> Any:
    """The cache `(batch, heads, max_length, head_dim)` with values from `index` on; written in place on PyTorch.

    XLA writes in place by itself, of one row only if there is no axis for it; else it copies the cache four times,
    which at 512 tokens is a fifth of a step of GPT-2. PyTorch's `slice_update` copies all of it at every step.
    """
    if len(cache.shape) == 3:
        return ops.slice_update(cache, (0, index, 0), values[0])
    if keras.backend.backend() != "torch":
        return ops.slice_update(cache, (0, 0, index, 0), values)
    cache = cache.contiguous()  # repeated by a sampler, the cache of one text is one place in memory for all beams
    cache[:, :, int(index) : int(index) + values.shape[2]] = values
    return cache


def hide(mask: Any) -> Any:
    """What is added to scores `(batch, heads, queries, keys)`: nothing where the mask is true, else -3e4.

    The mask is `(batch, keys)` or `(batch, queries, keys)`.
    """
    if mask is None:
        return None
    mask = ops.cast(mask, "bool")
    return ops.where(mask[:, None, None] if len(mask.shape) == 2 else mask[:, None], 0.0, HIDDEN_SCORE)
