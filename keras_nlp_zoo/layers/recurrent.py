"""Recurrent layers: stacked, bidirectional, exact under any mask, and as fast as the backend can read.

`recurrent_kernels.py` holds the equations and says how they are made fast.
"""

from typing import Any

import keras
from keras import ops

from keras_nlp_zoo.checks import check_rates, check_sizes
from keras_nlp_zoo.layers.dropout import Dropout
from keras_nlp_zoo.layers.recurrent_kernels import recurrent, step


class Recurrent(keras.layers.Layer):
    """What `RNN`, `LSTM` and `GRU` share; `RNN` says what arguments and outputs they have."""

    kind = ""
    num_gates = 1
    num_states = 1

    def __init__(
        self,
        units: int,
        num_layers: int = 1,
        bidirectional: bool = False,
        return_sequences: bool = False,
        return_state: bool | str = False,
        dropout: float = 0.0,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        check_sizes(units=units, num_layers=num_layers)
        if return_state not in (True, False, "hidden"):
            raise ValueError(f'`return_state` must be a bool or "hidden". Received: return_state={return_state!r}')
        check_rates(dropout=dropout)
        self.units = units
        self.num_layers = num_layers
        self.bidirectional = bidirectional
        self.return_sequences = return_sequences
        self.return_state = return_state
        self.dropout = dropout
        self.supports_masking = True
        self.forward_readers = [self._make_reader(f"forward_{i}", False) for i in range(num_layers)]
        self.backward_readers = [
            self._make_reader(f"backward_{i}", True) for i in range(num_layers if bidirectional else 0)
        ]
        self.dropouts = [Dropout(dropout, dtype=self.dtype_policy) for _ in range(num_layers - 1)]

    def _make_reader(self, name: str, reverse: bool) -> "Reader":
        return Reader(self.kind, self.units, reverse, dtype=self.dtype_policy, name=name)

    @property
    def output_dim(self) -> int:
        """Width of an output: `units` for each direction."""
        return self.units * (2 if self.bidirectional else 1)

    @property
    def readers(self) -> list[list["Reader"]]:
        """The readers of each layer: one, or forward and backward."""
        directions = [self.forward_readers, *([self.backward_readers] if self.bidirectional else [])]
        return [list(layer) for layer in zip(*directions, strict=True)]

    def build(self, inputs_shape: Any) -> None:
        batch, length, dim = inputs_shape
        for i, readers in enumerate(self.readers):
            for reader in readers:
                reader.build((length, batch, dim if i == 0 else self.output_dim))
        for dropout in self.dropouts:
            dropout.build((length, batch, self.output_dim))

    def call(self, inputs: Any, mask: Any = None, initial_state: Any = None, training: bool = False) -> Any:
        return self.call_without(frozenset(), inputs, mask, initial_state, training)

    def call_without(
        self,
        unused: frozenset[int],
        inputs: Any,
        mask: Any = None,
        initial_state: Any = None,
        training: bool = False,
    ) -> Any:
        """As `call`, with None for the sequence of outputs if that, the first of what is returned, is `unused`."""
        sequence = self.return_sequences and 0 not in unused
        x, states = self._read(inputs, mask, initial_state, training, cell=self.return_state is True, sequence=sequence)
        if self.return_sequences and not sequence:
            x = None
        elif self.return_sequences:
            if mask is not None:
                x = x * ops.transpose(ops.cast(ops.cast(mask, "bool"), x.dtype))[:, :, None]
            x = ops.transpose(x, (1, 0, 2))
        else:
            x = ops.concatenate([state[0] for state in states[-len(self.readers[0]) :]], axis=-1)
        return (x, *self._flat(states)) if self.return_state else x

    def final_states(self, inputs: Any, mask: Any = None) -> list[Any]:
        """All states after a text, as `return_state=True` gives them: what `step` goes on from."""
        _, states = self._read(inputs, mask, sequence=False)
        return self._flat(states, self.num_states)

    def _read(
        self,
        inputs: Any,
        mask: Any,
        initial_state: Any = None,
        training: bool = False,
        cell: bool = True,
        sequence: bool = True,
    ) -> tuple[Any, list[tuple[Any, ...]]]:
        """The last layer's outputs, time-major, of no meaning without `sequence`, and the states of each reader."""
        states = self._initial_states(inputs, initial_state)
        x = ops.transpose(inputs, (1, 0, 2))  # (length, batch, dim)
        if mask is not None:
            mask = ops.transpose(ops.cast(mask, "bool"))
        for i, readers in enumerate(self.readers):
            outputs = []
            for direction, reader in enumerate(readers):
                place = i * len(readers) + direction
                output, states[place] = reader.read(
                    x,
                    states[place],
                    mask,
                    cell=cell,
                    sequence=sequence or i < self.num_layers - 1,
                    training=training,
                    alone=not self.bidirectional,
                )
                outputs.append(output)
            if i == self.num_layers - 1 and not sequence:
                break
            x = ops.concatenate(outputs, axis=-1) if self.bidirectional else outputs[0]
            if self.dropout and i < self.num_layers - 1:
                x = self.dropouts[i](x, training=training)
        return x, states

    def _flat(self, states: Any, kinds: int | None = None) -> list[Any]:
        """Those of all readers, kind by kind."""
        return [state[kind] for kind in range(kinds or self._number_of_kinds()) for state in states]

    def _number_of_kinds(self) -> int:
        """How many states of each reader are returned."""
        return 1 if self.return_state == "hidden" else self.num_states

    def step(self, inputs: Any, states: Any) -> tuple[Any, list[Any]]:
        """One step of a network that reads forwards, as a decoder takes it.

        Args:
            inputs: float `(batch, dim)`.
            states: list of the states before, as `return_state` gives them.

        Returns:
            The output `(batch, units)` and the list of the states after.
        """
        after = []
        for i, reader in enumerate(self.forward_readers):
            new = reader.step(inputs, tuple(states[i :: self.num_layers]))
            after.append(new)
            inputs = new[0]
        return inputs, [new[kind] for kind in range(self.num_states) for new in after]

    def _initial_states(self, inputs: Any, initial_state: Any) -> list[tuple[Any, ...]]:
        """A tuple of states for each reader."""
        number = len(self.forward_readers) + len(self.backward_readers)
        if initial_state is None:
            zeros = ops.zeros((ops.shape(inputs)[0], self.units), dtype=self.compute_dtype)
            return [(zeros,) * self.num_states for _ in range(number)]
        flat = list(initial_state) if isinstance(initial_state, (list, tuple)) else [initial_state]
        if len(flat) != number * self.num_states:
            raise ValueError(
                f"`initial_state` must hold {number * self.num_states} tensors, each `(batch, {self.units})`. "
                f"Received: {len(flat)}"
            )
        return [tuple(flat[i::number]) for i in range(number)]

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        sequence = mask if self.return_sequences else None
        return [sequence] + [None] * self._number_of_states() if self.return_state else sequence

    def _number_of_states(self) -> int:
        return self._number_of_kinds() * self.num_layers * (2 if self.bidirectional else 1)

    def compute_output_shape(self, inputs_shape: Any) -> Any:
        batch, length, _ = inputs_shape
        output = (batch, length, self.output_dim) if self.return_sequences else (batch, self.output_dim)
        return (output, *([(batch, self.units)] * self._number_of_states())) if self.return_state else output

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        config.update(
            {
                "units": self.units,
                "num_layers": self.num_layers,
                "bidirectional": self.bidirectional,
                "return_sequences": self.return_sequences,
                "return_state": self.return_state,
                "dropout": self.dropout,
            }
        )
        return config


class Reader(keras.layers.Layer):
    """The weights of one direction of one layer, and the kernel that reads with them."""

    def __init__(self, kind: str, units: int, reverse: bool, **kwargs: Any):
        super().__init__(**kwargs)
        self.kind = kind
        self.units = units
        self.reverse = reverse

    def build(self, inputs_shape: Any) -> None:
        self.kernel, self.recurrent_kernel, self.bias = recurrent_weights(self, self.kind, inputs_shape[-1], self.units)

    def read(self, inputs: Any, states: Any, mask: Any = None, **wanted: bool) -> Any:
        """As `recurrent`. No `call`: on PyTorch, calling a layer costs a tenth of what reading 100 steps does."""
        return recurrent(self.kind, inputs, self._weights(inputs.dtype), states, mask, self.reverse, **wanted)

    def step(self, inputs: Any, states: Any) -> tuple[Any, ...]:
        """As `recurrent_kernels.step`."""
        return step(self.kind, inputs, states, self._weights(inputs.dtype))

    def _weights(self, dtype: Any) -> tuple[Any, ...]:
        """In the precision of the inputs: outside a call Keras does not see to that."""
        return tuple(ops.cast(weight, dtype) for weight in (self.kernel, self.recurrent_kernel, self.bias))


def recurrent_weights(layer: Any, kind: str, dim: int, units: int) -> tuple[Any, Any, Any]:
    """Adds `(kernel, recurrent_kernel, bias)` of a network to a layer, laid out as `recurrent_kernels` reads them."""

    def initial_bias(shape: Any, dtype: Any) -> Any:
        """Zeros, and ones for the LSTM's forget gate: Jozefowicz et al. (2015), section 5."""
        bias = ops.zeros(shape, dtype=dtype)
        return ops.where((ops.arange(width) // units) == 1, ops.ones_like(bias), bias) if kind == "lstm" else bias

    width = CELLS[kind].num_gates * units
    return (
        layer.add_weight((dim, width), "glorot_uniform", name="kernel"),
        layer.add_weight((units, width), _orthogonal, name="recurrent_kernel"),
        layer.add_weight((2, width) if kind == "gru" else (width,), initial_bias, name="bias"),
    )


def _orthogonal(shape: Any, dtype: Any) -> Any:
    """Keras's, drawn in float32: JAX has no QR decomposition of bfloat16 on CPU."""
    return ops.cast(keras.initializers.Orthogonal()(shape, "float32"), dtype)


@keras.saving.register_keras_serializable(package="keras_nlp_zoo")
class RNN(Recurrent):
    """Elman recurrent network with a tanh state.

    Paper: Elman (1990), https://doi.org/10.1207/s15516709cog1402_1.

    Args:
        units: int. Width of the state; a bidirectional layer's output is twice as wide.
        num_layers: int. Layers, each reading the one below.
        bidirectional: bool. Whether to read backwards too; the outputs of both directions are concatenated.
        return_sequences: bool. Whether to return every step's output or the last one only.
        return_state: bool, or "hidden". Whether to return the final states as well; "hidden" leaves out the cell
            states of an `LSTM`, and is faster on PyTorch.
        dropout: float in `[0, 1)`. Dropout between the layers, as `torch.nn` does it.

    Call arguments:
        inputs: float `(batch, length, dim)`.
        mask: bool or int `(batch, length)`; 1 = token, 0 = padding. All ones if left out. A masked step leaves
            the states as they are and outputs zeros; a row that is all padding ends in its initial state. Any mask
            is exact; on PyTorch padding on the right is the fastest.
        initial_state: the states before the first step: a list, in number, order and shape what `return_state`
            gives, or the tensor if it is one only. Zeros if left out.
        training: bool. Whether dropout is active.

    Returns:
        `(batch, length, units)` with `return_sequences`, else `(batch, units)`, the last step's output (of a
        bidirectional layer the last step each direction reads). With `return_state` a tuple of that and the final
        states, each `(batch, units)`: the hidden states of the first layer (forward, then backward), of the second,
        and so on; after them the cell states of an `LSTM` in the same order.

    Raises:
        ValueError: an argument out of its range, or an initial state with too few or too many tensors.

    Example:
        output, hidden = RNN(64, return_sequences=True, return_state=True)(np.ones((32, 20, 100)))
    """

    kind = "rnn"


@keras.saving.register_keras_serializable(package="keras_nlp_zoo")
class LSTM(Recurrent):
    """Long short-term memory.

    Paper: Hochreiter and Schmidhuber (1997), https://doi.org/10.1162/neco.1997.9.8.1735.

    Arguments, inputs and outputs are those of `knz.layers.RNN`.

    Example:
        output, hidden, cell = LSTM(128, return_sequences=True, return_state=True)(np.ones((32, 20, 100)))
    """

    kind = "lstm"
    num_gates = 4
    num_states = 2


@keras.saving.register_keras_serializable(package="keras_nlp_zoo")
class GRU(Recurrent):
    """Gated recurrent unit, the reset gate after the matrix product as in cuDNN and `torch.nn`.

    Paper: Cho et al. (2014), https://arxiv.org/abs/1406.1078.

    Arguments, inputs and outputs are those of `knz.layers.RNN`.

    Example:
        output, hidden = GRU(128, return_sequences=True, return_state=True)(np.ones((16, 30, 100)))
    """

    kind = "gru"
    num_gates = 3


CELLS: dict[str, Any] = {"rnn": RNN, "lstm": LSTM, "gru": GRU}
