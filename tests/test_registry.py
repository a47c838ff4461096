import pytest

import keras_nlp_zoo as knz

SIMPLE = {"embedding_dim": 4}


def test_list_models():
    assert knz.list_models() == ["dnn", "cnn", "rnn", "lstm", "gru"]
    assert knz.list_models(task="text_classifier") == knz.list_models()
    assert knz.list_models("*nn") == ["dnn", "cnn", "rnn"]


@pytest.mark.parametrize("name", knz.list_models())
def test_create_model(name, tokenizer):
    model = knz.create_model(name, "text_classifier", tokenizer=tokenizer, labels=("a", "b", "c"), **SIMPLE)
    assert isinstance(model, knz.TextClassifier)
    assert model.labels == ["a", "b", "c"]
    assert model.backbone.vocabulary_size == tokenizer.vocabulary_size()
    assert model.backbone.embedding_dim == 4
    assert model.compiled
    ready = knz.create_model(name, vocabulary_size=9, num_classes=2, **SIMPLE)
    assert ready.preprocessor is None


def test_sequence_length(tokenizer):
    model = knz.create_model("cnn", tokenizer=tokenizer, num_classes=2, sequence_length=12, **SIMPLE)
    assert model.preprocessor.sequence_length == 12
    with pytest.raises(ValueError, match="`sequence_length` needs a `tokenizer`"):
        knz.create_model("cnn", vocabulary_size=9, num_classes=2, sequence_length=12)
    with pytest.raises(TypeError, match="`tokenizer` must be a tokenizer"):
        knz.create_model("cnn", tokenizer="word", num_classes=2)
