import warnings

import keras_hub
import numpy as np
import pytest
from keras import ops

import keras_nlp_zoo as knz
from keras_nlp_zoo.text import TextPreprocessor

TOKENIZER = knz.Tokenizer.train(["a b c d e f g h i j"], kind="word")
A, B, C = TOKENIZER.tokenize("a b c")


def test_pads_to_the_bucket_of_the_longest():
    outputs = TextPreprocessor(TOKENIZER)(["a b c", "", "b"])
    assert outputs["token_ids"].tolist() == [[A, B, C] + [0] * 5, [0] * 8, [B] + [0] * 7]
    assert outputs["padding_mask"].tolist() == [[1, 1, 1] + [0] * 5, [0] * 8, [1] + [0] * 7]
    assert TextPreprocessor(TOKENIZER)(["a " * 9])["token_ids"].shape == (1, 16)


def test_one_text_and_labels():
    outputs, y, weight = TextPreprocessor(TOKENIZER)("a b", 1, 0.5)
    assert outputs["token_ids"].shape == (8,)
    assert (y, weight) == (1, 0.5)


def test_start_and_end_and_truncation():
    preprocessor = TextPreprocessor(TOKENIZER, sequence_length=4, add_start_token=True, add_end_token=True)
    with pytest.warns(UserWarning, match="1 of 2 texts in `x` are longer than sequence_length=4 tokens and were cut"):
        outputs = preprocessor(["a b c", "a"])
    assert outputs["token_ids"].tolist() == [[2, A, B, 3], [2, A, 3, 0]]
    plain = TextPreprocessor(TOKENIZER, sequence_length=2)
    with pytest.warns(UserWarning, match="1 of 2 texts"):
        assert plain(["a b c", "a"])["token_ids"].tolist() == [[A, B], [A, 0]]


def test_no_warning_when_everything_fits():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        TextPreprocessor(TOKENIZER, sequence_length=3)(["a b c"])


def test_pairs():
    preprocessor = TextPreprocessor(
        TOKENIZER, sequence_length=8, add_start_token=True, add_end_token=True, return_segment_ids=True
    )
    outputs = preprocessor((["a", ""], ["b c", "c"]), y=None)
    assert outputs["token_ids"].tolist() == [[2, A, 3, B, C, 3, 0, 0], [2, 3, C, 3, 0, 0, 0, 0]]
    assert outputs["segment_ids"].tolist() == [[0, 0, 0, 1, 1, 1, 0, 0], [0, 0, 1, 1, 0, 0, 0, 0]]
    assert preprocessor(["a b"])["segment_ids"].sum() == 0
    # The longer text gives way first.
    with pytest.warns(UserWarning, match="1 of 1"):
        outputs = preprocessor((["a a a a a a"], ["b b"]), y=None)
    assert outputs["token_ids"].tolist() == [[2, A, A, A, 3, B, B, 3]]
    with pytest.raises(ValueError, match="The lists of the pair `x` differ in length"):
        preprocessor((["a"], ["b", "c"]), y=None)


@pytest.mark.parametrize("lengths", [(9, 2), (2, 9), (7, 7), (0, 12), (5, 5), (1, 1)])
def test_pairs_are_cut_one_token_at_a_time_from_the_longer(lengths):
    room = 10 - 3
    first, second = lengths
    while first + second > room:
        first, second = (first - 1, second) if first >= second else (first, second - 1)
    preprocessor = TextPreprocessor(TOKENIZER, sequence_length=10, add_start_token=True, add_end_token=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the cut is what is tested here
        ids = preprocessor((["a " * lengths[0]], ["b " * lengths[1]]), y=None)["token_ids"][0].tolist()
    assert (ids.count(A), ids.count(B)) == (first, second)


def test_a_tokenizer_of_keras_hub():
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "qu", "##ick", "brown"]
    tokenizer = keras_hub.tokenizers.BertTokenizer(vocabulary, lowercase=True)
    preprocessor = TextPreprocessor(tokenizer, 12, add_start_token=True, add_end_token=True, return_segment_ids=True)
    reference = keras_hub.models.BertTextClassifierPreprocessor(tokenizer, sequence_length=12)
    for x in (["the quick brown", "the"], (["the quick", "brown"], ["the", "quick the"])):
        expected, found = reference(x, y=None), preprocessor(x, y=None)
        width = found["token_ids"].shape[1]
        for key in ("token_ids", "padding_mask", "segment_ids"):
            np.testing.assert_array_equal(found[key], ops.convert_to_numpy(expected[key])[:, :width])
        assert ops.convert_to_numpy(expected["padding_mask"])[:, width:].sum() == 0


def test_config_round_trip():
    preprocessor = TextPreprocessor(TOKENIZER, 77, add_start_token=True)
    config = preprocessor.get_config()
    assert TextPreprocessor.from_config(preprocessor.get_config()).get_config() == config


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"tokenizer": "word"}, TypeError, "`tokenizer` must be a knz.Tokenizer or a KerasHub tokenizer"),
        ({"tokenizer": TOKENIZER, "sequence_length": 0}, ValueError, "`sequence_length` must be an int of at least 1"),
        (
            {"tokenizer": TOKENIZER, "sequence_length": 2, "add_start_token": True, "add_end_token": True},
            ValueError,
            "of at least 3",
        ),
    ],
)
def test_bad_arguments(arguments, error, message):
    with pytest.raises(error, match=message):
        TextPreprocessor(**arguments)


def test_a_tokenizer_that_cannot_pad():
    tokenizer = knz.Tokenizer("word", ["a", "b", "[UNK]"])
    with pytest.raises(ValueError, match="`tokenizer` has no pad token"):
        TextPreprocessor(tokenizer)(["a"])
