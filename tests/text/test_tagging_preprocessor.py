"""Words, the tokens that stand for them, and windows: what a tagger reads, checked on the characters of its texts."""

import unicodedata

import numpy as np
import pytest

import keras_nlp_zoo as knz
from keras_nlp_zoo.text.offsets import first_tokens, word_spans
from keras_nlp_zoo.text.tagging_preprocessor import TaggingRows
from tests.conftest import ODD_TEXTS

VOCABULARY = ["[PAD]", "[UNK]", "[START]", "[END]", "[MASK]", "ada", "paris", "in", "##s", "ly", "##on", ".", "("]
WORDPIECE = knz.Tokenizer("wordpiece", VOCABULARY)
HINDI = "हिन्दी भाषा"
JAMO = unicodedata.normalize("NFD", "민수는 서울에서")
TEXTS = ["Ada met Bob in Paris .", "Bob (of Paris) left, said Ada.", "🙂🙂 x 🙃", "민수는 서울에서 일한다", JAMO, HINDI]
KINDS = ("word", "wordpiece", "bpe", "byte_bpe", "unigram", "char")


@pytest.fixture(scope="module", params=KINDS)
def tokenizer(request):
    return knz.Tokenizer.train(TEXTS, kind=request.param, vocabulary_size=300)


def encode(preprocessor, items):
    return preprocessor.encode_documents(preprocessor.documents(items))


def test_a_word_is_read_at_its_first_token():
    preprocessor = knz.text.TaggingPreprocessor(WORDPIECE, add_start_token=True, add_end_token=True)
    rows, documents = encode(preprocessor, [["adas", "in", "lyon"], "(ada zzz", []])
    assert documents[0] == ("adas in lyon", [(0, 4), (5, 7), (8, 12)])
    assert documents[1] == ("(ada zzz", [(0, 1), (1, 4), (5, 8)])
    table = preprocessor.unit_table(rows, np.arange(3), 8).tolist()
    x = preprocessor.pad(rows, np.arange(3), 8)
    tokens = [[VOCABULARY[i] for i in row] for row in x["token_ids"]]
    assert tokens[0] == ["[START]", "ada", "##s", "in", "ly", "##on", "[END]", "[PAD]"]
    assert table[0] == [-1, 0, -1, 1, 2, -1, -1, -1]
    assert tokens[1] == ["[START]", "(", "ada", "[UNK]", "[END]", "[PAD]", "[PAD]", "[PAD]"]
    assert table[1] == [-1, 0, 1, 2, -1, -1, -1, -1]
    assert tokens[2][:3] == ["[START]", "[END]", "[PAD]"]
    assert x["padding_mask"].sum(axis=1).tolist() == [7, 5, 2]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Ada's 2nd U.S. trip_1!?", ["Ada", "'", "s", "2nd", "U", ".", "S", ".", "trip_1", "!?"]),
        (HINDI, HINDI.split()),  # vowel signs and the virama are no letters to Python
        (unicodedata.normalize("NFD", "cafés été"), unicodedata.normalize("NFD", "cafés été").split()),
        (JAMO, JAMO.split()),
        ("\u200b می\u200cخواهم", ["\u200b", "می\u200cخواهم"]),
        ("half \ud83d pair", ["half", "\ud83d", "pair"]),
        ("", []),
        (" \t\n", []),
    ],
)
def test_words_of_a_text(text, words):
    assert [text[start:end] for start, end in word_spans(text)] == words


def test_every_character_of_a_text_is_in_one_word():
    for text in (*TEXTS, *ODD_TEXTS):
        covered = np.zeros(len(text), int)
        for start, end in word_spans(text):
            covered[start:end] += 1
        assert covered.tolist() == [0 if c.isspace() else 1 for c in text], text[:40]


