"""Layers called without what Keras does around a call: the same numbers, and Keras's way where it is needed."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_nlp_zoo as knz
from keras_nlp_zoo.layers.calling import RunsItsLayers, run
from keras_nlp_zoo.layers.dense import Dense

DIM, UNITS = 4, 3
RANDOM = np.random.RandomState(0)
INPUTS = RANDOM.normal(size=(2, 5, DIM)).astype("float32")
torch_only = pytest.mark.skipif(keras.backend.backend() != "torch", reason="the others compile, and Keras calls")


def numpy(tensor):
    return ops.convert_to_numpy(tensor)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "mixed_bfloat16", "int8"])
def test_run_is_a_call(dtype):
    layer = Dense(UNITS, dtype=None if dtype == "int8" else dtype)
    layer.build(INPUTS.shape)
    if dtype == "int8":
        layer.quantize("int8")
    x = ops.convert_to_tensor(INPUTS, layer.compute_dtype)
    found, wanted = run(layer, x), layer(x)
    assert keras.backend.standardize_dtype(found.dtype) == keras.backend.standardize_dtype(wanted.dtype)
    np.testing.assert_array_equal(numpy(ops.cast(found, "float32")), numpy(ops.cast(wanted, "float32")))
    if dtype == "mixed_bfloat16":  # a call casts what comes in
        assert keras.backend.standardize_dtype(run(layer, ops.convert_to_tensor(INPUTS)).dtype) == "bfloat16"


def test_run_hands_arguments_on():
    dropout = keras.layers.Dropout(0.5, seed=0)
    x = ops.ones((10, 20))
    np.testing.assert_array_equal(numpy(run(dropout, x)), numpy(x))
    np.testing.assert_array_equal(numpy(run(dropout, x, training=False)), numpy(x))
    dropped = numpy(run(dropout, x, training=True))
    assert {*np.unique(dropped)} == {0.0, 2.0}
    norm = keras.layers.LayerNormalization(epsilon=1e-5)
    norm.build((None, 20))
    x = RANDOM.normal(size=(10, 20)).astype("float32")
    wanted = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.astype("float64").var(-1, keepdims=True) + 1e-5)
    np.testing.assert_allclose(numpy(run(norm, ops.convert_to_tensor(x))), wanted, atol=1e-5)


# === Models ===


class Quick(RunsItsLayers, keras.Model):
    pass


def pair(change=lambda x: x, **options):
    """Two models of the same layers, ours and Keras's."""
    inputs = keras.Input((None, DIM))
    x = keras.layers.Dense(6, activation="tanh", **options)(inputs)
    x = change(x) * 2 + ops.expand_dims(ops.mean(x, axis=-1), -1)
    outputs = {"all": keras.layers.Dense(UNITS)(x), "mean": ops.mean(x, axis=1)}
    return Quick(inputs, outputs), keras.Model(inputs, outputs)


def assert_same(found, wanted):
    for one, other in zip(keras.tree.flatten(found), keras.tree.flatten(wanted), strict=True):
        np.testing.assert_allclose(numpy(one), numpy(other), atol=1e-6)


def test_a_model_says_what_keras_does():
    quick, slow = pair()
    assert_same(quick(INPUTS), slow(INPUTS))
    assert_same(quick.predict(INPUTS, verbose=0), slow.predict(INPUTS, verbose=0))
    np.testing.assert_array_equal(numpy(Quick(quick.input, quick.outputs[0])(INPUTS)), numpy(quick(INPUTS)["all"]))
    symbol = quick(keras.Input((9, DIM)))
    assert symbol["all"].shape == (None, 9, UNITS)


def test_training_reaches_the_layers_of_a_model():
    for model in pair(keras.layers.Dropout(0.5, seed=0)):
        still = numpy(model(INPUTS)["all"])
        np.testing.assert_array_equal(numpy(model(INPUTS, training=False)["all"]), still)
        assert np.abs(numpy(model(INPUTS, training=True)["all"]) - still).max() > 1e-3


@pytest.mark.parametrize("options", [{"activity_regularizer": "l2"}, {"dtype": "mixed_bfloat16"}])
def test_layers_that_need_more_are_called(options):
    quick, slow = pair(**options)
    found, losses = quick(INPUTS), quick.losses
    assert_same(found, slow(INPUTS))
    assert len(losses) == (1 if "activity_regularizer" in options else 0)
    assert_same(losses, slow.losses)


def test_a_mask_is_handed_on():
    """The mean of a text leaves out what its mask does."""
    inputs = keras.Input((None, DIM))
    model = Quick(inputs, keras.layers.GlobalAveragePooling1D()(inputs))
    words, mask = (ops.convert_to_tensor([values]) for values in ([[1.0] * DIM, [0.0] * DIM], [True, False]))
    np.testing.assert_allclose(numpy(model.call(words, mask=mask)), np.ones((1, DIM)))


