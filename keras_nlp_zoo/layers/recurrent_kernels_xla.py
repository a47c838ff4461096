"""How JAX and TensorFlow read a sequence: one algorithm, compiled by XLA. See `recurrent_kernels.py`.

Why this is fast:

- The products with the inputs are one product for all steps.
- The backward loop computes only what the step before needs; the gradients of the weights are single products
  after it. On JAX on CPU an LSTM's gradient takes half the time of a differentiated loop.
- A sigmoid is a stretched tanh, so that the gates of a step are one tanh: XLA on CPU reads 1.7 times faster.
"""

import functools
from typing import Any

import keras
import numpy as np
from keras import ops

BACKEND = keras.backend.backend()
if BACKEND == "jax":
    import jax

    from keras_nlp_zoo.layers import recurrent_kernels_cudnn as cudnn

    tanh: Any = jax.numpy.tanh  # keras.ops.tanh would round float64 to float32
else:
    import tensorflow as tf

    tanh = tf.tanh


def run(
    kind: str, inputs: Any, weights: Any, states: Any, mask: Any, reverse: bool, cell: bool
) -> tuple[Any, tuple[Any, ...]]:
    """As `recurrent`; the cell costs nothing here."""
    arrays = [ops.convert_to_tensor(a) for a in (inputs, *weights, *states)]
    if BACKEND == "jax" and cudnn.can_read(kind, arrays):
        return cudnn.run(arrays[0], arrays[1:4], arrays[4:], mask, reverse)
    if mask is not None:
        arrays.append(ops.expand_dims(mask, -1))
    outputs, *final = _kernel(kind, reverse, tuple(weights[0].shape), mask is not None)(*arrays)
    return outputs, tuple(final)


class _RNN:
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


class _LSTM:
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

    gate_gradients = _RNN.gate_gradients


class _GRU:
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


_CELLS: dict[str, Any] = {"rnn": _RNN, "lstm": _LSTM, "gru": _GRU}


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


@functools.cache
def _kernel(kind: str, reverse: bool, kernel_shape: tuple[int, int], masked: bool) -> Any:
    """`(inputs, kernel, recurrent_kernel, bias, *states[, mask (length, batch, 1)]) -> (outputs, *states)`.

    One for each shape of the weights, so that TensorFlow traces it again for other batches and lengths only, and
    after the second for none.
    """
    forward = functools.partial(_forward, _CELLS[kind], reverse)
    backward = functools.partial(_backward, _CELLS[kind], reverse)
    return (_jax_kernel if BACKEND == "jax" else _tensorflow_kernel)(forward, backward)


def _jax_kernel(forward: Any, backward: Any) -> Any:
    kernel = jax.custom_vjp(lambda *arguments: forward(*arguments)[0])
    kernel.defvjp(forward, backward)
    return jax.jit(kernel)


def _tensorflow_kernel(forward: Any, backward: Any) -> Any:
    # Compiled even where the model around it is not: operation by operation a step costs half as much again.
    compiled = functools.partial(tf.function, autograph=False, jit_compile=True, reduce_retracing=True)
    forward, backward = compiled(forward), compiled(backward)

    @tf.custom_gradient
    def kernel(*arguments: Any) -> Any:
        # Without stop_gradient a tape would record the loop inside as well.
        outputs, residuals = forward(*(tf.stop_gradient(a) for a in arguments))
        return outputs, lambda *gradients: backward(residuals, gradients)

    # A variable among the arguments of a custom gradient must be declared; its value need not.
    return lambda *arguments: kernel(*(tf.convert_to_tensor(a) for a in arguments))


def _forward(
    cell: Any, reverse: bool, inputs: Any, kernel: Any, recurrent_kernel: Any, bias: Any, *rest: Any
) -> tuple[Any, Any]:
    states, mask = rest[: cell.num_states], rest[cell.num_states :]
    units = states[0].shape[-1]
    scale = ops.cast(np.repeat(cell.scale, units), inputs.dtype)
    scaled_kernel, scaled_bias = recurrent_kernel * scale, bias * scale
    projected = inputs @ ops.pad(kernel * scale, [[0, 0], [0, cell.spare * units]])  # (length, batch, gates * units)

    def body(states: Any, arrays: Any, mask: Any) -> tuple[Any, Any]:
        # The biases join here, where they cost nothing.
        new, gates = cell.step(arrays[0], states[0] @ scaled_kernel, scaled_bias, states)
        if mask:
            new = tuple(ops.where(mask[0], one, old) for one, old in zip(new, states, strict=True))
        return new, (gates, *new)

    # Gates take the place of the projected inputs they are made of. Memory is time here: what has to be fetched
    # from the system anew at every call costs as much as computing it.
    empty = ops.zeros((*ops.shape(inputs)[:2], units), dtype=inputs.dtype)
    final, (gates, *after) = _loop(body, states, (projected, *[empty] * cell.num_states), mask, reverse)
    return (after[0], *final), (inputs, kernel, recurrent_kernel, states, mask, gates, after)


