"""Property 1: padding never matters."""

import keras
import numpy as np
import pytest

import keras_nlp_zoo as knz
from tests.called import called
from tests.contracts.cases import CLASSIFIERS, OWN, TINY, arrays, tiny

LENGTHS = [1, 2, 4, 9, 0]


def test_every_model_has_a_case():
    assert set(TINY) == set(knz.list_models())


def batch(backbone, extra=0, fill=0):
    rows = np.random.RandomState(0).randint(5, 50, (len(LENGTHS), max(LENGTHS)))
    ids = np.full((len(LENGTHS), max(LENGTHS) + extra), fill)
    mask = np.zeros_like(ids)
    for i, length in enumerate(LENGTHS):
        ids[i, :length] = rows[i, :length]
        mask[i, :length] = 1
    return arrays(backbone, ids.astype("int32"), mask.astype("int32"))


def texts(name):
    """The texts of a batch; one without tokens is none to BERT, whose texts have a first token at least."""
    return [(i, length) for i, length in enumerate(LENGTHS) if length or name in OWN]


@pytest.fixture(scope="module", params=CLASSIFIERS)
def backbone(request):
    """One for all that is asked of it, so that its programs are compiled once."""
    keras.utils.set_random_seed(0)
    return tiny(request.param).backbone


def test_padding_changes_nothing(request, backbone):
    name = request.node.callspec.params["backbone"]
    expected = called(backbone, batch(backbone))
    for extra, fill in ((0, 17), (1, 0), (40, 0), (40, 17)):
        padded = called(backbone, batch(backbone, extra, fill))
        for i, length in texts(name):
            np.testing.assert_allclose(
                padded["sequence_output"][i, :length], expected["sequence_output"][i, :length], atol=1e-5
            )
            if "pooled_output" in expected:
                np.testing.assert_allclose(padded["pooled_output"][i], expected["pooled_output"][i], atol=1e-5)


def test_a_text_alone_and_in_a_batch(request, backbone):
    name = request.node.callspec.params["backbone"]
    inputs = batch(backbone)
    whole = called(backbone, inputs)
    for i, length in texts(name):
        alone = called(backbone, {key: value[i : i + 1, : max(length, 1)] for key, value in inputs.items()})
        np.testing.assert_allclose(
            alone["sequence_output"][0, :length], whole["sequence_output"][i, :length], atol=1e-5
        )
        if "pooled_output" in whole:
            np.testing.assert_allclose(alone["pooled_output"][0], whole["pooled_output"][i], atol=1e-5)


def test_padding_positions_are_zero_and_everything_is_finite(request, backbone):
    name = request.node.callspec.params["backbone"]
    inputs = batch(backbone, 40, 17)
    outputs = called(backbone, inputs)
    if name in OWN:
        assert np.abs(outputs["sequence_output"][inputs["padding_mask"] == 0]).max() == 0
    assert all(np.isfinite(value).all() for value in outputs.values())


def test_every_token_matters(backbone):
    """The padding tests would pass for a network that reads nothing."""
    inputs = batch(backbone)
    outputs = called(backbone, inputs)
    for position in range(9):
        changed = {key: value.copy() for key, value in inputs.items()}
        changed["token_ids"][3, position] = 49 if inputs["token_ids"][3, position] != 49 else 48
        after = called(backbone, changed)["sequence_output"][3]
        assert np.abs(after - outputs["sequence_output"][3]).max() > 1e-6
    assert all(np.abs(value[3]).max() > 0 for value in outputs.values())
