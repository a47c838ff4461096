import pytest

import keras_nlp_zoo as knz
from tests.contracts.cases import TINY

SIMPLE = {"embedding_dim": 4}


def test_list_models():
    classic = ["dnn", "cnn", "rnn", "lstm", "gru"]
    assert knz.list_models() == [*classic, "seq2seq", "attention", "transformer", "bert", "gpt2"]
    assert knz.list_models(task="text_classifier") == [*classic, "transformer", "bert", "gpt2"]
    assert knz.list_models(task="token_classifier") == [*classic[1:], "transformer", "bert"]
    assert knz.list_models(task="question_answering") == ["transformer", "bert"]
    assert knz.list_models(task="masked_lm") == ["bert"]
    assert knz.list_models(task="seq2seq_lm") == ["seq2seq", "attention", "transformer"]
    assert knz.list_models(task="causal_lm") == ["rnn", "lstm", "gru", "transformer", "gpt2"]
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


READERS = {
    "token_classifier": (knz.TokenClassifier, {"labels": ["PER"], "crf": True, "units": "token", "overlap": 3}),
    "question_answering": (knz.QuestionAnswering, {"max_answer_length": 7, "stride": 3, "question_length": 4}),
    "masked_lm": (knz.MaskedLM, {"mask_rate": 0.3, "whole_words": True}),
}


@pytest.mark.parametrize(("task", "name"), [(task, name) for task in READERS for name in knz.list_models(task=task)])
def test_arguments_go_where_they_belong(task, name, tokenizer):
    """Those of the backbone, of the task, and of what reads texts for them."""
    task_class, options = READERS[task]
    model = knz.create_model(name, task, tokenizer=tokenizer, sequence_length=24, **TINY[name], **options)
    assert type(model) is task_class
    assert model.compiled
    assert model.preprocessor.sequence_length == 24
    for key, value in options.items():
        assert getattr(model if hasattr(model, key) else model.preprocessor, key) == value
    for key, value in TINY[name].items():
        assert getattr(model.backbone, key) == value
    labels = {"labels": ["PER"]} if task == "token_classifier" else {}
    assert knz.create_model(name, task, vocabulary_size=9, **labels, **TINY[name]).preprocessor is None


def test_bert_reads_as_it_was_made_to(tokenizer):
    """Special tokens around every text, segments, and no more than it has positions for."""
    for task, (_, options) in READERS.items():
        labels = {key: options[key] for key in ("labels",) if key in options}
        model = knz.create_model("bert", task, tokenizer=tokenizer, max_sequence_length=40, **labels, **TINY["bert"])
        reader = model.preprocessor
        assert (reader.add_start_token, reader.add_end_token, reader.return_segment_ids) == (True, True, True)
        assert reader.sequence_length == 40
    plain = knz.create_model("cnn", "token_classifier", tokenizer=tokenizer, labels=["PER"], **TINY["cnn"]).preprocessor
    assert (plain.add_start_token, plain.return_segment_ids, plain.sequence_length) == (False, False, 512)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda t: knz.create_model("dnn", "token_classifier", tokenizer=t), "'dnn' does not serve 'token_classifier'"),
        (lambda t: knz.create_model("lstm", "masked_lm", tokenizer=t), "It serves: text_classifier, token_classifier."),
        (
            lambda t: knz.create_model("lstm", tokenizer=t, num_classes=2, crf=True),
            "There is no argument of 'lstm' named 'crf'",
        ),
        (
            lambda t: knz.create_model("bert", "question_answering", tokenizer=t, units="word"),
            "There is no argument of 'bert' named 'units'",
        ),
        (
            lambda t: knz.create_model("cnn", "token_classifier", vocabulary_size=9, labels=["PER"], units="token"),
            "`units` needs a `tokenizer`: without one the arrays come ready",
        ),
        (
            lambda t: knz.create_model("bert", preset="x", tokenizer=t),
            "`preset` says what the model is: do not pass `tokenizer`",
        ),
        (
            lambda t: knz.create_model("bert", "masked_lm", preset="x", num_layers=2),
            "`preset` says what the model is: do not pass `num_layers` too",
        ),
        (
            lambda t: knz.create_model("bert", "question_answering", tokenizer=t, num_classes=2),
            "`num_classes` does not go",
        ),
    ],
)
def test_what_does_not_go_together(call, message, tokenizer):
    with pytest.raises(ValueError, match=message):
        call(tokenizer)


def test_a_preset_of_another_architecture(tokenizer, tmp_path):
    knz.create_model("cnn", "token_classifier", tokenizer=tokenizer, labels=["PER"], **TINY["cnn"]).save_to_preset(
        tmp_path
    )
    assert isinstance(knz.create_model("cnn", preset=tmp_path), knz.TokenClassifier)
    with pytest.raises(ValueError, match="'dnn' does not serve 'token_classifier'"):
        knz.create_model("dnn", preset=tmp_path)
    with pytest.raises(ValueError, match="holds a CNNBackbone, not a 'lstm'"):
        knz.create_model("lstm", preset=tmp_path)
    with pytest.raises(ValueError, match="holds a TokenClassifier, not a TextClassifier"):
        knz.create_model("cnn", "text_classifier", preset=tmp_path)
