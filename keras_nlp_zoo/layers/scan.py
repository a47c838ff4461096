"""A loop over the steps of a sequence, on every backend."""

from typing import Any

from keras import ops


def scan(body: Any, states: Any, inputs: Any, mask: Any = None, reverse: bool = False) -> tuple[Any, Any]:
    """`states, outputs = body(states, row of inputs, row of mask)` for each step.

    `keras.ops.scan` with two of its faults kept out: on TensorFlow it cannot read two arrays of unknown length, so the
    mask travels as a column of the inputs; on PyTorch it fails where there is no step.

    Args:
        body: gets the states, `(batch, dim)` of the inputs, and bool `(batch, 1)` of the mask or None; returns the
            states and the outputs of the step, of the structure, shapes and dtypes of the states.
        states: the states before.
        inputs: `(length, batch, dim)`.
        mask: bool `(length, batch)`.
        reverse: begin with the last step.

    Returns:
        The states after, and the outputs, length first.
    """
    if inputs.shape[0] == 0:
        return states, tuple(ops.zeros((0, *ops.shape(s)), dtype=s.dtype) for s in states)
    if mask is None:
        return ops.scan(lambda states, row: body(states, row, None), states, inputs, reverse=reverse)
    inputs = ops.concatenate([inputs, ops.cast(mask, inputs.dtype)[:, :, None]], axis=-1)
    return ops.scan(lambda states, row: body(states, row[:, :-1], row[:, -1:] > 0), states, inputs, reverse=reverse)
