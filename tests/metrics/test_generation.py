import keras
import numpy as np
import pytest
import sacrebleu

import keras_nlp_zoo as knz

SOURCES = ["a", "b", "c", "d", "e", "f", "g"]
X = {"encoder_text": SOURCES, "decoder_text": [text.upper() for text in SOURCES]}


class Writer(keras.Model):
    """A model of one weight, which an epoch takes half of the way to 1, and which writes what it is asked to."""

    def __init__(self, write):
        inputs = keras.Input((1,))
        super().__init__(inputs, keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros")(inputs))
        self.write = write
        self.batches = []
        self.compile(optimizer=keras.optimizers.SGD(0.25), loss="mse")

    def generate(self, inputs):
        self.batches.append(list(inputs))
        return [self.write(self, text) for text in inputs]

    def run(self, callbacks, epochs=4, verbose=0):
        one = np.ones((1, 1), "float32")
        return self.fit(one, one, epochs=epochs, callbacks=callbacks, verbose=verbose).history


def weight(model, text):
    return repr(float(model.predict(np.ones((1, 1), "float32"), verbose=0)[0, 0]))


def mean(predictions, references):
    return np.mean([float(text) for text in predictions if text != "A"] or [0.0])  # "A": the trial on a reference


def test_scores_are_those_of_the_weights_so_far():
    """With one SGD step of 0.25 on (w - 1)^2 an epoch, w is 1/2, 3/4, 7/8; generating disturbs no training."""
    history = Writer(weight).run([knz.metrics.GenerationMetrics(X, metrics={"w": mean}, max_examples=2)])
    assert history["val_w"] == pytest.approx([1 / 2, 3 / 4, 7 / 8, 15 / 16])
    assert history["loss"] == pytest.approx([1, 1 / 4, 1 / 16, 1 / 64])


def test_bleu_by_default():
    sources = ["one two three four five", "six seven eight nine ten"]
    x = {"encoder_text": sources, "decoder_text": ["One two three four five", sources[1]]}
    history = Writer(lambda model, text: text).run([knz.metrics.GenerationMetrics(x)], epochs=2)
    score = sacrebleu.corpus_bleu(sources, [x["decoder_text"]]).score
    assert 50 < score < 100
    assert history["val_bleu"] == [score, score]


def test_later_callbacks_and_the_progress_bar_see_the_scores(capsys):
    marks = iter(["0.25", "0.5", "0.125", "0.125", "0.75"])

    stop = keras.callbacks.EarlyStopping("val_mark", mode="max", patience=2)
    scores = knz.metrics.GenerationMetrics(X, metrics={"mark": mean}, max_examples=1)
    history = Writer(lambda model, text: next(marks)).run([scores, stop], epochs=5, verbose=2)
    assert history["val_mark"] == [0.25, 0.5, 0.125, 0.125]
    assert stop.best == 0.5
    assert "val_mark: 0.5000" in capsys.readouterr().out


def test_every_second_epoch():
    model = Writer(weight)
    history = model.run([knz.metrics.GenerationMetrics(X, metrics={"w": mean}, every=2)], epochs=5)
    assert history["val_w"] == pytest.approx([3 / 4, 15 / 16])
    assert len(history["loss"]) == 5
    assert len(model.batches) == 2


def upper(model, text):
    return text.upper()


@pytest.mark.parametrize(
    ("options", "batches"),
    [
        ({}, ["abcdefg"]),
        ({"batch_size": 7}, ["abcdefg"]),
        ({"batch_size": 3}, ["abc", "def", "ggg"]),  # batches of one size: a new one would be compiled for
        ({"batch_size": 3, "max_examples": 5}, ["abc", "dee"]),
        ({"batch_size": 3, "max_examples": 2}, ["ab"]),
        ({"max_examples": 100}, ["abcdefg"]),
    ],
)
def test_batches(options, batches):
    model = Writer(upper)
    seen = []

    def keep(predictions, references):
        seen.append((predictions, references))
        return knz.metrics.exact_match(predictions, references)

    history = model.run([knz.metrics.GenerationMetrics(X, metrics={"exact": keep}, **options)], epochs=1)
    assert history["val_exact"] == [1.0]
    assert model.batches == [list(letters) for letters in batches]
    number = options.get("max_examples", 7)
    assert seen[-1] == (X["decoder_text"][:number], X["decoder_text"][:number])


def test_a_model_that_batches_by_itself_is_called_once():
    class Batching(Writer):
        def generate(self, inputs, max_length=None, batch_size=32):
            self.batches.append((list(inputs), max_length, batch_size))
            return [text.upper() for text in inputs]

    model = Batching(None)
    callback = knz.metrics.GenerationMetrics(
        X, metrics={"exact": knz.metrics.exact_match}, batch_size=3, max_length=40, max_examples=5
    )
    assert model.run([callback], epochs=1)["val_exact"] == [1.0]
    assert model.batches == [(SOURCES[:5], 40, 3)]


def test_several_references():
    references = [["A", "x"], ["y", "B"], ["z"]]
    x = {"encoder_text": SOURCES[:3]}
    callback = knz.metrics.GenerationMetrics(x, references, metrics={"exact": knz.metrics.exact_match})
    assert Writer(upper).run([callback], epochs=1)["val_exact"] == [2 / 3]


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"every": 0}, ValueError, "`every` must be an int of at least 1. Received: every=0"),
        ({"batch_size": 2.0}, ValueError, "`batch_size` must be an int of at least 1. Received: batch_size=2.0"),
        ({"max_examples": 0}, ValueError, "`max_examples` must be an int of at least 1. Received: max_examples=0"),
        ({"max_length": -1}, ValueError, "`max_length` must be an int of at least 1. Received: max_length=-1"),
        ({"x": SOURCES}, ValueError, '`x` must be a dict with "encoder_text" and "decoder_text"'),
        ({"x": {"encoder_text": SOURCES}}, ValueError, '`x` must be a dict with "encoder_text" and "decoder_text"'),
        ({"x": {"encoder_text": [], "decoder_text": []}}, ValueError, "Received: 0 texts in `x`, 0 references"),
        ({"y": ["a"]}, ValueError, "Received: 7 texts in `x`, 1 references"),
        ({"x": {"encoder_text": [1], "decoder_text": ["a"]}}, TypeError, '`x."encoder_text".` must hold strings'),
        ({"y": [1] * 7}, TypeError, "`y` must hold strings"),
        ({"metrics": {"bleu": "bleu"}}, ValueError, r"`metrics\['bleu'\]` must be a function. Received: 'bleu'"),
        ({"metrics": {"bad": lambda p, r: [0, 1]}}, TypeError, "float"),
    ],
)
def test_bad_arguments(options, error, message):
    with pytest.raises(error, match=message):
        knz.metrics.GenerationMetrics(**{"x": X, **options})


def test_a_model_that_cannot_write():
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile(loss="mse")
    with pytest.raises(TypeError, match=r"GenerationMetrics needs a model with `generate`. Received: Sequential"):
        model.fit(np.ones((1, 1)), np.ones((1, 1)), callbacks=[knz.metrics.GenerationMetrics(X)], verbose=0)
