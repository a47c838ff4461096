"""What is hidden: how much, how, and what never, over thousands of draws."""

import unicodedata

import keras
import keras_hub
import numpy as np
import pytest

import keras_nlp_zoo as knz
from keras_nlp_zoo.text.masking_preprocessor import MaskingRows
from tests.conftest import ODD_TEXTS

WORDS = [f"w{i}" for i in range(400)]
TOKENIZER = knz.Tokenizer.train([" ".join(WORDS)], kind="word")
START, END, MASK, PAD = (getattr(TOKENIZER, f"{name}_token_id") for name in ("start", "end", "mask", "pad"))
SPECIAL = {"add_start_token": True, "add_end_token": True}


def draw(preprocessor, texts):
    """For each row the ids as they were and as they are, and the places to guess, which are what `y` says."""
    x, y, weight = preprocessor(texts)
    original = super(knz.text.MaskingPreprocessor, preprocessor).pad(
        preprocessor.encode(texts).tokens, np.arange(len(y)), x["token_ids"].shape[1]
    )
    np.testing.assert_array_equal(x["padding_mask"], original["padding_mask"])
    rows = []
    for before, after, places, said, real in zip(
        original["token_ids"], x["token_ids"], x["mask_positions"], y, weight, strict=True
    ):
        assert set(real.tolist()) <= {0, 1}
        assert (np.diff(real) <= 0).all()  # those that count come first
        assert (said[real == 0] == 0).all()
        kept = places[real == 1]
        assert len(set(kept.tolist())) == len(kept)
        assert before[kept].tolist() == said[real == 1].tolist()
        elsewhere = np.setdiff1d(np.arange(len(before)), kept)
        assert after[elsewhere].tolist() == before[elsewhere].tolist()
        rows.append((before, after, kept))
    return rows


def within_standard_errors(count, number, share, errors=4):
    return abs(count - number * share) <= errors * np.sqrt(number * share * (1 - share))


@pytest.mark.parametrize("rates", [(0.15, 0.8, 0.1), (0.3, 0.5, 0.5), (0.02, 1.0, 0.0)])
def test_shares(rates):
    """The stated share of each text, rounded, at least one; of those the stated shares are masked, changed, left."""
    mask_rate, mask_share, random_share = rates
    random = np.random.RandomState(0)
    lengths = random.randint(1, 120, 300)
    texts = [" ".join(random.choice(WORDS, n)) for n in lengths]
    preprocessor = knz.text.MaskingPreprocessor(TOKENIZER, 512, *rates, **SPECIAL)
    counts = {"mask": 0, "other": 0, "same": 0}
    places = np.zeros(10)
    for (before, after, kept), length in zip(draw(preprocessor, texts * 4), [*lengths] * 4, strict=True):
        assert len(kept) == max(1, round(mask_rate * length))
        assert set(before[kept].tolist()).isdisjoint({START, END, PAD})
        counts["mask"] += (after[kept] == MASK).sum()
        counts["same"] += (after[kept] == before[kept]).sum()
        counts["other"] += ((after[kept] != before[kept]) & (after[kept] != MASK)).sum()
        places += np.histogram((kept - 0.5) / length, 10, (0, 1))[0]
    total = sum(counts.values())
    size = TOKENIZER.vocabulary_size()  # a random token may be the mask, or the token that it takes the place of
    assert within_standard_errors(counts["mask"], total, mask_share + random_share / size)
    assert within_standard_errors(counts["other"], total, random_share * (size - 2) / size)
    assert within_standard_errors(counts["same"], total, 1 - mask_share - random_share * (size - 1) / size)
    # Every place of a text is as likely as any other.
    assert all(within_standard_errors(count, total, 0.1, 5) for count in places), places


def test_other_tokens_every_time():
    texts = [" ".join(WORDS[:100])] * 3
    preprocessor = knz.text.MaskingPreprocessor(TOKENIZER, **SPECIAL)
    found = [tuple(kept) for _ in range(2) for _, _, kept in draw(preprocessor, texts)]
    assert len(set(found)) == 6
    keras.utils.set_random_seed(3)
    first = preprocessor(texts)
    keras.utils.set_random_seed(3)
    again = preprocessor(texts)
    for one, other in zip(keras.tree.flatten(first), keras.tree.flatten(again), strict=True):
        np.testing.assert_array_equal(one, other)


def test_without_a_generator_a_row_is_hidden_alike_wherever_it_stands():
    """A function of its own tokens: not of the padding, the other rows, or the order."""
    texts = [" ".join(WORDS[i : i + n]) for i, n in ((0, 30), (50, 7), (80, 1))]
    preprocessor = knz.text.MaskingPreprocessor(TOKENIZER, **SPECIAL)
    rows = preprocessor.encode(texts)
    assert rows.generator is None
    (x, y, weight) = preprocessor.pad(rows, np.arange(3), 32)
    for order, length in (([2, 1], 16), ([0, 2, 1], 64)):
        other, said, real = preprocessor.pad(rows, np.array(order), length)
        for place, row in enumerate(order):
            size = min(length, 32)
            np.testing.assert_array_equal(other["token_ids"][place][:size], x["token_ids"][row][:size])
            assert said[place][real[place] == 1].tolist() == y[row][weight[row] == 1].tolist()


