"""A tiny configuration of every architecture; registering one without adding it here fails a test."""

import keras_nlp_zoo as knz
from keras_nlp_zoo.registry import ARCHITECTURES

TINY = {
    "dnn": {"embedding_dim": 8, "hidden_dim": 8, "num_layers": 2},
    "cnn": {"embedding_dim": 8, "filters": 4},
    "rnn": {"embedding_dim": 8, "hidden_dim": 8},
    "lstm": {"embedding_dim": 8, "hidden_dim": 8, "bidirectional": True},
    "gru": {"embedding_dim": 8, "hidden_dim": 8, "num_layers": 2},
}
# Without dropout, so that a step of training is a function of the weights alone.
NO_DROPOUT = {"dnn": {"word_dropout": 0.0}}

MODELS = knz.list_models()
CLASSIFIERS = knz.list_models(task="text_classifier")
LABELS = ["negative", "positive"]


def tiny(name, tokenizer=None, labels=LABELS, num_classes=None, sequence_length=512, **config):
    """A tiny classifier of that name, without dropout."""
    config = {**TINY[name], "dropout": 0.0, **NO_DROPOUT.get(name, {}), **config}
    if tokenizer is not None:
        config["vocabulary_size"] = tokenizer.vocabulary_size()
    backbone = ARCHITECTURES[name].backbone(**{"vocabulary_size": 50, **config})
    preprocessor = None if tokenizer is None else knz.text.TextPreprocessor(tokenizer, sequence_length)
    return knz.TextClassifier(backbone, preprocessor, labels=labels, num_classes=num_classes, dropout=0.0)
