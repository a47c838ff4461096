"""The decoder of the Transformer, in one pass or step by step.

Paper: Vaswani et al. (2017), "Attention Is All You Need", https://arxiv.org/abs/1706.03762.
"""

from typing import Any

import keras
from keras import ops

from keras_nlp_zoo.layers.calling import run
from keras_nlp_zoo.layers.transformer_block import hide
from keras_nlp_zoo.layers.transformer_stack import Stack


@keras.saving.register_keras_serializable(package="keras_nlp_zoo")
class TransformerDecoder(Stack):
    """The whole decoder: a position looks at what stands up to it, and at all of the encoder's output, the memory.

    Paper: Vaswani et al. (2017), https://arxiv.org/abs/1706.03762, section 3.1. Arguments and errors are those of
    `knz.layers.Transformer`, and one more. KerasHub's layer of this name is one block of it.

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
            x, _, weights = run(block, x, bias=bias, memory=read, memory_bias=memory_bias, training=training)
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
            cache: what `start` or the step before returned; of one row also without the axis of rows. PyTorch changes
                it.

        Returns:
            What a call would have returned for these positions, `(batch, length, dim)`, and the next cache.
        """
        cache, memory, memory_mask = cache
        memory_bias = hide(memory_mask) if self.cross_attention else None
        x = ops.convert_to_tensor(inputs, self.compute_dtype)
        # Where nothing is compiled the shapes may change: what is still empty is not looked at.
        compiled = keras.backend.backend() != "torch"
        bias = self._causal_bias(index, x, cache[0][0].shape[-2] if compiled else int(index) + x.shape[1])
        after = []
        for i, block in enumerate(self.blocks):
            read = memory[i] if self.cross_attention else None
            x, kept, _ = run(block, x, bias=bias, memory=read, memory_bias=memory_bias, cache=cache[i], index=index)
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
