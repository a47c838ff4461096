"""Dense against Keras's own with the same weights, and the products behind it against NumPy in float64."""

import gc
import itertools

import keras
import numpy as np
import pytest
from keras import ops

from keras_nlp_zoo.layers import TokenEmbedding
from keras_nlp_zoo.layers.dense import Dense, EinsumDense, kernels_for_one_row, product, with_kernels
from keras_nlp_zoo.training import Adam
from tests.gradients import gradients

RANDOM = np.random.RandomState(0)
DIM, UNITS = 12, 7
INPUTS = RANDOM.normal(size=(5, 4, DIM)).astype("float32")


def numpy(tensor):
    return ops.convert_to_numpy(tensor)


def normal(*shape):
    return RANDOM.normal(size=shape).astype("float32")


def assert_near(found, wanted, tolerance=1e-5):
    """Within a part of the largest number."""
    assert found.shape == wanted.shape
    assert np.abs(found - wanted).max() <= tolerance * np.abs(wanted).max()


def pair(prepare=None, **options):
    """Our layer and Keras's, with the same weights, none of them zero; both as `prepare` makes them."""
    layers = Dense(UNITS, **options), keras.layers.Dense(UNITS, **options)
    for layer in layers:
        layer.build((None, None, DIM))
    weights = [normal(*weight.shape) for weight in layers[0].weights]
    for layer in layers:
        layer.set_weights(weights)
        if prepare is not None:
            prepare(layer)
    return layers


# === The same as Keras's ===


@pytest.mark.parametrize("options", [{}, {"activation": "relu"}, {"use_bias": False, "activation": "gelu"}])
@pytest.mark.parametrize("shape", [(5, DIM), (1, DIM), (3, 4, DIM), (2, 3, 4, DIM), (0, DIM), (2, 0, DIM)])
def test_same_outputs(shape, options):
    ours, theirs = pair(**options)
    x = normal(*shape)
    found = numpy(ours(x))
    wanted = np.einsum("...i,io->...o", x.astype("float64"), numpy(ours.kernel))
    wanted = wanted if ours.bias is None else wanted + numpy(ours.bias)
    if ours.activation is keras.activations.relu:
        np.testing.assert_allclose(found, np.maximum(wanted, 0), atol=1e-5)
    np.testing.assert_allclose(found, numpy(theirs(x)), atol=1e-5)
    assert found.shape == (*shape[:-1], UNITS)


def trained(layer, x, y):
    """Weights after one step of gradient descent, with another layer below, which needs a gradient too."""
    inputs = keras.Input((None, DIM))
    below = keras.layers.Dense(DIM, name="below")
    model = keras.Model(inputs, layer(below(inputs)))
    below.set_weights([np.eye(DIM) + 0.1, np.arange(DIM) / DIM])
    model.compile(keras.optimizers.SGD(0.5), loss="mse")
    before = [numpy(weight) for weight in model.weights]
    model.fit(x, y, batch_size=len(x), verbose=0)
    return before, [numpy(weight) for weight in model.weights]


def enable_lora(layer):
    layer.enable_lora(2)
    for weight, value in zip(layer.trainable_weights[-2:], LORA, strict=True):
        weight.assign(value)


LORA = [0.5 * RANDOM.normal(size=shape) for shape in ((DIM, 2), (2, UNITS))]


@pytest.mark.parametrize("prepare", [None, enable_lora])
@pytest.mark.parametrize("options", [{"activation": "tanh"}, {"use_bias": False}])
def test_one_step_of_training(prepare, options):
    y = normal(5, 4, UNITS)
    (before, ours), (_, theirs) = (trained(layer, INPUTS, y) for layer in pair(prepare, **options))
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)
    moved = [np.abs(one - other).max() > 1e-3 for one, other in zip(ours, before, strict=True)]
    # Under low-rank additions all but the kernel.
    assert len(moved) - sum(moved) == (0 if prepare is None else 1)


def test_lora():
    ours, theirs = pair(enable_lora)
    kernel, bias = (numpy(weight) for weight in theirs.weights[:2])
    wanted = INPUTS.astype("float64") @ (kernel + LORA[0] @ LORA[1]) + bias
    np.testing.assert_allclose(numpy(ours(INPUTS)), wanted, atol=1e-4)
    np.testing.assert_allclose(numpy(ours(INPUTS)), numpy(theirs(INPUTS)), atol=1e-5)


