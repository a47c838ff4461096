"""Property 5: it round-trips through its config, `.keras` and a preset, with everything it knows."""

import keras
import numpy as np
import pytest

import keras_nlp_zoo as knz
from tests.called import called
from tests.contracts.cases import CLASSIFIERS, LABELS, arrays, tiny

TEXTS = ["the plot was not dull", "the music was superb , but the script was a mess", ""]


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_backbone_config(name):
    backbone = tiny(name).backbone
    again = type(backbone).from_config(backbone.get_config())
    again.set_weights(backbone.get_weights())
    inputs = arrays(backbone, np.array([[5, 6, 7, 0]]), np.array([[1, 1, 1, 0]]))
    found = called(again, inputs)
    for key, value in called(backbone, inputs).items():
        np.testing.assert_array_equal(value, found[key])
    assert again.get_config() == backbone.get_config()


@pytest.fixture(scope="module", params=CLASSIFIERS)
def model(request, tokenizer, reviews):
    """Trained once for all that is read back."""
    keras.utils.set_random_seed(0)
    model = tiny(request.param, tokenizer, sequence_length=24)
    model.compile(keras.optimizers.Adam(0.0123))
    model.fit(*reviews, epochs=2, verbose=0, seed=1)
    return model


def test_keras_file_continues_training_where_it_stopped(model, reviews, tmp_path):
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert again.labels == LABELS
    assert int(again.optimizer.iterations) == int(model.optimizer.iterations) >= 4
    variables = [[*one.variables, *one.optimizer.variables] for one in (model, again)]
    for one, other in zip(*variables, strict=True):
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(one), keras.ops.convert_to_numpy(other))
    losses = [m.fit(*reviews, epochs=2, verbose=0, seed=2).history["loss"] for m in (model, again)]
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-6)


def test_preset(request, model, tokenizer, tmp_path):
    model.save_to_preset(tmp_path / "preset")
    again = knz.TextClassifier.from_preset(tmp_path / "preset")
    np.testing.assert_array_equal(again.predict(TEXTS, verbose=0), model.predict(TEXTS, verbose=0))
    assert again.labels == LABELS
    assert again.preprocessor.sequence_length == 24
    assert again.preprocessor.tokenizer.get_vocabulary() == tokenizer.get_vocabulary()
    assert float(again.optimizer.learning_rate) == pytest.approx(0.0123)
    assert again.backbone.get_config() == model.backbone.get_config()
    name = request.node.callspec.params["model"]
    assert isinstance(knz.create_model(name, preset=tmp_path / "preset").backbone, type(model.backbone))


def test_preset_with_a_new_head(model, tmp_path):
    model.save_to_preset(tmp_path / "preset")
    inputs = model.preprocessor(TEXTS)
    for new in ({"num_classes": 5}, {"labels": ["a", "b", "c", "d", "e"]}):
        again = knz.TextClassifier.from_preset(tmp_path / "preset", **new)
        assert called(again, inputs).shape == (3, 5)
        assert again.labels == new.get("labels")
        expected = called(model.backbone, inputs)
        for key, value in called(again.backbone, inputs).items():
            np.testing.assert_array_equal(value, expected[key])


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_backbone_preset(name, tmp_path):
    backbone = tiny(name).backbone
    backbone.save_to_preset(tmp_path / "preset")
    again = type(backbone).from_preset(str(tmp_path / "preset"))
    for one, other in zip(backbone.weights, again.weights, strict=True):
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(one), keras.ops.convert_to_numpy(other))
    task = knz.TextClassifier.from_preset(tmp_path / "preset", num_classes=3)
    assert task.preprocessor is None
    assert task.num_classes == 3