def _backward(cell: Any, reverse: bool, residuals: Any, gradients: Any) -> tuple[Any, ...]:
    inputs, kernel, recurrent_kernel, states, mask, gates, after = residuals
    d_outputs, *d_final = gradients
    before = [_one_later(first, sequence, reverse) for first, sequence in zip(states, after, strict=True)]
    factors, read = cell.factors(before, after, gates, ops.cast(mask[0], inputs.dtype) if mask else None)
    transposed = ops.transpose(recurrent_kernel)

    def body(d_states: Any, factors: Any, fixed: Any) -> tuple[Any, Any]:
        d_output, *read = fixed
        return cell.back(d_states, d_output, factors, read, transposed)

    d_states, gradients = _loop(body, tuple(d_final), factors, (d_outputs, *read), not reverse)
    d_projected, d_products = cell.gate_gradients(gradients)
    d_bias = ops.sum(d_products, axis=(0, 1))
    if cell is _GRU:
        d_bias = ops.stack([ops.sum(d_projected, axis=(0, 1)), d_bias])
    return (
        d_projected @ ops.transpose(kernel),
        _product_over_steps(inputs, d_projected),
        _product_over_steps(before[0], d_products),
        d_bias,
        *d_states,
        *(None for _ in mask),
    )


def _one_later(first: Any, sequence: Any, reverse: bool) -> Any:
    """The state before each step, from the states after each step."""
    parts = [sequence[1:], first[None]] if reverse else [first[None], sequence[:-1]]
    return ops.concatenate(parts, axis=0)


def _product_over_steps(a: Any, b: Any) -> Any:
    """`sum over steps and batch of a^T b`, `(dim of a, dim of b)`."""
    a = ops.transpose(ops.reshape(a, (-1, a.shape[-1])))
    b = ops.reshape(b, (-1, b.shape[-1]))
    if BACKEND == "jax":
        # XLA would fold the transposition into the product, whose CPU version is then 1.6 times slower.
        a = jax.lax.optimization_barrier(a)
    return a @ b


def _loop(body: Any, states: Any, arrays: Any, fixed: Any, reverse: bool) -> tuple[Any, Any]:
    """Runs `states, rows = body(states, rows of arrays, rows of fixed)` along the first axis, from either end.

    The rows that it returns overwrite those of `arrays`. `keras.ops.scan` cannot, and on TensorFlow it asks that
    outputs be shaped like the states.
    """
    loop = _jax_loop if BACKEND == "jax" else _tensorflow_loop
    return loop(body, tuple(states), tuple(arrays), tuple(fixed), reverse)


def _jax_loop(body: Any, states: Any, arrays: Any, fixed: Any, reverse: bool) -> tuple[Any, Any]:
    length = arrays[0].shape[0]

    def step(k: Any, carry: Any) -> Any:
        states, arrays = carry
        t = length - 1 - k if reverse else k
        rows = [tuple(jax.lax.dynamic_index_in_dim(a, t, keepdims=False) for a in group) for group in (arrays, fixed)]
        states, new = body(states, *rows)
        update = jax.lax.dynamic_update_index_in_dim
        return tuple(states), tuple(update(a, one, t, 0) for a, one in zip(arrays, new, strict=True))

    return jax.lax.fori_loop(0, length, step, (states, arrays))


def _tensorflow_loop(body: Any, states: Any, arrays: Any, fixed: Any, reverse: bool) -> tuple[Any, Any]:
    length = tf.shape(arrays[0])[0]
    arrays, fixed = (
        tuple(tf.TensorArray(a.dtype, length, element_shape=a.shape[1:]).unstack(a) for a in group)
        for group in (arrays, fixed)
    )

    def step(k: Any, states: Any, arrays: Any) -> Any:
        t = length - 1 - k if reverse else k
        states, new = body(states, tuple(a.read(t) for a in arrays), tuple(a.read(t) for a in fixed))
        return k + 1, tuple(states), tuple(a.write(t, one) for a, one in zip(arrays, new, strict=True))

    _, states, arrays = tf.while_loop(lambda k, *_: k < length, step, (0, states, arrays))
    return states, tuple(a.stack() for a in arrays)
