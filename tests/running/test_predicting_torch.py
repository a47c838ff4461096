"""Predictions on PyTorch: small networks read some batches of one shape together, large ones each by itself."""

import keras
import numpy as np
import pytest

from tests.contracts.cases import tiny
from tests.running.test_predicting import Halved

if keras.backend.backend() != "torch":
    pytest.skip("what PyTorch alone does", allow_module_level=True)

from keras_nlp_zoo.running import predicting, predicting_torch

# (rows, length) of each batch: ten of one length, the last of them smaller, one of another, and two more of the first.
SHAPES = [(2, 7)] * 9 + [(1, 7), (2, 5), (2, 7), (2, 7)]
TOGETHER = [16, 3, 2, 4]  # rows


def batches(shapes=SHAPES):
    random = np.random.default_rng(0)
    for rows, length in shapes:
        ids = random.integers(4, 9, (rows, length)).astype("int32")
        yield {"token_ids": ids, "padding_mask": np.ones_like(ids)}


def read(model, shapes=SHAPES, together=True):
    """How many rows come at a time."""
    if keras.ops.zeros(()).device.type != "cpu":
        pytest.skip("a GPU reads each batch by itself")
    return [len(found) for found in predicting_torch.outputs(model, batches(shapes), together)]


@pytest.mark.parametrize("name", ["dnn", "lstm"])
def test_small_networks_read_batches_together(name):
    model = tiny(name)
    assert read(model) == TOGETHER
    found = predicting.predictions(model, batches(), sum(rows for rows, _ in SHAPES))
    expected = np.concatenate([model.predict_on_batch(batch) for batch in batches()])
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_large_ones_do_not(monkeypatch):
    model = tiny("lstm")
    (table,) = (layer for layer in model.backbone.layers if isinstance(layer, keras.layers.Embedding))
    weights = model.count_params() - table.count_params() + 256 * model.output_shape[-1]
    for batches_at_a_time, rows in ((1, [2] * 6), (2, [4] * 3), (3, [6] * 2)):
        monkeypatch.setattr(predicting_torch, "MOST_PRODUCTS", batches_at_a_time * 14 * (weights + 256 * 7))
        assert read(model, SHAPES[:6]) == rows
    monkeypatch.setattr(predicting_torch, "MOST_PRODUCTS", 2 * 14 * (weights + 256 * 7) - 1)
    assert read(model, SHAPES[:6]) == [2] * 6


def test_a_step_of_ones_own_sees_batch_after_batch():
    own = Halved(tiny("dnn").backbone, None, num_classes=2, dropout=0.0)
    shapes, seen = [(2, 5)] * 4, []
    step = own.predict_step
    own.predict_step = lambda *args: seen.append(1) or step(*args)
    found = predicting.predictions(own, batches(shapes), 8)
    assert len(seen) == 4
    expected = np.concatenate([2 * own.predict_on_batch(batch) for batch in batches(shapes)])
    np.testing.assert_allclose(2 * found, expected, atol=1e-6)


def test_nor_does_a_model_that_runs_eagerly():
    model = tiny("dnn")
    model.compile(run_eagerly=True)
    assert read(model) == [rows for rows, _ in SHAPES]
