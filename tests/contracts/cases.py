"""A tiny configuration of every architecture; registering one without adding it here fails a test."""

import keras_nlp_zoo as knz
from keras_nlp_zoo.registry import ARCHITECTURES

TINY = {
    "dnn": {"embedding_dim": 8, "hidden_dim": 8, "num_layers": 2},
    "cnn": {"embedding_dim": 8, "filters": 4},
    "rnn": {"embedding_dim": 8, "hidden_dim": 8},
    "lstm": {"embedding_dim": 8, "hidden_dim": 8, "bidirectional": True},
    "gru": {"embedding_dim": 8, "hidden_dim": 8, "num_layers": 2},
    "seq2seq": {"embedding_dim": 8, "hidden_dim": 16},
    "attention": {"embedding_dim": 8, "hidden_dim": 16},
    "transformer": {"num_layers": 1, "num_heads": 2, "hidden_dim": 16, "intermediate_dim": 32},
}
# Without dropout, so that a step of training is a function of the weights alone.
NO_DROPOUT = {"dnn": {"word_dropout": 0.0}}

CLASSIFIERS = knz.list_models(task="text_classifier")
TRANSLATORS = knz.list_models(task="seq2seq_lm")
LABELS = ["negative", "positive"]


def tiny_backbone(name, task, tokenizer=None, **config):
    """The tiny backbone of an architecture for a task, without dropout."""
    architecture = ARCHITECTURES[name]
    config = {**(architecture.config or {}), **TINY[name], "dropout": 0.0, **NO_DROPOUT.get(name, {}), **config}
    if tokenizer is not None:
        config["vocabulary_size"] = tokenizer.vocabulary_size()
    return architecture.backbones[task](**{"vocabulary_size": 50, **config})


def tiny(name, tokenizer=None, labels=LABELS, num_classes=None, sequence_length=512, **config):
    """A tiny classifier of that name, without dropout."""
    backbone = tiny_backbone(name, "text_classifier", tokenizer, **config)
    preprocessor = None if tokenizer is None else knz.text.TextPreprocessor(tokenizer, sequence_length)
    return knz.TextClassifier(backbone, preprocessor, labels=labels, num_classes=num_classes, dropout=0.0)


def tiny_translator(name, tokenizer=None, sequence_length=16, **config):
    """A tiny encoder-decoder of that name, without dropout."""
    backbone = tiny_backbone(name, "seq2seq_lm", tokenizer, **config)
    preprocessor = None
    if tokenizer is not None:
        preprocessor = knz.text.Seq2SeqPreprocessor(tokenizer, sequence_length, sequence_length)
    return knz.Seq2SeqLM(backbone, preprocessor)
