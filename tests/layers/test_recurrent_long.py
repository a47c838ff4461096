"""Long sequences: gradients reach the first of 2,000 steps, and memory grows as the length does."""

import gc

import keras
import numpy as np
import pytest
from keras import ops

from keras_nlp_zoo.layers import LSTM
from keras_nlp_zoo.layers.recurrent_kernels import recurrent
from tests.gradients import gradients
from tests.layers.test_recurrent import lstm_step

DIM, UNITS = 2, 16


def test_two_thousand_steps_train():
    random = np.random.RandomState(0)
    inputs = random.normal(size=(1, 2050, DIM), scale=0.01)
    mask = np.arange(2050)[None] < 2000
    layer = LSTM(UNITS)
    layer.build(inputs.shape)
    kernel = random.normal(size=(DIM, 4 * UNITS), scale=0.1)
    recurrent_kernel = random.normal(size=(UNITS, 4 * UNITS), scale=0.003)
    bias = np.zeros(4 * UNITS)
    bias[UNITS : 2 * UNITS] = 10  # forget gates of 0.99995: a tenth is lost on the way
    layer.set_weights([kernel, recurrent_kernel, bias])

    def numpy_loss(first):
        states = (np.zeros(UNITS),) * 2
        for x in (first, *inputs[0, 1:2000]):
            states = lstm_step(x, states, (kernel, recurrent_kernel, bias))
        return ((states[0] - 0.5) ** 2).sum()

    def loss(inputs):
        return ops.sum((layer(inputs, mask=ops.convert_to_tensor(mask)) - 0.5) ** 2)

    value, found = gradients(loss, layer.trainable_variables, [inputs.astype("float32")])
    # The rounding of a forget gate near 1 is repeated 2,000 times.
    assert value == pytest.approx(numpy_loss(inputs[0, 0]), rel=1e-3)
    assert all(np.isfinite(one).all() and np.abs(one).max() > 0 for one in found)
    slopes = [(numpy_loss(inputs[0, 0] + d) - numpy_loss(inputs[0, 0] - d)) / 2e-5 for d in 1e-5 * np.eye(DIM)]
    assert np.abs(slopes).min() > 1
    np.testing.assert_allclose(found[-1][0, 0], slopes, rtol=1e-2)

    # A step that lowers the loss by a hundredth, if the gradients of all weights are right.
    rate = 0.01 * value / sum((one**2).sum() for one in found[:-1])
    layer.set_weights([w - rate * g for w, g in zip(layer.get_weights(), found, strict=False)])
    assert ops.convert_to_numpy(loss(inputs.astype("float32"))) == pytest.approx(0.99 * value, rel=1e-3)


def case(length):
    shapes = [(length, 4, DIM), (DIM, 4 * UNITS), (UNITS, 4 * UNITS), (4 * UNITS,), (4, UNITS), (4, UNITS)]
    random = np.random.RandomState(0)
    return [ops.convert_to_tensor(random.normal(size=shape, scale=0.3).astype("float32")) for shape in shapes]


def total(inputs, kernel, recurrent_kernel, bias, hidden, cell):
    outputs, final = recurrent("lstm", inputs, (kernel, recurrent_kernel, bias), (hidden, cell))
    return ops.sum(outputs) + ops.sum(final[1])


def jax_bytes(arrays):
    """What the compiled gradient takes beside its arguments and results."""
    import jax

    compiled = jax.jit(jax.grad(total, argnums=range(len(arrays)))).lower(*arrays).compile()
    return compiled.memory_analysis().temp_size_in_bytes


def tensorflow_bytes(arrays):
    """What the tape keeps for the backward pass: the tensors that are alive because of it."""
    import tensorflow as tf

    def alive():
        gc.collect()
        return {id(x): x for x in gc.get_objects() if type(x) is type(arrays[0]) and x.dtype == tf.float32}

    before = alive()
    with tf.GradientTape() as tape:
        tape.watch(arrays)
        value = total(*arrays)
    kept = [x for key, x in alive().items() if key not in before]
    assert all(gradient is not None for gradient in tape.gradient(value, arrays))
    return sum(x.shape.num_elements() * x.dtype.size for x in kept)


def torch_bytes(arrays):
    """What autograd keeps for the backward pass."""
    import torch

    kept = {}

    def pack(tensor):
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        total(*(array.requires_grad_() for array in arrays))
    return sum(kept.values())


def test_twice_the_length_takes_twice_the_memory():
    measure = {"jax": jax_bytes, "tensorflow": tensorflow_bytes, "torch": torch_bytes}[keras.backend.backend()]
    short, long = (measure(case(length)) for length in (200, 400))
    assert short > 200 * 4 * (4 * UNITS) * 4  # the gates of every step, or what is measured is something else
    assert 1.9 < long / short < 2.1