@torch_only
def test_keras_is_not_asked_for_each_layer(monkeypatch):
    quick, slow = pair()
    calls = []
    real = keras.layers.Dense.__call__
    monkeypatch.setattr(keras.layers.Dense, "__call__", lambda self, *x, **k: calls.append(1) or real(self, *x, **k))
    quick(INPUTS)
    assert not calls
    slow(INPUTS)
    assert len(calls) == 2


IDS = {
    "token_ids": RANDOM.randint(1, 9, (3, 6)).astype("int32"),
    "padding_mask": (np.arange(6) < np.array([[6], [2], [4]])).astype("int32"),
}


def classifier():
    backbone = knz.models.LSTMBackbone(9, embedding_dim=DIM, hidden_dim=UNITS, dropout=0.0)
    return knz.TextClassifier(backbone, num_classes=2, dropout=0.0)


def by_hand(model, inputs=IDS):
    """The same classifier, layer by layer, all of Keras around each."""
    words = model.backbone.token_embedding(inputs["token_ids"])
    _, hidden = model.backbone.recurrent(words, mask=inputs["padding_mask"])
    return numpy(model.output_dense(hidden))


@torch_only
def test_outputs_that_nobody_reads_are_left_out():
    model = classifier()
    asked = []
    real = model.backbone.recurrent.call_without
    object.__setattr__(
        model.backbone.recurrent, "call_without", lambda unused, *x, **k: asked.append(unused) or real(unused, *x, **k)
    )
    found = numpy(model(IDS))
    assert asked == [{0}], "of the classifier the sequence of outputs is no part"
    np.testing.assert_allclose(found, by_hand(model), atol=1e-6)
    assert model.backbone(IDS)["sequence_output"].shape == (3, 6, UNITS)
    assert asked[-1] == set()
    sequence, hidden = real({0}, ops.ones((2, 5, DIM)))
    assert sequence is None
    assert hidden.shape == (2, UNITS)


@torch_only
def test_inputs_become_what_the_model_was_built_for():
    import torch

    inputs = {"rows": keras.Input((DIM,), name="rows"), "column": keras.Input((1,), name="column")}
    model = Quick(inputs, {"a": ops.absolute(inputs["rows"]), "b": inputs["rows"] * inputs["column"]})
    rows, column = torch.tensor(INPUTS[:, 0]), torch.ones(2, 1)
    expected = INPUTS[:, 0]
    for given in ({"rows": rows.double(), "column": column}, {"rows": rows, "column": column[:, 0]}):
        found = model.call(given)
        assert found["a"].dtype == torch.float32
        np.testing.assert_array_equal(numpy(found["a"]), np.abs(expected))
        np.testing.assert_array_equal(numpy(found["b"]), expected)
    with pytest.warns(UserWarning, match="doesn't match the expected structure"):  # as Keras does
        model({"rows": rows, "column": column, "spare": column})


@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16"])
def test_predicting_is_calling(dtype):
    quick, slow = pair(dtype=dtype)
    assert_same(quick.predict_on_batch(INPUTS), slow.predict_on_batch(INPUTS))
    found = quick.predict(INPUTS, verbose=0)
    assert_same(found, slow.predict(INPUTS, verbose=0))
    assert all(isinstance(array, np.ndarray) for array in found.values())


@torch_only
def test_a_batch_skips_the_call_and_predictions_keep_no_gradient(monkeypatch):
    model, seen = classifier(), []
    model.compile()
    model.fit(IDS, np.array([0, 1, 1]), verbose=0)  # so that Keras has made what it makes once
    real = model.call
    monkeypatch.setattr(keras.layers.Layer, "__call__", lambda *x, **k: pytest.fail("Keras was asked"))
    object.__setattr__(model, "call", lambda *x, **k: seen.append(real(*x, **k)) or seen[-1])
    found = model.predict(IDS, verbose=0)
    model.fit(IDS, np.array([0, 1, 1]), verbose=0)
    model.evaluate(IDS, np.array([0, 1, 1]), verbose=0)
    monkeypatch.undo()
    assert [output.requires_grad for output in seen] == [False, True, False]
    np.testing.assert_array_equal(found, numpy(seen[0]))
    np.testing.assert_allclose(numpy(seen[2]), by_hand(model), atol=1e-6)


class Wrapped(keras.layers.Layer):
    """Does not say to its dropout whether it is trained, and adds to the loss."""

    def __init__(self):
        super().__init__()
        self.dropout = keras.layers.Dropout(0.5, seed=0)

    def call(self, inputs):
        self.add_loss(ops.sum(inputs))
        return self.dropout(inputs)


def test_layers_within_know_whether_they_are_trained():
    inputs = {"x": keras.Input((DIM,), name="x")}
    model = Quick(inputs, Wrapped()(inputs["x"]))
    x = {"x": ops.ones((50, DIM))}
    for training, expected in ((True, {0.0, 2.0}), (False, {1.0}), (True, {0.0, 2.0})):
        assert {*np.unique(numpy(model(x, training=training)))} == expected
        assert [float(loss) for loss in model.losses] == [50 * DIM], "those of the last call alone"
    assert {*np.unique(numpy(model(x)))} == {1.0}
