"""Predictions: the outputs for each batch, whatever waits, and a model that is whole afterwards."""

import keras
import numpy as np
import pytest

import keras_nlp_zoo as knz
from keras_nlp_zoo.running import predicting
from tests.contracts.cases import tiny

LENGTHS = [3, 7, 7, 2]
BATCHES = [
    {"token_ids": np.full((2, length), 5 + i, "int32"), "padding_mask": np.ones((2, length), "int32")}
    for i, length in enumerate(LENGTHS)
]


ROWS = 2 * len(BATCHES)


@pytest.mark.parametrize("waiting", [0, 20, 2**26])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_are_those_of_each_batch(monkeypatch, waiting, dtype):
    monkeypatch.setattr(predicting, "WAITING", waiting)
    model = tiny("dnn", dtype=dtype)
    found = predicting.predictions(model, iter(BATCHES), ROWS)
    expected = np.concatenate([model.predict_on_batch(batch) for batch in BATCHES])
    assert isinstance(found, np.ndarray)
    assert found.dtype == expected.dtype
    np.testing.assert_allclose(found.astype("float32"), expected.astype("float32"), atol=1e-6)


def test_outputs_keep_their_structure():
    backbone = tiny("lstm").backbone
    batches = BATCHES[1:3]
    model = keras.Model(backbone.input, backbone.output)
    found = predicting.predictions(model, iter(batches), 4)
    assert {*found} == {*backbone.output}
    for i, batch in enumerate(batches):
        for key, value in model.predict_on_batch(batch).items():
            np.testing.assert_allclose(found[key][2 * i : 2 * i + 2], value, atol=1e-6)


def test_follow_the_weights_and_what_is_compiled():
    model = tiny("dnn")
    x = {
        key: np.repeat(value, 20, axis=0)[::-1] for key, value in BATCHES[1].items()
    }  # 40 rows, from the last to the first
    for change in (lambda: None, lambda: model.set_weights([-2 * weight for weight in model.get_weights()])):
        change()
        found = model.predict(x, batch_size=8, verbose=0)
        np.testing.assert_allclose(found, model.predict_on_batch(x), atol=1e-6)
    assert np.abs(found).max() > 1e-3
    model.output_dense.activation = keras.activations.softmax
    model.compile()
    np.testing.assert_allclose(model.predict(x, verbose=0).sum(axis=1), 1, atol=1e-6)


class Always(keras.layers.Layer):
    """Drops when predicting too, for many answers of which the spread says something."""

    def __init__(self):
        super().__init__()
        self.dropout = knz.layers.Dropout(0.5)

    def call(self, inputs):
        return self.dropout(inputs, training=True)


def test_what_is_drawn_is_drawn_anew():
    inputs = keras.Input((None,), dtype="int32", name="token_ids")
    mask = keras.Input((None,), dtype="int32", name="padding_mask")
    x = Always()(keras.ops.ones_like(inputs, dtype="float32"))
    model = keras.Model({"token_ids": inputs, "padding_mask": mask}, x)
    batch = {key: np.tile(value, (1, 9)) for key, value in BATCHES[1].items()}
    drawn = np.concatenate([predicting.predictions(model, [batch, batch], 4) for _ in range(2)])
    assert len({row.tobytes() for row in drawn}) == 8, "two batches of two texts, twice"


class Halved(knz.TextClassifier):
    def predict_step(self, *args, **kwargs):
        return halved(super().predict_step(*args, **kwargs))


def halved(outputs):
    """Of what a step returns the logits; on JAX there are variables too."""
    return keras.tree.map_structure(lambda x: x / 2 if keras.ops.is_tensor(x) and x.shape == (2, 2) else x, outputs)


def test_a_step_of_ones_own_is_taken():
    model = tiny("dnn")
    own = Halved(model.backbone, None, num_classes=2, dropout=0.0)
    own.set_weights(model.get_weights())
    np.testing.assert_allclose(own.predict(BATCHES[0], verbose=0) * 2, model.predict(BATCHES[0], verbose=0), atol=1e-6)


def test_a_step_put_on_a_model_is_taken():
    model = tiny("dnn")
    expected = model.predict(BATCHES[0], verbose=0)
    step = model.predict_step
    model.predict_step = lambda *args, **kwargs: halved(step(*args, **kwargs))
    model.compile()
    np.testing.assert_allclose(model.predict(BATCHES[0], verbose=0) * 2, expected, atol=1e-6)


def test_a_list_is_not_taken_for_a_dict():
    """Of the same arrays: Keras says what is wrong."""
    model = tiny("dnn")
    model.predict(BATCHES[0], verbose=0)
    with pytest.raises(ValueError, match="structure of `inputs`"):
        model.predict([BATCHES[0][name] for name in model.input], verbose=0)


def test_a_reader_that_stops_leaves_the_model_whole():
    model = tiny("dnn")
    before = model.get_weights()

    def broken():
        yield BATCHES[0]
        raise OSError("no more")

    with pytest.raises(OSError, match="no more"):
        predicting.predictions(model, broken(), ROWS)
    for one, other in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(one, other)
    assert model.predict(BATCHES[0], verbose=0).shape == (2, 2)


def test_results_do_not_pile_up(monkeypatch):
    """Of a long list those of a few batches are with the backend at a time."""
    monkeypatch.setattr(predicting, "WAITING", 40)
    asked = []
    outputs = (asked.append(1) or np.zeros((2, 2), "float32") for _ in range(20))  # 16 bytes each
    for handed, _ in enumerate(predicting._a_while_later(outputs)):
        assert len(asked) - handed <= 3
    assert handed == 19
