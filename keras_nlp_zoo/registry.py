"""The architectures by name."""

import fnmatch
import inspect
import os
from typing import Any, NamedTuple

import keras_hub

from keras_nlp_zoo import models, tasks
from keras_nlp_zoo.naming import suggest
from keras_nlp_zoo.tasks.presets import explained, open_preset
from keras_nlp_zoo.tasks.task import TextTask


class Architecture(NamedTuple):
    """What `create_model` knows of a name.

    `backbones` has the backbone for each task that it serves, the usual one first; `config` arguments of the backbone
    that make it what the name says; `loads` a class of KerasHub whose presets go by this name too.
    """

    backbones: dict[str, Any]
    config: dict[str, Any] | None = None
    loads: Any = None


def _reader(backbone: Any, *more: str) -> Architecture:
    """An architecture with a vector for every token, which labels texts and their words, and may serve more tasks."""
    return Architecture(dict.fromkeys(("text_classifier", "token_classifier", *more), backbone))


TASKS: dict[str, type[TextTask]] = {
    "text_classifier": tasks.TextClassifier,
    "token_classifier": tasks.TokenClassifier,
    "question_answering": tasks.QuestionAnswering,
    "masked_lm": tasks.MaskedLM,
    "seq2seq_lm": tasks.Seq2SeqLM,
    "causal_lm": tasks.CausalLM,
}

ARCHITECTURES = {
    "dnn": Architecture({"text_classifier": models.DNNBackbone}),
    "cnn": _reader(models.CNNBackbone),
    "rnn": _reader(models.RNNBackbone, "causal_lm"),
    "lstm": _reader(models.LSTMBackbone, "causal_lm"),
    "gru": _reader(models.GRUBackbone, "causal_lm"),
    "seq2seq": Architecture({"seq2seq_lm": models.Seq2SeqBackbone}, {"reverse_source": True}),
    "attention": Architecture(
        {"seq2seq_lm": models.Seq2SeqBackbone}, {"attention": "additive", "cell": "gru", "bidirectional": True}
    ),
    "transformer": Architecture(
        {
            "seq2seq_lm": models.TransformerBackbone,
            "text_classifier": models.TransformerEncoderBackbone,
            "token_classifier": models.TransformerEncoderBackbone,
            "question_answering": models.TransformerEncoderBackbone,
            "causal_lm": models.TransformerDecoderBackbone,
        }
    ),
    "bert": Architecture(
        dict.fromkeys(("text_classifier", "token_classifier", "question_answering", "masked_lm"), models.BertBackbone),
        loads=keras_hub.models.BertBackbone,
    ),
    "gpt2": Architecture(dict.fromkeys(("causal_lm", "text_classifier"), models.GPT2Backbone)),
}


def list_models(pattern: str | None = None, *, task: str | None = None) -> list[str]:
    """The names that `create_model` takes.

    Args:
        pattern: str. Only names that match it, `*` standing for any characters.
        task: str. Only architectures that serve this task.

    Raises:
        ValueError: an unknown `task`.

    Example:
        knz.list_models(task="seq2seq_lm")  # ["seq2seq", "attention", "transformer"]
    """
    if task is not None and task not in TASKS:
        raise ValueError(suggest("task", task, TASKS))
    return [
        name
        for name, architecture in ARCHITECTURES.items()
        if (pattern is None or fnmatch.fnmatch(name, pattern)) and (task is None or task in architecture.backbones)
    ]


