"""The Transformer: stacks of attention and feed-forward layers.

Paper: Vaswani et al. (2017), "Attention Is All You Need", https://arxiv.org/abs/1706.03762.

KerasHub's blocks do not serve here: its decoder keeps the attention's weights to itself and copies its cache of keys
and values at every step. In these, one matrix product makes all that attention reads from the same vectors.
"""

from typing import Any

import keras
from keras import ops

from keras_nlp_zoo.layers.transformer_block import Block, hide


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
        self.activation = keras.activations.get(activation)
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
            "activation": keras.activations.serialize(self.activation),
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
        return x if self.norm is None else self.norm(x)


@keras.saving.register_keras_serializable(package="keras_nlp_zoo")
class TransformerEncoder(Stack):
    """The whole encoder: every position looks at all positions. KerasHub's layer of this name is one block of it.

    Paper: Vaswani et al. (2017), https://arxiv.org/abs/1706.03762, section 3.1. Arguments and errors are those of
    `Transformer`.

    Call arguments:
        inputs: float `(batch, length, dim)`, positions added.
        mask: bool or int `(batch, length)`; 1 = token, 0 = padding. All ones if left out. Nothing looks at padding;
            what comes out there has no meaning, but is finite.
        return_attention_scores: bool. Whether to return the attention's weights too.
        training: bool. Whether dropout is active.

    Returns:
        float `(batch, length, dim)`. With `return_attention_scores` a tuple of that and the weights of each layer
        and head, `(batch, num_layers, num_heads, length, length)`; those over the last axis sum to one.

    Example:
        encoder = TransformerEncoder(num_layers=2, num_heads=4, intermediate_dim=32)
        outputs, scores = encoder(np.ones((2, 9, 16)), return_attention_scores=True)
        outputs.shape, scores.shape  # (2, 9, 16), (2, 2, 4, 9, 9)
    """

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self._make_blocks(cross_attention=False)

    def build(self, inputs_shape: Any) -> None:
        self._build_blocks(inputs_shape)

    def call(self, inputs: Any, mask: Any = None, return_attention_scores: bool = False, training: bool = False) -> Any:
        x, bias, scores = inputs, hide(mask), []
        for block in self.blocks:
            x, _, (weights, _) = block(x, bias=bias, training=training)
            scores.append(weights)
        x = self._finish(x)
        return (x, ops.stack(scores, axis=1)) if return_attention_scores else x

    def compute_output_spec(
        self, inputs: Any, mask: Any = None, return_attention_scores: bool = False, training: bool = False
    ) -> Any:
        output = keras.KerasTensor(inputs.shape, dtype=self.compute_dtype)
        return (output, self._scores_spec(inputs, inputs)) if return_attention_scores else output