@pytest.mark.parametrize("options", [{"activation": "relu"}, {"use_bias": False}])
def test_int8(options):
    ours, theirs = pair(lambda layer: layer.quantize("int8"), **options)
    assert keras.backend.standardize_dtype(ours._kernel.dtype) == "int8"
    np.testing.assert_allclose(numpy(ours(INPUTS)), numpy(theirs(INPUTS)), atol=1e-5)


@pytest.mark.parametrize("policy", ["bfloat16", "mixed_bfloat16", "float16"])
def test_other_precisions(policy):
    ours, theirs = pair(dtype=policy, activation="relu")
    found, wanted = ours(INPUTS), theirs(INPUTS)
    assert keras.backend.standardize_dtype(found.dtype) == policy.removeprefix("mixed_")
    # Both round to 8 bits, or 11, and may add up in another order before.
    found, wanted = (numpy(ops.cast(x, "float32")) for x in (found, wanted))
    assert_near(found, wanted, 0.01)
    assert [weight.dtype for weight in ours.weights] == [weight.dtype for weight in theirs.weights]


def test_saved_and_loaded(tmp_path):
    inputs = keras.Input((4, DIM))
    model = keras.Model(inputs, Dense(UNITS, activation="tanh", name="mixer")(inputs))
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert type(again.get_layer("mixer")) is Dense
    np.testing.assert_array_equal(numpy(again(INPUTS)), numpy(model(INPUTS)))


def test_mask_goes_through():
    words = keras.layers.Embedding(5, DIM, mask_zero=True)(np.array([[1, 2, 0], [3, 0, 0]]))
    mask = numpy(Dense(UNITS)(words)._keras_mask)
    np.testing.assert_array_equal(mask, [[1, 1, 0], [1, 0, 0]])


# === Products over several axes, as in an attention ===

# Equation, shapes of the inputs and of the outputs but for the batch, axes of the bias; two products that are none of
# two matrices, the last by the order of its outputs.
EQUATIONS = [
    ("abc,cde->abde", (4, DIM), (4, 3, 5), "de"),
    ("abcd,cde->abe", (4, 3, 5), (4, UNITS), "e"),
    ("abc,cd->abd", (4, DIM), (4, UNITS), None),
    ("ab,bc->ac", (DIM,), (UNITS,), "c"),
    ("abc,bcd->ad", (4, DIM), (UNITS,), "d"),
    ("abc,cbd->ad", (4, DIM), (UNITS,), "d"),
    ("abc,cde->abed", (4, DIM), (4, 5, 3), "ed"),
]


@pytest.mark.parametrize("prepare", [None, lambda layer: layer.enable_lora(2), lambda layer: layer.quantize("int8")])
@pytest.mark.parametrize(("equation", "shape", "output_shape", "bias_axes"), EQUATIONS)
def test_einsum(equation, shape, output_shape, bias_axes, prepare):
    options = {"output_shape": output_shape, "bias_axes": bias_axes, "activation": "tanh"}
    ours, theirs = EinsumDense(equation, **options), keras.layers.EinsumDense(equation, **options)
    for layer in (ours, theirs):
        layer.build((None, *shape))
    weights = [0.3 * normal(*weight.shape) for weight in ours.weights]
    for layer in (ours, theirs):
        layer.set_weights(weights)
        if prepare is not None:
            prepare(layer)
    if ours.lora_enabled:
        for a, b in zip(ours.trainable_weights, theirs.trainable_weights, strict=True):
            a.assign(normal(*a.shape))
            b.assign(a)
    x = normal(5, *shape)
    found = numpy(ours(x))
    np.testing.assert_allclose(found, numpy(theirs(x)), atol=1e-5)
    assert found.shape == (5, *output_shape)
    if prepare is None:
        wanted = np.einsum(equation, x.astype("float64"), weights[0]) + (weights[1] if bias_axes else 0)
        np.testing.assert_allclose(found, np.tanh(wanted), atol=1e-5)


