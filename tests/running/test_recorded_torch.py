"""Steps that a GPU repeats are the steps that Keras would have taken."""

import contextlib

import keras
import numpy as np
import pytest

import keras_nlp_zoo as knz
from tests.contracts.cases import tiny

torch_only = pytest.mark.skipif(keras.backend.backend() != "torch", reason="the other backends compile their steps")


def gpu():
    return keras.backend.backend() == "torch" and keras.ops.zeros(()).device.type == "cuda"


gpu_only = pytest.mark.skipif(not gpu(), reason="a CPU is not waited for")


@pytest.fixture
def recording(monkeypatch):
    """On a machine without a GPU, one that keeps a list of operations, and does them again."""
    if gpu():
        return
    import torch
    from torch.utils._python_dispatch import TorchDispatchMode

    from keras_nlp_zoo.running import recorded_torch

    class Graph(TorchDispatchMode):
        def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
            kwargs = kwargs or {}
            if operation._schema.is_mutable:
                values = [value for value in keras.tree.flatten([args, kwargs]) if torch.is_tensor(value)]
                self.before += [(value, value.clone()) for value in values]
            outputs = operation(*args, **kwargs)
            self.operations.append((operation, args, kwargs, outputs))
            return outputs

        def __enter__(self):
            self.operations, self.before = [], []
            return super().__enter__()

        def __exit__(self, *exception):
            super().__exit__(*exception)
            for value, before in reversed(self.before):  # nothing was computed
                value.data.copy_(before)

        @torch.no_grad()
        def replay(self):
            for operation, args, kwargs, outputs in self.operations:
                again = operation(*args, **kwargs)
                for old, new in zip(keras.tree.flatten(outputs), keras.tree.flatten(again), strict=True):
                    if torch.is_tensor(old) and old.data_ptr() != new.data_ptr():
                        old.copy_(new)

    class Stream:
        def __init__(self, device=None):
            pass

        def wait_stream(self, other):
            pass

    monkeypatch.setattr(recorded_torch, "_can_be_recorded", lambda model: not model.run_eagerly)
    for name, stand_in in {
        "CUDAGraph": Graph,
        "graph": lambda graph, *_, **__: graph,
        "Stream": Stream,
        "current_stream": Stream,
        "stream": lambda stream: contextlib.nullcontext(),
        "device": lambda device: contextlib.nullcontext(),
        "graph_pool_handle": lambda: None,
        "get_sync_debug_mode": lambda: 0,
        "set_sync_debug_mode": lambda mode: None,
    }.items():
        monkeypatch.setattr(torch.cuda, name, stand_in)


RANDOM = np.random.RandomState(0)
# Two shapes of batches: eight, eight and four texts.
IDS = {
    "token_ids": RANDOM.randint(5, 50, (20, 9)).astype("int32"),
    "segment_ids": np.zeros((20, 9), "int32"),
    "padding_mask": (np.arange(9) < RANDOM.randint(1, 10, (20, 1))).astype("int32"),
}
LABELS = RANDOM.randint(0, 2, 20)
OPTIONS = {"batch_size": 8, "shuffle": False, "verbose": 0}


class Watch(keras.callbacks.Callback):
    """Keeps what repeats the steps, and the loss of every batch."""

    def __init__(self):
        super().__init__()
        self.losses = []

    def on_train_batch_end(self, batch, logs=None):
        self.losses.append(logs["loss"])
        self.steps = self.model.train_function


def inputs_of(model, rows=slice(None)):
    """What it reads: segments are BERT's."""
    return {key: IDS[key][rows] for key in model.input}


def compiled(name, weights=None, run_eagerly=False, **options):
    model = tiny(name)
    if weights is not None:
        model.set_weights(weights)
    rate = knz.training.InverseSquareRoot(0.02, warmup_steps=4)
    model.compile(knz.training.Adam(rate, **options), run_eagerly=run_eagerly)
    return model


# Recurrent networks are another kernel's on CPU, one that looks at the texts.
@torch_only
@pytest.mark.usefixtures("recording")
@pytest.mark.parametrize("name", ["dnn", "cnn", "bert", *(["rnn", "lstm", "gru"] if gpu() else [])])
def test_fit_evaluate_and_predict(name):
    fast = compiled(name, global_clipnorm=1.0)
    slow = compiled(name, fast.get_weights(), run_eagerly=True, global_clipnorm=1.0)
    watches = [Watch(), Watch()]
    inputs, validation = inputs_of(fast), (inputs_of(fast, slice(8)), LABELS[:8])
    histories = [
        model.fit(inputs, LABELS, epochs=6, callbacks=[watch], validation_data=validation, **OPTIONS).history
        for model, watch in zip((fast, slow), watches, strict=True)
    ]
    assert len(watches[0].steps.recordings) == 2
    assert not hasattr(watches[1].steps, "recordings")
    np.testing.assert_allclose(*(watch.losses for watch in watches), atol=1e-4)
    for key, values in histories[0].items():
        np.testing.assert_allclose(values, histories[1][key], atol=1e-4)
    for one, other in zip(fast.get_weights(), slow.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-3)  # a tenth of a step: Adam divides by gradients near 0
    assert int(fast.optimizer.iterations) == 18
    slow.set_weights(fast.get_weights())
    found, wanted = (model.evaluate(inputs, LABELS, batch_size=2, verbose=0) for model in (fast, slow))
    np.testing.assert_allclose(found, wanted, atol=1e-4)
    found, wanted = (model.predict(inputs, batch_size=2, verbose=0) for model in (fast, slow))
    np.testing.assert_allclose(found, wanted, atol=1e-5)
    assert fast.train_function is fast.test_function is None


