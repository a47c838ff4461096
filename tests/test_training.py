"""The loss against float64 NumPy, the schedule against the formula of its paper."""

import keras
import numpy as np
import pytest

import keras_nlp_zoo as knz

RANDOM = np.random.RandomState(0)
LOGITS = RANDOM.normal(size=(3, 5, 7), scale=3).astype("float32")
TARGETS = RANDOM.randint(0, 7, (3, 5)).astype("int32")
WEIGHTS = (np.arange(5) < np.array([5, 1, 3])[:, None]).astype("float32")


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_loss_is_the_mean_over_real_tokens(smoothing):
    logits = LOGITS.astype("float64")
    log_p = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    wanted = np.full((3, 5, 7), smoothing / 7)
    wanted[np.arange(3)[:, None], np.arange(5), TARGETS] += 1 - smoothing
    expected = -(wanted * log_p).sum(-1)[WEIGHTS == 1].mean()
    loss = knz.training.TokenCrossentropy(label_smoothing=smoothing)
    assert float(loss(TARGETS, LOGITS, sample_weight=WEIGHTS)) == pytest.approx(expected, rel=1e-5)
    padded = [np.pad(a, [(0, 0), (0, 9)] + [(0, 0)] * (a.ndim - 2)) for a in (TARGETS, LOGITS, WEIGHTS)]
    assert float(loss(padded[0], padded[1], sample_weight=padded[2])) == pytest.approx(expected, rel=1e-5)
    again = knz.training.TokenCrossentropy.from_config(loss.get_config())
    assert again.get_config() == loss.get_config()


def test_schedule_is_that_of_vaswani():
    d_model, warmup = 512, 4000
    schedule = knz.training.InverseSquareRoot((d_model * warmup) ** -0.5, warmup_steps=warmup)
    for number in (1, 100, 3999, 4000, 4001, 100_000):  # their steps begin with 1, those of Keras with 0
        expected = d_model**-0.5 * min(number**-0.5, number * warmup**-1.5)
        assert float(schedule(number - 1)) == pytest.approx(expected, rel=1e-5)
    again = keras.optimizers.schedules.deserialize(keras.optimizers.schedules.serialize(schedule))
    assert again.get_config() == schedule.get_config()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: knz.training.TokenCrossentropy(label_smoothing=1.0), "`label_smoothing` must be in"),
        (lambda: knz.training.InverseSquareRoot(0, 10), "`peak` must be positive. Received: peak=0"),
        (lambda: knz.training.InverseSquareRoot(1e-3, -1), "`warmup_steps` must be positive"),
    ],
)
def test_bad_arguments(make, message):
    with pytest.raises(ValueError, match=message):
        make()
