"""Our Adam and AdamW against the papers' formulas in float64, step by step."""

import keras
import numpy as np
import pytest

import keras_nlp_zoo as knz

SHAPES = [(5, 3), (7,), (2, 3, 4)]


def formula(weights, steps, rate, decay=0.0, clip=None, beta_1=0.9, beta_2=0.999, epsilon=1e-7):
    """The weights after steps of gradients."""
    weights = [w.astype("float64") for w in weights]
    m, v = ([np.zeros_like(w) for w in weights] for _ in range(2))
    for t, grads in enumerate(steps, start=1):
        grads = [g.astype("float64") for g in grads]
        norm = np.sqrt(sum((g**2).sum() for g in grads))
        if clip is not None and norm > clip:
            grads = [g * clip / norm for g in grads]
        for i, g in enumerate(grads):
            weights[i] -= rate * decay * weights[i]
            m[i] = beta_1 * m[i] + (1 - beta_1) * g
            v[i] = beta_2 * v[i] + (1 - beta_2) * g**2
            alpha = rate * np.sqrt(1 - beta_2**t) / (1 - beta_1**t)
            weights[i] -= alpha * m[i] / (np.sqrt(v[i]) + epsilon)  # epsilon as in section 2 of the paper's end
    return weights


@pytest.mark.parametrize("clip", [None, 0.5, 1e6])
@pytest.mark.parametrize("decay", [0.0, 0.1])
@pytest.mark.parametrize("scale", [1.0, 1e-7])  # next to a gradient so small, epsilon counts
def test_steps_are_those_of_the_paper(scale, decay, clip):
    random = np.random.default_rng(0)
    start = [random.normal(size=shape).astype("float32") for shape in SHAPES]
    steps = [[scale * random.normal(size=shape).astype("float32") for shape in SHAPES] for _ in range(4)]
    variables = [keras.Variable(value) for value in start]
    if decay:
        optimizer = knz.training.AdamW(0.01, weight_decay=decay, global_clipnorm=clip)
    else:
        optimizer = knz.training.Adam(0.01, global_clipnorm=clip)
    for grads in steps:
        optimizer.apply([keras.ops.convert_to_tensor(g) for g in grads], variables)
    for variable, expected in zip(variables, formula(start, steps, 0.01, decay, clip), strict=True):
        np.testing.assert_allclose(keras.ops.convert_to_numpy(variable), expected, atol=2e-6)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize("name", ["Adam", "AdamW"])
def test_learns_in_half_precision(name, dtype):
    """Where the second moment's 0.999 rounds to 1."""
    start, grads = [np.ones(3, "float32")], [[np.array([1.0, -2.0, 3.0])]] * 3
    variable = keras.Variable(start[0], dtype=dtype)
    optimizer = getattr(knz.training, name)(0.1, **({"weight_decay": 0.0} if name == "AdamW" else {}))
    for (grad,) in grads:
        optimizer.apply([keras.ops.convert_to_tensor(grad, dtype)], [variable])
    (expected,) = formula(start, grads, 0.1)
    found = keras.ops.convert_to_numpy(keras.ops.cast(variable, "float32"))
    np.testing.assert_allclose(found, expected, atol=0.02)  # three steps of 0.1, and bfloat16 has 8 bits


def test_accumulated_gradients_are_steps_of_their_mean():
    random = np.random.default_rng(0)
    start = [random.normal(size=shape).astype("float32") for shape in SHAPES]
    grads = [[random.normal(size=shape).astype("float32") for shape in SHAPES] for _ in range(6)]
    variables = [keras.Variable(value) for value in start]
    optimizer = knz.training.Adam(0.01, gradient_accumulation_steps=2)
    for step in grads:
        optimizer.apply([keras.ops.convert_to_tensor(g) for g in step], variables)
    means = [[(a + b) / 2 for a, b in zip(*pair, strict=True)] for pair in zip(grads[::2], grads[1::2], strict=True)]
    for variable, expected in zip(variables, formula(start, means, 0.01), strict=True):
        np.testing.assert_allclose(keras.ops.convert_to_numpy(variable), expected, atol=2e-6)


def test_weights_in_another_order_of_memory():
    value = np.arange(12, dtype="float32").reshape(3, 4)
    variable = keras.Variable(keras.ops.transpose(keras.ops.convert_to_tensor(value)))
    grads = np.linspace(-1, 1, 12, dtype="float32").reshape(4, 3)
    knz.training.Adam(0.1).apply([keras.ops.transpose(keras.ops.convert_to_tensor(grads.T.copy()))], [variable])
    (expected,) = formula([value.T], [[grads]], 0.1)
    np.testing.assert_allclose(keras.ops.convert_to_numpy(variable), expected, atol=1e-6)


@pytest.mark.parametrize("name", ["Adam", "AdamW"])
def test_are_saved_with_what_they_have_learnt(name, tmp_path):
    x, y = np.ones((8, 3)), np.zeros((8, 2))
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    model.compile(getattr(knz.training, name)(0.1, global_clipnorm=1.0, amsgrad=True), "mse")
    model.fit(x, y, verbose=0)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert type(again.optimizer) is getattr(knz.training, name)
    assert (int(again.optimizer.iterations), again.optimizer.global_clipnorm, again.optimizer.amsgrad) == (1, 1.0, True)
    model.fit(x, y, verbose=0)
    again.fit(x, y, verbose=0)
    np.testing.assert_allclose(again.get_weights()[0], model.get_weights()[0], atol=1e-6)


def test_a_weight_without_gradient_stays():
    variables = [keras.Variable(np.ones(2)), keras.Variable(np.ones(2))]
    with pytest.warns(UserWarning, match="Gradients do not exist"):
        knz.training.Adam(0.1).apply([None, keras.ops.ones(2)], variables)
    assert np.all(keras.ops.convert_to_numpy(variables[0]) == 1)
    np.testing.assert_allclose(keras.ops.convert_to_numpy(variables[1]), 0.9, atol=1e-5)