@pytest.mark.parametrize(("equation", "shape", "output_shape", "bias_axes"), EQUATIONS)
def test_gradients_of_einsum(equation, shape, output_shape, bias_axes):
    layer = EinsumDense(equation, output_shape=output_shape, bias_axes=bias_axes)
    layer.build((None, *shape))
    x, upstream = normal(5, *shape), normal(5, *output_shape)
    _, found = gradients(lambda x: ops.sum(layer(x) * ops.convert_to_tensor(upstream)), layer.trainable_variables, [x])
    inputs, kernel, outputs = equation.replace("->", ",").split(",")
    upstream64 = upstream.astype("float64")
    by_kernel = np.einsum(f"{inputs},{outputs}->{kernel}", x, upstream64)
    by_x = np.einsum(f"{outputs},{kernel}->{inputs}", upstream64, numpy(layer.kernel))
    np.testing.assert_allclose(found[0], by_kernel, atol=1e-4)
    np.testing.assert_allclose(found[-1], by_x, atol=1e-4)
    if bias_axes:
        np.testing.assert_allclose(found[1], np.einsum(f"{outputs}->{bias_axes}", upstream64), atol=1e-4)


@pytest.mark.parametrize("policy", ["bfloat16", "mixed_bfloat16", "float16"])
def test_einsum_in_other_precisions(policy):
    layer = EinsumDense("abc,cde->abde", output_shape=(4, 3, 5), bias_axes="de", dtype=policy)
    x = normal(5, 4, DIM)
    found = layer(x)
    assert keras.backend.standardize_dtype(found.dtype) == policy.removeprefix("mixed_")
    kernel = numpy(ops.cast(layer.kernel, "float32"))
    assert_near(numpy(ops.cast(found, "float32")), np.einsum("abc,cde->abde", x, kernel), 0.02)


# === Scores of all tokens ===


OPTIONS = [{}, {"tie_weights": False}, {"logit_soft_cap": 0.5}, {"reverse_dtype": "float32"}]


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("shape", [(5, DIM), (2, 3, DIM)])
def test_tokens_are_scored_by_their_vectors(shape, options):
    layer = TokenEmbedding(9, DIM, **options)
    layer.build((None, None))
    x = normal(*shape)
    table = numpy(layer.embeddings).astype("float64").T
    if "tie_weights" in options:
        table = numpy(layer.reverse_embeddings)
        assert np.abs(table - numpy(layer.embeddings).T).max() > 0.01
    wanted = x @ table
    cap = options.get("logit_soft_cap")
    np.testing.assert_allclose(
        numpy(layer(x, reverse=True)), wanted if cap is None else cap * np.tanh(wanted / cap), atol=1e-5
    )


def test_gradients_of_scores():
    """A word's vector is read and scores: its gradient is the sum of both."""
    layer = TokenEmbedding(9, DIM)
    layer.build((None, None))
    x, weights, ids = normal(2, 3, DIM), normal(2, 3, 9), np.array([[1, 2, 2], [0, 8, 1]])

    def loss(x):
        return ops.sum(layer(x + layer(ids), reverse=True) * ops.convert_to_tensor(weights))

    _, (by_table, by_x) = gradients(loss, layer.trainable_variables, [x])
    table = numpy(layer.embeddings).astype("float64")
    wanted = np.einsum("blv,bld->vd", weights, x + table[ids])
    np.add.at(wanted, ids, weights @ table)
    np.testing.assert_allclose(by_x, weights @ table, atol=1e-5)
    np.testing.assert_allclose(by_table, wanted, atol=1e-5)


# === Rows of which nothing is asked ===

# So many that the products of the gradient leave out rows of zeros.
MANY_ROWS, MANY_DIM, MANY_UNITS = 1050, 64, 2050


def scattered(share):
    """Which of the rows something is asked of."""
    return np.random.RandomState(2).permutation(MANY_ROWS) < share * MANY_ROWS