def test_words_are_read_whatever_the_tokenizer(tokenizer):
    """Every one where words are given; where they are found all but the lesser ones of a token that holds several."""
    preprocessor = knz.text.TaggingPreprocessor(tokenizer)
    for text in TEXTS:
        rows, (document,) = encode(preprocessor, [text.split()])
        assert rows.units[rows.units >= 0].tolist() == list(range(len(document.units)))
        rows, (document,) = encode(preprocessor, [text])
        offsets = tokenizer.encode(text).offsets
        read = set(rows.units.tolist())
        for number, (start, end) in enumerate(document.units):
            if number not in read:
                assert tokenizer.kind in ("bpe", "unigram")
                assert any(a <= start and end <= b and b - a >= 2 * (end - start) for a, b in offsets), text[start:end]
        for unit, (start, end) in zip(rows.units, offsets, strict=True):
            if unit >= 0:
                a, b = document.units[unit]
                assert max(a, start) < min(b, end)


def test_a_token_that_holds_several_words_stands_for_the_longest():
    words = [(0, 1), (1, 6), (6, 7), (8, 10)]  # "(Paris, is"
    assert first_tokens(words, [(0, 7), (8, 10)]) == [1, 3]
    assert first_tokens(words, [(0, 2), (2, 6), (6, 7), (8, 9), (9, 10)]) == [0, 1, 2, 3, -1]
    assert first_tokens(words, [(0, 1), (1, 4), (4, 7), (7, 7), (8, 10)]) == [0, 1, 2, -1, 3]


def test_tokens_as_units_are_apart_and_leave_nothing_out(tokenizer):
    """Several tokens for the bytes of one character are one unit."""
    preprocessor = knz.text.TaggingPreprocessor(tokenizer, units="token")
    for text in (*TEXTS, "한🙂a\u0301"):
        rows, (document,) = encode(preprocessor, [text])
        covered = np.zeros(len(text), int)
        for start, end in document.units:
            assert not text[start].isspace()
            assert not text[end - 1].isspace()
            covered[start:end] += 1
        assert covered.max() == 1
        assert all(covered[i] or character.isspace() for i, character in enumerate(text))
        assert rows.units[rows.units >= 0].tolist() == list(range(len(document.units)))


@pytest.mark.parametrize("units", ["word", "token"])
@pytest.mark.parametrize(
    ("length", "overlap", "special"), [(6, None, True), (4, 0, False), (5, 4, False), (9, 3, True)]
)
def test_long_documents_are_read_in_windows(units, length, overlap, special):
    """Each word once, at the same token as if there were one window, its neighbours beside it."""
    options = {"units": units, "add_start_token": special, "add_end_token": special}
    items = [["adas", "in", "lyon", "."] * 7, ["ada"], [], ["paris", "zzz"] * 4]
    whole, expected = encode(knz.text.TaggingPreprocessor(WORDPIECE, 200, **options), items)
    preprocessor = knz.text.TaggingPreprocessor(WORDPIECE, length, overlap=overlap, **options)
    rows, documents = encode(preprocessor, items)
    assert documents == expected
    assert rows.lengths.max() <= length
    assert len(rows) > len(items)
    for document in range(len(items)):
        mine = np.flatnonzero(rows.documents == document)
        table, ids = preprocessor.unit_table(rows, mine, length), preprocessor.pad(rows, mine, length)["token_ids"]
        one = knz.text.TaggingPreprocessor(WORDPIECE, 200, **options)
        units_of_one = one.unit_table(whole, [document], 64)[0]
        ids_of_one = one.pad(whole, [document], 64)["token_ids"][0]
        found = [
            (unit, token)
            for row, tokens in zip(table, ids, strict=True)
            for unit, token in zip(row, tokens, strict=True)
        ]
        assert [pair for pair in found if pair[0] >= 0] == [
            (unit, token) for unit, token in zip(units_of_one, ids_of_one, strict=True) if unit >= 0
        ]
        if special:
            assert all(row[0] == 2 and row[size - 1] == 3 for row, size in zip(ids, rows.lengths[mine], strict=True))