@torch_only
@pytest.mark.usefixtures("recording")
def test_steps_taken_by_hand_between_two_fits():
    fast = compiled("dnn")
    slow = compiled("dnn", fast.get_weights(), run_eagerly=True)
    for model in (fast, slow):
        for _ in range(2):
            model.fit(inputs_of(model), LABELS, epochs=3, **OPTIONS)
            model.train_on_batch(inputs_of(model), LABELS)
    for one, other in zip(fast.get_weights(), slow.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-3)


@torch_only
@pytest.mark.usefixtures("recording")
def test_a_rate_that_a_callback_sets_is_the_next_step_s():
    model = tiny("dnn")
    model.compile(knz.training.Adam(0.01))
    model.fit(inputs_of(model), LABELS, epochs=4, **OPTIONS)
    weights = []
    still = keras.callbacks.LambdaCallback(
        on_epoch_begin=lambda epoch, logs: setattr(model.optimizer, "learning_rate", 0.01 if epoch < 4 else 0.0),
        on_epoch_end=lambda epoch, logs: weights.append(model.get_weights()[0]),
    )
    model.fit(inputs_of(model), LABELS, epochs=6, callbacks=[still], **OPTIONS)
    assert np.abs(weights[3] - weights[2]).max() > 1e-3
    np.testing.assert_array_equal(weights[5], weights[3])


@torch_only
@pytest.mark.usefixtures("recording")
@pytest.mark.parametrize("rate", [{"word_dropout": 0.5}, {"dropout": 0.5}])
def test_dropout_draws_anew(rate):
    model = tiny("dnn", **rate)
    model.compile(knz.training.Adam(0.0))
    watch = Watch()
    model.fit(inputs_of(model, slice(8)), LABELS[:8], epochs=8, callbacks=[watch], **OPTIONS)
    assert watch.steps.recordings
    assert len({round(loss, 6) for loss in watch.losses}) == 8


@torch_only
@pytest.mark.usefixtures("recording")
def test_predictions_follow_the_weights():
    """Recorded once, they read what the weights are now, in place or not."""
    import torch

    model = compiled("cnn")
    inputs, other, first = inputs_of(model), [-weight for weight in model.get_weights()], model.weights[0]
    changes = [
        lambda: None,
        lambda: model.set_weights(other),
        lambda: setattr(first, "_value", torch.nn.Parameter(2 * first.value.detach())),
    ]
    for change in changes:
        change()
        found = model.predict(inputs, batch_size=2, verbose=0)
        wanted = keras.ops.convert_to_numpy(model(keras.tree.map_structure(keras.ops.convert_to_tensor, inputs)))
        np.testing.assert_allclose(found, wanted, atol=1e-5)
        kept = model._kept_predictions[1]
        assert len(kept.recordings) == 1
    model.predict(inputs, batch_size=2, verbose=0)
    assert model._kept_predictions[1] is kept


class AsksTheGPU(keras.metrics.Mean):
    def update_state(self, y_true, y_pred, sample_weight=None):
        super().update_state(keras.ops.convert_to_numpy(y_pred).mean())


@gpu_only
@pytest.mark.parametrize("options", [{"metrics": [AsksTheGPU()]}, {"accumulate": 2}, {"loss_scale": True}])
def test_what_waits_for_the_gpu_is_not_recorded(options):
    optimizer = knz.training.Adam(0.02, gradient_accumulation_steps=options.pop("accumulate", None))
    if options.pop("loss_scale", False):
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    model = tiny("dnn")
    model.compile(optimizer, **options)
    watch = Watch()
    history = model.fit(inputs_of(model), LABELS, epochs=20, callbacks=[watch], **OPTIONS).history
    assert not watch.steps.recordings
    assert history["loss"][-1] < history["loss"][0] / 2


@torch_only
def test_constants_are_made_once():
    import torch

    from keras_nlp_zoo.running.recorded_torch import Constants

    with Constants() as constants:
        first = [torch.as_tensor(value, device="meta") for value in (1, 1.0, (3, 4), np.ones(2))]
        again = [torch.as_tensor(value, device="meta") for value in (1, 1.0, (3, 4), np.ones(2))]
        torch.as_tensor(1, device="meta", dtype=torch.float64)
        torch.as_tensor(7, device="cpu")
        torch.as_tensor(first[0], device="meta")
    assert len(constants.made) == 5
    for one, other in zip(first, again, strict=True):
        assert one is not other
        assert (one.dtype, one.shape) == (other.dtype, other.shape)
