"""Scores of tags and of answers while a model trains: what they call, what they log, what they refuse."""

import keras
import numpy as np
import pytest

import keras_nlp_zoo as knz

WORDS = [["Ada", "met", "Bob"], ["in", "Paris"], [], ["Ada", "Byron"]]
TAGS = [["B-PER", "O", "B-PER"], ["O", "B-LOC"], [], ["B-PER", "I-PER"]]
X = {"question": ["who?", "where?", "when?"], "context": ["Ada met Bob", "in Paris", "nobody knows"]}
Y = {"answer": [["Bob", "Ada"], ["Paris"], [""]], "answer_start": [[8, 0], [3], [-1]]}


class Model(keras.Model):
    """A model of one weight, which an epoch of SGD takes half of the way to 1: 1/2, 3/4, 7/8."""

    def __init__(self):
        inputs = keras.Input((1,))
        super().__init__(inputs, keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros")(inputs))
        self.calls = []
        self.compile(optimizer=keras.optimizers.SGD(0.25), loss="mse")

    def weight(self):
        return float(self.predict(np.ones((1, 1), "float32"), verbose=0)[0, 0])

    def run(self, *callbacks, epochs=3, verbose=0):
        one = np.ones((1, 1), "float32")
        return self.fit(one, one, epochs=epochs, callbacks=[*callbacks], verbose=verbose).history


class Tagger(Model):
    """Finds Bob once the weight is above 0.6, and takes Paris for a person until it is above 0.8."""

    def tag_words(self, words, batch_size=32):
        self.calls.append((words, batch_size))
        found = {"Ada": "B-PER", "Byron": "I-PER", "Paris": "B-LOC" if self.weight() > 0.8 else "B-PER"}
        found["Bob"] = "B-PER" if self.weight() > 0.6 else "O"
        return [[found.get(word, "O") for word in one] for one in words]


class Reader(Model):
    """Answers too much until the weight is above 0.6, and what cannot be known until it is above 0.8."""

    def answer(self, questions, contexts, batch_size=32):
        self.calls.append((questions, contexts, batch_size))
        known = self.weight() > 0.6, self.weight() > 0.8
        answers = {"who?": "The ada!", "where?": "Paris" if known[0] else "in Paris", "when?": "" if known[1] else "so"}
        return [{"text": answers[question], "start": 0, "end": 1, "score": 1.0} for question in questions]


def test_spans_are_those_of_the_weights_so_far():
    """Four spans in truth: three found of which two are right, then four and three, then all."""
    model = Tagger()
    history = model.run(knz.metrics.SpanMetrics(WORDS, TAGS, batch_size=7))
    assert history["val_precision"] == pytest.approx([2 / 3, 3 / 4, 1])
    assert history["val_recall"] == pytest.approx([2 / 4, 3 / 4, 1])
    assert history["val_f1"] == pytest.approx([4 / 7, 3 / 4, 1])
    assert history["loss"] == pytest.approx([1, 1 / 4, 1 / 16])
    assert model.calls == [(WORDS, 7)] * 3


def test_answers_are_those_of_the_weights_so_far():
    model = Reader()
    history = model.run(knz.metrics.AnswerMetrics(X, Y, batch_size=7))
    assert history["val_exact_match"] == pytest.approx([1 / 3, 2 / 3, 1])
    assert history["val_f1"] == pytest.approx([(1 + 2 / 3) / 3, 2 / 3, 1])
    assert model.calls == [(X["question"], X["context"], 7)] * 3


def test_one_reference_for_each_answer():
    y = {"answer": ["Ada", "Paris", "so"]}
    assert Reader().run(knz.metrics.AnswerMetrics(X, y), epochs=2)["val_exact_match"] == pytest.approx([2 / 3, 1])


SPANS = (Tagger, lambda **options: knz.metrics.SpanMetrics(WORDS, TAGS, **options))
ANSWERS = (Reader, lambda **options: knz.metrics.AnswerMetrics(X, Y, **options))


@pytest.mark.parametrize(("model", "scores"), [SPANS, ANSWERS])
def test_every_second_epoch_of_the_first_examples(model, scores):
    model = model()
    history = model.run(scores(every=2, max_examples=2), epochs=5)
    assert len(history["val_f1"]) == 2
    assert len(history["loss"]) == 5
    assert [len(call[0]) for call in model.calls] == [2, 2]
    assert history["val_f1"] == pytest.approx([2 / 3, 1] if isinstance(model, Tagger) else [1, 1])


@pytest.mark.parametrize(("model", "scores"), [SPANS, ANSWERS])
def test_later_callbacks_and_the_progress_bar_see_the_scores(model, scores, capsys):
    stop = keras.callbacks.EarlyStopping("val_f1", mode="max", patience=1)
    assert len(model().run(scores(), stop, epochs=9, verbose=2)["loss"]) == 4
    assert stop.best == 1
    assert "val_f1: 1.0000" in capsys.readouterr().out


def spans(words=WORDS, tags=TAGS, **options):
    return knz.metrics.SpanMetrics(words, tags, **options)


def answers(x=X, y=Y, **options):
    return knz.metrics.AnswerMetrics(x, y, **options)


@pytest.mark.parametrize("scores", [spans, answers])
@pytest.mark.parametrize("name", ["every", "max_examples", "batch_size"])
@pytest.mark.parametrize("value", [0, 1.5, True])
def test_bad_numbers(scores, name, value):
    with pytest.raises(ValueError, match=f"`{name}` must be an int of at least 1. Received: {name}={value!r}"):
        scores(**{name: value})


@pytest.mark.parametrize(
    ("scores", "options", "error", "message"),
    [
        (spans, {"tags": TAGS[:3]}, ValueError, "Received: 4 texts in `words`, 3 in `tags`"),
        (spans, {"words": [], "tags": []}, ValueError, "Received: 0 texts in `words`, 0 in `tags`"),
        (spans, {"tags": [*TAGS[:3], ["O"]]}, ValueError, r"`words\[3\]` and `tags\[3\]` .*: 2 words, 1 tags"),
        (spans, {"tags": [*TAGS[:3], ["NN", "NN"]]}, ValueError, r"`tags\[3\]` must hold tags like O, B-PER"),
        (spans, {"words": ["Ada met Bob"]}, TypeError, r"`words\[0\]` must be a list of strings. Received one string"),
        (spans, {"tags": None}, TypeError, "`tags` must be a list of lists of strings. Received: None"),
        (answers, {"x": X["question"]}, ValueError, '`x` must be a dict with "question" and "context"'),
        (answers, {"x": {"question": ["who?"]}}, ValueError, '`x` must be a dict with "question" and "context"'),
        (answers, {"y": ["Bob"]}, ValueError, '`y` must be a dict with "answer". Received: .*Bob'),
        (answers, {"y": {"answer": ["Bob"]}}, ValueError, "Received: 3 questions, 3 contexts, 1 answers"),
        (answers, {"x": {"question": [], "context": []}, "y": {"answer": []}}, ValueError, "Received: 0 questions"),
        (answers, {"y": {"answer": [["Bob"], [], [""]]}}, ValueError, r'`y\["answer"\]\[1\]` is empty'),
        (
            answers,
            {"x": {**X, "context": [None] * 3}},
            TypeError,
            r'`x\["context"\]` must hold strings. Item 0 is None',
        ),
    ],
)
def test_bad_arguments(scores, options, error, message):
    with pytest.raises(error, match=message):
        scores(**options)


@pytest.mark.parametrize(("scores", "name"), [(spans, "tag_words"), (answers, "answer")])
def test_models_without_an_answer(scores, name):
    model = Model()
    with pytest.raises(TypeError, match=f"Metrics needs a model with `{name}`. Received: Model"):
        model.run(scores())
    setattr(model, name, lambda *inputs, batch_size: [])
    with pytest.raises(ValueError, match=rf"`{name}\(...\)` must give a list of [34], one for each example"):
        model.run(scores())
