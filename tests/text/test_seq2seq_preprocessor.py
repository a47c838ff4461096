import numpy as np
import pytest

import keras_nlp_zoo as knz

PAIRS = {"encoder_text": ["ein roter Hund", "", "Katze"], "decoder_text": ["a red dog runs", "nothing", ""]}


@pytest.fixture(scope="module")
def tokenizer():
    return knz.Tokenizer.train(PAIRS["encoder_text"] + PAIRS["decoder_text"], kind="word")


def test_what_encoder_and_decoder_read_and_what_is_said(tokenizer):
    x, y, weight = knz.text.Seq2SeqPreprocessor(tokenizer)(PAIRS)
    start, end, pad = tokenizer.start_token_id, tokenizer.end_token_id, tokenizer.pad_token_id
    assert {array.shape for array in (*x.values(), y, weight)} == {(3, 8)}
    for row, (source, target) in enumerate(zip(*PAIRS.values(), strict=True)):
        source_ids, target_ids = tokenizer.tokenize([source, target])
        expected = {
            "encoder_token_ids": [*source_ids, end],
            "decoder_token_ids": [start, *target_ids],
            "said": [*target_ids, end],
        }
        for key, ids in expected.items():
            found = y[row] if key == "said" else x[key][row]
            assert found.tolist() == ids + [pad] * (8 - len(ids)), key
            mask = weight[row] if key == "said" else x[key.replace("token_ids", "padding_mask")][row]
            assert mask.tolist() == [1] * len(ids) + [0] * (8 - len(ids)), key
    single = knz.text.Seq2SeqPreprocessor(tokenizer)({key: value[0] for key, value in PAIRS.items()})
    assert single[1].tolist() == y[0].tolist()
    weighted = knz.text.Seq2SeqPreprocessor(tokenizer)(PAIRS, sample_weight=[2.0, 0.0, 1.0])[2]
    np.testing.assert_array_equal(weighted, weight * [[2], [0], [1]])


def test_long_texts_are_cut_with_a_warning(tokenizer):
    preprocessor = knz.text.Seq2SeqPreprocessor(tokenizer, encoder_sequence_length=3, decoder_sequence_length=4)
    with pytest.warns(UserWarning, match="1 of 3 texts in `x` are longer than sequence_length") as caught:
        x, y, _ = preprocessor(PAIRS)
    assert [str(w.message).split("=")[1].split()[0] for w in caught] == ["3", "5"]
    source, target = tokenizer.tokenize([PAIRS["encoder_text"][0], PAIRS["decoder_text"][0]])
    assert x["encoder_token_ids"][0].tolist() == [*source, tokenizer.pad_token_id]
    assert x["decoder_token_ids"][0].tolist() == [tokenizer.start_token_id, *target[:3]]
    assert y[0].tolist() == target


def test_config(tokenizer):
    preprocessor = knz.text.Seq2SeqPreprocessor(tokenizer, 7, 9)
    again = knz.text.Seq2SeqPreprocessor.from_config(preprocessor.get_config())
    assert (again.encoder_sequence_length, again.decoder_sequence_length) == (7, 9)


BAD = {
    "list": (
        lambda p: p(["a"]),
        TypeError,
        "`x` must be a dict of 'encoder_text' and 'decoder_text'. Received: \\['a'",
    ),
    "half": (lambda p: p({"encoder_text": ["a"]}), TypeError, "Received: a dict of \\['encoder_text'\\]"),
    "unequal": (
        lambda p: p({"encoder_text": ["a"], "decoder_text": ["b", "c"]}),
        ValueError,
        "`x` has 1 sources, but 2 targets",
    ),
    "number": (
        lambda p: p({"encoder_text": ["a"], "decoder_text": [3]}),
        TypeError,
        "`x\\['decoder_text'\\]` must hold strings. Item 0 is 3",
    ),
    "length": (
        lambda p: type(p)(p.tokenizer, 1),
        ValueError,
        "`encoder_sequence_length` must be an int of at least 2. Received: encoder_sequence_length=1",
    ),
    "tokenizer": (lambda p: type(p)("word"), TypeError, "`tokenizer` must be a knz.Tokenizer or a KerasHub tokenizer"),
    "no end": (
        lambda p: type(p)(knz.Tokenizer("word", {"[PAD]": 0, "[UNK]": 1, "[START]": 2, "a": 3}))(
            {"encoder_text": ["a"], "decoder_text": ["a"]}
        ),
        ValueError,
        "`tokenizer` has no end token",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input(case, tokenizer):
    call, error, message = BAD[case]
    with pytest.raises(error, match=message):
        call(knz.text.Seq2SeqPreprocessor(tokenizer))
