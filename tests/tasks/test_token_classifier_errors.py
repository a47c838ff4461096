"""TokenClassifier: odd texts are tagged, and what is wrong is one error that leaves the model as it was."""

import numpy as np
import pytest

import keras_nlp_zoo as knz
from tests.conftest import ODD_TEXTS
from tests.tasks.tagging import OTHERS, SENTENCES, TAGS, TEXTS, make


@pytest.fixture(scope="module")
def tokenizer():
    return knz.Tokenizer.train([*TEXTS, *OTHERS], kind="wordpiece", vocabulary_size=70)


@pytest.fixture(scope="module")
def model(tokenizer):
    return make(tokenizer)


@pytest.mark.parametrize("crf", [False, True])
def test_odd_texts(crf, tokenizer):
    model = make(tokenizer, "cnn", crf=crf, sequence_length=512)
    given = model.tag(ODD_TEXTS)
    assert len(given) == len(ODD_TEXTS)
    for text, entities in zip(ODD_TEXTS, given, strict=True):
        for entity in entities:
            assert entity["text"] == text[entity["start"] : entity["end"]] != ""
            assert 0 < entity["score"] <= 1 + 1e-6
    model.fit(ODD_TEXTS[:9], [[]] * 9, verbose=0)


BAD = {
    "no tags": (lambda m: m.fit(SENTENCES), ValueError, "`y` is missing: there must be tags"),
    "no tags to evaluate": (lambda m: m.evaluate(SENTENCES), ValueError, "`y` is missing"),
    "no tags to validate": (
        lambda m: m.fit(SENTENCES, TAGS, validation_data=(SENTENCES,)),
        ValueError,
        "`validation_data` is missing",
    ),
    "empty": (lambda m: m.fit([], []), ValueError, "`x` is empty"),
    "nothing to tag": (lambda m: m.tag([]), ValueError, "`texts` is empty"),
    "no words to tag": (lambda m: m.tag_words([]), ValueError, "`words` is empty"),
    "unequal": (lambda m: m.fit(SENTENCES[:2], TAGS[:1]), ValueError, "`x` has 2 texts, but `y` has 1 values"),
    "unequal words": (
        lambda m: m.fit([["Ada", "left"]], [["B-PER"]]),
        ValueError,
        r"`y\[0\]` has 1 tags for 2 words",
    ),
    "no tags for words": (lambda m: m.fit([["Ada"]], [[]]), ValueError, r"`y\[0\]` has 0 tags for 1 words"),
    "unknown tag": (
        lambda m: m.fit([["a"], ["Ada"]], [["O"], ["B-PR"]]),
        ValueError,
        r"`y\[1\]` holds an unknown tag. There is no tag 'B-PR'.* Known: B-LOC, B-PER, I-LOC, I-PER, O",
    ),
    "unknown label": (
        lambda m: m.fit(["Ada"], [[(0, 3, "ORG")]]),
        ValueError,
        r"`y\[0\]` holds an unknown tag.*'B-ORG'",
    ),
    "index": (
        lambda m: m.fit([["Ada"]], [[5]]),
        ValueError,
        r"`y\[0\]` must hold tags or their indices below 5. Found: 5",
    ),
    "negative index": (lambda m: m.fit([["Ada"]], [[-1]]), ValueError, "Found: -1"),
    "fraction": (lambda m: m.fit([["Ada"]], [[0.5]]), ValueError, "Found: 0.5"),
    "bool": (lambda m: m.fit([["Ada"]], [[True]]), ValueError, "Found: True"),
    "tags of a number": (lambda m: m.fit([["Ada"]], 3), TypeError, "`y` must be a list of lists of tags.* Received: 3"),
    "tags in one string": (lambda m: m.fit([["Ada"]], ["O"]), TypeError, r"`y\[0\]` must be a list of tags .* 'O'"),
    "None among tags": (lambda m: m.fit(SENTENCES[:2], [TAGS[0], None]), TypeError, r"`y\[1\]` must be a list of tags"),
    "overlap": (
        lambda m: m.fit(["New York"], [[(4, 8, "LOC"), (0, 5, "PER")]]),
        ValueError,
        r"`y\[0\]` holds spans that overlap, at character 4",
    ),
    "two in a word": (
        lambda m: m.fit(["AdaBob"], [[(0, 3, "PER"), (3, 6, "PER")]]),
        ValueError,
        r"`y\[0\]` holds two spans within one word, at character 3; make the preprocessor with units='token'",
    ),
    "outside": (
        lambda m: m.fit(["Ada"], [[(0, 4, "PER")]]),
        ValueError,
        r"`y\[0\]` holds a span outside of the text \(3 characters\): \(0, 4",
    ),
    "empty span": (lambda m: m.fit(["Ada"], [[(2, 2, "PER")]]), ValueError, "holds a span outside of the text"),
    "span of text": (lambda m: m.fit(["Ada"], [[("0", "3", "PER")]]), ValueError, "holds a span outside of the text"),
    "half a span": (
        lambda m: m.fit(["Ada"], [[(0, 3)]]),
        ValueError,
        r"`y\[0\]` must hold \(start, end, label\). Received: \(0, 3\)",
    ),
    "span without label": (
        lambda m: m.fit(["Ada"], [[{"start": 0, "end": 3}]]),
        ValueError,
        "must hold .start, end, label.",
    ),
    "label of a number": (
        lambda m: m.fit(["Ada"], [[(0, 3, 7)]]),
        TypeError,
        r"`y\[0\]` must hold strings. Item 0 is 7",
    ),
    "span then tag": (
        lambda m: m.fit(["Ada"], [[(0, 3, "PER"), "O"]]),
        ValueError,
        "must hold .start, end, label.. Received: 'O'",
    ),
    "weights": (
        lambda m: m.fit(SENTENCES, TAGS, sample_weight=[1.0]),
        ValueError,
        "`x` has 18 texts, but `sample_weight` has 1",
    ),
    "class weight": (
        lambda m: m.fit(SENTENCES, TAGS, class_weight={"O": 1}),
        ValueError,
        "`class_weight` needs classes",
    ),
    "one text": (lambda m: m.fit("Ada", ["O"]), TypeError, "`x` must be a list of texts or of lists of words"),
    "None": (lambda m: m.tag(["Ada", None]), TypeError, "`texts` must hold texts or lists of words. Item 1 is None"),
    "a number": (lambda m: m.tag_words([["Ada", 3]]), TypeError, r"`words\[0\]` must hold strings. Item 1 is 3"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input(case, model):
    call, error, message = BAD[case]
    before = model.get_weights()
    with pytest.raises(error, match=message):
        call(model)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


BAD_MODELS = {
    "preprocessor": (
        {"preprocessor": knz.text.TextPreprocessor},
        TypeError,
        "`preprocessor` must be a knz.text.TaggingPreprocessor",
    ),
    "labels twice": ({"labels": ["PER", "PER"]}, ValueError, "`labels` holds a name twice"),
    "no labels": ({"labels": None}, ValueError, "Pass `labels`"),
    "labels and classes": ({"num_classes": 3}, ValueError, "`num_classes`=3 contradicts `labels`, which are 5"),
    "one string": ({"labels": "PER"}, ValueError, "`labels` must be a list of names"),
    "numbers": ({"labels": [1, 2]}, ValueError, "`labels` must be a list of names"),
    "tags and kinds": (
        {"labels": ["O", "PER"]},
        ValueError,
        "`labels` must hold tags like O, B-PER, I-PER. Item 1 is 'PER'",
    ),
    "scheme": ({"scheme": "iob"}, ValueError, "`scheme` must be 'bio' or None. Received: scheme='iob'"),
    "vocabulary": (
        {"backbone": lambda: knz.models.LSTMBackbone(9)},
        ValueError,
        "but the backbone was made for vocabulary_size=9",
    ),
    "backbone": (
        {"backbone": lambda: knz.models.Seq2SeqBackbone(90, 4, 4)},
        TypeError,
        "`backbone` must give a vector for every token. Received: Seq2SeqB",
    ),
}


@pytest.mark.parametrize("case", BAD_MODELS)
def test_bad_model(case, tokenizer):
    options, error, message = BAD_MODELS[case]
    options = {"labels": ["PER", "LOC"], "backbone": lambda: knz.models.LSTMBackbone(90, 4, 4), **options}
    backbone, preprocessor = options.pop("backbone")(), options.pop("preprocessor", knz.text.TaggingPreprocessor)
    with pytest.raises(error, match=message):
        knz.TokenClassifier(backbone, preprocessor(tokenizer), **options)
