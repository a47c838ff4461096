"""Predictions: the outputs for each batch, whatever waits, and a model that is whole afterwards."""

import numpy as np
import pytest

from keras_nlp_zoo.tasks import predicting
from tests.contracts.cases import tiny

LENGTHS = [3, 7, 7, 2]
BATCHES = [
    {"token_ids": np.full((2, length), 5 + i, "int32"), "padding_mask": np.ones((2, length), "int32")}
    for i, length in enumerate(LENGTHS)
]


@pytest.mark.parametrize("waiting", [0, 10, 2**26])
def test_are_those_of_each_batch(monkeypatch, waiting):
    monkeypatch.setattr(predicting, "WAITING", waiting)
    model = tiny("dnn")
    found = [*predicting.predictions(model, iter(BATCHES))]
    assert len(found) == len(BATCHES)
    for outputs, batch in zip(found, BATCHES, strict=True):
        assert isinstance(outputs, np.ndarray)
        np.testing.assert_allclose(outputs, model.predict_on_batch(batch), atol=1e-6)


def test_a_reader_that_stops_leaves_the_model_whole():
    model = tiny("dnn")
    before = model.get_weights()

    def broken():
        yield BATCHES[0]
        raise OSError("no more")

    with pytest.raises(OSError, match="no more"):
        [*predicting.predictions(model, broken())]
    next(predicting.predictions(model, iter(BATCHES)))  # and nobody asks for the rest
    for one, other in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(one, other)
    assert model.predict(BATCHES[0], verbose=0).shape == (2, 2)


def test_results_do_not_pile_up(monkeypatch):
    """Of a long list those of a few batches are with the backend at a time."""
    monkeypatch.setattr(predicting, "WAITING", 20)
    real, asked = predicting._outputs, []
    monkeypatch.setattr(predicting, "_outputs", lambda *x: (asked.append(1) or one for one in real(*x)))
    model = tiny("dnn")
    handed = 0
    for _ in predicting.predictions(model, iter(BATCHES * 5)):
        handed += 1
        assert len(asked) - handed < 2, "16 bytes each"
    assert handed == 20
