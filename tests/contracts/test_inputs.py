"""Property 7: bad input gets one clear error that names the argument."""

import re

import numpy as np
import pytest

import keras_nlp_zoo as knz
from tests.contracts.cases import tiny

BAD_CALLS = {
    "empty list": (lambda m: m.fit([], []), ValueError, "`x` is empty"),
    "empty list to predict": (lambda m: m.predict([]), ValueError, "`x` is empty"),
    "empty list to classify": (lambda m: m.classify([]), ValueError, "`texts` is empty"),
    "None": (lambda m: m.fit(None, ["positive"]), TypeError, "`x` must be a list of strings. Received: None"),
    "None among texts": (lambda m: m.fit(["a", None], [0, 1]), TypeError, "`x` must hold strings. Item 1 is None"),
    "number among texts": (lambda m: m.classify(["a", 3.5]), TypeError, "`texts` must hold strings. Item 1 is 3.5"),
    "one string": (lambda m: m.fit("a text", ["positive"]), TypeError, "`x` must be a list of strings. Received one"),
    "unknown label": (
        lambda m: m.fit(["a", "b"], ["positive", "negativ"]),
        ValueError,
        "`y` holds an unknown label. There is no label 'negativ'. Did you mean 'negative'? Known: negative, positive.",
    ),
    "None among labels": (lambda m: m.fit(["a", "b"], ["positive", None]), ValueError, "There is no label None"),
    "index out of range": (
        lambda m: m.fit(["a"], [2]),
        ValueError,
        "`y` must hold class indices from 0 to 1. Found: 2",
    ),
    "fraction as index": (lambda m: m.fit(["a"], [0.5]), ValueError, "class indices from 0 to 1. Found: 0.5"),
    "unequal lengths": (lambda m: m.fit(["a", "b"], [1]), ValueError, "`x` has 2 texts, but `y` has 1 values"),
    "unequal weights": (
        lambda m: m.fit(["a", "b"], [1, 0], sample_weight=[1.0]),
        ValueError,
        "`x` has 2 texts, but `sample_weight` has 1 values",
    ),
    "unequal validation data": (
        lambda m: m.fit(["a", "b"], [1, 0], validation_data=(["a", "b"], [1])),
        ValueError,
        "`validation_data` has 2 texts, but `validation_data` has 1 values",
    ),
    "no labels": (lambda m: m.fit(["a", "b"]), ValueError, "`y` is missing"),
    "no labels to evaluate": (lambda m: m.evaluate(["a", "b"]), ValueError, "`y` is missing"),
    "no labels to validate": (
        lambda m: m.fit(["a", "b"], [1, 0], validation_data=(["a", "b"],)),
        ValueError,
        "`validation_data` has no targets",
    ),
    "a list of texts to validate": (
        lambda m: m.fit(["a", "b"], [1, 0], validation_data=["a", "b", "c", "d"]),
        ValueError,
        "`validation_data` has no targets: pass `(texts, y)`",
    ),
    "split of one text": (
        lambda m: m.fit(["a"], [1], validation_split=0.5),
        ValueError,
        "`validation_split` must leave texts on both sides",
    ),
    "class weight of no class": (
        lambda m: m.fit(["a"], [1], class_weight={"neutral": 2.0}),
        ValueError,
        "`class_weight` holds an unknown label. There is no label 'neutral'",
    ),
    "batch size": (lambda m: m.fit(["a"], [1], batch_size=-1), ValueError, "`batch_size` must be an int of at least 1"),
}


@pytest.fixture(scope="module")
def model(tokenizer):
    """One for all bad calls: compiled once, and what a call spoils the next one finds."""
    return tiny("cnn", tokenizer)


@pytest.mark.parametrize("case", BAD_CALLS)
def test_bad_call(case, model):
    call, error, message = BAD_CALLS[case]
    before = model.get_weights()
    with pytest.raises(error, match=re.escape(message)):
        call(model)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    model.fit(["a", "b"], [1, 0], verbose=0)  # and nothing is lost


