"""Batches that are predicted side by side: their order, their errors, what runs at a time, and what must not."""

import threading
import time

import keras
import numpy as np
import pytest

from keras_nlp_zoo.running import predicting, side_by_side
from tests.contracts.cases import tiny
from tests.running.test_predicting import Always

BACKEND = keras.backend.backend()
if BACKEND == "jax":
    from keras_nlp_zoo.running import predicting_jax as backend
elif BACKEND == "tensorflow":
    from keras_nlp_zoo.running import predicting_tensorflow as backend


@pytest.fixture(autouse=True)
def two_cores(monkeypatch):
    """Whatever the machine has."""
    monkeypatch.setattr(side_by_side, "CORES", 2)


def test_results_come_in_order():
    def wait(i):
        time.sleep(0.02 * (i % 3 == 0))
        return i

    assert list(side_by_side.side_by_side((lambda i=i: wait(i)) for i in range(20))) == list(range(20))


def test_as_many_run_as_there_are_cores():
    meet = threading.Barrier(2, timeout=10)  # one call alone would wait for another in vain
    running, most = [], []

    def call():
        running.append(1)
        most.append(len(running))
        meet.wait()
        running.pop()

    list(side_by_side.side_by_side([call] * 10))
    assert max(most) == 2


def test_few_results_wait():
    asked = []
    calls = ((lambda: asked.append(1)) for _ in range(30))
    for handed, _ in enumerate(side_by_side.side_by_side(calls)):
        assert len(asked) - handed <= 5
    assert handed == 29


def test_an_error_ends_it():
    started = []

    def call(i):
        started.append(i)
        if i == 3:
            raise OSError("no more")
        return i

    results = side_by_side.side_by_side((lambda i=i: call(i)) for i in range(40))
    with pytest.raises(OSError, match="no more"):
        list(results)
    assert max(started) < 10
    assert threading.active_count() < 40


def test_a_reader_that_leaves_ends_it():
    before, started = threading.active_count(), []
    results = side_by_side.side_by_side((lambda: started.append(time.sleep(0.2))) for _ in range(40))
    next(results)
    results.close()
    assert len(started) <= 4, "two that ran then, and none of those that waited"
    assert threading.active_count() == before


@pytest.mark.parametrize(("cores", "batches", "many"), [(2, 8, True), (2, 7, False), (1, 99, False), (9, 99, False)])
def test_how_many_are_enough(monkeypatch, cores, batches, many):
    monkeypatch.setattr(side_by_side, "CORES", cores)
    found, all_of_them = side_by_side.enough(range(batches))
    assert found == many
    assert list(all_of_them) == list(range(batches))


# === Models ===

on_cpu = pytest.mark.skipif(BACKEND == "torch", reason="PyTorch shares the work on a batch by itself")
LENGTHS = [5] * 9 + [3] * 4 + [5]
BATCHES = [
    {"token_ids": np.full((2, length), 5 + i, "int32"), "padding_mask": np.ones((2, length), "int32")}
    for i, length in enumerate(LENGTHS)
]


@pytest.fixture
def calls(monkeypatch):
    """How often a model was called in a thread of its own."""
    seen = []

    def counted(all_calls):
        return side_by_side.side_by_side(
            lambda call=call: seen.append(threading.current_thread()) or call() for call in all_calls
        )

    monkeypatch.setattr(backend, "side_by_side", counted)
    if BACKEND == "jax":
        monkeypatch.setattr(backend, "LEAST_OPERATIONS", 0)
    return seen


@on_cpu
@pytest.mark.parametrize("name", ["dnn", "lstm"])
def test_outputs_are_those_of_each_batch(calls, name):
    model = tiny(name)
    for change in (lambda: None, lambda: model.set_weights([-2 * weight for weight in model.get_weights()])):
        change()
        calls.clear()
        found = predicting.predictions(model, iter(BATCHES), 2 * len(BATCHES))
        assert len(calls) in (len(BATCHES), len(BATCHES) - 1)  # TensorFlow looks at the first
        assert threading.main_thread() not in calls
        expected = np.concatenate([model.predict_on_batch(batch) for batch in BATCHES])
        np.testing.assert_allclose(found, expected, atol=1e-6)


@on_cpu
def test_what_a_batch_changes_the_next_one_sees(calls):
    """Dropout that is on when predicting: the same seed gives the same, batch after batch."""
    ids = keras.Input((None,), dtype="int32", name="token_ids")
    mask = keras.Input((None,), dtype="int32", name="padding_mask")
    drawn = []
    for _ in range(2):
        keras.utils.set_random_seed(1)
        x = Always()(keras.ops.ones_like(ids, dtype="float32"))
        model = keras.Model({"token_ids": ids, "padding_mask": mask}, x)
        batches = [{key: np.tile(value, (1, 9)) for key, value in BATCHES[0].items()}] * 9
        drawn.append(predicting.predictions(model, batches, 18))
    assert not calls
    assert len({row.tobytes() for row in drawn[0]}) == 18
    np.testing.assert_array_equal(*drawn)


@on_cpu
def test_large_results_come_one_by_one(calls, monkeypatch):
    model = tiny("dnn")
    monkeypatch.setattr(side_by_side, "MOST_BYTES", 2 * 2 * 4)  # two texts, two classes, float32
    predicting.predictions(model, iter(BATCHES), 2 * len(BATCHES))
    assert calls
    calls.clear()
    monkeypatch.setattr(side_by_side, "MOST_BYTES", 2 * 2 * 4 - 1)
    found = predicting.predictions(model, iter(BATCHES), 2 * len(BATCHES))
    assert not calls
    np.testing.assert_allclose(found, np.concatenate([model.predict_on_batch(batch) for batch in BATCHES]), atol=1e-6)


@pytest.mark.skipif(BACKEND != "jax", reason="what JAX alone does")
def test_little_work_is_not_worth_a_thread(calls, monkeypatch):
    monkeypatch.setattr(backend, "LEAST_OPERATIONS", 10**7)
    predicting.predictions(tiny("lstm"), iter(BATCHES), 2 * len(BATCHES))
    assert not calls


@pytest.mark.skipif(BACKEND != "jax", reason="counts what JAX compiles")
def test_a_shape_is_compiled_once(calls):
    import jax

    compiled = []

    def listen(event, _, **__):
        if event == "/jax/core/compile/backend_compile_duration":
            compiled.append(event)

    model = tiny("lstm")
    jax.monitoring.register_event_duration_secs_listener(listen)
    try:
        predicting.predictions(model, iter(BATCHES), 2 * len(BATCHES))
        assert len(compiled) == 2  # two lengths
        predicting.predictions(model, iter(BATCHES), 2 * len(BATCHES))
        assert len(compiled) == 2
    finally:
        jax.monitoring.clear_event_listeners()
