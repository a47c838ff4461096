"""The architectures by name."""

import fnmatch
import inspect
import os
from typing import Any, NamedTuple

from keras_nlp_zoo import models, tasks
from keras_nlp_zoo.naming import suggest
from keras_nlp_zoo.tasks.presets import saved_task_class
from keras_nlp_zoo.tasks.task import TextTask


class Architecture(NamedTuple):
    """What `create_model` knows of a name.

    `backbones` has the backbone for each task that it serves, the usual one first; `config` arguments of the backbone
    that make it what the name says.
    """

    backbones: dict[str, Any]
    config: dict[str, Any] | None = None


TASKS: dict[str, type[TextTask]] = {"text_classifier": tasks.TextClassifier, "seq2seq_lm": tasks.Seq2SeqLM}

ARCHITECTURES = {
    "dnn": Architecture({"text_classifier": models.DNNBackbone}),
    "cnn": Architecture({"text_classifier": models.CNNBackbone}),
    "rnn": Architecture({"text_classifier": models.RNNBackbone}),
    "lstm": Architecture({"text_classifier": models.LSTMBackbone}),
    "gru": Architecture({"text_classifier": models.GRUBackbone}),
    "seq2seq": Architecture({"seq2seq_lm": models.Seq2SeqBackbone}, {"reverse_source": True}),
    "attention": Architecture(
        {"seq2seq_lm": models.Seq2SeqBackbone}, {"attention": "additive", "cell": "gru", "bidirectional": True}
    ),
    "transformer": Architecture(
        {"seq2seq_lm": models.TransformerBackbone, "text_classifier": models.TransformerEncoderBackbone}
    ),
}


def list_models(pattern: str | None = None, *, task: str | None = None) -> list[str]:
    """The names that `create_model` takes.

    Args:
        pattern: str. Only names that match it, `*` standing for any characters.
        task: str. Only architectures that serve this task.

    Raises:
        ValueError: an unknown `task`.

    Example:
        knz.list_models(task="text_classifier")  # ["dnn", "cnn", "rnn", "lstm", "gru"]
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
        preset: a directory (or anything else KerasHub loads) to take weights and tokenizer from.
        labels: sequence of str. Names of the classes.
        num_classes: int. Number of classes, where they have no names.
        sequence_length: int. The most tokens of a text that are kept; 512 by default, 128 of sources and targets.
        **config: arguments of the backbone (`embedding_dim`, `hidden_dim`, `num_layers`, `bidirectional`,
            `dropout`, ...). `vocabulary_size` is the tokenizer's if left out.

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
    if task is None and preset is not None:
        task = _task_of(preset)
    task = next(iter(architecture.backbones)) if task is None else task
    if task not in TASKS:
        raise ValueError(suggest("task", task, TASKS))
    if task not in architecture.backbones:
        raise ValueError(f"{name!r} does not serve {task!r}. It serves: {', '.join(architecture.backbones)}.")
    task_class, backbone_class = TASKS[task], architecture.backbones[task]
    given = {"labels": labels, "num_classes": num_classes}
    head = {key: value for key, value in given.items() if value is not None}
    for key in head:
        if key not in inspect.signature(task_class.__init__).parameters:
            raise ValueError(f"`{key}` does not go with {task!r}, which has no classes.")
    length = {} if sequence_length is None else {"sequence_length": sequence_length}

    if preset is not None:
        if config or length or tokenizer is not None:
            extra = [*config, *length, *(["tokenizer"] if tokenizer is not None else [])]
            raise ValueError(f"`preset` says what the model is: do not pass {', '.join(f'`{k}`' for k in extra)} too.")
        model = task_class.from_preset(preset, **head)
        if not isinstance(model.backbone, backbone_class):
            raise ValueError(f"The preset {str(preset)!r} holds a {type(model.backbone).__name__}, not a {name!r}.")
        return model

    known = [p for p in inspect.signature(backbone_class.__init__).parameters if p not in ("self", "kwargs")]
    for key in config:
        if key not in (*known, "name", "trainable"):
            raise ValueError(suggest(f"argument of {name!r} named", key, known))
    if "vocabulary_size" not in config:
        if tokenizer is None:
            raise ValueError("Pass a `tokenizer` to read texts with, or a `vocabulary_size` for ready token ids.")
        config["vocabulary_size"] = _vocabulary_size(tokenizer)
    if tokenizer is None and length:
        raise ValueError("`sequence_length` needs a `tokenizer`: without one the arrays come ready.")
    backbone = backbone_class(**{**(architecture.config or {}), **config})
    preprocessor = None if tokenizer is None else task_class.preprocessor_for(backbone, tokenizer, **length)
    return task_class(backbone, preprocessor=preprocessor, **head)


def _task_of(preset: Any) -> str | None:
    """The task that a preset was saved as, if it is one of ours."""
    try:
        saved = saved_task_class(os.fspath(preset))
    except (OSError, ValueError):
        return None  # loading says what is wrong
    return next((name for name, task_class in TASKS.items() if task_class is saved), None)


def _vocabulary_size(tokenizer: Any) -> int:
    if not hasattr(tokenizer, "vocabulary_size"):
        raise TypeError(f"`tokenizer` must be a tokenizer. Received: {tokenizer!r}")
    return tokenizer.vocabulary_size()