@keras.saving.register_keras_serializable(package="keras_nlp_zoo")
class TransformerDecoder(Stack):
    """The whole decoder: a position looks at what stands up to it, and at all of the encoder's output, the memory.

    Paper: Vaswani et al. (2017), https://arxiv.org/abs/1706.03762, section 3.1. Arguments and errors are those of
    `Transformer`, and one more. KerasHub's layer of this name is one block of it.

    Args:
        cross_attention: bool. Whether there is a memory. Without one this is the network of a language model.

    Call arguments:
        inputs: float `(batch, length, dim)`, positions added.
        memory: float `(batch, memory_length, memory_dim)`.
        mask: bool or int `(batch, length)`; 1 = token, 0 = padding. All ones if left out. With a causal mask it
            matters only where padding comes before tokens.
        memory_mask: bool or int `(batch, memory_length)`, likewise.
        use_causal_mask: bool. Whether a position is kept from looking at later ones.
        return_attention_scores: bool. Whether to return the attention's weights too.
        training: bool. Whether dropout is active.

    Returns:
        float `(batch, length, dim)`. With `return_attention_scores` a tuple of that, the weights over the inputs
        `(batch, num_layers, num_heads, length, length)` and, with `cross_attention`, those over the memory
        `(batch, num_layers, num_heads, length, memory_length)`.

    Raises:
        ValueError: `memory` missing, or given without `cross_attention`.

    Example:
        decoder = TransformerDecoder(num_layers=2, num_heads=4, intermediate_dim=32)
        decoder(np.ones((2, 7, 16)), np.ones((2, 9, 16))).shape  # (2, 7, 16)
    """

    def __init__(self, *args: Any, cross_attention: bool = True, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.cross_attention = cross_attention
        self._make_blocks(cross_attention)

    def build(self, inputs_shape: Any, memory_shape: Any = None) -> None:
        self._build_blocks(inputs_shape, memory_shape)

    def call(
        self,
        inputs: Any,
        memory: Any = None,
        mask: Any = None,
        memory_mask: Any = None,
        use_causal_mask: bool = True,
        return_attention_scores: bool = False,
        training: bool = False,
    ) -> Any:
        x, bias, memory_bias = inputs, hide(mask), hide(memory_mask)
        if use_causal_mask:
            causal = self._causal_bias(0, inputs, ops.shape(inputs)[1])
            bias = causal if bias is None else ops.minimum(bias, causal)
        scores, memory_scores = [], []
        for block, read in zip(self.blocks, self._read(memory, memory_mask), strict=True):
            x, _, weights = block(x, bias=bias, memory=read, memory_bias=memory_bias, training=training)
            scores.append(weights[0])
            memory_scores.append(weights[1])
        x = self._finish(x)
        if not return_attention_scores:
            return x
        return (x, *(ops.stack(one, axis=1) for one in (scores, memory_scores)[: 1 + self.cross_attention]))

    def compute_output_spec(
        self,
        inputs: Any,
        memory: Any = None,
        mask: Any = None,
        memory_mask: Any = None,
        use_causal_mask: bool = True,
        return_attention_scores: bool = False,
        training: bool = False,
    ) -> Any:
        self._check_memory(memory)
        output = keras.KerasTensor(inputs.shape, dtype=self.compute_dtype)
        if not return_attention_scores:
            return output
        looked_at = (inputs, memory) if self.cross_attention else (inputs,)
        return (output, *(self._scores_spec(inputs, one) for one in looked_at))

    def start(self, batch_size: Any, max_length: int, memory: Any = None, memory_mask: Any = None) -> Any:
        """Reads the memory and makes room for `max_length` positions; for reading the inputs bit by bit.

        Args:
            batch_size: int, or a scalar tensor.
            max_length: int. The most positions that `step` will read.
            memory: as in a call.
            memory_mask: as in a call.

        Returns:
            The cache that `step` takes: a tuple of keys and values so far, of keys and values of the memory, and of
            the memory's mask. The first axis of all is the batch.
        """
        cache = []
        for block in self.blocks:
            shape = (batch_size, self.num_heads, max_length, block.attention.head_dim)
            cache.append((ops.zeros(shape, self.compute_dtype), ops.zeros(shape, self.compute_dtype)))
        if not self.cross_attention:
            return tuple(cache), (), ()
        self._check_memory(memory)
        memory = ops.convert_to_tensor(memory, self.compute_dtype)
        if memory_mask is None:
            memory_mask = ops.ones(ops.shape(memory)[:2], "bool")
        return tuple(cache), tuple(self._read(memory, memory_mask)), ops.cast(memory_mask, "bool")

    def step(self, inputs: Any, index: Any, cache: Any) -> tuple[Any, Any]:
        """Reads the next positions.

        Args:
            inputs: float `(batch, length, dim)`; of one position, or of several at once.
            index: int or scalar tensor. Where the first of them stands; all before it have been read.
            cache: what `start` or the step before returned.

        Returns:
            What a call would have returned for these positions, `(batch, length, dim)`, and the next cache.
        """
        cache, memory, memory_mask = cache
        memory_bias = hide(memory_mask) if self.cross_attention else None
        x = ops.convert_to_tensor(inputs, self.compute_dtype)
        bias = self._causal_bias(index, x, ops.shape(cache[0][0])[2])
        after = []
        for i, block in enumerate(self.blocks):
            read = memory[i] if self.cross_attention else None
            x, kept, _ = block(x, bias=bias, memory=read, memory_bias=memory_bias, cache=cache[i], index=index)
            after.append(kept)
        return self._finish(x), (tuple(after), memory, memory_mask)

    def _causal_bias(self, index: Any, inputs: Any, length: Any) -> Any:
        """`(1, 1, inputs, length)`: the inputs stand at `index` and after it, and see what is not later."""
        places = index + ops.arange(ops.shape(inputs)[1])[:, None]
        return hide((ops.arange(length) <= places)[None])

    def _check_memory(self, memory: Any) -> None:
        if (memory is not None) != self.cross_attention:
            raise ValueError(
                f"`memory` must be {'given' if self.cross_attention else 'left out'} with "
                f"cross_attention={self.cross_attention}. Received: {type(memory).__name__}"
            )

    def _read(self, memory: Any, memory_mask: Any) -> list[Any]:
        """Keys and values of the memory for every block."""
        self._check_memory(memory)
        if memory is None:
            return [None] * self.num_layers
        if memory_mask is not None:
            # Where all is padding, all is seen: then it must not matter what stands in it, or how much there is.
            memory = memory * ops.cast(memory_mask, memory.dtype)[:, :, None]
        return [block.cross_attention.read(memory) for block in self.blocks]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "cross_attention": self.cross_attention}


