"""How a recurrent network reads a sequence: a reference in `keras.ops`, and a faster way on every backend.

`recurrent` is what the layers call; `reference` gives the same numbers with nothing clever in it. Sequences are
time-major here, `(length, batch, dim)`. A kind is "rnn", "lstm" or "gru", its weights laid out as in Keras: gates
i, f, g, o of the LSTM and z, r, n of the GRU side by side, two rows of biases for the GRU.

Keras's layers read masked text with a loop that the backend then differentiates. What is faster here, and why:

- The products with the inputs are one product for all steps.
- The backward loop computes only what the step before needs; the gradients of the weights are single products
  after it. On JAX on CPU an LSTM's gradient takes half the time of a differentiated loop.
- A sigmoid is a stretched tanh, so that the gates of a step are one tanh: XLA on CPU reads 1.7 times faster.
- On PyTorch the LSTM (and on CUDA every kind) is the library's own kernel. It knows no mask, so tokens are moved to
  the left and the state after the last one is picked out. Its RNN and GRU for CPU record every operation of every
  step for autograd; the loops here do not, and train 1.4 times faster.
"""

import functools
from typing import Any

import keras
import numpy as np
from keras import ops

BACKEND = keras.backend.backend()
if BACKEND == "jax":
    import jax
elif BACKEND == "tensorflow":
    import tensorflow as tf
elif BACKEND == "torch":
    import torch