BAD_MODELS = {
    "unknown model": (
        lambda t: knz.create_model("lstn", tokenizer=t, num_classes=2),
        "There is no model 'lstn'. Did you mean 'lstm'?",
    ),
    "unknown task": (
        lambda t: knz.create_model("cnn", "text_clasifier", tokenizer=t, num_classes=2),
        "There is no task 'text_clasifier'. Did you mean 'text_classifier'?",
    ),
    "unknown argument": (
        lambda t: knz.create_model("lstm", tokenizer=t, num_classes=2, hiden_dim=3),
        "There is no argument of 'lstm' named 'hiden_dim'. Did you mean 'hidden_dim'?",
    ),
    "unknown task to list": (lambda t: knz.list_models(task="tagger"), "There is no task 'tagger'"),
    "neither tokenizer nor vocabulary": (lambda t: knz.create_model("cnn", num_classes=2), "Pass a `tokenizer`"),
    "neither labels nor classes": (lambda t: knz.create_model("cnn", tokenizer=t), "Pass `labels`"),
    "one class": (lambda t: knz.create_model("cnn", tokenizer=t, labels=["a"]), "at least two classes"),
    "a label twice": (lambda t: knz.create_model("cnn", tokenizer=t, labels=["a", "a"]), "`labels` holds a name twice"),
    "labels and classes disagree": (
        lambda t: knz.create_model("cnn", tokenizer=t, labels=["a", "b"], num_classes=3),
        "`num_classes`=3 contradicts `labels`",
    ),
    "tokenizer too large": (
        lambda t: knz.create_model("cnn", tokenizer=t, num_classes=2, vocabulary_size=10),
        "but the backbone was made for vocabulary_size=10",
    ),
    "embedding_dim": (
        lambda t: knz.create_model("cnn", tokenizer=t, num_classes=2, embedding_dim=0),
        "`embedding_dim` must be an int of at least 1",
    ),
    "no kernel sizes": (
        lambda t: knz.create_model("cnn", tokenizer=t, num_classes=2, kernel_sizes=[]),
        "`kernel_sizes` must be a non-empty sequence",
    ),
    "dropout": (
        lambda t: knz.create_model("lstm", tokenizer=t, num_classes=2, dropout=1.5),
        "`dropout` must be a number in [0, 1)",
    ),
    "sequence_length": (
        lambda t: knz.create_model("lstm", tokenizer=t, num_classes=2, sequence_length=0),
        "`sequence_length` must be an int of at least 1",
    ),
    "preset and tokenizer": (
        lambda t: knz.create_model("cnn", tokenizer=t, preset="somewhere"),
        "`preset` says what the model is: do not pass `tokenizer`",
    ),
}


@pytest.mark.parametrize("case", BAD_MODELS)
def test_bad_model(case, tokenizer):
    call, message = BAD_MODELS[case]
    with pytest.raises(ValueError, match=re.escape(message)):
        call(tokenizer)


def test_texts_without_a_tokenizer():
    model = tiny("cnn")
    for call in (lambda: model.fit(["a"], [1]), lambda: model.classify("a"), lambda: model.evaluate(["a"], [1])):
        with pytest.raises(ValueError, match="`x` holds texts, but this task has no preprocessor"):
            call()


def test_names_without_labels(tokenizer):
    model = tiny("cnn", tokenizer, labels=None, num_classes=2)
    with pytest.raises(ValueError, match="`y` holds names, but this task has none to compare them with"):
        model.fit(["a"], ["positive"])
    assert model.classify("a")["label"] in (0, 1)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda p: (p / "config.json").write_text("{"), "cannot be loaded"),
        (lambda p: (p / "config.json").unlink(), "config.json"),
        (lambda p: (p / "task.json").write_text("[]"), "cannot be loaded"),
        (lambda p: (p / "model.weights.h5").write_bytes(b"not hdf5"), "cannot be loaded"),
        (lambda p: (p / "model.weights.h5").unlink(), "model.weights"),
        (lambda p: (p / "task.weights.h5").write_bytes(b""), "cannot be loaded"),
        (lambda p: (p / "assets/tokenizer/tokenizer.json").write_text("{}"), "missing or damaged"),
        (lambda p: (p / "assets/tokenizer/tokenizer.json").unlink(), "tokenizer.json"),
    ],
)
def test_damaged_preset(damage, message, tokenizer, tmp_path):
    preset = tmp_path / "preset"
    tiny("cnn", tokenizer).save_to_preset(preset)
    damage(preset)
    with pytest.raises(ValueError, match=re.escape(message)) as error:
        knz.TextClassifier.from_preset(preset)
    assert "preset" in str(error.value)


def test_missing_preset(tmp_path):
    with pytest.raises(ValueError, match="nowhere"):
        knz.TextClassifier.from_preset(tmp_path / "nowhere")


def test_preset_of_another_architecture(tokenizer, tmp_path):
    tiny("cnn", tokenizer).save_to_preset(tmp_path / "preset")
    with pytest.raises(ValueError, match="holds a CNNBackbone, not a 'lstm'"):
        knz.create_model("lstm", preset=tmp_path / "preset")
