"""QuestionAnswering: answers found again by their characters, n-best lists counted out in float64."""

import unicodedata

import keras
import numpy as np
import pytest

import keras_nlp_zoo as knz
from keras_nlp_zoo.layers.softmax import HIDDEN_SCORE
from tests.rewind import rewinder
from tests.tasks.asking import ALL_X, ALL_Y, NO_X, X, Y, make, unlike
from tests.tasks.batches import Batches


@pytest.fixture(scope="module")
def tokenizer():
    return knz.Tokenizer.train(X["question"] + X["context"], kind="word")


@pytest.fixture(scope="module")
def trained(tokenizer):
    keras.utils.set_random_seed(0)
    backbone = knz.models.LSTMBackbone(tokenizer.vocabulary_size(), 24, 24, bidirectional=True, dropout=0.0)
    preprocessor = knz.text.QuestionPreprocessor(tokenizer, 32, stride=8, question_length=6)
    model = knz.QuestionAnswering(backbone, preprocessor, dropout=0.0, max_answer_length=4)
    model.compile(keras.optimizers.Adam(0.02))
    history = model.fit(ALL_X, ALL_Y, batch_size=8, epochs=40, verbose=0, seed=1).history["loss"]
    assert history[-1] < 0.05 * history[0]
    return model


# === Positions ===


@pytest.mark.parametrize("kind", ["word", "bpe", "byte_bpe", "unigram", "char"])
@pytest.mark.parametrize(("length", "stride"), [(64, None), (16, 6), (12, 0)])
def test_positions_of_answers(kind, length, stride):
    """In every window that holds the whole answer its first and last token; elsewhere the start token."""
    nfd = unicodedata.normalize("NFD", "민수는 서울에서 일한다")
    contexts = ["🙂🙂 went to Paris (the old) .", nfd, "one two three four five six seven eight nine", "x"]
    answers = ["🙂 went", nfd[5:9], "six seven", ""]
    starts = [1, 5, contexts[2].index("six"), -1]
    tokenizer = knz.Tokenizer.train([*contexts, "?"], kind=kind, min_frequency=1 if kind in ("word", "char") else 99)
    model = make(tokenizer, sequence_length=length, stride=stride, question_length=2)
    x = {"question": ["?"] * 4, "context": contexts}
    encoded = model.preprocessor.encode_questions(x)
    _, positions, _ = model._encode_all(x, {"answer": answers, "answer_start": starts}, None, "x")
    inside = [0] * 4
    for window, (first, last) in zip(encoded.windows, positions, strict=True):
        offsets = tokenizer.encode(contexts[window.example]).offsets
        start, end = starts[window.example], starts[window.example] + len(answers[window.example])
        # Of the tokens of the context, one after another, those with a character of the answer that is no space.
        holds = [
            any(start <= i < end and not contexts[window.example][i].isspace() for i in range(*span))
            for span in offsets
        ]
        wanted = np.flatnonzero(holds)
        if len(wanted) and window.first <= wanted[0] and wanted[-1] < window.last:
            inside[window.example] += 1
            assert (first, last) == (
                wanted[0] - window.first + window.position,
                wanted[-1] - window.first + window.position,
            )
        else:
            assert (first, last) == (0, 0)
    assert inside[3] == 0
    if stride is None:
        assert inside[:3] == [1, 1, 1]


# === Answers ===


def brute_force(model, question, context, threshold=None):
    """All spans of all windows, scored one by one in float64, from what `predict` gives; and no answer."""
    encoded = model.preprocessor.encode_questions({"question": [question], "context": [context]})
    logits = model.predict({"question": [question], "context": [context]}, verbose=0).astype("float64")
    scores, nothing = {}, np.inf
    for window, row in zip(encoded.windows, logits, strict=True):
        nothing = min(nothing, row[0, 0] + row[0, 1])
        for first in range(window.first, window.last):
            for last in range(first, min(first + model.max_answer_length, window.last)):
                (start, a), (b, end) = encoded.offsets[0][first], encoded.offsets[0][last]
                if start == a or b == end:
                    continue
                score = row[first - window.first + window.position, 0] + row[last - window.first + window.position, 1]
                scores[first, last] = max(score, scores.get((first, last), -np.inf))
    everything = [*scores.values(), *([nothing] if threshold is not None or not scores else [])]
    total = np.logaddexp.reduce(everything)
    best = {}
    for (first, last), score in sorted(scores.items(), key=lambda item: -item[1]):
        best.setdefault((encoded.offsets[0][first][0], encoded.offsets[0][last][1]), score)
    answers = [(start, end, np.exp(score - total)) for (start, end), score in best.items()]
    if threshold is not None or not scores:
        place = sum(score >= nothing - (threshold or 0) for score in best.values())
        answers.insert(place, (-1, -1, np.exp(nothing - total)))
    return answers, np.exp(np.array(everything) - total).sum()