def create_model(
    name: str,
    task: str | None = None,
    *,
    tokenizer: Any = None,
    preset: Any = None,
    labels: Any = None,
    num_classes: int | None = None,
    sequence_length: int | None = None,
    **config: Any,
) -> Any:
    """A task over the architecture of a name, compiled and ready to `fit`.

    Args:
        name: str. One of `list_models()`.
        task: str. What to do with it, e.g. `"text_classifier"`; by default what the preset was saved as, or the
            architecture's usual task.
        tokenizer: a `knz.Tokenizer` or a KerasHub tokenizer. Without one the task takes ready arrays.
        preset: what to take weights and tokenizer from: a directory (a preset, or a checkpoint of Hugging Face), the
            name of a preset of KerasHub, `kaggle://...` or `hf://...`.
        labels: sequence of str. Names of the classes.
        num_classes: int. Number of classes, where they have no names.
        sequence_length: int. The most tokens of a text that are kept; 512 by default, 128 of sources and targets.
        **config: arguments of the backbone (`embedding_dim`, `hidden_dim`, `num_layers`, `bidirectional`,
            `dropout`, ...), and those of the task (`crf`, `pooling`) or of its preprocessor (`units`) that the
            backbone does not have. `vocabulary_size` is the tokenizer's if left out. Beside a `preset` only `dtype`
            of the backbone's.

    Raises:
        ValueError: an unknown name, task or argument (the nearest known one is named), or arguments that
            contradict each other.

    Example:
        tokenizer = knz.Tokenizer.train(texts, vocabulary_size=20_000)
        classifier = knz.create_model("cnn", tokenizer=tokenizer, labels=["negative", "positive"])
    """
    if name not in ARCHITECTURES:
        raise ValueError(suggest("model", name, ARCHITECTURES))
    architecture = ARCHITECTURES[name]
    if preset is not None and tokenizer is not None:
        raise ValueError("`preset` says what the model is: do not pass `tokenizer` too.")
    if task is None and preset is not None:
        task = _task_of(preset)
    task = next(iter(architecture.backbones)) if task is None else task
    if task not in TASKS:
        raise ValueError(suggest("task", task, TASKS))
    if task not in architecture.backbones:
        raise ValueError(f"{name!r} does not serve {task!r}. It serves: {', '.join(architecture.backbones)}.")
    task_class, backbone_class = TASKS[task], architecture.backbones[task]
    # What is said goes to the backbone, else to its task, else to what reads texts for them.
    known = _arguments(backbone_class)
    head = {key: config.pop(key) for key in _arguments(task_class) if key in config and key not in known}
    reading = {
        key: config.pop(key) for key in _arguments(task_class.preprocessor_class) if key in config and key not in known
    }
    given = {"labels": labels, "num_classes": num_classes}
    for key, value in given.items():
        if value is not None:
            if key not in _arguments(task_class):
                raise ValueError(f"`{key}` does not go with {task!r}, which has no classes.")
            head[key] = value
    if sequence_length is not None:
        reading["sequence_length"] = sequence_length

    if preset is not None:
        if "dtype" in config:
            head["dtype"] = config.pop("dtype")
        if config:
            raise ValueError(f"`preset` says what the model is: do not pass {', '.join(f'`{k}`' for k in config)} too.")
        model = task_class.from_preset(preset, **head, **reading)
        if not isinstance(model.backbone, architecture.loads or backbone_class):
            raise ValueError(f"The preset {str(preset)!r} holds a {type(model.backbone).__name__}, not a {name!r}.")
        return model

    for key in config:
        if key not in (*known, "trainable"):
            raise ValueError(suggest(f"argument of {name!r} named", key, known))
    if "vocabulary_size" not in config:
        if tokenizer is None:
            raise ValueError("Pass a `tokenizer` to read texts with, or a `vocabulary_size` for ready token ids.")
        config["vocabulary_size"] = _vocabulary_size(tokenizer)
    if tokenizer is None and reading:
        raise ValueError(f"`{next(iter(reading))}` needs a `tokenizer`: without one the arrays come ready.")
    backbone = backbone_class(**{**(architecture.config or {}), **config})
    preprocessor = None if tokenizer is None else task_class.preprocessor_for(backbone, tokenizer, **reading)
    return task_class(backbone, preprocessor=preprocessor, **head)


def _task_of(preset: Any) -> str | None:
    """The task that a preset was saved as, if it is one of ours."""
    preset = os.fspath(preset)
    with explained(preset):
        _, saved = open_preset(preset)
    return next((name for name, task_class in TASKS.items() if task_class is saved), None)


def _arguments(cls: Any) -> list[str]:
    own = ("self", "args", "kwargs", "backbone", "preprocessor", "tokenizer", "sequence_length")
    return [name for name in inspect.signature(cls.__init__).parameters if name not in own]


def _vocabulary_size(tokenizer: Any) -> int:
    if not hasattr(tokenizer, "vocabulary_size"):
        raise TypeError(f"`tokenizer` must be a tokenizer. Received: {tokenizer!r}")
    return tokenizer.vocabulary_size()
