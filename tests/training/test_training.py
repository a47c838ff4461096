"""The loss against float64 NumPy, the schedule against the formula of its paper."""

import itertools

import keras
import numpy as np
import pytest

import keras_nlp_zoo as knz
from tests.gradients import gradients

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


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("scale", [1, 300])
def test_gradient_of_the_loss(smoothing, scale):
    """Logits far apart too, of which an exponential by itself would overflow."""
    logits = scale * LOGITS.astype("float64")
    p = np.exp(logits - logits.max(-1, keepdims=True))
    p /= p.sum(-1, keepdims=True)
    wanted = np.full((3, 5, 7), smoothing / 7)
    wanted[np.arange(3)[:, None], np.arange(5), TARGETS] += 1 - smoothing
    expected = (p - wanted) * WEIGHTS[..., None] / WEIGHTS.sum()
    loss = knz.training.TokenCrossentropy(label_smoothing=smoothing)
    value, (found,) = gradients(lambda y: loss(TARGETS, y, sample_weight=WEIGHTS), [], [scale * LOGITS])
    np.testing.assert_allclose(found, expected, atol=1e-6)
    log_p = logits - logits.max(-1, keepdims=True)
    log_p -= np.log(np.exp(log_p).sum(-1, keepdims=True))
    assert value == pytest.approx(-(wanted * log_p).sum(-1)[WEIGHTS == 1].mean(), rel=1e-5)


def crf_by_brute_force(weights, emissions, tags):
    """log p(tags | emissions) of one row, all sequences counted out."""
    transitions, start, end = weights

    def score(sequence):
        steps = sum(transitions[a, b] for a, b in itertools.pairwise(sequence))
        return start[sequence[0]] + end[sequence[-1]] + steps + sum(emissions[i, tag] for i, tag in enumerate(sequence))

    every = [score(sequence) for sequence in itertools.product(range(emissions.shape[1]), repeat=len(emissions))]
    return score(tags) - np.logaddexp.reduce(every)


@pytest.mark.parametrize("weights", [None, [1.0, 1.0, 1.0], [2.0, 0.5, 0.0]])
def test_crf_loss_is_per_word_of_its_weight(weights):
    """Rows of five, one and three words out of order, a row that weighs nothing among them."""
    random = np.random.RandomState(1)
    crf = knz.layers.CRF()
    crf.build((None, None, 3))
    crf.set_weights([random.normal(size=weight.shape) for weight in crf.weights])
    tags = TARGETS % 3
    emissions = LOGITS[:, :, :3]
    words = np.array([[1, 1, 1, 1, 1], [0, 0, 1, 0, 0], [1, 0, 1, 0, 1]], "float32")
    mask = words if weights is not None else np.ones_like(words)
    scale = np.array(weights or [1.0, 1.0, 1.0])
    total = count = 0.0
    for row in range(3):
        real = mask[row] == 1
        own = [w.astype("float64") for w in crf.get_weights()]
        total -= scale[row] * crf_by_brute_force(own, emissions[row, real].astype("float64"), tags[row, real])
        count += scale[row] * real.sum()
    crf_loss = knz.training.CRFLoss(crf)
    given = None if weights is None else (mask * scale[:, None]).astype("float32")
    for sample_weight, expected in ((given, total / count), (np.zeros((3, 5)), 0.0)):
        found = keras.ops.convert_to_numpy(crf_loss(tags, crf(emissions), sample_weight=sample_weight))
        assert found == pytest.approx(expected, rel=1e-5)


def test_span_loss_is_the_mean_of_both_ends():
    logits = LOGITS[:, :, :2]
    positions = np.array([[0, 4], [2, 2], [3, 1]], "int32")
    losses = []
    for row, (start, end) in zip(logits.astype("float64"), positions, strict=True):
        log_p = row - np.log(np.exp(row).sum(axis=0))
        losses.append(-(log_p[start, 0] + log_p[end, 1]) / 2)
    loss = knz.training.SpanCrossentropy()
    assert float(loss(positions, logits)) == pytest.approx(np.mean(losses), rel=1e-5)
    weights = np.array([1.0, 0.0, 3.0], "float32")
    expected = np.mean(np.array(losses) * weights)
    assert float(loss(positions, logits, sample_weight=weights)) == pytest.approx(expected, rel=1e-5)
    again = keras.losses.deserialize(keras.losses.serialize(loss))
    assert float(again(positions, logits)) == pytest.approx(np.mean(losses), rel=1e-5)
    # In half precision too, where padding is hidden by a very low score.
    padded = np.pad(logits, ((0, 0), (0, 3), (0, 0)), constant_values=-3e4).astype("float16")
    assert float(loss(positions, keras.ops.convert_to_tensor(padded))) == pytest.approx(np.mean(losses), rel=1e-2)


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
        (lambda: knz.training.TokenCrossentropy(label_smoothing=1.0), "`label_smoothing` must be a number in"),
        (lambda: knz.training.InverseSquareRoot(0, 10), "`peak` must be a number above 0. Received: peak=0"),
        (lambda: knz.training.InverseSquareRoot(1e-3, -1), "`warmup_steps` must be a number above 0"),
    ],
)
def test_bad_arguments(make, message):
    with pytest.raises(ValueError, match=message):
        make()