@keras.saving.register_keras_serializable(package="keras_nlp_zoo")
class Transformer(TransformerLayer):
    """Encoder and decoder, with the numbers of `torch.nn.Transformer`, whose weights `knz.interop.load_torch` takes.

    Paper: Vaswani et al. (2017), https://arxiv.org/abs/1706.03762. Arguments and errors are those of
    `TransformerLayer`; the defaults are the paper's base model and, for `final_norm`, PyTorch's.

    Call arguments:
        source: float `(batch, source_length, dim)`, positions added.
        target: float `(batch, target_length, dim)`, positions added.
        source_mask: bool or int `(batch, source_length)`; 1 = token, 0 = padding. All ones if left out. PyTorch's
            `src_key_padding_mask` is the opposite: true for padding.
        target_mask: bool or int `(batch, target_length)`, likewise.
        memory_mask: bool or int `(batch, source_length)`. What the decoder sees of the encoder's output;
            `source_mask` if left out.
        use_causal_mask: bool. Whether a position of the target is kept from looking at later ones. PyTorch does so
            only if it is given a `tgt_mask`.
        return_attention_scores: bool. Whether to return the attention's weights too.
        training: bool. Whether dropout is active.

    Returns:
        float `(batch, target_length, dim)`. With `return_attention_scores` a tuple of that and the weights of each
        layer and head: source over source, target over target and target over source, each
        `(batch, num_layers, num_heads, length, length)`.

    Example:
        transformer = Transformer(num_layers=2, num_heads=4, intermediate_dim=32)
        transformer(np.ones((2, 9, 16)), np.ones((2, 7, 16))).shape  # (2, 7, 16)
    """

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        options = {**self._options(), "activation": self.activation, "dtype": self.dtype_policy}
        self.encoder = TransformerEncoder(**options, name="encoder")
        self.decoder = TransformerDecoder(**options, name="decoder")

    def build(self, source_shape: Any, target_shape: Any) -> None:
        if not self.encoder.built:
            self.encoder.build(source_shape)
        if not self.decoder.built:
            self.decoder.build(target_shape, source_shape)

    def call(
        self,
        source: Any,
        target: Any,
        source_mask: Any = None,
        target_mask: Any = None,
        memory_mask: Any = None,
        use_causal_mask: bool = True,
        return_attention_scores: bool = False,
        training: bool = False,
    ) -> Any:
        common = {"return_attention_scores": return_attention_scores, "training": training}
        memory = self.encoder(source, mask=source_mask, **common)
        scores = ()
        if return_attention_scores:
            memory, *scores = memory
        outputs = self.decoder(
            target,
            memory,
            mask=target_mask,
            memory_mask=source_mask if memory_mask is None else memory_mask,
            use_causal_mask=use_causal_mask,
            **common,
        )
        return (outputs[0], *scores, *outputs[1:]) if return_attention_scores else outputs

    def compute_output_spec(
        self,
        source: Any,
        target: Any,
        source_mask: Any = None,
        target_mask: Any = None,
        memory_mask: Any = None,
        use_causal_mask: bool = True,
        return_attention_scores: bool = False,
        training: bool = False,
    ) -> Any:
        output = keras.KerasTensor(target.shape, dtype=self.compute_dtype)
        if not return_attention_scores:
            return output
        pairs = ((source, source), (target, target), (target, source))
        return (output, *(self._scores_spec(*pair) for pair in pairs))

    def compute_mask(self, inputs: Any, mask: Any = None) -> None:
        return None  # what Keras has here is the source's