@pytest.mark.parametrize("share", [0, 0.01, 0.3, 0.5, 0.8, 1])
def test_gradients_with_rows_of_zeros(share):
    asked = scattered(share).astype("float32")
    layer = Dense(MANY_UNITS)
    layer.build((None, None, MANY_DIM))
    x, weights = normal(7, 150, MANY_DIM), normal(7, 150, MANY_UNITS) * asked.reshape(7, 150, 1)
    weights[:, ::3], weights[:, 1::3] = np.maximum(weights[:, ::3], 0), np.minimum(weights[:, 1::3], 0)
    _, (by_kernel, by_bias, by_x) = gradients(
        lambda x: ops.sum(layer(x) * ops.convert_to_tensor(weights)), layer.trainable_variables, [x]
    )
    wanted = np.einsum("bli,blo->io", x.astype("float64"), weights)
    np.testing.assert_allclose(by_kernel, wanted, atol=3e-4)
    np.testing.assert_allclose(by_bias, weights.astype("float64").sum((0, 1)), atol=3e-4)
    np.testing.assert_allclose(by_x, weights @ numpy(layer.kernel).astype("float64").T, atol=3e-4)


def test_rows_of_zeros_are_left_out():
    """An infinite input times a gradient of zero would be no number."""
    if keras.backend.backend() == "tensorflow" or not on_one_cpu():
        pytest.skip("only the products of JAX and PyTorch on one CPU leave rows out")
    asked = scattered(0.3)
    x, weights = normal(1, MANY_ROWS, MANY_DIM), normal(1, MANY_ROWS, MANY_UNITS) * asked[:, None]
    x[0, np.flatnonzero(~asked)[-1]] = np.inf  # of the rows without gradient the last to fill a block up
    kernel = normal(MANY_DIM, MANY_UNITS)

    def loss(kernel):
        scores = product(ops.convert_to_tensor(x), kernel)
        return ops.sum(ops.where(ops.convert_to_tensor(weights) == 0, 0.0, scores * ops.convert_to_tensor(weights)))

    _, (by_kernel,) = gradients(loss, [], [kernel])
    wanted = x[0, asked].astype("float64").T @ weights[0, asked]
    np.testing.assert_allclose(by_kernel, wanted, atol=3e-4)


@pytest.mark.parametrize("share", [0.3, 1])
def test_no_product_for_a_gradient_nobody_asks_for(share):
    """A kernel that is frozen, or inputs that nothing below learns from."""
    if keras.backend.backend() != "jax" or not on_one_cpu():
        pytest.skip("on PyTorch it is autograd that asks: see below; TensorFlow has no product of its own")
    import jax

    x, kernel = normal(MANY_ROWS, MANY_DIM), normal(MANY_DIM, MANY_UNITS)
    weights = normal(MANY_ROWS, MANY_UNITS) * scattered(share)[:, None]
    wanted = weights.astype("float64") @ kernel.T, x.T.astype("float64") @ weights
    both = jax.grad(lambda x, kernel: (product(x[None], kernel)[0] * weights).sum(), argnums=(0, 1))
    count = str(jax.make_jaxpr(both)(x, kernel)).count("dot_general")
    for number, expected in enumerate(wanted):
        one = jax.grad(lambda x, kernel: (product(x[None], kernel)[0] * weights).sum(), argnums=number)
        np.testing.assert_allclose(jax.jit(one)(x, kernel), expected, atol=3e-4)
        # Once among all rows, once in a loop.
        assert str(jax.make_jaxpr(one)(x, kernel)).count("dot_general") == count - 2


# === One row ===


@pytest.fixture
def turning():
    if keras.backend.backend() != "jax" or not on_one_cpu():
        pytest.skip("only JAX's CPU reads kernels in two ways")
    from keras_nlp_zoo.layers import dense_jax

    return dense_jax


def test_kernels_for_one_row(turning):
    """Only large plain ones of `Dense` are turned; what a program is given is what it multiplies by."""
    layers = [Dense(700), Dense(100), Dense(2000, dtype="mixed_bfloat16"), keras.layers.Dense(800), Dense(900)]
    model = keras.Sequential([keras.Input((None, 400)), *layers])
    layers[-1].enable_lora(4)
    (turned,) = kernels_for_one_row(model)
    np.testing.assert_array_equal(turned, numpy(layers[0].kernel).T)

    x = normal(1, 1, 400)
    bias = numpy(layers[0].bias)
    with with_kernels(model, [2 * turned]):
        once = layers[0](ops.convert_to_tensor(x))
        twice = layers[0](ops.convert_to_tensor(np.tile(x, (2, 1, 1))))
    wanted = x.astype("float64") @ numpy(layers[0].kernel)
    np.testing.assert_allclose(numpy(once), 2 * wanted + bias, atol=1e-4)
    np.testing.assert_allclose(numpy(twice)[:1], wanted + bias, atol=1e-4, err_msg="two rows read the kernel itself")
    np.testing.assert_allclose(numpy(layers[0](ops.convert_to_tensor(x))), wanted + bias, atol=1e-4)


