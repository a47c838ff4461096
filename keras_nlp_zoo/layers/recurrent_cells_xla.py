"""The recurrent cells as XLA computes them: a step, and its gradient by hand. See `recurrent_kernels_xla.py`.

Arrays of a step are `(batch, ...)`, those of the gradient's factors `(length, batch, ...)`; gates are `(..., gates *
units)`, states and outputs `(..., units)`.
"""

from typing import Any

import keras
from keras import ops

if keras.backend.backend() == "jax":
    import jax

    tanh: Any = jax.numpy.tanh  # keras.ops.tanh would round float64 to float32
else:
    import tensorflow as tf

    tanh = tf.tanh


class RNN:
    """h' = tanh(x + hR), with x the inputs' part of the gates."""

    num_states = 1
    scale = (1.0,)  # 0.5 where a gate is a sigmoid: sigmoid(a) = 0.5 * tanh(0.5 * a) + 0.5
    spare = 0  # multiples of `units` that the gates need beyond the products with the inputs

    @staticmethod
    def step(x: Any, products: Any, bias: Any, states: Any) -> tuple[Any, Any]:
        """The new states, and the gates as they are kept for the gradient."""
        h = tanh(x + products + bias)
        return (h,), h

    @staticmethod
    def factors(before: Any, after: Any, gates: Any, real: Any) -> tuple[Any, Any]:
        """What gradients are multiplied with: one tuple becomes gradients in `back`, the other is only read.

        `real` is 0 at masked steps, or None where there is no mask.
        """
        (h,) = after
        return (_masked(real, 1 - h * h),), _past(real)

    @staticmethod
    def back(d_states: Any, d_output: Any, factors: Any, read: Any, transposed: Any) -> tuple[Any, Any]:
        """The gradients of the states before a step, and those that take the place of the factors."""
        dh = d_states[0] + d_output
        d_gates = dh * factors[0]
        return (_add(d_gates @ transposed, dh, read),), (d_gates,)

    @staticmethod
    def gate_gradients(gradients: Any) -> tuple[Any, Any]:
        """Gradients of the inputs' and of the state's part of the gates, `(length, batch, gates * units)`."""
        return gradients[0], gradients[0]


class LSTM:
    """c' = f c + i g, h' = o tanh(c'), with i, f, o the sigmoids and g the tanh of x + hR."""

    num_states = 2
    scale = (0.5, 0.5, 1.0, 0.5)
    spare = 0

    @staticmethod
    def step(x: Any, products: Any, bias: Any, states: Any) -> tuple[Any, Any]:
        gates = tanh(x + products + bias)
        i, f, g, o = ops.split(gates, 4, axis=-1)
        c = 0.5 * ((f + 1) * states[1] + (i + 1) * g)
        return ((0.5 * o + 0.5) * tanh(c), c), gates

    @staticmethod
    def factors(before: Any, after: Any, gates: Any, real: Any) -> tuple[Any, Any]:
        i, f, g, o = ops.split(gates, 4, axis=-1)
        i, f, o = 0.5 * i + 0.5, 0.5 * f + 0.5, 0.5 * o + 0.5
        tanh_c = tanh(after[1])
        parts = [g * i * (1 - i), before[1] * f * (1 - f), i * (1 - g * g), tanh_c * o * (1 - o)]
        cell = _masked(real, o * (1 - tanh_c * tanh_c))
        return (_masked(real, ops.concatenate(parts, axis=-1)),), (cell, _passed_on(real, f), *_past(real))

    @staticmethod
    def back(d_states: Any, d_output: Any, factors: Any, read: Any, transposed: Any) -> tuple[Any, Any]:
        cell, forget, *past = read
        dh = d_states[0] + d_output
        dc = d_states[1] + dh * cell
        d_gates = ops.concatenate([dc, dc, dc, dh], axis=-1) * factors[0]
        return (_add(d_gates @ transposed, dh, past), dc * forget), (d_gates,)

    gate_gradients = RNN.gate_gradients


class GRU:
    """h' = z h + (1 - z) n, with z, r the sigmoids of x + hR and n = tanh(x + r hR)."""

    num_states = 1
    scale = (0.5, 0.5, 1.0)
    # z, r, the state's part of n, and n: in one piece, or XLA copies the whole sequence at every step.
    spare = 1

    @staticmethod
    def step(x: Any, products: Any, bias: Any, states: Any) -> tuple[Any, Any]:
        units = states[0].shape[-1]
        x, products = x[:, : 3 * units] + bias[0], products + bias[1]
        update_reset = tanh(x[:, : 2 * units] + products[:, : 2 * units])
        z, r = ops.split(0.5 * update_reset + 0.5, 2, axis=-1)
        recalled = products[:, 2 * units :]
        n = tanh(x[:, 2 * units :] + r * recalled)
        return (z * states[0] + (1 - z) * n,), ops.concatenate([update_reset, recalled, n], axis=-1)

    @staticmethod
    def factors(before: Any, after: Any, gates: Any, real: Any) -> tuple[Any, Any]:
        z, r, recalled, n = ops.split(gates, 4, axis=-1)
        z, r = 0.5 * z + 0.5, 0.5 * r + 0.5
        d_n = (1 - z) * (1 - n * n)
        parts = [(before[0] - n) * z * (1 - z), d_n * recalled * r * (1 - r), d_n * r]
        return (_masked(real, ops.concatenate(parts, axis=-1)), _masked(real, d_n)), (_passed_on(real, z),)

    @staticmethod
    def back(d_states: Any, d_output: Any, factors: Any, read: Any, transposed: Any) -> tuple[Any, Any]:
        gates, d_n = factors
        dh = d_states[0] + d_output
        d_products = ops.concatenate([dh, dh, dh], axis=-1) * gates
        return (_add(d_products @ transposed, dh, read),), (d_products, dh * d_n)

    @staticmethod
    def gate_gradients(gradients: Any) -> tuple[Any, Any]:
        d_products, d_n = gradients
        units = d_n.shape[-1]
        return ops.concatenate([d_products[..., : 2 * units], d_n], axis=-1), d_products


CELLS: dict[str, Any] = {"rnn": RNN, "lstm": LSTM, "gru": GRU}


def _masked(real: Any, factor: Any) -> Any:
    return factor if real is None else factor * real


def _passed_on(real: Any, factor: Any) -> Any:
    """The share of a state's gradient that goes past the gates: `factor` at real steps, all of it at masked ones."""
    return factor if real is None else 1 - real + real * factor


def _past(real: Any) -> tuple[Any, ...]:
    """The same where a real step lets nothing past; nothing to read where there is no mask."""
    return () if real is None else (1 - real,)


def _add(gradient: Any, passed: Any, factors: Any) -> Any:
    return gradient + passed * factors[0] if factors else gradient
