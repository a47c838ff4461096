"""How a recurrent network reads a sequence: a reference in `keras.ops`, and a faster way on every backend.

`recurrent` is what the layers call; `reference` gives the same numbers with nothing clever in it; `step` is one step
of it, for decoders that write their inputs as they go. A kind is "rnn", "lstm" or "gru", its weights laid out as in
Keras: gates i, f, g, o of the LSTM and z, r, n of the GRU side by side, two rows of biases for the GRU. Sequences are
time-major here, `(length, batch, dim)`.

Keras's layers read masked text with a loop that the backend then differentiates. `recurrent_kernels_xla.py` (JAX and
TensorFlow), `recurrent_kernels_torch.py` and `recurrent_kernels_torch_gpu.py` do better and say why.
"""

from typing import Any

import keras
from keras import ops

from keras_nlp_zoo.layers.scan import scan

BACKEND = keras.backend.backend()
tanh: Any = ops.tanh
fused: Any = None
if BACKEND == "torch":
    from keras_nlp_zoo.layers.recurrent_kernels_torch import run as fused
elif BACKEND in ("jax", "tensorflow"):
    from keras_nlp_zoo.layers.recurrent_cells_xla import tanh
    from keras_nlp_zoo.layers.recurrent_kernels_xla import run as fused


def recurrent(
    kind: str,
    inputs: Any,
    weights: Any,
    states: Any,
    mask: Any = None,
    reverse: bool = False,
    cell: bool = True,
    sequence: bool = True,
    training: bool = True,
    alone: bool = True,
) -> tuple[Any, tuple[Any, ...]]:
    """Reads a sequence as fast as the backend can.

    Args:
        kind: "rnn", "lstm" or "gru".
        inputs: float `(length, batch, dim)`.
        weights: `(kernel, recurrent_kernel, bias)`, shaped `(dim, gates * units)`, `(units, gates * units)` and
            `(gates * units,)`; the bias of a "gru" is `(2, gates * units)`, one for the inputs, one for the state.
        states: tuple of the initial states, each `(batch, units)`; the LSTM has two, hidden and cell.
        mask: bool `(length, batch)`, true for tokens, or None. A masked step leaves the states as they are.
        reverse: bool. Whether to read from the last step to the first.
        cell: bool. Whether an LSTM's last cell is wanted; if not, what is returned for it has no meaning.
        sequence: bool. Whether the outputs are wanted; if not, what is returned for them has no meaning.
        training: bool. Whether a gradient will be asked for; it may be anyway, and then takes longer.
        alone: bool. Whether nothing else is read at the same time, as another direction is.

    Returns:
        Outputs `(length, batch, units)`, in the order of the inputs and of no meaning at masked steps, and the tuple
        of the states after the last step that was read.
    """
    wanted = {"cell": cell, "sequence": sequence, "training": training, "alone": alone}
    return (fused or reference)(kind, inputs, weights, tuple(states), mask, reverse, **wanted)


def reference(
    kind: str, inputs: Any, weights: Any, states: Any, mask: Any = None, reverse: bool = False, **wanted: bool
) -> tuple[Any, tuple[Any, ...]]:
    """The same as `recurrent`, step by step as the papers have it, all of it always; the backend differentiates it."""

    def body(states: Any, row: Any, real: Any) -> tuple[Any, Any]:
        new = step(kind, row, states, weights)
        if real is not None:
            new = tuple(ops.where(real, one, old) for one, old in zip(new, states, strict=True))
        return new, new

    final, outputs = scan(body, tuple(states), inputs, mask, reverse)
    return outputs[0], final


def step(kind: str, inputs: Any, states: Any, weights: Any) -> tuple[Any, ...]:
    """The states after one step: `inputs` are `(batch, dim)`, all else is as in `recurrent`."""
    return {"rnn": _rnn_step, "lstm": _lstm_step, "gru": _gru_step}[kind](inputs, states, *weights)


def _rnn_step(x: Any, states: Any, kernel: Any, recurrent_kernel: Any, bias: Any) -> tuple[Any, ...]:
    return (tanh(x @ kernel + states[0] @ recurrent_kernel + bias),)


def _lstm_step(x: Any, states: Any, kernel: Any, recurrent_kernel: Any, bias: Any) -> tuple[Any, ...]:
    h, c = states
    i, f, g, o = ops.split(x @ kernel + h @ recurrent_kernel + bias, 4, axis=-1)
    c = ops.sigmoid(f) * c + ops.sigmoid(i) * tanh(g)
    return ops.sigmoid(o) * tanh(c), c


def _gru_step(x: Any, states: Any, kernel: Any, recurrent_kernel: Any, bias: Any) -> tuple[Any, ...]:
    (h,) = states
    xz, xr, xn = ops.split(x @ kernel + bias[0], 3, axis=-1)
    hz, hr, hn = ops.split(h @ recurrent_kernel + bias[1], 3, axis=-1)
    z = ops.sigmoid(xz + hz)
    n = tanh(xn + ops.sigmoid(xr + hr) * hn)
    return (z * h + (1 - z) * n,)
