"""Questions and contexts: what is packed where, and the characters of every token of a context."""

import unicodedata

import numpy as np
import pytest

import keras_nlp_zoo as knz
from tests.conftest import ODD_TEXTS

TOKENIZER = knz.Tokenizer.train(["who met a b c d e f g h i j k l m n o p ?"], kind="word")
WHO, MET, A = TOKENIZER.tokenize("who met a")
X = {"question": ["who met ?", "who ?"], "context": ["a b c d e f g h i j k l m n o p", "a b"]}


def decode(ids, mask):
    return [TOKENIZER.id_to_token(int(i)) for i, real in zip(ids, mask, strict=True) if real]


def test_a_row_is_start_question_end_context_end():
    preprocessor = knz.text.QuestionPreprocessor(TOKENIZER, return_segment_ids=True)
    x = preprocessor(X)
    assert decode(x["token_ids"][0], x["padding_mask"][0]) == (
        ["[START]", "who", "met", "?", "[END]", *X["context"][0].split(), "[END]"]
    )
    assert decode(x["token_ids"][1], x["padding_mask"][1]) == "[START] who ? [END] a b [END]".split()
    assert x["segment_ids"][1].tolist() == [0, 0, 0, 0, 1, 1, 1] + [0] * 17
    assert x["token_ids"].shape == (2, 24)
    assert "segment_ids" not in knz.text.QuestionPreprocessor(TOKENIZER)(X)
    # By default as BERT has it: 64 tokens of 384 for the question, 128 of the context shared.
    default = knz.text.QuestionPreprocessor(TOKENIZER)
    assert (default.sequence_length, default.longest_question, default.overlap) == (384, 64, 128)


@pytest.mark.parametrize(("length", "stride", "question_length"), [(12, 0, 3), (12, 3, 3), (12, 5, 3), (10, None, 3)])
def test_windows_cover_the_context(length, stride, question_length):
    """Every part of a context that is as long as the stride stands whole in a row, with the question before it."""
    preprocessor = knz.text.QuestionPreprocessor(TOKENIZER, length, stride, question_length)
    encoded = preprocessor.encode_questions(X)
    x = preprocessor.pad(encoded.rows, np.arange(len(encoded.rows)), length)
    parts = [[], []]
    for row, window in enumerate(encoded.windows):
        tokens = decode(x["token_ids"][row], x["padding_mask"][row])
        question = X["question"][window.example].split()
        context = X["context"][window.example].split()
        assert tokens == ["[START]", *question, "[END]", *context[window.first : window.last], "[END]"]
        assert tokens[window.position : -1] == context[window.first : window.last]
        parts[window.example].append(set(range(window.first, window.last)))
    for context, found in zip(X["context"], parts, strict=True):
        size = len(context.split())
        assert set().union(*found) == set(range(size))
        together = preprocessor.overlap + 1
        for start in range(max(1, size - together + 1)):
            assert any(set(range(start, min(start + together, size))) <= part for part in found)
    assert len(parts[0]) > 1
    assert len(parts[1]) == 1
    assert x["padding_mask"].sum(axis=1).max() <= length


def test_questions_are_cut_with_a_warning_and_contexts_never():
    preprocessor = knz.text.QuestionPreprocessor(TOKENIZER, 12, stride=2, question_length=2)
    with pytest.warns(UserWarning, match=r"1 of 2 texts in `x\['question'\]` are longer than sequence_length=2 tokens"):
        x = preprocessor(X)
    assert decode(x["token_ids"][0], x["padding_mask"][0])[:4] == ["[START]", "who", "met", "[END]"]


@pytest.mark.parametrize("kind", ["word", "wordpiece", "bpe", "byte_bpe", "unigram", "char"])
def test_offsets_are_the_characters_of_the_context(kind):
    texts = ["Ada met Bob.", "🙂🙂 x", unicodedata.normalize("NFD", "민수는 서울에서"), "  two  spaces ", "हिन्दी भाषा"]
    tokenizer = knz.Tokenizer.train(texts, kind=kind, vocabulary_size=300)
    contexts = [*texts, texts[0], *ODD_TEXTS[:-2]]
    encoded = knz.text.QuestionPreprocessor(tokenizer).encode_questions(
        {"question": [""] * len(contexts), "context": contexts}
    )
    for context, offsets in zip(contexts, encoded.offsets, strict=True):
        covered = np.zeros(len(context), bool)
        for start, end in offsets:
            covered[start:end] = True
            assert start == end or not (context[start].isspace() or context[end - 1].isspace())
        if context in texts:
            assert covered.tolist() == [
                not character.isspace() or any(start < i < end - 1 for start, end in offsets)
                for i, character in enumerate(context)
            ]
    assert len(encoded.rows) == len(encoded.windows) >= len(contexts)


def test_config():
    preprocessor = knz.text.QuestionPreprocessor(TOKENIZER, 40, stride=5, question_length=7, return_segment_ids=True)
    again = knz.text.QuestionPreprocessor.from_config(preprocessor.get_config())
    assert again.get_config() == preprocessor.get_config()
    assert (again.sequence_length, again.stride, again.question_length) == (40, 5, 7)


BAD = {
    "tokenizer": (lambda p: type(p)("word"), TypeError, "`tokenizer` must be a knz.Tokenizer"),
    "no start": (lambda p: type(p)(TOKENIZER, add_start_token=False), ValueError, "A row needs a start token"),
    "too short": (
        lambda p: type(p)(TOKENIZER, 4),
        ValueError,
        "`sequence_length` must hold `question_length`, 3 special",
    ),
    "question_length": (lambda p: type(p)(TOKENIZER, 40, question_length=0), ValueError, "question_length=0"),
    "stride": (lambda p: type(p)(TOKENIZER, 40, stride=31), ValueError, "stride=31"),
    "negative stride": (lambda p: type(p)(TOKENIZER, 40, stride=-1), ValueError, "stride=-1"),
    "list": (lambda p: p(["who ?"]), TypeError, r"`x` must be a dict of 'question' and 'context'. Received: \['who"),
    "half": (lambda p: p({"question": ["who ?"]}), TypeError, "`x` must be a dict of 'question' and 'context'"),
    "one string": (
        lambda p: p({"question": "who ?", "context": "a b"}),
        TypeError,
        r"`x\['question'\]` must be a list of strings. Received one string",
    ),
    "None": (
        lambda p: p({"question": ["who ?"], "context": [None]}),
        TypeError,
        r"`x\['context'\]` must hold strings. Item 0 is None",
    ),
    "unequal": (
        lambda p: p({"question": ["who ?"], "context": ["a", "b"]}),
        ValueError,
        "`x` has 1 questions, but 2 contexts",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input(case):
    call, error, message = BAD[case]
    with pytest.raises(error, match=message):
        call(knz.text.QuestionPreprocessor(TOKENIZER))
