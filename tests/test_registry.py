import pytest

import keras_nlp_zoo as knz
from tests.contracts.cases import TINY

SIMPLE = {"embedding_dim": 4}


def test_list_models():
    classic = ["dnn", "cnn", "rnn", "lstm", "gru"]
    assert knz.list_models() == [*classic, "seq2seq", "attention", "transformer"]
    assert knz.list_models(task="text_classifier") == [*classic, "transformer"]
    assert knz.list_models(task="seq2seq_lm") == ["seq2seq", "attention", "transformer"]
    assert knz.list_models("*nn") == ["dnn", "cnn", "rnn"]


@pytest.mark.parametrize("name", knz.list_models(task="text_classifier"))
def test_create_classifier(name, tokenizer):
    model = knz.create_model(name, "text_classifier", tokenizer=tokenizer, labels=("a", "b", "c"), **TINY[name])
    assert isinstance(model, knz.TextClassifier)
    assert model.labels == ["a", "b", "c"]
    assert model.backbone.vocabulary_size == tokenizer.vocabulary_size()
    key, value = next(iter(TINY[name].items()))
    assert getattr(model.backbone, key) == value
    assert model.compiled
    ready = knz.create_model(name, "text_classifier", vocabulary_size=9, num_classes=2, **TINY[name])
    assert ready.preprocessor is None


@pytest.mark.parametrize("name", knz.list_models(task="seq2seq_lm"))
def test_create_translator(name, tokenizer):
    model = knz.create_model(name, tokenizer=tokenizer, sequence_length=12, **TINY[name])
    assert isinstance(model, knz.Seq2SeqLM)
    assert model.backbone.vocabulary_size == tokenizer.vocabulary_size()
    assert model.preprocessor.sequence_length == 12
    assert model.compiled
    assert knz.create_model(name, tokenizer=tokenizer, **TINY[name]).preprocessor.decoder_sequence_length == 128
    assert knz.create_model(name, vocabulary_size=9, **TINY[name]).preprocessor is None


def test_the_name_says_what_the_backbone_is(tokenizer):
    plain, attending = (knz.create_model(n, tokenizer=tokenizer, **TINY[n]).backbone for n in ("seq2seq", "attention"))
    assert (plain.attention, plain.reverse_source) == (None, True)
    assert (attending.attention, attending.cell, attending.bidirectional) == ("additive", "gru", True)
    dot = knz.create_model("attention", tokenizer=tokenizer, attention="dot", cell="lstm", **TINY["attention"])
    assert (dot.backbone.attention, dot.backbone.cell) == ("dot", "lstm")


def test_sequence_length(tokenizer):
    model = knz.create_model("cnn", tokenizer=tokenizer, num_classes=2, sequence_length=12, **SIMPLE)
    assert model.preprocessor.sequence_length == 12
    with pytest.raises(ValueError, match="`sequence_length` needs a `tokenizer`"):
        knz.create_model("cnn", vocabulary_size=9, num_classes=2, sequence_length=12)
    with pytest.raises(TypeError, match="`tokenizer` must be a tokenizer"):
        knz.create_model("cnn", tokenizer="word", num_classes=2)
