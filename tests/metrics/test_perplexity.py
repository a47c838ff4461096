import keras
import numpy as np
import pytest

import keras_nlp_zoo as knz

VOCABULARY = 11


def batch(rows, length, share, seed=0):
    """Targets, logits, and weights that leave out a share of the tokens."""
    draw = np.random.default_rng(seed)
    logits = 3 * draw.normal(size=(rows, length, VOCABULARY)).astype("float32")
    weights = (draw.random((rows, length)) >= share).astype("float32")
    return draw.integers(0, VOCABULARY, (rows, length)).astype("int32"), logits, weights


BATCHES = [batch(4, 7, 0.1), batch(1, 3, 0.0), batch(4, 7, 0.8, seed=1)]


def expected(batches):
    """In float64, token by token."""
    total = count = 0.0
    for targets, logits, weights in batches:
        for row, column in np.argwhere(weights > 0):
            scores = logits[row, column].astype("float64")
            likelihood = np.exp(scores[targets[row, column]]) / np.exp(scores).sum()
            total -= weights[row, column] * np.log(likelihood)
            count += weights[row, column]
    return np.exp(total / count)


def perplexity(batches, **options):
    metric = knz.metrics.Perplexity(**options)
    for targets, outputs, weights in batches:
        metric.update_state(targets, outputs, sample_weight=weights)
    return float(metric.result())


def test_unequal_batches_and_masks():
    result = perplexity(BATCHES)
    assert result == pytest.approx(expected(BATCHES), rel=1e-5)
    assert result != pytest.approx(np.mean([expected([one]) for one in BATCHES]), rel=1e-2)


def test_without_weights():
    metric = knz.metrics.Perplexity()
    targets, logits, _ = BATCHES[0]
    metric.update_state(targets, logits)
    assert float(metric.result()) == pytest.approx(expected([(targets, logits, np.ones((4, 7)))]), rel=1e-5)


@pytest.mark.parametrize("shape", [(4,), (4, 1)])
def test_one_weight_a_sequence(shape):
    targets, logits, _ = BATCHES[0]
    weights = np.array([1.0, 0.0, 1.0, 0.5], "float32")
    whole = np.repeat(weights[:, None], 7, axis=1)
    assert perplexity([(targets, logits, weights.reshape(shape))]) == pytest.approx(
        expected([(targets, logits, whole)]), rel=1e-5
    )


@pytest.mark.parametrize("garbage", [np.nan, np.inf, -np.inf])
def test_nothing_under_the_mask_counts(garbage):
    targets, logits, weights = (part.copy() for part in BATCHES[0])
    assert (weights == 0).any()
    clean = expected([(targets, logits, weights)])
    logits[weights == 0] = garbage
    for padding in (-100, 0, VOCABULARY):  # as torch, Keras and a full vocabulary have it
        targets[weights == 0] = padding
        assert perplexity([(targets, logits, weights)]) == pytest.approx(clean, rel=1e-5)


def test_a_forbidden_token_is_no_matter_unless_it_is_the_target():
    targets, logits, weights = (part.copy() for part in BATCHES[0])
    targets[targets == 2] = 3
    logits[..., 2] = -np.inf
    assert perplexity([(targets, logits, weights)]) == pytest.approx(expected([(targets, logits, weights)]), rel=1e-5)
    targets[:] = 2
    assert perplexity([(targets, logits, weights)]) == np.inf


def test_large_logits_do_not_overflow():
    targets, logits, weights = BATCHES[0]
    assert perplexity([(targets, logits + 1000, weights)]) == pytest.approx(expected([BATCHES[0]]), rel=1e-3)


def test_probabilities():
    softmax = [(t, np.exp(s) / np.exp(s).sum(-1, keepdims=True), w) for t, s, w in BATCHES]
    assert perplexity(softmax, from_logits=False) == pytest.approx(expected(BATCHES), rel=1e-5)


def test_half_precision_is_summed_in_full():
    logits = keras.ops.cast(BATCHES[0][1], "bfloat16")
    rounded = keras.ops.convert_to_numpy(keras.ops.cast(logits, "float32"))
    targets, _, weights = BATCHES[0]
    wanted = expected([(targets, rounded, weights)] * 40)
    assert perplexity([(targets, logits, weights)] * 40) == pytest.approx(wanted, rel=1e-5)


def test_reset_and_no_tokens():
    metric = knz.metrics.Perplexity()
    assert float(metric.result()) == 0
    metric.update_state(*BATCHES[1])
    metric.reset_state()
    metric.update_state(BATCHES[0][0], BATCHES[0][1], np.zeros((4, 7)))
    assert float(metric.result()) == 0
    metric.update_state(*BATCHES[0])
    assert float(metric.result()) == pytest.approx(expected(BATCHES[:1]), rel=1e-5)


def test_in_evaluate():
    """Three batches of which the last is short, compiled where the backend compiles."""
    targets, logits, weights = batch(10, 5, 0.4)
    inputs = keras.Input((5, VOCABULARY))
    model = keras.Model(inputs, keras.layers.Identity()(inputs))
    model.compile(
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True), weighted_metrics=[knz.metrics.Perplexity()]
    )
    results = model.evaluate(logits, targets, sample_weight=weights, batch_size=4, verbose=0, return_dict=True)
    assert results["perplexity"] == pytest.approx(expected([(targets, logits, weights)]), rel=1e-5)


def test_round_trip():
    metric = knz.metrics.Perplexity(from_logits=False, name="ppl")
    again = keras.metrics.deserialize(keras.metrics.serialize(metric))
    assert type(again) is knz.metrics.Perplexity
    assert (again.from_logits, again.name) == (False, "ppl")