def test_kernels_are_turned_once_for_each_value(turning):
    gc.collect()
    before = len(turning._turned)
    layer = Dense(700)
    layer.build((None, None, 400))
    first, again = turning.turned(layer._kernel), turning.turned(layer._kernel)
    assert first is again
    layer.kernel.assign(3 * layer.kernel)
    np.testing.assert_array_equal(turning.turned(layer._kernel), numpy(layer.kernel).T)
    gc.collect()
    assert len(turning._turned) == before + 1, "that of the value before is kept"
    del layer
    gc.collect()
    assert len(turning._turned) == before


def on_one_cpu():
    if keras.backend.backend() == "jax":
        import jax

        return jax.default_backend() == "cpu" and jax.device_count() == 1
    return ops.ones(()).device.type == "cpu"


# === The product on PyTorch's CPU ===


def torch_kernel():
    if keras.backend.backend() != "torch":
        pytest.skip("the product of dense_torch.py is PyTorch's alone")
    import torch

    from keras_nlp_zoo.layers import dense_torch

    one = ops.ones((1, 1))
    if not dense_torch.has_kernel(one, one):
        pytest.skip("PyTorch runs on a GPU here, or was built without oneDNN")
    return torch, dense_torch


def dense(shape):
    return normal(*shape)


def transposed(shape):
    return normal(*shape[::-1]).T


def every_other(shape):
    return normal(*(2 * size for size in shape))[tuple(slice(None, None, 2) for _ in shape)]


def last_axis_second(shape):
    """As heads of an attention that were put behind the length."""
    return np.swapaxes(normal(*shape[:-2], *shape[:-3:-1]), -1, -2) if len(shape) > 1 else normal(*shape)


def repeated(shape):
    return np.broadcast_to(normal(1, *shape[1:]), shape)


LAYOUTS = [dense, transposed, every_other, last_axis_second, repeated]
SHAPES = [(DIM,), (1, DIM), (33, DIM), (1, 1, DIM), (2, 5, DIM), (2, 3, 4, DIM), (3, 1), (300, 96)]


