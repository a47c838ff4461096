"""How JAX and TensorFlow read a sequence: one algorithm, compiled by XLA. See `recurrent_kernels.py`.

Why this is fast:

- The products with the inputs are one product for all steps.
- The backward loop computes only what the step before needs; the gradients of the weights are single products
  after it. On JAX on CPU an LSTM's gradient takes half the time of a differentiated loop.
- A sigmoid is a stretched tanh, so that the gates of a step are one tanh: XLA on CPU reads 1.7 times faster.
- Where there is padding, texts are sorted, the longest first, and long ones read in four stages, each with fewer texts
  than the one before: of lengths spread evenly up to the longest, three tenths of the work are not done.
- A loop runs on one core. TensorFlow trains on two halves of a batch at a time: on two cores an lstm 1.4 times as
  fast, a gru 1.2. Two directions are two loops already. JAX's programs run one loop after the other.
- On a GPU, which reads all texts as fast as one, JAX reads them in one loop of a known length, ten steps in a round:
  then XLA hands it the kernels of a round at once. On an H200 (32 texts of 100 tokens, 128 units) training takes 1.2
  to 1.5 ms, 4.6 to 5.4 in stages; cuDNN's LSTM, as `jax.experimental.rnn` calls it, 4.2. To read takes 0.45, cuDNN 1.6.
"""

import functools
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_nlp_zoo.layers.recurrent_cells_xla import CELLS, GRU

BACKEND = keras.backend.backend()
if BACKEND == "jax":
    import jax
else:
    import tensorflow as tf

STAGES = 4
SHORT = 32  # steps: up to here batches are of texts of about one length, and stages are not worth compiling
STEPS_IN_A_ROUND = 10
MANY = 16  # texts: from here on two halves of a batch are read at a time


def run(
    kind: str,
    inputs: Any,
    weights: Any,
    states: Any,
    mask: Any,
    reverse: bool,
    *,
    training: bool,
    alone: bool = True,
    **wanted: bool,
) -> tuple[Any, tuple[Any, ...]]:
    """As `recurrent`; to leave out what else is not wanted is up to XLA."""
    arrays = [ops.convert_to_tensor(a) for a in (inputs, *weights, *states)]
    if mask is not None:
        arrays.append(ops.expand_dims(mask, -1))
    kernel = _kernel(kind, reverse, tuple(weights[0].shape), mask is not None, bool(training), _on_gpu())
    if BACKEND == "tensorflow" and training and alone:
        kernel = functools.partial(_in_halves, kernel)
    outputs, *final = kernel(*arrays)
    return outputs, tuple(final)


def _on_gpu() -> bool:
    """Whether JAX computes on one. (On TensorFlow a graph does not know how long texts are.)"""
    if BACKEND != "jax":
        return False
    config: Any = jax.config
    chosen = config.jax_default_device  # None, a device or a platform
    device = chosen if isinstance(chosen, jax.Device) else jax.devices(chosen)[0]
    return device.platform == "gpu"


@functools.cache
def _kernel(kind: str, reverse: bool, kernel_shape: tuple[int, int], masked: bool, training: bool, gpu: bool) -> Any:
    """`(inputs, kernel, recurrent_kernel, bias, *states[, mask (length, batch, 1)]) -> (outputs, *states)`.

    One for each shape of the weights, so that TensorFlow traces it again for other batches and lengths only, and
    after the second for none.
    """
    read, forward = (functools.partial(_forward, CELLS[kind], reverse, gpu, keep) for keep in (False, True))
    backward = functools.partial(_backward, CELLS[kind], reverse, gpu)
    return (
        _jax_kernel(read, forward, backward)
        if BACKEND == "jax"
        else _tensorflow_kernel(forward if training else read, forward, backward)
    )


def _jax_kernel(read: Any, forward: Any, backward: Any) -> Any:
    kernel = jax.custom_vjp(lambda *arguments: read(*arguments)[0])
    kernel.defvjp(forward, backward)
    return jax.jit(kernel)