@pytest.mark.parametrize("kind", ["wordpiece", "bpe", "byte_bpe", "unigram"])
def test_whole_words_are_hidden_together(kind):
    """The words are those of the text's characters: all their tokens or none."""
    texts = [
        "unbelievable tokenization of embarrassing characters",
        unicodedata.normalize("NFD", "안녕하세요 여러분 반갑습니다"),
    ] * 4
    tokenizer = knz.Tokenizer.train(texts, kind=kind, vocabulary_size=max(60, 280 * (kind == "byte_bpe")))
    preprocessor = knz.text.MaskingPreprocessor(tokenizer, mask_rate=0.5, whole_words=True, **SPECIAL)
    hidden = set()
    for (_, _, kept), text in zip(draw(preprocessor, texts * 20), texts * 20, strict=True):
        offsets, size = tokenizer.encode(text).offsets, len(tokenizer.tokenize(text))
        word_of = [len(text[:end].split()) for _, end in offsets]
        words = {word_of[i - 1] for i in kept}
        assert kept.tolist() == [i + 1 for i in range(size) if word_of[i] in words]
        assert 0 < len(kept) <= max(round(0.5 * size), max(np.bincount(word_of)))
        hidden |= {(text, word) for word in words}
    assert len(hidden) >= 6  # of eight; one that is longer than the share itself is left


def test_long_texts_become_rows_and_nothing_is_cut():
    text = " ".join(WORDS[:100])
    preprocessor = knz.text.MaskingPreprocessor(TOKENIZER, 12, **SPECIAL)
    rows = preprocessor.encode([text, "", "w1"])
    x = super(knz.text.MaskingPreprocessor, preprocessor).pad(rows.tokens, np.arange(len(rows)), 12)
    ids = [row[: mask.sum()].tolist() for row, mask in zip(x["token_ids"], x["padding_mask"], strict=True)]
    assert all(row[0] == START and row[-1] == END for row in ids)
    assert [token for row in ids[:-2] for token in row[1:-1]] == TOKENIZER.tokenize(text)
    assert ids[-2:] == [[START, END], [START, TOKENIZER.token_to_id("w1"), END]]
    _, _, weight = preprocessor.pad(rows, np.arange(len(rows)), 12)
    assert weight[-2].sum() == 0  # there is nothing to guess in an empty text
    joined = MaskingRows.concatenate([rows[:4], rows[4:4], rows[4:]])
    for one, other in zip(
        *(keras.tree.flatten(preprocessor.pad(r, np.arange(len(rows)), 12)) for r in (rows, joined)), strict=True
    ):
        np.testing.assert_array_equal(one, other)


def test_a_tokenizer_of_keras_hub():
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "qu", "##ick"]
    tokenizer = keras_hub.tokenizers.BertTokenizer(vocabulary, lowercase=True)
    preprocessor = knz.text.MaskingPreprocessor(
        tokenizer, mask_rate=1.0, mask_token_rate=1.0, random_token_rate=0.0, **SPECIAL
    )
    x, y, weight = preprocessor(["the quick"])
    assert x["token_ids"].tolist() == [[2, 4, 4, 4, 3, 0, 0, 0]]
    assert x["mask_positions"][0, :3].tolist() == [1, 2, 3]
    assert y[0, :3].tolist() == [5, 6, 7]
    assert weight[0].tolist() == [1, 1, 1, 0, 0, 0, 0, 0]
    with pytest.raises(ValueError, match=r"`whole_words` needs a knz.Tokenizer"):
        knz.text.MaskingPreprocessor(tokenizer, whole_words=True)


@pytest.mark.parametrize("whole_words", [False, True])
def test_odd_texts(whole_words):
    preprocessor = knz.text.MaskingPreprocessor(TOKENIZER, 128, whole_words=whole_words)
    x, y, weight = preprocessor(ODD_TEXTS)
    assert x["token_ids"].shape[1] == 128
    assert x["mask_positions"].shape == y.shape == weight.shape
    assert len(y) > len(ODD_TEXTS)


def test_config():
    options = {"mask_rate": 0.3, "mask_token_rate": 0.7, "random_token_rate": 0.2, "whole_words": True}
    again = knz.text.MaskingPreprocessor.from_config(knz.text.MaskingPreprocessor(TOKENIZER, 9, **options).get_config())
    assert {key: getattr(again, key) for key in options} == options


BAD = {
    "mask_rate": ({"mask_rate": 1.5}, r"`mask_rate` must be a number in \[0, 1\]. Received: mask_rate=1.5"),
    "no mask_rate": ({"mask_rate": 0}, "`mask_rate` must be more than 0"),
    "text": ({"random_token_rate": "0.1"}, r"`random_token_rate` must be a number in \[0, 1\]"),
    "more than all": ({"mask_token_rate": 0.8, "random_token_rate": 0.3}, "together at most 1. Received: {.*0.3"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_argument(case):
    options, message = BAD[case]
    with pytest.raises(ValueError, match=message):
        knz.text.MaskingPreprocessor(TOKENIZER, **options)


def test_bad_input():
    preprocessor = knz.text.MaskingPreprocessor(TOKENIZER)
    with pytest.raises(TypeError, match=r"`x` must hold strings. Item 1 is None"):
        preprocessor(["a", None])
    bare = knz.text.MaskingPreprocessor(knz.Tokenizer("word", {"[PAD]": 0, "[UNK]": 1, "a": 2}))
    with pytest.raises(ValueError, match="`tokenizer` has no mask token: name one with `mask_token`"):
        bare(["a"])