def tensor(torch, array):
    """With the strides of the array, as a leaf."""
    strides = [stride // array.itemsize for stride in array.strides]
    size = 1 + sum((n - 1) * stride for n, stride in zip(array.shape, strides, strict=True))
    flat = torch.tensor(np.lib.stride_tricks.as_strided(array, (size,), (array.itemsize,)).copy())
    return torch.as_strided(flat, array.shape, strides).requires_grad_()


@pytest.mark.parametrize("avx2", [False, True])
@pytest.mark.parametrize("shape", SHAPES)
def test_the_product(shape, avx2, monkeypatch):
    """Outputs and gradients, with a bias and without one, of arrays that lie in memory in many ways."""
    torch, kernel = torch_kernel()
    monkeypatch.setattr(kernel, "AVX2", avx2)
    for layout, weight_layout in itertools.product(LAYOUTS, (dense, transposed, every_other)):
        x, weight = layout(shape), weight_layout((UNITS, shape[-1]))
        bias, upstream = every_other((UNITS,)), layout((*shape[:-1], UNITS))
        tensors = [tensor(torch, array) for array in (x, weight, bias)]
        assert kernel.has_kernel(*tensors[:2])
        x64, weight64, upstream64 = (array.astype("float64") for array in (x, weight, upstream))
        for used in (tensors, tensors[:2]):
            wanted = x64 @ weight64.T + (bias if len(used) == 3 else 0)
            found = kernel.linear(*used)
            assert_near(found.detach().numpy(), wanted)
            with torch.no_grad():
                assert_near(kernel.linear(*used).numpy(), wanted)
            found = torch.autograd.grad(found, used, tensor(torch, upstream).detach())
            rows = upstream64.reshape(-1, UNITS)
            wanted = [upstream64 @ weight64, rows.T @ x64.reshape(-1, shape[-1]), rows.sum(0)]
            for one, other in zip(found, wanted, strict=False):
                assert_near(one.numpy(), other)


@pytest.mark.parametrize("avx2", [False, True])
def test_many_rows_go_to_pytorch_where_onednn_is_behind(avx2, monkeypatch):
    torch, kernel = torch_kernel()
    monkeypatch.setattr(kernel, "AVX2", avx2)
    sizes, onednn = [], torch.ops.mkldnn._linear_pointwise

    def counted(x, *args):
        sizes.append(x.numel() // x.shape[-1])
        return onednn(x, *args)

    monkeypatch.setattr(torch.ops.mkldnn, "_linear_pointwise", counted)
    few, many = torch.ones(4, 16, DIM, requires_grad=True), torch.ones(5, 13, DIM, requires_grad=True)
    weight = torch.ones(UNITS, DIM)
    for x in (few, many):
        kernel.linear(x, weight).sum().backward()
    assert sizes == ([64, 64] if avx2 else [64, 64, 65, 65])


def test_gradients_of_those_only_that_are_asked_for():
    torch, kernel = torch_kernel()
    arrays = normal(3, DIM), normal(UNITS, DIM), normal(UNITS)
    wanted = [np.ones((3, UNITS)) @ arrays[1], np.ones((UNITS, 3)) @ arrays[0], np.full(UNITS, 3.0)]
    for number, expected in enumerate(wanted):
        tensors = [torch.tensor(array, requires_grad=number == i) for i, array in enumerate(arrays)]
        kernel.linear(*tensors).sum().backward()
        assert_near(tensors[number].grad.numpy(), expected)
        assert all(one.grad is None for i, one in enumerate(tensors) if i != number)
    assert not kernel.linear(*(torch.tensor(array) for array in arrays)).requires_grad


def test_what_the_product_leaves_to_keras():
    """Nothing to multiply, other precisions, other devices."""
    torch, kernel = torch_kernel()
    x, weight = torch.ones(2, DIM), torch.ones(UNITS, DIM)
    assert kernel.has_kernel(x, weight)
    assert not kernel.has_kernel(x[:0], weight)
    assert not kernel.has_kernel(x.double(), weight.double())
    assert not kernel.has_kernel(x.bfloat16(), weight.bfloat16())
    assert not kernel.has_kernel(x, weight.double())
    assert not kernel.has_kernel(x.to("meta"), weight)
    assert not kernel.has_kernel(x, weight.to("meta"))
    layer = pair()[0]
    empty = torch.ones(0, DIM, requires_grad=True)
    layer(empty).sum().backward()
    assert empty.grad.shape == (0, DIM)
    np.testing.assert_array_equal(layer.bias.value.grad, np.zeros(UNITS))


def test_the_layer_uses_it(monkeypatch):
    torch, kernel = torch_kernel()
    calls = []
    monkeypatch.setattr(kernel, "_product", lambda *args: calls.append(args) or torch.zeros(1))
    layer, embedding = pair()[0], TokenEmbedding(9, DIM)
    embedding.build((None, None))
    for number, call in enumerate((lambda: layer(INPUTS), lambda: embedding(INPUTS, reverse=True)), 1):
        call()
        assert len(calls) == number
    enable_lora(layer)
    layer(INPUTS)
    assert len(calls) == 2


def test_kernels_stay_in_memory_output_by_output(tmp_path):
    """Once built, set, trained and loaded; as do their gradients and what Adam keeps of these."""
    torch_kernel()

    def lies_so(matrix):
        return matrix.t().is_contiguous() and not matrix.is_contiguous()

    layer = pair()[0]
    x, y = normal(6, DIM), normal(6, UNITS)
    model = keras.Sequential([keras.Input((DIM,)), layer])
    model.compile(Adam(0.1), loss="mse")
    model.fit(x, y, verbose=0)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again.predict(x, verbose=0), model.predict(x, verbose=0))
    again.fit(x, y, verbose=0)
    for one in (model, again):
        kernel = one.layers[-1].kernel.value
        moments = [m.value for m in one.optimizer.variables if tuple(m.shape) == (DIM, UNITS)]
        assert len(moments) == 2
        assert all(lies_so(matrix) for matrix in (kernel, kernel.grad, *moments))


def test_other_backends_have_no_product_of_their_own():
    if keras.backend.backend() == "torch":
        pytest.skip("PyTorch has one")
    assert product(INPUTS, normal(DIM, UNITS)) is None
