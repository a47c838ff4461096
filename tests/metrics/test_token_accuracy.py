import keras
import numpy as np
import pytest

import keras_nlp_zoo as knz


def test_unequal_batches_and_masks():
    """Against a count over all tokens; and Keras's own metric, which is why there is this one, counts otherwise."""
    random = np.random.RandomState(0)
    metric, keras_metric, right, count = knz.metrics.TokenAccuracy(), keras.metrics.SparseCategoricalAccuracy(), 0, 0
    for rows, length, lengths in ((2, 8, [8, 1]), (3, 4, [1, 1, 2])):
        targets, scores = random.randint(0, 3, (rows, length)), random.normal(size=(rows, length, 3))
        mask = np.arange(length) < np.array(lengths)[:, None]
        for one in (metric, keras_metric):
            one.update_state(targets, scores.astype("float32"), sample_weight=mask.astype("float32"))
        right += (scores.argmax(-1) == targets)[mask].sum()
        count += mask.sum()
    assert float(metric.result()) == pytest.approx(right / count)
    assert float(keras_metric.result()) != pytest.approx(right / count, abs=0.01)
    metric.reset_state()
    assert float(metric.result()) == 0
    metric.update_state(np.array([[1, 0]]), np.eye(2, dtype="float32")[None])
    assert float(metric.result()) == 0
    assert knz.metrics.TokenAccuracy.from_config(metric.get_config()).name == "accuracy"


def test_one_weight_for_each_row():
    scores, targets = (
        np.eye(3, dtype="float32")[[[0, 1, 2], [0, 0, 0], [2, 2, 2]]],
        np.array([[0, 1, 1], [0] * 3, [0] * 3]),
    )
    metric = knz.metrics.TokenAccuracy()
    metric.update_state(targets, scores, sample_weight=np.array([1.0, 3.0, 0.0]))
    assert float(metric.result()) == pytest.approx((2 + 3 * 3) / (3 + 3 * 3))


def test_ties_and_nan():
    """Of equal scores the first is the answer, as for argmax; what is not a number is never right."""
    scores = np.array([[[2, 2, 1], [2, 2, 1], [1, 2, 2], [0, 0, 0], [np.nan] * 3, [np.nan, 0, 1]]], "float32")
    metric = knz.metrics.TokenAccuracy()
    for targets, right in (([0, 1, 1, 0, 0, 2], 3), ([1, 0, 2, 1, 1, 1], 1)):
        metric.reset_state()
        metric.update_state(np.array([targets]), scores)
        assert float(metric.result()) == pytest.approx(right / 6)
