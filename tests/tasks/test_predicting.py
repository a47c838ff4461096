"""Predictions: the outputs for each batch, whatever waits, and a model that is whole afterwards."""

import keras
import numpy as np
import pytest

from keras_nlp_zoo.tasks import predicting
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
