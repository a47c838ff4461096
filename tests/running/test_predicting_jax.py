"""Predictions on JAX as a GPU gets them: batches brought there together, results back, and by way of pinned memory."""

import itertools

import keras
import numpy as np
import pytest

from tests.contracts.cases import tiny
from tests.running.test_predicting import Always

if keras.backend.backend() != "jax":
    pytest.skip("what JAX alone does", allow_module_level=True)

import jax

from keras_nlp_zoo.running import predicting, predicting_jax

# Two full groups and a rest of three, one alone, a full group, and two.
LENGTHS = [3] * 23 + [5] + [4] * 10 + [6] * 2
GROUPS = [10, 10, 3, 1, 10, 2]
BATCHES = [
    {"token_ids": np.full((2, length), 5 + i % 7, "int32"), "padding_mask": np.ones((2, length), "int32")}
    for i, length in enumerate(LENGTHS)
]


@pytest.fixture(autouse=True)
def far(monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")


@pytest.mark.parametrize("large", [0, 2**20])
def test_as_if_from_afar(monkeypatch, large):
    model = tiny("dnn")
    monkeypatch.setattr(predicting_jax, "LARGE", large)
    kinds = {leaf.sharding.memory_kind for leaf in predicting_jax.outputs(model, BATCHES[:3])}
    assert kinds == ({"pinned_host"} if large == 0 else {"device"})
    found = predicting.predictions(model, iter(BATCHES), 2 * len(BATCHES))
    expected = [model.predict_on_batch(batch) for batch in BATCHES]
    np.testing.assert_allclose(found, np.concatenate(expected), atol=1e-6)


@pytest.mark.parametrize(("most_bytes", "together"), [(2**24, GROUPS), (100, [1] * len(BATCHES))])
def test_what_is_brought_together(monkeypatch, most_bytes, together):
    """Small batches of one length, and the results of ten of them."""
    monkeypatch.setattr(predicting_jax, "MOST_BYTES", most_bytes)
    brought = list(predicting_jax._brought(iter(BATCHES)))
    assert [len(group) for group in brought] == together
    for one, other in zip(itertools.chain(*brought), BATCHES, strict=True):
        for key in other:
            np.testing.assert_array_equal(one[key], other[key])
    results = [len(leaf) // 2 for leaf in predicting_jax.outputs(tiny("dnn"), iter(BATCHES))]
    assert results == list(itertools.chain(*([n] if n == 10 else [1] * n for n in together)))


def test_what_a_batch_changes_the_next_one_sees():
    """Dropout that is on when predicting draws anew for each batch."""
    ids = keras.Input((None,), dtype="int32", name="token_ids")
    mask = keras.Input((None,), dtype="int32", name="padding_mask")
    model = keras.Model({"token_ids": ids, "padding_mask": mask}, Always()(keras.ops.ones_like(ids, dtype="float32")))
    batches = [{key: np.tile(value, (1, 9)) for key, value in batch.items()} for batch in BATCHES[:10]]
    (found,) = predicting_jax.outputs(model, batches)
    assert len({row.tobytes() for row in np.asarray(found)}) == 20