CONTEXTS = [
    "Ada went to Paris . Bob went to Rome .",
    " ".join(X["context"][:6]),  # several windows
    "Paris",
    "",
    "  Ada   went  ",
]


@pytest.mark.parametrize("threshold", [None, 0.0, 2.0, -1.0])
def test_the_best_answers_are_those_of_all_spans(threshold, tokenizer):
    model = unlike(make(tokenizer, no_answer_threshold=threshold, sequence_length=24, stride=4))
    question = "where did Ada go ?"
    found = model.answer([question] * len(CONTEXTS), CONTEXTS, num_answers=500)
    places = []
    for context, answers in zip(CONTEXTS, found, strict=True):
        expected, total = brute_force(model, question, context, threshold)
        assert total == pytest.approx(1)
        assert [(a["start"], a["end"]) for a in answers] == [(start, end) for start, end, _ in expected]
        np.testing.assert_allclose([a["score"] for a in answers], [score for *_, score in expected], atol=1e-5)
        for answer in answers:
            assert answer["text"] == (context[answer["start"] : answer["end"]] if answer["start"] >= 0 else "")
        assert sum(answer["score"] for answer in answers) == pytest.approx(1, abs=1e-5)
        places.append([a["start"] for a in answers].index(-1) if threshold is not None else None)
    best = model.answer([question] * len(CONTEXTS), CONTEXTS)
    assert [(a["start"], a["end"]) for a in best] == [(one[0]["start"], one[0]["end"]) for one in found]
    three = model.answer(question, CONTEXTS[0], num_answers=3)
    assert [a["text"] for a in three] == [a["text"] for a in found[0][:3]]
    assert found[3] == [{"text": "", "start": -1, "end": -1, "score": 1.0}]  # there is nothing in an empty context


@pytest.mark.parametrize("kind", ["byte_bpe", "unigram", "char"])
def test_answers_are_characters_of_the_context(kind):
    """Never half of one, never a space at an end, and none twice."""
    nfd = unicodedata.normalize("NFD", "민수는 é")
    contexts = ["🙂🙂 a  b", nfd, "हिन्दी x"]
    tokenizer = knz.Tokenizer.train([*contexts, "?"], kind=kind, min_frequency=1 if kind == "char" else 99)
    model = unlike(make(tokenizer, max_answer_length=5, sequence_length=64))
    for context, answers in zip(contexts, model.answer(["?"] * 3, contexts, num_answers=99), strict=True):
        expected, _ = brute_force(model, "?", context)
        spans = [(answer["start"], answer["end"]) for answer in answers]
        assert spans == [(start, end) for start, end, _ in expected]
        assert len(spans) == len(set(spans)) > 3
        for answer in answers:
            assert answer["text"] == answer["text"].strip() == context[answer["start"] : answer["end"]] != ""
            rest = context[answer["end"] : answer["end"] + 1]
            if kind != "byte_bpe":  # whose tokens are bytes as they stand: marks and jamo apart
                assert not rest or len(unicodedata.normalize("NFC", answer["text"][-1] + rest)) == 2


def test_neither_batches_nor_padding_matter(tokenizer):
    model = unlike(make(tokenizer))
    x = {"question": [*X["question"][:6], "?"], "context": [*X["context"][:6], " ".join(X["context"])]}
    together = model.answer(x["question"], x["context"], num_answers=2)
    for other in (
        model.answer(x["question"], x["context"], num_answers=2, batch_size=4),
        [model.answer(*one, num_answers=2) for one in zip(x["question"], x["context"], strict=True)],
    ):
        for one, two in zip(together, other, strict=True):
            assert [{**a, "score": None} for a in one] == [{**a, "score": None} for a in two]
            np.testing.assert_allclose([a["score"] for a in one], [a["score"] for a in two], atol=1e-5)


