"""QuestionAnswering: odd texts are answered, and what is wrong is one error."""

import pytest

import keras_nlp_zoo as knz
from tests.conftest import ODD_TEXTS
from tests.tasks.asking import X, Y, make, unlike


@pytest.fixture(scope="module")
def tokenizer():
    return knz.Tokenizer.train(X["question"] + X["context"], kind="word")


@pytest.fixture(scope="module")
def model(tokenizer):
    return make(tokenizer)


def test_odd_texts(tokenizer):
    model = unlike(make(tokenizer, sequence_length=512, stride=0, question_length=3))
    contexts = ODD_TEXTS[:13]
    for context, answer in zip(contexts, model.answer(["?"] * len(contexts), contexts), strict=True):
        if answer["start"] >= 0:
            assert answer["text"] == context[answer["start"] : answer["end"]] != ""
        else:
            assert not context.strip()
    with pytest.warns(UserWarning, match=r"\d texts in `x\['question'\]` are longer than sequence_length=3"):
        model.answer(ODD_TEXTS, ["a"] * len(ODD_TEXTS))


ONE = {"question": ["?"], "context": ["Ada went"]}
BAD = {
    "no y": (lambda m: m.fit(X), ValueError, "`y` is missing"),
    "no y to evaluate": (lambda m: m.evaluate(X), ValueError, "`y` is missing"),
    "no y to validate": (lambda m: m.fit(X, Y, validation_data=(X,)), ValueError, "`validation_data` has no targets"),
    "list": (lambda m: m.fit(["?"], Y), TypeError, "`x` must be a dict of 'question' and 'context'"),
    "empty": (
        lambda m: m.fit({"question": [], "context": []}, {"answer": [], "answer_start": []}),
        ValueError,
        "`x` is empty",
    ),
    "y a list": (lambda m: m.fit(ONE, ["Ada"]), TypeError, "`y` must be a dict of 'answer' and 'answer_start'"),
    "half of y": (
        lambda m: m.fit(ONE, {"answer": ["Ada"]}),
        TypeError,
        "`y` must be a dict of 'answer' and 'answer_start'",
    ),
    "several answers": (
        lambda m: m.fit(ONE, {"answer": [["Ada"]], "answer_start": [0]}),
        TypeError,
        r"`y\['answer'\]` must hold strings. Item 0 is \['Ada'\]",
    ),
    "unequal": (
        lambda m: m.fit(ONE, {"answer": ["Ada", "Bob"], "answer_start": [0, 0]}),
        ValueError,
        "`y` has 2 answers and 2 starts for 1 questions",
    ),
    "unequal starts": (
        lambda m: m.fit(ONE, {"answer": ["Ada"], "answer_start": [0, 0]}),
        ValueError,
        "`y` has 1 answers and 2 starts for 1 questions",
    ),
    "no start": (
        lambda m: m.fit(ONE, {"answer": ["Ada"], "answer_start": None}),
        TypeError,
        r"`y\['answer_start'\]` must hold integers. Received: None",
    ),
    "start of text": (
        lambda m: m.fit(ONE, {"answer": ["Ada"], "answer_start": ["0"]}),
        TypeError,
        r"`y\['answer_start'\]` must hold integers",
    ),
    "elsewhere": (
        lambda m: m.fit(ONE, {"answer": ["Ada"], "answer_start": [1]}),
        ValueError,
        "`y` holds an answer that does not stand in its context: 'Ada' .* at character 1 of .* where there is 'da '",
    ),
    "before": (
        lambda m: m.fit(ONE, {"answer": ["t"], "answer_start": [-1]}),
        ValueError,
        "does not stand in its context",
    ),
    "weights": (
        lambda m: m.fit(X, Y, sample_weight=[1.0]),
        ValueError,
        "`x` has 15 questions, but `sample_weight` has 1 values",
    ),
    "classes": (
        lambda m: m.fit(X, Y, class_weight={0: 1.0}),
        ValueError,
        "`class_weight` needs classes: use `sample_weight`",
    ),
    "nothing to answer": (
        lambda m: m.answer([], []),
        ValueError,
        "`question` and `context` must be equally many, and not none. Received: 0",
    ),
    "questions of one context": (
        lambda m: m.answer(["?", "?"], ["a"]),
        ValueError,
        "`question` and `context` must be equally many, and not none. Received: 2 and 1",
    ),
    "one question": (
        lambda m: m.answer("?", ["a"]),
        TypeError,
        "`question` must be a list of strings. Received one string",
    ),
    "one context": (
        lambda m: m.answer(["?"], "a"),
        TypeError,
        "`context` must be a list of strings. Received one string",
    ),
    "None": (lambda m: m.answer(["?"], [None]), TypeError, "`context` must hold strings. Item 0 is None"),
    "num_answers": (
        lambda m: m.answer("?", "a", num_answers=0),
        ValueError,
        "`num_answers` must be an int of at least 1",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input(case, model):
    call, error, message = BAD[case]
    with pytest.raises(error, match=message):
        call(model)


BAD_MODELS = {
    "preprocessor": ({"preprocessor": knz.text.TextPreprocessor}, TypeError, "must be a knz.text.QuestionPreprocessor"),
    "max_answer_length": ({"max_answer_length": 0}, ValueError, "`max_answer_length` must be an int of at least 1"),
    "vocabulary": ({"backbone": lambda: knz.models.LSTMBackbone(9)}, ValueError, "was made for vocabulary_size=9"),
    "backbone": (
        {"backbone": lambda: knz.models.Seq2SeqBackbone(90, 4, 4)},
        TypeError,
        "`backbone` must give a vector for every token",
    ),
    "threshold": ({"no_answer_threshold": "0"}, ValueError, "`no_answer_threshold` must be a number or None"),
}


@pytest.mark.parametrize("case", BAD_MODELS)
def test_bad_model(case, tokenizer):
    options, error, message = BAD_MODELS[case]
    options = {
        "backbone": lambda: knz.models.LSTMBackbone(90, 4, 4),
        "preprocessor": knz.text.QuestionPreprocessor,
        **options,
    }
    backbone, preprocessor = options.pop("backbone")(), options.pop("preprocessor")(tokenizer)
    with pytest.raises(error, match=message):
        knz.QuestionAnswering(backbone, preprocessor, **options)
