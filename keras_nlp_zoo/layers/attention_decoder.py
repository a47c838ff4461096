"""A recurrent layer that looks at another sequence before each of its steps."""

from typing import Any, NamedTuple

import keras
from keras import ops

from keras_nlp_zoo.checks import check_sizes
from keras_nlp_zoo.layers.recurrent import CELLS, recurrent_weights
from keras_nlp_zoo.layers.recurrent_kernels import step
from keras_nlp_zoo.layers.softmax import masked_softmax


@keras.saving.register_keras_serializable(package="keras_nlp_zoo")
class AttentionDecoder(keras.layers.Layer):
    """Recurrent decoder with additive attention inside its step.

    Paper: Bahdanau et al. (2015), https://arxiv.org/abs/1409.0473, appendix A.1.2 and A.2.2. With the state s and
    the vectors h_j of the source, a step first computes

        a = softmax over j of v . tanh(W s + U h_j + b),   c = sum over j of a_j h_j,

    and then the new state from its input, c and s. The equations of the cell are those of `knz.layers`.

    Args:
        units: int. Width of the state, and of the layer inside the attention.
        cell: `"gru"`, as in the paper, `"lstm"` or `"rnn"`.

    Call arguments:
        inputs: float `(batch, length, dim)`. Padding has to come last.
        source: float `(batch, source_length, source_dim)`.
        source_mask: bool or int `(batch, source_length)`; 1 = token, 0 = padding. All ones if left out.
        initial_state: list of the states before the first step, each `(batch, units)`: hidden, and cell of an LSTM.
            Zeros if left out.

    Returns:
        A tuple of the outputs `(batch, length, units)`, the contexts c `(batch, length, source_dim)` and the weights
        a `(batch, length, source_length)`.

    Raises:
        ValueError: `units` below 1 or an unknown `cell`.

    Example:
        decoder = AttentionDecoder(16)
        outputs, contexts, scores = decoder(np.ones((2, 7, 8)), np.ones((2, 5, 12)))
        outputs.shape, contexts.shape, scores.shape  # (2, 7, 16), (2, 7, 12), (2, 7, 5)
    """

    def __init__(self, units: int, cell: str = "gru", **kwargs: Any):
        super().__init__(**kwargs)
        check_sizes(units=units)
        if cell not in CELLS:
            raise ValueError(f"`cell` must be one of {', '.join(CELLS)}. Received: cell={cell!r}")
        self.units = units
        self.cell = cell
        self.num_states = CELLS[cell].num_states

    def build(self, inputs_shape: Any, source_shape: Any) -> None:
        dim, source_dim = inputs_shape[-1], source_shape[-1]
        self.kernel, self.recurrent_kernel, self.bias = recurrent_weights(self, self.cell, dim, self.units)
        self.context_kernel = self.add_weight(
            (source_dim, self.kernel.shape[-1]), "glorot_uniform", name="context_kernel"
        )
        self.query_kernel = self.add_weight((self.units, self.units), "glorot_uniform", name="query_kernel")
        self.key_kernel = self.add_weight((source_dim, self.units), "glorot_uniform", name="key_kernel")
        self.key_bias = self.add_weight((self.units,), "zeros", name="key_bias")
        self.score_vector = self.add_weight((self.units, 1), "glorot_uniform", name="score_vector")

    def call(self, inputs: Any, source: Any, source_mask: Any = None, initial_state: Any = None) -> Any:
        batch, source_length, source_dim = ops.shape(source)
        weights = self._tensors(inputs.dtype)
        memory = self.remember(source, source_mask)
        if initial_state is None:
            initial_state = [ops.zeros((batch, self.units), dtype=inputs.dtype) for _ in range(self.num_states)]
        projected = ops.transpose(self._project(inputs, weights), (1, 0, 2))  # (length, batch, gates * units)

        def body(carry: Any, projected: Any) -> Any:
            carry = self._step(projected, carry[: self.num_states], memory, weights)
            return carry, carry

        context = ops.zeros((batch, source_dim), dtype=inputs.dtype)
        scores = ops.zeros((batch, source_length), dtype=inputs.dtype)
        _, after = ops.scan(body, (*initial_state, context, scores), projected)
        return tuple(ops.transpose(sequence, (1, 0, 2)) for sequence in (after[0], *after[self.num_states :]))

    def remember(self, source: Any, source_mask: Any = None) -> tuple[Any, ...]:
        """What `step` has to know of the source: `(vectors, keys, mask)`."""
        if source_mask is None:
            source_mask = ops.ones(ops.shape(source)[:2])
        weights = self._tensors(source.dtype)
        return source, source @ weights.key_kernel + weights.key_bias, ops.cast(source_mask, "bool")

    def step(self, inputs: Any, states: Any, memory: Any) -> tuple[Any, ...]:
        """One step.

        Args:
            inputs: float `(batch, dim)`.
            states: the states before, each `(batch, units)`.
            memory: what `remember` returned.

        Returns:
            The states after, the context `(batch, source_dim)` and the weights `(batch, source_length)`.
        """
        weights = self._tensors(inputs.dtype)
        return self._step(self._project(inputs, weights), states, memory, weights)

    def _tensors(self, dtype: Any) -> "_Tensors":
        """The weights in the precision of the inputs. Tensors: a variable in the loop costs more than its product."""
        return _Tensors(*(ops.cast(ops.convert_to_tensor(getattr(self, name)), dtype) for name in _Tensors._fields))

    def _project(self, inputs: Any, weights: "_Tensors") -> Any:
        """The inputs' part of the gates; one product for all steps."""
        return inputs @ weights.kernel + (weights.bias[0] if self.cell == "gru" else weights.bias)

    def _step(self, projected: Any, states: Any, memory: Any, weights: "_Tensors") -> tuple[Any, ...]:
        source, keys, mask = memory
        query = (states[0] @ weights.query_kernel)[:, None]  # (batch, 1, units)
        scores = (ops.tanh(keys + query) @ weights.score_vector)[:, :, 0]  # (batch, source_length)
        attention = masked_softmax(scores, mask)
        context = (attention[:, None] @ source)[:, 0]  # (batch, source_dim)
        bias = (projected, weights.bias[1]) if self.cell == "gru" else projected
        states = step(self.cell, context, tuple(states), (weights.context_kernel, weights.recurrent_kernel, bias))
        return (*states, context, attention)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "units": self.units, "cell": self.cell}


class _Tensors(NamedTuple):
    kernel: Any
    recurrent_kernel: Any
    bias: Any
    context_kernel: Any
    query_kernel: Any
    key_kernel: Any
    key_bias: Any
    score_vector: Any
