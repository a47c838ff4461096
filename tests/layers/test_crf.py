"""The CRF against all sequences of tags, one by one, in float64."""

import itertools

import keras
import numpy as np
import pytest
from keras import ops

import keras_nlp_zoo as knz
from tests.gradients import gradients

TAGS = 3


def make(seed=0):
    layer = knz.layers.CRF()
    layer.build((None, None, TAGS))
    random = np.random.default_rng(seed)
    layer.set_weights([random.normal(size=variable.shape) for variable in layer.weights])
    return layer


def all_scores(layer, emissions):
    """Every sequence of tags for one row of real tokens, with its score."""
    transitions, start, end = (np.asarray(w, "float64") for w in layer.get_weights())
    scores = {}
    for tags in itertools.product(range(TAGS), repeat=len(emissions)):
        score = start[tags[0]] + end[tags[-1]] + sum(emissions[i, tag] for i, tag in enumerate(tags))
        scores[tags] = score + sum(transitions[a, b] for a, b in itertools.pairwise(tags))
    return scores


MASKS = {
    "none": np.ones((2, 4), int),
    "right": np.array([[1, 1, 1, 0], [1, 0, 0, 0]]),
    "gaps": np.array([[0, 1, 0, 1], [1, 0, 1, 1]]),
}


@pytest.mark.parametrize("name", MASKS)
def test_likelihood_best_path_and_marginals_equal_brute_force(name):
    layer, mask = make(), MASKS[name]
    random = np.random.default_rng(1)
    emissions = random.normal(size=(*mask.shape, TAGS)).astype("float32")
    tags = random.integers(TAGS, size=mask.shape)
    likelihood = ops.convert_to_numpy(layer.log_likelihood(emissions, tags, mask))
    best, marginals = (ops.convert_to_numpy(x) for x in layer.decode(emissions, mask))
    for row, kept in enumerate(mask.astype(bool)):
        scores = all_scores(layer, emissions[row, kept].astype("float64"))
        total = np.logaddexp.reduce(list(scores.values()))
        np.testing.assert_allclose(likelihood[row], scores[tuple(tags[row, kept])] - total, atol=1e-5)
        assert tuple(best[row, kept]) == max(scores, key=scores.get)
        expected = np.zeros((kept.sum(), TAGS))
        for sequence, score in scores.items():
            expected[range(kept.sum()), sequence] += np.exp(score - total)
        np.testing.assert_allclose(marginals[row, kept], expected, atol=1e-5)
        assert (best[row, ~kept] == 0).all()
        assert (marginals[row, ~kept] == 0).all()


def test_marginals_of_a_long_text():
    """Against sums over all ways in float64: they grow to more than 1,000, where float32 rounds to 0.0001."""
    layer, length = make(), 120
    emissions = np.random.default_rng(3).normal(10, 3, size=(1, length, TAGS)).astype("float32")
    transitions, start, end = (np.asarray(w, "float64") for w in layer.get_weights())
    forward, backward = [start + emissions[0, 0]], [end]
    for i in range(1, length):
        forward.append(np.logaddexp.reduce(forward[-1][:, None] + transitions, axis=0) + emissions[0, i])
        backward.append(np.logaddexp.reduce(transitions + emissions[0, -i] + backward[-1], axis=1))
    total = np.logaddexp.reduce(forward[-1] + end)
    assert total > 1000
    expected = np.exp(np.array(forward) + backward[::-1] - total)
    np.testing.assert_allclose(ops.convert_to_numpy(layer.decode(emissions)[1])[0], expected, atol=2e-6)


def test_a_row_without_tokens_has_likelihood_one():
    emissions = np.ones((2, 3, TAGS), "float32")
    likelihood = make().log_likelihood(emissions, np.zeros((2, 3), int), np.array([[0, 0, 0], [1, 1, 0]]))
    assert ops.convert_to_numpy(likelihood)[0] == 0
    assert ops.convert_to_numpy(likelihood)[1] < 0


def test_one_token():
    layer = make()
    best, marginals = layer.decode(np.array([[[0.0, 5.0, 0.0]]], "float32"))
    assert ops.convert_to_numpy(best).tolist() == [[1]]
    np.testing.assert_allclose(ops.convert_to_numpy(marginals).sum(-1), 1, atol=1e-6)


def test_gradient_is_the_difference_of_expectations():
    # For the emissions that of the likelihood is: one where the tag is, minus the tag's probability.
    layer = make()
    emissions = np.random.default_rng(2).normal(size=(2, 4, TAGS)).astype("float32")
    tags, mask = np.array([[0, 1, 2, 0], [2, 2, 0, 1]]), MASKS["gaps"]
    _, (gradient,) = gradients(lambda x: ops.sum(layer.log_likelihood(x, tags, mask)), [], [emissions])
    marginals = ops.convert_to_numpy(layer.decode(emissions, mask)[1])
    expected = (np.eye(TAGS)[tags] - marginals) * mask[..., None]
    np.testing.assert_allclose(gradient, expected, atol=1e-5)


def test_it_hands_emissions_on_and_saves():
    layer = make()
    emissions = np.ones((1, 2, TAGS), "float32")
    np.testing.assert_array_equal(ops.convert_to_numpy(layer(emissions)), emissions)
    again = knz.layers.CRF.from_config(layer.get_config())
    again.build((None, None, TAGS))
    again.set_weights(layer.get_weights())
    assert keras.tree.map_structure(lambda x: ops.convert_to_numpy(x).tolist(), again.decode(emissions)) == (
        keras.tree.map_structure(lambda x: ops.convert_to_numpy(x).tolist(), layer.decode(emissions))
    )