def _tensorflow_kernel(read: Any, forward: Any, backward: Any) -> Any:
    # Compiled even where the model around it is not: operation by operation a step costs half as much again.
    compiled = functools.partial(tf.function, autograph=False, jit_compile=True, reduce_retracing=True)
    forward, backward, read = compiled(forward), compiled(backward), compiled(read)

    @tf.custom_gradient
    def kernel(*arguments: Any) -> Any:
        # Without stop_gradient a tape would record the loop inside as well.
        arguments = tuple(tf.stop_gradient(a) for a in arguments)
        outputs, residuals = read(*arguments)
        # A gradient of what was not read for one reads once more.
        return outputs, lambda *gradients: backward(residuals or forward(*arguments)[1], gradients)

    # A variable among the arguments of a custom gradient must be declared; its value need not.
    return lambda *arguments: kernel(*(tf.convert_to_tensor(a) for a in arguments))


def _in_halves(kernel: Any, inputs: Any, *rest: Any) -> Any:
    """What a kernel returns for a batch, half of which each of two cores reads; arguments as `_kernel` has them.

    Texts are the last axis but one: of inputs, outputs and mask `(length, batch, ...)`, and of states `(batch, units)`.
    """
    texts = inputs.shape[1]
    # Of a batch of unknown size, the last of an epoch, TensorFlow cannot differentiate a choice between two ways.
    if texts is None or texts < MANY or tf.config.list_logical_devices("GPU"):
        return kernel(inputs, *rest)
    weights, by_text = rest[:3], rest[3:]
    sizes = [texts - texts // 2, texts // 2]
    parts = zip(*(tf.split(a, sizes, axis=a.shape.rank - 2) for a in (inputs, *by_text)), strict=True)
    read = [kernel(part[0], *weights, *part[1:]) for part in parts]
    return [tf.concat(both, axis=both[0].shape.rank - 2) for both in zip(*read, strict=True)]


def _forward(
    cell: Any,
    reverse: bool,
    gpu: bool,
    keep: bool,
    inputs: Any,
    kernel: Any,
    recurrent_kernel: Any,
    bias: Any,
    *rest: Any,
) -> tuple[Any, Any]:
    """Outputs and final states, and what the gradient needs if it is to be kept."""
    states, mask = rest[: cell.num_states], rest[cell.num_states :]
    order, ends = _longest_first(mask[0]) if mask and not gpu else (None, None)
    (inputs,), mask = _ordered((inputs,), order, axis=1), _ordered(mask, order, axis=1)
    states = _ordered(states, order)
    units = states[0].shape[-1]
    scale = ops.cast(np.repeat(cell.scale, units), inputs.dtype)
    scaled_kernel, scaled_bias = recurrent_kernel * scale, bias * scale
    spare = cell.spare * units if keep else 0
    projected = inputs @ ops.pad(kernel * scale, [[0, 0], [0, spare]])  # (length, batch, gates * units)

    def body(states: Any, arrays: Any, fixed: Any) -> tuple[Any, Any]:
        x, *real = (arrays[0], *fixed) if keep else fixed
        # The biases join here, where they cost nothing.
        new, gates = cell.step(x, states[0] @ scaled_kernel, scaled_bias, states)
        if real:
            new = tuple(ops.where(real[0], one, old) for one, old in zip(new, states, strict=True))
        return new, (gates, *new) if keep else new[:1]

    # Where no step is read the states are those before the first, which a gradient from the end asks for.
    room = [ops.broadcast_to(state, (*ops.shape(inputs)[:2], units)) for state in states]
    if not keep:
        final, outputs = _loop(body, states, room[:1], (projected, *mask), reverse, ends, gpu)
        return (*_restored(outputs, order, axis=1), *_restored(final, order)), ()
    # Gates take the place of the projected inputs they are made of. Memory is time here: what has to be fetched
    # from the system anew at every call costs as much as computing it.
    final, (gates, *after) = _loop(body, states, (projected, *room), mask, reverse, ends, gpu)
    residuals = (inputs, kernel, recurrent_kernel, states, mask, order, ends, gates, after)
    return (*_restored(after[:1], order, axis=1), *_restored(final, order)), residuals


def _backward(cell: Any, reverse: bool, gpu: bool, residuals: Any, gradients: Any) -> tuple[Any, ...]:
    inputs, kernel, recurrent_kernel, states, mask, order, ends, gates, after = residuals
    (d_outputs,), d_final = _ordered(gradients[:1], order, axis=1), _ordered(gradients[1:], order)
    before = [_one_later(first, sequence, reverse) for first, sequence in zip(states, after, strict=True)]
    factors, read = cell.factors(before, after, gates, ops.cast(mask[0], inputs.dtype) if mask else None)
    transposed = ops.transpose(recurrent_kernel)

    def body(d_states: Any, factors: Any, fixed: Any) -> tuple[Any, Any]:
        d_output, *read = fixed
        return cell.back(d_states, d_output, factors, read, transposed)

    # Where no step is read the factors stay, which the mask has made zeros, as the gradients there are.
    d_states, gradients = _loop(body, d_final, factors, (d_outputs, *read), not reverse, ends, gpu)
    d_projected, d_products = cell.gate_gradients(gradients)
    d_bias = ops.sum(d_products, axis=(0, 1))
    if cell is GRU:
        d_bias = ops.stack([ops.sum(d_projected, axis=(0, 1)), d_bias])
    return (
        *_restored([d_projected @ ops.transpose(kernel)], order, axis=1),
        _product_over_steps(inputs, d_projected),
        _product_over_steps(before[0], d_products),
        d_bias,
        *_restored(d_states, order),
        *(None for _ in mask),
    )


def _longest_first(mask: Any) -> tuple[Any, Any]:
    """The order of the texts by where their last token stands, and how many steps each has up to it, in that order."""
    steps = ops.arange(1, ops.shape(mask)[0] + 1, dtype="int32")[:, None]
    ends = ops.max(ops.where(mask[:, :, 0], steps, 0), axis=0)
    order = ops.argsort(-ends)
    return order, _pick(ends, order, 0)


def _ordered(arrays: Any, order: Any, axis: int = 0) -> tuple[Any, ...]:
    return tuple(a if order is None else _pick(a, order, axis) for a in arrays)


def _restored(arrays: Any, order: Any, axis: int = 0) -> tuple[Any, ...]:
    return _ordered(arrays, None if order is None else ops.argsort(order), axis)


def _pick(array: Any, order: Any, axis: int) -> Any:
    if BACKEND == "tensorflow":
        return tf.gather(array, order, axis=axis)
    return array.at[(slice(None),) * axis + (order,)].get(mode="promise_in_bounds", unique_indices=True)


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


def _loop(
    body: Any, states: Any, arrays: Any, fixed: Any, reverse: bool, ends: Any = None, gpu: bool = False
) -> tuple[Any, Any]:
    """Runs `states, rows = body(states, rows of arrays, rows of fixed)` along the first axis, from either end.

    The rows that it returns overwrite those of `arrays`. `keras.ops.scan` cannot, and on TensorFlow it asks that
    outputs be shaped like the states. With `ends`, falling, text `i` is read at its first `ends[i]` steps only, or at
    some more; elsewhere its states and its part of `arrays` stay as they are.
    """
    length, batch = ops.shape(arrays[0])[:2]
    run = functools.partial(_run_stages, body, states, arrays, fixed, reverse, gpu)
    if ends is None:
        return run([(batch, 0, length)])
    at_once, staged = functools.partial(run, [(batch, 0, ends[0])]), lambda: run(_stages(ends, batch))
    one = _in_one_stage(length, batch)
    if one is None:
        # XLA, which compiles for one length, leaves out what is not chosen.
        return tf.switch_case(tf.cast(length > SHORT, "int32"), [at_once, staged])
    return at_once() if one else staged()


def _in_one_stage(length: Any, batch: Any) -> bool | None:
    """Whether texts are read all at once; None if TensorFlow does not know how long they are.

    A stage more is a loop more to compile: of four, one to three seconds for each length of texts.
    """
    if isinstance(batch, int) and batch < 8:
        return True
    return length <= SHORT if isinstance(length, int) else None


def _run_stages(
    body: Any, states: Any, arrays: Any, fixed: Any, reverse: bool, gpu: bool, stages: list[tuple[Any, Any, Any]]
) -> tuple[Any, Any]:
    open_, read, write, close, steps = _JAX if BACKEND == "jax" else _TENSORFLOW
    if gpu:
        steps = functools.partial(steps, unroll=STEPS_IN_A_ROUND)
    arrays, fixed = (tuple(open_(a) for a in group) for group in (arrays, fixed))
    for stage in reversed(stages) if reverse else stages:

        def step(k: Any, states: Any, arrays: Any, stage: Any = stage) -> tuple[Any, Any]:
            texts, start, stop = stage
            t = start + stop - 1 - k if reverse else k
            rows = [tuple(read(a, t, texts) for a in group) for group in (arrays, fixed)]
            states, new = body(states, *rows)
            return tuple(states), tuple(write(a, t, one) for a, one in zip(arrays, new, strict=True))

        texts, start, stop = stage
        running, arrays = steps(start, stop, step, tuple(state[:texts] for state in states), arrays)
        states = [ops.concatenate([new, old[texts:]]) for new, old in zip(running, states, strict=True)]
    return tuple(states), tuple(close(a) for a in arrays)


def _stages(ends: Any, batch: Any) -> list[tuple[Any, Any, Any]]:
    """`(how many of the longest texts, first step, the step after the last)` of each stage."""
    sizes = [-(-batch * k // STAGES) for k in range(STAGES, 0, -1)]
    ends = ops.pad(ends, [[0, 1]])  # beyond the last text there is none
    stops = [ends[size] for size in sizes[1:]] + [ends[0]]
    return list(zip(sizes, [0, *stops[:-1]], stops, strict=True))


def _jax_steps(start: Any, stop: Any, step: Any, states: Any, arrays: Any, unroll: Any = None) -> tuple[Any, Any]:
    return jax.lax.fori_loop(start, stop, lambda k, carry: step(k, *carry), (states, arrays), unroll=unroll)


def _tensorflow_steps(start: Any, stop: Any, step: Any, states: Any, arrays: Any) -> tuple[Any, Any]:
    return tf.while_loop(lambda k, *_: k < stop, lambda k, *carry: (k + 1, *step(k, *carry)), (start, states, arrays))[
        1:
    ]


def _write_rows(array: Any, t: Any, rows: Any) -> Any:
    """A TensorArray takes all texts of a step at once."""
    return array.write(t, tf.concat([rows, array.read(t)[tf.shape(rows)[0] :]], axis=0))


# How each backend opens an array `(length, batch, dim)` for a loop, reads the first texts of a step, overwrites them,
# closes it, and loops.
_JAX: tuple[Any, ...] = (
    lambda array: array,
    lambda array, t, texts: jax.lax.dynamic_index_in_dim(array, t, keepdims=False)[:texts],
    lambda array, t, rows: jax.lax.dynamic_update_slice(array, rows[None], (t, *[jax.numpy.zeros_like(t)] * 2)),
    lambda array: array,
    _jax_steps,
)
_TENSORFLOW: tuple[Any, ...] = (
    lambda array: tf.TensorArray(array.dtype, tf.shape(array)[0], element_shape=array.shape[1:]).unstack(array),
    lambda array, t, texts: array.read(t)[:texts],
    _write_rows,
    lambda array: array.stack(),
    _tensorflow_steps,
)