# === What is learnt ===


def test_predictions_for_contexts_of_all_lengths(tokenizer):
    """More than a batch, each row as it is alone."""
    model = make(tokenizer, sequence_length=64)
    x = {"question": ["who ?"] * 9, "context": ["Ada met Bob . " * n for n in (1, 9, 2, 1, 8, 1, 1, 3, 1)]}
    found = model.predict(x, batch_size=4, verbose=0)
    for i, context in enumerate(x["context"]):
        alone = model.predict({"question": ["who ?"], "context": [context]}, verbose=0)[0]
        real = alone[:, 0] > HIDDEN_SCORE
        np.testing.assert_allclose(found[i, : len(alone)][real], alone[real], atol=1e-5)
        assert (found[i, :, 0] > HIDDEN_SCORE).sum() == real.sum() > 3
    parts = ({key: column[i : i + 4] for key, column in x.items()} for i in range(0, 9, 4))
    np.testing.assert_allclose(model.predict(parts, verbose=0), found, atol=1e-6)


def test_a_tiny_corpus_is_learnt(trained):
    answers = trained.answer(X["question"], X["context"])
    assert np.mean([a["text"] == right for a, right in zip(answers, Y["answer"], strict=True)]) >= 0.95
    assert np.mean([a["start"] == right for a, right in zip(answers, Y["answer_start"], strict=True)]) >= 0.95


@pytest.mark.parametrize("stride", [0, 5])
def test_an_answer_wherever_it_stands_in_a_long_context(stride, tokenizer):
    """With scores that only the word itself has, by hand: in whatever window, at its own characters."""
    backbone = knz.models.DNNBackbone(tokenizer.vocabulary_size(), 4, 4)  # whose vectors of tokens are embeddings
    preprocessor = knz.text.QuestionPreprocessor(tokenizer, 24, stride=stride, question_length=6)
    model = knz.QuestionAnswering(backbone, preprocessor, dropout=0.0, max_answer_length=3)
    table = np.zeros((tokenizer.vocabulary_size(), 4))
    table[tokenizer.token_to_id("New"), 0] = table[tokenizer.token_to_id("York"), 1] = 1
    backbone.token_embedding.embeddings.assign(table)
    model.output_dense.set_weights([np.array([[9.0, 0], [0, 9], [0, 0], [0, 0]]), np.zeros(2)])
    contexts = [" ".join([*["Ada"] * before, "New York", *["Bob"] * (40 - before)]) for before in range(41)]
    answers = model.answer(["where ?"] * 41, contexts)
    whole = [
        a["start"] == c.index("New York") and a["text"] == "New York" for a, c in zip(answers, contexts, strict=True)
    ]
    # Without a stride the first window, of 19 words, ends between the two words of the answer in one case.
    assert [before for before in range(41) if not whole[before]] == ([] if stride else [18])


def test_questions_without_an_answer_are_learnt(trained):
    model = knz.QuestionAnswering(trained.backbone, trained.preprocessor, max_answer_length=4, no_answer_threshold=0.0)
    model.set_weights(trained.get_weights())
    assert all(answer["start"] == -1 for answer in model.answer(NO_X["question"], NO_X["context"]))
    assert sum(answer["start"] == -1 for answer in model.answer(X["question"], X["context"])) <= 1
    assert all(answer["start"] >= 0 for answer in trained.answer(NO_X["question"], NO_X["context"]))


# === Sources of data, loss ===