def recurrent(
    kind: str, inputs: Any, weights: Any, states: Any, mask: Any = None, reverse: bool = False
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

    Returns:
        Outputs `(length, batch, units)`, in the order of the inputs and of no meaning at masked steps, and the tuple
        of the states after the last step that was read.
    """
    run = {"jax": _run_xla, "tensorflow": _run_xla, "torch": _run_torch}.get(BACKEND, reference)
    return run(kind, inputs, weights, tuple(states), mask, reverse)


# === Reference ===


def reference(
    kind: str, inputs: Any, weights: Any, states: Any, mask: Any = None, reverse: bool = False
) -> tuple[Any, tuple[Any, ...]]:
    """The same as `recurrent`, step by step as the papers have it; the backend differentiates it."""
    step = {"rnn": _rnn_step, "lstm": _lstm_step, "gru": _gru_step}[kind]

    def body(states: Any, xs: Any) -> tuple[Any, Any]:
        new = step(xs[0], states, *weights)
        if mask is not None:
            new = tuple(ops.where(xs[1], one, old) for one, old in zip(new, states, strict=True))
        return new, new

    xs = (inputs,) if mask is None else (inputs, ops.expand_dims(mask, -1))
    final, outputs = ops.scan(body, tuple(states), xs, reverse=reverse)
    return outputs[0], final


def _rnn_step(x: Any, states: Any, kernel: Any, recurrent_kernel: Any, bias: Any) -> tuple[Any, ...]:
    return (ops.tanh(x @ kernel + states[0] @ recurrent_kernel + bias),)


def _lstm_step(x: Any, states: Any, kernel: Any, recurrent_kernel: Any, bias: Any) -> tuple[Any, ...]:
    h, c = states
    i, f, g, o = ops.split(x @ kernel + h @ recurrent_kernel + bias, 4, axis=-1)
    c = ops.sigmoid(f) * c + ops.sigmoid(i) * ops.tanh(g)
    return ops.sigmoid(o) * ops.tanh(c), c


def _gru_step(x: Any, states: Any, kernel: Any, recurrent_kernel: Any, bias: Any) -> tuple[Any, ...]:
    (h,) = states
    xz, xr, xn = ops.split(x @ kernel + bias[0], 3, axis=-1)
    hz, hr, hn = ops.split(h @ recurrent_kernel + bias[1], 3, axis=-1)
    z = ops.sigmoid(xz + hz)
    n = ops.tanh(xn + ops.sigmoid(xr + hr) * hn)
    return (z * h + (1 - z) * n,)


# === JAX and TensorFlow: one algorithm in `keras.ops`, compiled by XLA ===


class _RNN:
    """h' = tanh(x + hR), with x the inputs' part of the gates."""

    num_states = 1
    scale = (1.0,)  # 0.5 where a gate is a sigmoid: sigmoid(a) = 0.5 * tanh(0.5 * a) + 0.5
    spare = 0  # multiples of `units` that the gates need beyond the products with the inputs

    @staticmethod
    def step(x: Any, products: Any, states: Any) -> tuple[Any, Any]:
        """The new states, and the gates as they are kept for the gradient."""
        h = ops.tanh(x + products)
        return (h,), h

    @staticmethod
    def factors(before: Any, after: Any, gates: Any, real: Any) -> tuple[Any, Any]:
        """What gradients are multiplied with: one tuple becomes gradients in `back`, the other is only read.

        `real` is 0 at masked steps, or None where there is no mask.
        """
        (h,) = after
        return (_masked(real, 1 - h * h),), (_passed_on(real),)

    @staticmethod
    def back(d_states: Any, d_output: Any, factors: Any, read: Any, transposed: Any) -> tuple[Any, Any]:
        """The gradients of the states before a step, and those that take the place of the factors."""
        dh = d_states[0] + d_output
        d_gates = dh * factors[0]
        return (_add(d_gates @ transposed, dh, read[0]),), (d_gates,)

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
    def step(x: Any, products: Any, states: Any) -> tuple[Any, Any]:
        gates = ops.tanh(x + products)
        i, f, g, o = ops.split(gates, 4, axis=-1)
        c = 0.5 * ((f + 1) * states[1] + (i + 1) * g)
        return ((0.5 * o + 0.5) * ops.tanh(c), c), gates

    @staticmethod
    def factors(before: Any, after: Any, gates: Any, real: Any) -> tuple[Any, Any]:
        i, f, g, o = ops.split(gates, 4, axis=-1)
        i, f, o = 0.5 * i + 0.5, 0.5 * f + 0.5, 0.5 * o + 0.5
        tanh_c = ops.tanh(after[1])
        parts = [g * i * (1 - i), before[1] * f * (1 - f), i * (1 - g * g), tanh_c * o * (1 - o)]
        cell = _masked(real, o * (1 - tanh_c * tanh_c))
        return (_masked(real, ops.concatenate(parts, axis=-1)),), (cell, _passed_on(real, f), _passed_on(real))

    @staticmethod
    def back(d_states: Any, d_output: Any, factors: Any, read: Any, transposed: Any) -> tuple[Any, Any]:
        cell, forget, past = read
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
    def step(x: Any, products: Any, states: Any) -> tuple[Any, Any]:
        units = states[0].shape[-1]
        update_reset = ops.tanh(x[:, : 2 * units] + products[:, : 2 * units])
        z, r = ops.split(0.5 * update_reset + 0.5, 2, axis=-1)
        recalled = products[:, 2 * units :]
        n = ops.tanh(x[:, 2 * units : 3 * units] + r * recalled)
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
        return (_add(d_products @ transposed, dh, read[0]),), (d_products, dh * d_n)

    @staticmethod
    def gate_gradients(gradients: Any) -> tuple[Any, Any]:
        d_products, d_n = gradients
        units = d_n.shape[-1]
        return ops.concatenate([d_products[..., : 2 * units], d_n], axis=-1), d_products


_CELLS: dict[str, Any] = {"rnn": _RNN, "lstm": _LSTM, "gru": _GRU}


def _masked(real: Any, factor: Any) -> Any:
    return factor if real is None else factor * real


def _passed_on(real: Any, factor: Any = None) -> Any:
    """The share of a state's gradient that goes past the gates: `factor` at real steps, all of it at masked ones."""
    if real is None:
        return factor
    return 1 - real if factor is None else 1 - real + real * factor


def _add(gradient: Any, passed: Any, factor: Any) -> Any:
    return gradient if factor is None else gradient + passed * factor


def _run_xla(
    kind: str, inputs: Any, weights: Any, states: Any, mask: Any, reverse: bool
) -> tuple[Any, tuple[Any, ...]]:
    masks = () if mask is None else (ops.expand_dims(mask, -1),)
    arguments = [ops.convert_to_tensor(a) for a in (inputs, *weights, *states, *masks)]
    outputs, *final = _xla_kernel(kind, reverse, tuple(weights[0].shape), bool(masks))(*arguments)
    return outputs, tuple(final)


@functools.cache
def _xla_kernel(kind: str, reverse: bool, kernel_shape: tuple[int, int], masked: bool) -> Any:
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
    # The biases join in the loop, where they cost nothing; the GRU has one for each side.
    input_bias, state_bias = (scaled_bias[0], scaled_bias[1]) if cell is _GRU else (None, scaled_bias)
    if cell.spare:
        input_bias = ops.pad(input_bias, [[0, cell.spare * units]])
    projected = inputs @ ops.pad(kernel * scale, [[0, 0], [0, cell.spare * units]])  # (length, batch, gates * units)

    def body(states: Any, arrays: Any, mask: Any) -> tuple[Any, Any]:
        x = arrays[0] if input_bias is None else arrays[0] + input_bias
        new, gates = cell.step(x, states[0] @ scaled_kernel + state_bias, states)
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
        d_output, *present = fixed
        at_step = [None if one is None else present.pop(0) for one in read]
        return cell.back(d_states, d_output, factors, at_step, transposed)

    # None is no tensor to loop over: what is missing is missing at every step.
    fixed = (d_outputs, *(one for one in read if one is not None))
    d_states, gradients = _loop(body, tuple(d_final), factors, fixed, not reverse)
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


# === PyTorch ===


def _run_torch(
    kind: str, inputs: Any, weights: Any, states: Any, mask: Any, reverse: bool
) -> tuple[Any, tuple[Any, ...]]:
    inputs, *weights = (ops.convert_to_tensor(a) for a in (inputs, *weights))
    states = tuple(ops.convert_to_tensor(state) for state in states)
    if mask is None:
        outputs, final = _torch_unmasked(kind, inputs.flip(0) if reverse else inputs, weights, states)
        return (outputs.flip(0) if reverse else outputs), final

    order = _reading_order(mask, reverse)
    if order is not None:
        inputs = _Reordered.apply(inputs, order)
    lengths = mask.sum(0)  # (batch,)
    if kind == "lstm":
        # The library hands out the last cell only. One more input, 1 beyond the text, shuts the input gate and opens
        # the forget gate there, so that the last cell is the one after the text.
        beyond = torch.arange(len(mask), device=mask.device)[:, None] >= lengths  # (length, batch)
        units = states[0].shape[-1]
        shut = torch.zeros_like(weights[0][:1])
        shut[:, :units], shut[:, units : 2 * units] = -1e4, 1e4
        beyond = beyond[:, :, None]
        inputs = torch.cat([inputs.masked_fill(beyond, 0), beyond.to(inputs.dtype)], dim=-1)
        weights[0] = torch.cat([weights[0], shut])
    outputs, final = _torch_unmasked(kind, inputs, weights, states)
    last = outputs[(lengths - 1).clamp(min=0), torch.arange(len(lengths), device=lengths.device)]
    final = (torch.where(lengths[:, None] > 0, last, states[0]), *final[1:])
    if order is not None:
        outputs = _Reordered.apply(outputs, order.argsort(0))
    return outputs, final


def _reading_order(mask: Any, reverse: bool) -> Any:
    """The steps of each text as they are read, masked ones last, `(length, batch)`; None if that is how they lie."""
    # On a GPU the question would cost more than the sort: the processor would have to wait for the answer.
    if not reverse and mask.device.type == "cpu" and not (mask[1:] & ~mask[:-1]).any():
        return None
    order = torch.argsort((~(mask.flip(0) if reverse else mask)).to(torch.int8), dim=0, stable=True)
    return len(mask) - 1 - order if reverse else order


_Function: Any = torch.autograd.Function if BACKEND == "torch" else object


class _Reordered(_Function):
    """Steps in another order, each text its own; the gradient of a permutation needs no sums."""

    @staticmethod
    def forward(context: Any, inputs: Any, order: Any) -> Any:
        context.save_for_backward(order)
        return _take_steps(inputs, order)

    @staticmethod
    def backward(context: Any, gradient: Any) -> Any:
        (order,) = context.saved_tensors
        return _take_steps(gradient, order.argsort(0)), None


def _take_steps(sequence: Any, order: Any) -> Any:
    length, batch, dim = sequence.shape
    rows = (order * batch + torch.arange(batch, device=order.device)).reshape(-1)
    return sequence.reshape(-1, dim).index_select(0, rows).reshape(length, batch, dim)


def _torch_unmasked(kind: str, inputs: Any, weights: Any, states: Any) -> tuple[Any, tuple[Any, ...]]:
    if kind == "lstm" or inputs.device.type != "cpu":
        return _torch_library(kind, inputs, weights, states)
    length, batch, dim = inputs.shape
    kernel, recurrent_kernel, bias = weights
    input_bias, *state_bias = bias.unbind(0) if kind == "gru" else (bias,)
    projected = torch.addmm(input_bias, inputs.reshape(-1, dim), kernel).view(length, batch, -1)
    loop = _TorchGRU if kind == "gru" else _TorchRNN
    outputs = loop.apply(projected, recurrent_kernel, *state_bias, *states)
    return outputs, (outputs[-1],)


def _torch_library(kind: str, inputs: Any, weights: Any, states: Any) -> tuple[Any, tuple[Any, ...]]:
    """PyTorch's own kernels: oneDNN's LSTM on CPU, cuDNN's networks on CUDA."""
    kernel, recurrent_kernel, bias = weights
    if kind == "gru":  # z, r, n here; r, z, n there
        kernel, recurrent_kernel, bias = (
            torch.cat([r, z, n], dim=-1) for z, r, n in (w.chunk(3, dim=-1) for w in weights)
        )
        biases = bias.unbind(0)
    else:
        biases = (bias, torch.zeros_like(bias))
    run: Any = {"rnn": torch.rnn_tanh, "lstm": torch.lstm, "gru": torch.gru}[kind]
    initial = [state[None].contiguous() for state in states]
    outputs, *final = run(
        inputs,
        initial if kind == "lstm" else initial[0],
        [kernel.t().contiguous(), recurrent_kernel.t().contiguous(), *biases],
        True,  # biases
        1,  # layers
        0.0,  # dropout
        torch.is_grad_enabled(),
        False,  # bidirectional
        False,  # batch first
    )
    return outputs, tuple(state[0] for state in final)


class _TorchRNN(_Function):
    """`(projected inputs (length, batch, units), recurrent_kernel, state) -> outputs`, without a mask."""

    @staticmethod
    def forward(context: Any, projected: Any, recurrent_kernel: Any, state: Any) -> Any:
        outputs = torch.empty_like(projected)
        h = state
        for x, out in zip(projected.unbind(0), outputs.unbind(0), strict=True):
            h = torch.addmm(x, h, recurrent_kernel, out=out).tanh_()
        context.save_for_backward(outputs, recurrent_kernel, state)
        return outputs

    @staticmethod
    def backward(context: Any, d_outputs: Any) -> Any:
        outputs, recurrent_kernel, state = context.saved_tensors
        factors = (1 - outputs * outputs).unbind(0)
        transposed = recurrent_kernel.t().contiguous()
        d_gates = torch.empty_like(outputs)
        d_outputs, at_step = d_outputs.unbind(0), d_gates.unbind(0)
        dh = d_outputs[-1]
        for t in reversed(range(len(factors))):
            torch.mul(dh, factors[t], out=at_step[t])
            dh = torch.addmm(d_outputs[t - 1], at_step[t], transposed) if t else at_step[0] @ transposed
        before = torch.cat([state[None], outputs[:-1]])
        return d_gates, before.flatten(0, 1).t() @ d_gates.flatten(0, 1), dh


class _TorchGRU(_Function):
    """`(projected inputs (length, batch, 3 * units), recurrent_kernel, state bias, state) -> outputs`."""

    @staticmethod
    def forward(context: Any, projected: Any, recurrent_kernel: Any, state_bias: Any, state: Any) -> Any:
        length, batch, _ = projected.shape
        units = state.shape[-1]
        outputs, candidates = (projected.new_empty(length, batch, units) for _ in range(2))
        gates = torch.empty_like(projected)  # z, r and the state's part of the candidate
        h = state
        steps = (sequence.unbind(0) for sequence in (projected, gates, candidates, outputs))
        for x, gate, n, out in zip(*steps, strict=True):
            torch.addmm(state_bias, h, recurrent_kernel, out=gate)
            gate[:, : 2 * units].add_(x[:, : 2 * units]).sigmoid_()
            z, r, recalled = gate.chunk(3, dim=-1)
            torch.addcmul(x[:, 2 * units :], r, recalled, out=n).tanh_()
            h = torch.lerp(n, h, z, out=out)
        context.save_for_backward(outputs, candidates, gates, recurrent_kernel, state)
        return outputs

    @staticmethod
    def backward(context: Any, d_outputs: Any) -> Any:
        outputs, n, gates, recurrent_kernel, state = context.saved_tensors
        length, batch, _ = outputs.shape
        z, r, recalled = gates.chunk(3, dim=-1)
        before = torch.cat([state[None], outputs[:-1]])
        d_n = (1 - z) * (1 - n * n)
        # What a step's dh is multiplied with, for each gate.
        factors = torch.stack([(before - n) * z * (1 - z), d_n * recalled * r * (1 - r), d_n * r], dim=2)
        transposed = recurrent_kernel.t().contiguous()
        d_hidden, d_gates = torch.empty_like(outputs), torch.empty_like(factors)
        d_outputs, hiddens, passed = d_outputs.unbind(0), d_hidden.unbind(0), z.unbind(0)
        hiddens[-1].copy_(d_outputs[-1])
        for t in reversed(range(length)):
            torch.mul(hiddens[t][:, None], factors[t], out=d_gates[t])
            at_step = d_gates[t].view(batch, -1)
            if t:
                torch.addcmul(d_outputs[t - 1], hiddens[t], passed[t], out=hiddens[t - 1]).addmm_(at_step, transposed)
        d_state = (hiddens[0] * passed[0]).addmm_(at_step, transposed)
        d_projected = torch.cat([d_gates[:, :, :2].flatten(2), d_hidden * d_n], dim=-1)
        d_gates = d_gates.view(length * batch, -1)
        return d_projected, before.flatten(0, 1).t() @ d_gates, d_gates.sum(0), d_state