def test_rows_with_tags_sliced_and_joined():
    preprocessor = knz.text.TaggingPreprocessor(WORDPIECE, 4, overlap=1)
    items = [["adas", "in", "lyon"], [], ["paris"]]
    rows, documents = encode(preprocessor, items)
    tags = [np.array([5, 6, 7], "int32"), np.array([], "int32"), np.array([8], "int32")]
    tagged = rows.with_tags(tags)
    assert rows.tags is None
    _, y, weight = preprocessor.pad(tagged, np.arange(len(rows)), 4)
    table = preprocessor.unit_table(rows, np.arange(len(rows)), 4)
    assert weight.tolist() == (table >= 0).tolist()
    owners = rows.documents[:, None] + np.zeros_like(table)
    expected = [
        [tags[d][u] if u >= 0 else 0 for d, u in zip(*pair, strict=True)] for pair in zip(owners, table, strict=True)
    ]
    assert y.tolist() == expected
    assert rows.units_read([3, 0, 1]).tolist() == [True] * 4
    joined = TaggingRows.concatenate([tagged[:1], tagged[1:1], tagged[1:]])
    for one, other in zip(preprocessor.pad(joined, np.arange(len(rows)), 4)[1:], (y, weight), strict=True):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(joined.documents, rows.documents)
    assert documents[1] == ("", [])


def test_call():
    preprocessor = knz.text.TaggingPreprocessor(WORDPIECE, 16, add_end_token=True, return_segment_ids=True)
    outputs = preprocessor([["ada", "in"], "paris"])
    assert outputs["token_ids"].tolist() == [[5, 7, 3] + [0] * 5, [6, 3] + [0] * 6]
    assert outputs["padding_mask"].sum(axis=1).tolist() == [3, 2]
    assert outputs["segment_ids"].sum() == 0
    assert preprocessor("ada in")["token_ids"].tolist() == outputs["token_ids"][0].tolist()
    again = knz.text.TaggingPreprocessor.from_config(
        knz.text.TaggingPreprocessor(WORDPIECE, 9, units="token", overlap=2).get_config()
    )
    assert (again.sequence_length, again.units, again.overlap) == (9, "token", 2)


@pytest.mark.parametrize("units", ["word", "token"])
def test_odd_texts(tokenizer, units):
    preprocessor = knz.text.TaggingPreprocessor(tokenizer, 64, units=units)
    rows, documents = encode(preprocessor, ODD_TEXTS)
    assert [document.text for document in documents] == ODD_TEXTS
    read = rows.units_read([len(document.units) for document in documents])
    assert len(read) == sum(len(document.units) for document in documents)
    assert read.mean() > 0.99


BAD = {
    "a tokenizer of KerasHub": (lambda p: type(p)("word"), TypeError, "`tokenizer` must be a knz.Tokenizer"),
    "units": (
        lambda p: type(p)(WORDPIECE, units="byte"),
        ValueError,
        "`units` must be one of word, token. Received: units='byte'",
    ),
    "overlap": (lambda p: type(p)(WORDPIECE, 8, overlap=8), ValueError, "`overlap` must be .* less than the 8 tokens"),
    "no room": (
        lambda p: type(p)(WORDPIECE, 2, add_start_token=True, add_end_token=True),
        ValueError,
        "`sequence_length` must be an int of at least 3",
    ),
    "one text": (
        lambda p: p.encode("ada"),
        TypeError,
        "`x` must be a list of texts or of lists of words. Received: 'ada'",
    ),
    "None": (lambda p: p.encode(None), TypeError, "`x` must be a list of texts or of lists of words. Received: None"),
    "None among texts": (
        lambda p: p.encode(["ada", None]),
        TypeError,
        "`x` must hold texts or lists of words. Item 1 is None",
    ),
    "number among words": (lambda p: p.encode([["ada", 3]]), TypeError, r"`x\[0\]` must hold strings. Item 1 is 3"),
    "dict": (lambda p: p.encode([{"text": "ada"}]), TypeError, "Item 0 is {'text': 'ada'}"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input(case):
    call, error, message = BAD[case]
    with pytest.raises(error, match=message):
        call(knz.text.TaggingPreprocessor(WORDPIECE))