def test_datasets_train_as_lists_do(tokenizer):
    model, losses = make(tokenizer), []
    model.compile(keras.optimizers.Adam(1e-3))
    rewind = rewinder(model)
    arrays = {key: np.array(value) for key, value in X.items()}
    encoded = {key: [text.encode() for text in value] for key, value in X.items()}
    for data in (
        (X, Y),
        (Batches(X, Y, batch_size=10),),
        ((batch for batch in Batches(X, Y, batch_size=10)),),
        (arrays, {key: np.array(value) for key, value in Y.items()}),
        (encoded, Y),
    ):
        rewind()
        losses.append(model.fit(*data, batch_size=10, epochs=2, verbose=0, seed=1).history["loss"])
    for other in losses[1:]:
        np.testing.assert_allclose(other, losses[0], rtol=1e-5)


def test_the_loss_is_the_cross_entropy_of_both_ends(tokenizer):
    """Against logits in float64, windows without the answer among them, each with the weight of its question."""
    model = unlike(make(tokenizer, sequence_length=16, stride=2))
    x, y = ({key: value[:5] for key, value in column.items()} for column in (X, Y))
    weights = np.array([1.0, 0.0, 2.0, 0.5, 1.0], "float32")
    encoded = model.preprocessor.encode_questions(x)
    _, positions, given = model._encode_all(x, y, weights, "x")
    assert len(encoded.windows) > 8
    logits = model.predict(x, verbose=0).astype("float64")
    real = model.preprocessor(x)["padding_mask"] == 1
    assert (logits[~real] == HIDDEN_SCORE).all()
    losses = []
    for row, (places, kept) in enumerate(zip(positions, real, strict=True)):
        ends = logits[row, kept]
        log_p = ends - np.log(np.exp(ends).sum(axis=0))
        losses.append(-(log_p[places[0], 0] + log_p[places[1], 1]) / 2)
    owners = [window.example for window in encoded.windows]
    assert given.tolist() == weights[owners].tolist()
    expected = np.mean(np.array(losses) * weights[owners])
    assert model.evaluate(x, y, sample_weight=weights, batch_size=99, verbose=0) == pytest.approx(expected, rel=1e-5)
    assert model.test_on_batch(x, y, sample_weight=weights) == pytest.approx(expected, rel=1e-5)
    assert keras.ops.convert_to_numpy(model.predict_on_batch(x)).shape == logits.shape
    arrays = model.preprocessor(x)
    bare = knz.QuestionAnswering(model.backbone, dropout=0.0)
    bare.set_weights(model.get_weights())
    assert bare.evaluate(arrays, positions, sample_weight=weights[owners], verbose=0) == pytest.approx(
        expected, rel=1e-5
    )
    with pytest.raises(TypeError, match="`y` must be the positions of first and last token"):
        bare.evaluate(arrays, y)
    with pytest.raises(ValueError, match="This task has no preprocessor to read texts with"):
        bare.answer("?", "a")


def test_validation(tokenizer):
    model = make(tokenizer)
    model.compile(keras.optimizers.SGD(0.0))
    held_out = {key: value[-6:] for key, value in X.items()}, {key: value[-6:] for key, value in Y.items()}
    expected = model.evaluate(*held_out, verbose=0)
    for options in ({"validation_data": held_out}, {"validation_split": 6 / len(X["question"])}):
        history = model.fit(X, Y, verbose=0, **options).history
        assert history["val_loss"][0] == pytest.approx(expected, abs=1e-5)


# === Saving ===


def test_round_trips(trained, tmp_path):
    x = X["question"][:5], X["context"][:5]
    expected = trained.answer(*x)
    trained.save_to_preset(tmp_path / "preset")
    trained.save(tmp_path / "model.keras")
    for again in (
        knz.QuestionAnswering.from_preset(tmp_path / "preset"),
        keras.saving.load_model(tmp_path / "model.keras"),
    ):
        assert type(again) is knz.QuestionAnswering
        assert again.max_answer_length == 4
        assert again.preprocessor.get_config() == trained.preprocessor.get_config()
        for one, other in zip(again.answer(*x), expected, strict=True):
            assert one == pytest.approx(other, abs=1e-5)
        assert float(again.optimizer.learning_rate) == pytest.approx(0.02)
    changed = knz.QuestionAnswering.from_preset(
        tmp_path / "preset", no_answer_threshold=1.5, stride=3, max_answer_length=2
    )
    assert (changed.no_answer_threshold, changed.preprocessor.stride, changed.max_answer_length) == (1.5, 3, 2)
