"""Predictions on JAX as a GPU gets them: batches brought there together, results by way of pinned memory."""

import itertools

import keras
import numpy as np
import pytest

from tests.contracts.cases import tiny

if keras.backend.backend() != "jax":
    pytest.skip("what JAX alone does", allow_module_level=True)

import jax

from keras_nlp_zoo.tasks import predicting, predicting_jax

# Two full groups and a rest of three, one alone, a full group, and two.
LENGTHS = [3] * 23 + [5] + [4] * 10 + [6] * 2
BATCHES = [
    {"token_ids": np.full((2, length), 5 + i % 7, "int32"), "padding_mask": np.ones((2, length), "int32")}
    for i, length in enumerate(LENGTHS)
]


@pytest.mark.parametrize("large", [0, 2**20])
def test_as_if_from_afar(monkeypatch, large):
    model = tiny("dnn")
    expected = [model.predict_on_batch(batch) for batch in BATCHES]
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    monkeypatch.setattr(predicting_jax, "LARGE", large)
    kinds = {leaf.sharding.memory_kind for leaf in predicting_jax.outputs(model, BATCHES[:3])}
    assert kinds == ({"pinned_host"} if large == 0 else {"device"})
    found = predicting.predictions(model, iter(BATCHES), 2 * len(BATCHES))
    np.testing.assert_allclose(found, np.concatenate(expected), atol=1e-6)


@pytest.mark.parametrize(("most_bytes", "together"), [(2**24, 35), (100, 0)])
def test_what_is_brought_together(monkeypatch, most_bytes, together):
    """Every batch, in order; with others where it is small and not the only one of its length."""
    monkeypatch.setattr(predicting_jax, "MOST_BYTES", most_bytes)
    brought = list(predicting_jax.brought(iter(BATCHES)))
    assert sum(isinstance(batch["token_ids"], jax.Array) for batch in brought) == together
    for one, other in itertools.zip_longest(brought, BATCHES):
        for key in other:
            np.testing.assert_array_equal(one[key], other[key])
