"""A tiny configuration of every architecture; registering one without adding it here fails a test."""

import keras
import numpy as np

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
    "bert": {"num_layers": 1, "num_heads": 2, "hidden_dim": 16, "intermediate_dim": 32},
    "gpt2": {"num_layers": 1, "num_heads": 2, "hidden_dim": 16, "intermediate_dim": 32},
}
# Without dropout, so that a step of training is a function of the weights alone.
NO_DROPOUT = {"dnn": {"word_dropout": 0.0}}

# Written on KerasHub's base classes alone; bert is KerasHub's own backbone, which reads segments too, whose outputs at
# padding mean nothing, and whose texts always have a first token.
OWN = [name for name in TINY if name != "bert"]
CLASSIFIERS = knz.list_models(task="text_classifier")
TRANSLATORS = knz.list_models(task="seq2seq_lm")
WRITERS = knz.list_models(task="causal_lm")
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
    preprocessor = None
    if tokenizer is not None:
        preprocessor = knz.TextClassifier.preprocessor_for(backbone, tokenizer, sequence_length=sequence_length)
    return knz.TextClassifier(backbone, preprocessor, labels=labels, num_classes=num_classes, dropout=0.0)


def arrays(backbone, token_ids, padding_mask):
    """Ready arrays with all that a backbone reads."""
    inputs = {"token_ids": token_ids, "padding_mask": padding_mask}
    return {key: inputs.get(key, np.zeros_like(token_ids)) for key in backbone.input}


def tiny_translator(name, tokenizer=None, sequence_length=16, **config):
    """A tiny encoder-decoder of that name, without dropout."""
    backbone = tiny_backbone(name, "seq2seq_lm", tokenizer, **config)
    preprocessor = None
    if tokenizer is not None:
        preprocessor = knz.text.Seq2SeqPreprocessor(tokenizer, sequence_length, sequence_length)
    return knz.Seq2SeqLM(backbone, preprocessor)


def tiny_writer(name, tokenizer=None, sequence_length=16, pack=False, **config):
    """A tiny language model of that name, without dropout, that reads forwards."""
    if name in ("rnn", "lstm", "gru"):
        config = {"bidirectional": False, **config}
    backbone = tiny_backbone(name, "causal_lm", tokenizer, **config)
    preprocessor = None
    if tokenizer is not None:
        preprocessor = knz.text.CausalLMPreprocessor(tokenizer, sequence_length, pack=pack)
    return knz.CausalLM(backbone, preprocessor)


def every_weight_moved(model, before):
    """Of a model trained by an optimizer that leaves alone what has no gradient; `before` is its `get_weights()`."""
    for weight, old in zip(model.weights, before, strict=True):
        new = keras.ops.convert_to_numpy(weight)
        assert np.isfinite(new).all(), weight.path
        assert not weight.trainable or np.abs(new - old).max() > 0, f"{weight.path} got no gradient"
