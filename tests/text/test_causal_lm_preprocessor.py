"""What a language model reads, and what it has to say: every token of every text once, and nothing else."""

import numpy as np
import pytest

import keras_nlp_zoo as knz
from keras_nlp_zoo.text.causal_lm_preprocessor import CausalLMPreprocessor, NextTokenFile
from tests.conftest import ODD_TEXTS

TEXTS = ["abcdefghij", "ab", "", "c", "jihgfedcbajihgfedcbaj"]
TOKENIZER = knz.Tokenizer.train(TEXTS, kind="char")
START, END, PAD = TOKENIZER.start_token_id, TOKENIZER.end_token_id, TOKENIZER.pad_token_id


def wrapped(text, preprocessor):
    start = [START] if preprocessor.add_start_token else []
    end = [END] if preprocessor.add_end_token else []
    return [*start, *TOKENIZER.tokenize(text), *end]


def make(sequence_length=6, **options):
    return CausalLMPreprocessor(TOKENIZER, sequence_length, **options)


@pytest.mark.parametrize("special", [(True, True), (False, False), (True, False)])
def test_every_token_but_the_first_is_said_once_after_those_before(special):
    preprocessor = make(add_start_token=special[0], add_end_token=special[1])
    x, y, weight = preprocessor(TEXTS)
    expected = []
    for ids in (wrapped(text, preprocessor) for text in TEXTS):
        # Rows of 6 tokens to read: the first of a row is the last that the row before had to say.
        expected += [(ids[i : i + 6][: len(ids) - 1 - i], ids[i + 1 : i + 7]) for i in range(0, len(ids) - 1, 6)]
    assert len(x["token_ids"]) == len(expected)
    for row, (read, said) in enumerate(expected):
        size = len(said)
        assert x["padding_mask"][row].tolist() == [1] * size + [0] * (6 - size)
        assert x["token_ids"][row].tolist() == [*read, *[PAD] * (6 - size)]
        assert y[row, :size].tolist() == said
        assert weight[row].tolist() == [1.0] * size + [0.0] * (6 - size)
    assert x["token_ids"].dtype == x["padding_mask"].dtype == y.dtype == np.int32
    assert weight.dtype == np.float32


def test_packed_texts_are_one_text_without_padding():
    preprocessor = make(sequence_length=5, pack=True)
    x, y, weight = preprocessor(TEXTS)
    stream = [token for text in TEXTS for token in wrapped(text, preprocessor)]
    real = weight == 1
    assert x["token_ids"][real].tolist() == stream[:-1]
    assert y[real].tolist() == stream[1:]
    assert real[:-1].all()
    assert real.sum() == len(stream) - 1
    np.testing.assert_array_equal(x["padding_mask"], weight)


def test_a_string_is_a_list_of_one():
    for one, other in zip(make()(TEXTS[0]), make()([TEXTS[0]]), strict=True):
        for key in one if isinstance(one, dict) else [slice(None)]:
            np.testing.assert_array_equal(one[key], other[key])


def test_rows_are_padded_to_few_lengths():
    preprocessor = make(sequence_length=20)
    lengths = [preprocessor(["a" * n])[1].shape[1] for n in (1, 7, 8, 15, 16, 19, 99)]
    assert lengths == [8, 8, 16, 16, 20, 20, 20]


