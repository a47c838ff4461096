"""Properties 4, 5 and 7 of what is trained: it learns, and round-trips with everything it knows, odd texts or not."""

import keras
import numpy as np
import pytest

import keras_nlp_zoo as knz
from tests.called import called
from tests.conftest import ODD_TEXTS, reviews_of_one_bucket
from tests.contracts.cases import CLASSIFIERS, LABELS, arrays, every_weight_moved, tiny

TOO_LONG = "1 of 15 texts in `x` are longer than sequence_length=24 tokens"


@pytest.fixture(scope="module")
def reviews():
    return reviews_of_one_bucket(48, kind="plain")


@pytest.fixture(scope="module")
def tokenizer(reviews):
    return knz.Tokenizer.train(reviews[0])


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


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_default_optimizer_learns(name, tokenizer, reviews):
    history = tiny(name, tokenizer).fit(*reviews, epochs=8, batch_size=8, verbose=0).history["loss"]
    assert history[-1] < history[0]


@pytest.fixture(scope="module", params=CLASSIFIERS)
def model(request, tokenizer, reviews):
    """A few dozen examples are learnt, by every weight: trained once for all that is asked of one."""
    keras.utils.set_random_seed(0)
    model = tiny(request.param, tokenizer, sequence_length=24, embedding_dim=16)
    model.compile(keras.optimizers.Adam(0.005 if request.param == "bert" else 0.02))
    before = model.get_weights()
    history = model.fit(*reviews, epochs=40, batch_size=8, verbose=0).history
    every_weight_moved(model, before)
    assert history["accuracy"][-1] >= 0.97
    return model


def test_odd_texts_are_classified(model):
    with pytest.warns(UserWarning, match=TOO_LONG):
        answers = model.classify(ODD_TEXTS)
    assert len(answers) == len(ODD_TEXTS)
    assert all(answer["label"] in model.labels and np.isfinite(answer["score"]) for answer in answers)


@pytest.mark.filterwarnings(f"ignore:{TOO_LONG}")  # asked for in the test before
def test_preset(request, model, tokenizer, tmp_path):
    model.save_to_preset(tmp_path / "preset")
    again = knz.TextClassifier.from_preset(tmp_path / "preset")
    for one, other in zip(model.weights, again.weights, strict=True):
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(one), keras.ops.convert_to_numpy(other))
    assert again.labels == LABELS
    assert again.preprocessor.sequence_length == 24
    assert again.preprocessor.tokenizer.get_vocabulary() == tokenizer.get_vocabulary()
    assert float(again.optimizer.learning_rate) == pytest.approx(float(model.optimizer.learning_rate))
    assert again.backbone.get_config() == model.backbone.get_config()
    # Compiled no more: the reference of what the backend compiles by default (property 6).
    again.compile(run_eagerly=True)
    np.testing.assert_allclose(again.predict(ODD_TEXTS, verbose=0), model.predict(ODD_TEXTS, verbose=0), atol=1e-5)
    name = request.node.callspec.params["model"]
    assert isinstance(knz.create_model(name, preset=tmp_path / "preset").backbone, type(model.backbone))


def test_keras_file_continues_training_where_it_stopped(model, reviews, tmp_path):
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert again.labels == LABELS
    assert int(again.optimizer.iterations) == int(model.optimizer.iterations) >= 240
    variables = [[*one.variables, *one.optimizer.variables] for one in (model, again)]
    for one, other in zip(*variables, strict=True):
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(one), keras.ops.convert_to_numpy(other))
    losses = [m.fit(*reviews, epochs=2, batch_size=8, verbose=0, seed=2).history["loss"] for m in (model, again)]
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-6)


def test_preset_with_a_new_head(model, tmp_path):
    model.save_to_preset(tmp_path / "preset")
    for new in ({"num_classes": 5}, {"labels": ["a", "b", "c", "d", "e"]}):
        again = knz.TextClassifier.from_preset(tmp_path / "preset", **new)
        assert again.output.shape == (None, 5)
        assert again.labels == new.get("labels")
        assert again.backbone.get_config() == model.backbone.get_config()
        for one, other in zip(model.backbone.weights, again.backbone.weights, strict=True):
            np.testing.assert_array_equal(keras.ops.convert_to_numpy(one), keras.ops.convert_to_numpy(other))


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
