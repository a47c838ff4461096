"""The fused kernels against the reference, and the reference against the papers in float64 NumPy."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_nlp_zoo.layers import LSTM
from keras_nlp_zoo.layers.recurrent_kernels import recurrent, reference, step
from tests.gradients import gradients
from tests.layers.test_recurrent import CELLS
from tests.rounding import tolerance_of_recurrent_layers

TOLERANCE = tolerance_of_recurrent_layers()
KINDS = {layer.__name__.lower(): cell for layer, cell in CELLS.items()}
GATES = {"rnn": 1, "lstm": 4, "gru": 3}
DIM, UNITS = 4, 5
LENGTHS = np.array([7, 1, 4, 6, 0])
MANY_LENGTHS = np.array([3, 1, 4, 6, 0, 2, 5, 1, 4, 7, 3])  # fewer than eight XLA does not read in stages


def masks(length, lengths=LENGTHS):
    random = np.random.RandomState(1)
    return {
        "none": None,
        "right": np.arange(length)[:, None] < lengths,
        "left": np.arange(length)[:, None] >= length - lengths,
        "anywhere": random.randint(0, 2, (length, len(lengths))).astype(bool),
    }


def case(kind, length, dtype="float32", texts=5):
    """Inputs, weights and initial states."""
    random = np.random.RandomState(0)
    width = GATES[kind] * UNITS
    shapes = [(length, texts, DIM), (DIM, width), (UNITS, width), (2, width) if kind == "gru" else (width,)]
    shapes += [(texts, UNITS)] * KINDS[kind][1]
    return [random.normal(size=shape, scale=0.7).astype(dtype) for shape in shapes]


def loss_of(run, kind, mask, reverse, cell=True, training=True):
    """A loss that weighs every output at a token and every final state differently."""
    random = np.random.RandomState(2)
    mask = None if mask is None else ops.convert_to_tensor(mask)

    def loss(inputs, *rest):
        outputs, final = run(kind, inputs, rest[:3], rest[3:], mask, reverse, cell=cell, training=training)
        final = final if cell else final[:1]
        if mask is not None:
            outputs = outputs * ops.cast(mask, outputs.dtype)[:, :, None]
        weights = [
            ops.cast(ops.convert_to_tensor(random.normal(size=tuple(x.shape), scale=0.4)), x.dtype)
            for x in (outputs, *final)
        ]
        random.seed(2)
        return sum(ops.sum(x * w) for x, w in zip((outputs, *final), weights, strict=True))

    return loss


# Only an LSTM has a cell to leave out.
@pytest.mark.parametrize(("kind", "cell"), [*((kind, True) for kind in KINDS), ("lstm", False)])
@pytest.mark.parametrize(
    ("length", "mask", "reverse"),
    [(1, "none", True), (1, "right", False), *((7, mask, reverse) for mask in masks(7) for reverse in (False, True))],
)
def test_kernel_and_its_gradients_are_those_of_the_reference(kind, mask, reverse, length, cell):
    arrays, mask = case(kind, length), masks(length)[mask]
    value, found = gradients(loss_of(recurrent, kind, mask, reverse, cell), [], arrays)
    expected_value, expected = gradients(loss_of(reference, kind, mask, reverse, cell), [], arrays)
    assert value == pytest.approx(expected_value, abs=TOLERANCE)
    for one, other in zip(found, expected, strict=True):
        assert np.abs(other).max() > 1e-3 or length == 1  # without a mask a second step is needed for some
        np.testing.assert_allclose(one, other, atol=TOLERANCE)


@pytest.fixture
def _in_stages(monkeypatch):
    """However short texts are, where it is XLA that reads them."""
    if keras.backend.backend() == "torch":
        yield
        return
    from keras_nlp_zoo.layers import recurrent_kernels_xla as xla

    xla._kernel.cache_clear()
    with monkeypatch.context() as patch:
        patch.setattr(xla, "SHORT", 0)
        yield
    xla._kernel.cache_clear()


@pytest.mark.usefixtures("_in_stages")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("mask", "reverse"), [("right", False), ("right", True), ("anywhere", True)])
def test_many_texts_are_read_as_few_are(kind, mask, reverse):
    arrays, mask = case(kind, 7, texts=len(MANY_LENGTHS)), masks(7, MANY_LENGTHS)[mask]
    value, found = gradients(loss_of(recurrent, kind, mask, reverse), [], arrays)
    expected_value, expected = gradients(loss_of(reference, kind, mask, reverse), [], arrays)
    assert value == pytest.approx(expected_value, abs=TOLERANCE)
    for one, other in zip(found, expected, strict=True):
        assert np.abs(other).max() > 1e-3
        np.testing.assert_allclose(one, other, atol=TOLERANCE)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("texts", "mask"), [(16, "right"), (17, "anywhere"), (17, "none")])
def test_a_batch_that_is_shared_by_cores(kind, texts, mask):
    arrays, mask = case(kind, 7, texts=texts), masks(7, np.resize(MANY_LENGTHS, texts))[mask]
    value, found = gradients(loss_of(recurrent, kind, mask, False), [], arrays)
    expected_value, expected = gradients(loss_of(reference, kind, mask, False), [], arrays)
    assert value == pytest.approx(expected_value, abs=TOLERANCE)
    for one, other in zip(found, expected, strict=True):
        assert np.abs(other).max() > 1e-3
        np.testing.assert_allclose(one, other, atol=TOLERANCE)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="TensorFlow alone has graphs of unknown sizes")
def test_a_batch_of_unknown_size():
    import tensorflow as tf

    def gradient(run, inputs, mask, *rest):
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            (state,) = run("gru", inputs, rest[:3], rest[3:], mask, True)[1]
        return tape.gradient(state, inputs)

    unknown = tf.function(
        lambda *arrays: gradient(recurrent, *arrays),
        input_signature=[
            tf.TensorSpec((None, None, DIM)),
            tf.TensorSpec((None, None), "bool"),
            *(tf.TensorSpec(array.shape) for array in case("gru", 7)[1:4]),
            tf.TensorSpec((None, UNITS)),
        ],
    )
    for texts in (1, 16, 19):
        inputs, *rest = (tf.constant(array) for array in case("gru", 7, texts=texts))
        real = tf.constant(masks(7, np.resize(LENGTHS, texts))["right"])
        expected = gradient(reference, inputs, real, *rest)
        np.testing.assert_allclose(unknown(inputs, real, *rest), expected, atol=TOLERANCE)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="TensorFlow alone reads two loops at a time")
def test_what_is_read_in_halves(monkeypatch):
    from keras_nlp_zoo.layers import recurrent_kernels_xla as xla

    seen = []
    in_halves = xla._in_halves
    monkeypatch.setattr(xla, "_in_halves", lambda *arguments: seen.append(1) or in_halves(*arguments))
    x = np.ones((16, 7, DIM), "float32")
    LSTM(UNITS)(x, training=True)
    assert seen
    seen.clear()
    LSTM(UNITS)(x, training=False)  # other batches are read at the same time
    LSTM(UNITS, bidirectional=True)(x, training=True)  # the other direction is
    assert not seen


@pytest.mark.parametrize("kind", KINDS)
def test_a_batch_of_padding_alone(kind):
    arrays, mask = case(kind, 7), np.zeros((7, len(LENGTHS)), bool)
    value, found = gradients(loss_of(recurrent, kind, mask, False), [], arrays)
    expected_value, expected = gradients(loss_of(reference, kind, mask, False), [], arrays)
    assert value == pytest.approx(expected_value, abs=TOLERANCE)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, atol=TOLERANCE)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("reverse", [False, True])
def test_a_gradient_that_was_not_expected_is_the_same(kind, reverse):
    arrays, mask = case(kind, 7), masks(7)["right"]
    value, found = gradients(loss_of(recurrent, kind, mask, reverse, training=False), [], arrays)
    expected_value, expected = gradients(loss_of(reference, kind, mask, reverse), [], arrays)
    assert value == pytest.approx(expected_value, abs=TOLERANCE)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, atol=TOLERANCE)


@pytest.fixture
def _float64():
    """JAX has float64 on demand only."""
    if keras.backend.backend() != "jax":
        yield
        return
    import jax

    before = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", True)
    yield
    jax.config.update("jax_enable_x64", before)


@pytest.mark.usefixtures("_float64")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("run", [recurrent, reference])
@pytest.mark.parametrize("reverse", [False, True])
def test_against_numpy_in_float64(kind, run, reverse):
    arrays, mask = case(kind, 7, "float64"), masks(7)["anywhere"]
    inputs, *weights = arrays[:4]
    step, num_states = KINDS[kind]
    outputs, final = run(
        kind,
        ops.convert_to_tensor(inputs),
        [ops.convert_to_tensor(w) for w in weights],
        tuple(ops.convert_to_tensor(s) for s in arrays[4:]),
        ops.convert_to_tensor(mask),
        reverse,
    )
    outputs, final = ops.convert_to_numpy(outputs), [ops.convert_to_numpy(state) for state in final]
    assert outputs.dtype == "float64"
    for row in range(len(LENGTHS)):
        states = tuple(state[row] for state in arrays[4:])
        for t in range(6, -1, -1) if reverse else range(7):
            if mask[t, row]:
                states = step(inputs[t, row], states, weights)
                np.testing.assert_allclose(outputs[t, row], states[0], atol=1e-10)
        for i in range(num_states):
            np.testing.assert_allclose(final[i][row], states[i], atol=1e-10)


@pytest.mark.usefixtures("_float64")
@pytest.mark.parametrize("kind", KINDS)
def test_gradients_stay_in_float64(kind):
    arrays, mask = case(kind, 7, "float64"), masks(7)["anywhere"]
    _, found = gradients(loss_of(recurrent, kind, mask, False), [], arrays)
    _, expected = gradients(loss_of(reference, kind, mask, False), [], arrays)
    for one, other in zip(found, expected, strict=True):
        assert one.dtype == "float64"
        np.testing.assert_allclose(one, other, atol=1e-10)


@pytest.mark.usefixtures("_float64")
@pytest.mark.parametrize("kind", KINDS)
def test_one_step_against_numpy(kind):
    inputs, *rest = case(kind, 1, "float64")
    weights, states = rest[:3], tuple(rest[3:])
    found = step(kind, *keras.tree.map_structure(ops.convert_to_tensor, (inputs[0], states, weights)))
    assert len(found) == len(states)
    for row in range(len(LENGTHS)):
        expected = KINDS[kind][0](inputs[0, row], [state[row] for state in states], weights)
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_allclose(ops.convert_to_numpy(one)[row], other, atol=1e-10)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("reverse", [False, True])
def test_no_gradient_reaches_padding(kind, reverse):
    for mask in ("right", "left", "anywhere"):
        mask = masks(7)[mask]
        _, found = gradients(loss_of(recurrent, kind, mask, reverse), [], case(kind, 7))
        assert (found[0][~mask] == 0).all()
        assert (np.abs(found[0][mask]).max(axis=-1) > 0).all()


@pytest.mark.parametrize("kind", KINDS)
def test_extreme_gates_stay_finite(kind):
    arrays = [1e3 * a for a in case(kind, 7)]
    for mask in masks(7).values():
        value, found = gradients(loss_of(recurrent, kind, mask, False), [], arrays)
        assert np.isfinite(value)
        assert all(np.isfinite(one).all() for one in found)


@pytest.mark.skipif(keras.backend.backend() == "tensorflow", reason="TensorFlow does the same on a GPU as on a CPU")
@pytest.mark.parametrize(("kind", "cell"), [*((kind, True) for kind in KINDS), ("lstm", False)])
@pytest.mark.parametrize(
    ("length", "mask", "reverse"),
    [
        (1, "right", False),  # less than a round of steps; 23 are more than two
        *((23, mask, reverse) for mask in ("right", "anywhere") for reverse in (False, True)),
        (23, "none", True),
    ],
)
def test_what_a_gpu_does(monkeypatch, kind, mask, reverse, length, cell):
    """Done by the CPU, which can do it too."""
    if keras.backend.backend() == "torch":
        from keras_nlp_zoo.layers import recurrent_kernels_torch_gpu as gpu

        def run(kind, inputs, weights, states, mask, reverse, cell, training):
            return gpu.run(kind, inputs, weights, states, mask, reverse, cell, sequence=True)
    else:
        from keras_nlp_zoo.layers import recurrent_kernels_xla as xla

        monkeypatch.setattr(xla, "_on_gpu", lambda: True)
        monkeypatch.setattr(xla, "_stages", lambda *_: pytest.fail("a GPU reads all texts at once"))
        run = recurrent
    arrays, mask = case(kind, length), masks(length)[mask]
    value, found = gradients(loss_of(run, kind, mask, reverse, cell), [], arrays)
    expected_value, expected = gradients(loss_of(reference, kind, mask, reverse, cell), [], arrays)
    assert value == pytest.approx(expected_value, abs=TOLERANCE)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, atol=TOLERANCE)