def test_weights_of_texts_are_those_of_all_their_rows():
    preprocessor = make()
    texts, weights = TEXTS[:1] + TEXTS[-1:], [0.5, 3.0]
    plain = preprocessor(texts)[2]
    found = preprocessor(texts, sample_weight=weights)[2]
    rows = [-(-(len(wrapped(text, preprocessor)) - 1) // 6) for text in texts]
    np.testing.assert_array_equal(found, plain * np.repeat(weights, rows)[:, None])
    assert rows == [2, 4]


@pytest.mark.parametrize("stride", [1, 2, 5, 6])
def test_windows_say_every_token_once_with_enough_in_view(stride):
    preprocessor = make(add_start_token=False)
    rows = preprocessor.encode_windows(TEXTS, stride)
    x, y, weight = preprocessor.pad(rows, np.arange(len(rows)), 6)
    for number, text in enumerate(TEXTS):
        ids = TOKENIZER.tokenize(text)
        said = []
        for row in np.flatnonzero(rows.texts == number):
            length = int(x["padding_mask"][row].sum())
            first = int(np.flatnonzero(weight[row])[0])
            new = np.flatnonzero(weight[row])
            assert new.tolist() == list(range(first, length)), "what is new stands at the end"
            position = len(said) + 1  # of the first new token in the text
            begin = position - 1 - first
            assert x["token_ids"][row, :length].tolist() == ids[begin : begin + length]
            assert y[row, :length].tolist() == ids[begin + 1 : begin + 1 + length]
            said += y[row, new].tolist()
            # The first window has nothing before it; the others keep what there is room for.
            assert len(new) <= (6 if position == 1 else stride)
            assert begin == 0 or first + 1 >= 6 - stride + 1
        assert said == ids[1:]


def test_beginnings():
    preprocessor = make()
    assert preprocessor.encode_prompts(["ab", ""]) == [[START, *TOKENIZER.tokenize("ab")], [START]]
    plain = make(add_start_token=False)
    assert plain.encode_prompts(["ab", "", "c"]) == [TOKENIZER.tokenize("ab"), [START], TOKENIZER.tokenize("c")]


def test_rows_from_a_file_and_parts_of_them():
    preprocessor = make()
    rows, file = preprocessor.encode(TEXTS), NextTokenFile()
    for text in TEXTS:
        file.append(preprocessor.encode([text]))
    read = file.finish()
    np.testing.assert_array_equal(read.lengths, rows.lengths)
    for part in (slice(None), slice(0, 2), slice(3, None)):
        count = len(rows[part])
        assert count == len(range(len(rows))[part])
        for one, other in zip(*(preprocessor.pad(r[part], np.arange(count), 6)[1:] for r in (rows, read)), strict=True):
            np.testing.assert_array_equal(one, other)
    windows = preprocessor.encode_windows(TEXTS, 2)
    last = preprocessor.pad(windows[5:], np.arange(2), 6)[2]
    np.testing.assert_array_equal(last, preprocessor.pad(windows, np.arange(5, 7), 6)[2])
    assert windows[5:].texts.tolist() == windows.texts[5:].tolist()


def test_odd_texts():
    x, y, weight = make(sequence_length=64)(ODD_TEXTS)
    assert np.isfinite(weight).all()
    assert x["token_ids"].shape == y.shape == weight.shape
    assert x["token_ids"].max() < TOKENIZER.vocabulary_size()


def test_config():
    preprocessor = make(add_start_token=False, pack=True)
    config = preprocessor.get_config()
    again = CausalLMPreprocessor.from_config({**config, "tokenizer": TOKENIZER})
    assert (again.sequence_length, again.add_start_token, again.add_end_token, again.pack) == (6, False, True, True)
    assert "return_segment_ids" not in config


def test_bad_input():
    with pytest.raises(TypeError, match=r"`x` must hold strings\. Item 1 is 3"):
        make()(["a", 3])
    with pytest.raises(TypeError, match=r"`texts` must hold strings\. Item 0 is None"):
        make().encode_windows([None], 2)
    with pytest.raises(ValueError, match="`sequence_length` must be an int of at least 3"):
        make(sequence_length=2)
    nameless = knz.Tokenizer.train(["ab"], kind="char", start_token="[UNK]")
    nameless.start_token = "[NONE]"
    with pytest.raises(ValueError, match="`tokenizer` has no start token"):
        CausalLMPreprocessor(nameless)(["ab"])
    assert CausalLMPreprocessor(nameless, add_start_token=False)(["ab"])[1].shape == (1, 8)
