"""Predictions on JAX as a GPU gets them: batches worked on together, results by way of pinned memory."""

import keras
import numpy as np
import pytest

from tests.contracts.cases import tiny
from tests.tasks.test_predicting import Always

if keras.backend.backend() != "jax":
    pytest.skip("what JAX alone does", allow_module_level=True)

import jax

from keras_nlp_zoo.tasks import predicting, predicting_jax

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
def test_what_is_worked_on_together(monkeypatch, most_bytes, together):
    """Batches of one length, where they are small."""
    monkeypatch.setattr(predicting_jax, "MOST_BYTES", most_bytes)
    found = list(predicting_jax.outputs(tiny("dnn"), iter(BATCHES)))
    assert [len(leaf) // 2 for leaf in found] == together


def test_one_program_for_a_length(monkeypatch):
    model, programs, loop = tiny("dnn"), [], jax.lax.fori_loop
    monkeypatch.setattr(jax.lax, "fori_loop", lambda *arguments: programs.append(1) or loop(*arguments))
    for count in (10, 3, 1, 23):
        list(predicting_jax.outputs(model, BATCHES[:count]))
    assert len(programs) == 1


def test_what_changes_with_a_batch_goes_alone():
    """Dropout that is on when predicting draws anew for each batch."""
    ids = keras.Input((None,), dtype="int32", name="token_ids")
    mask = keras.Input((None,), dtype="int32", name="padding_mask")
    model = keras.Model({"token_ids": ids, "padding_mask": mask}, Always()(keras.ops.ones_like(ids, dtype="float32")))
    batches = [{key: np.tile(value, (1, 9)) for key, value in batch.items()} for batch in BATCHES[:10]]
    found = list(predicting_jax.outputs(model, batches))
    assert len({np.asarray(leaf).tobytes() for leaf in found}) == 10
