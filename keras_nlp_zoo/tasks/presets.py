"""How a task is saved as a preset, and loaded on any backend."""

import inspect
import json
import os
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras
import safetensors

# Not public in KerasHub, and the way past `Task.from_preset`, which asks for one task class per backbone class.
from keras_hub.src.utils import preset_utils

from keras_nlp_zoo.interop.hugging_face import HuggingFaceCheckpoint
from keras_nlp_zoo.interop.keras_hub_presets import KerasHubPreset
from keras_nlp_zoo.tasks.labels import NEW_HEAD

COMPILE_FILE = "compile.json"

# Mixed in before a task class of KerasHub. It cannot derive from `Task` itself: Keras, which swaps the bases of a
# functional model's class, comes upon `keras.Model` twice then and fails.
_Mixin: Any = object


class PresetTask(_Mixin):
    """The half of a task that deals with presets and `.keras` files."""

    def compile_from_config(self, config: dict[str, Any]) -> None:
        # Keras leaves a model with its own `compile` uncompiled when it loads one, optimizer state and all.
        self.compile(**keras.saving.deserialize_keras_object(config))
        if self.optimizer is not None:
            self.optimizer.build(self.trainable_variables)

    def save_to_preset(self, preset_dir: Any, max_shard_size: float = 10) -> None:
        """Writes the model, its tokenizer, labels and compile arguments to a directory.

        Args:
            preset_dir: the directory; made if it does not exist.
            max_shard_size: float. Largest weights file in GB.
        """
        super().save_to_preset(os.fspath(preset_dir), max_shard_size=max_shard_size)
        path = os.path.join(preset_dir, COMPILE_FILE)
        config = self.get_compile_config() if self.compiled else None
        if config is not None:
            with open(path, "w", encoding="utf-8") as file:
                json.dump(config, file, indent=4)
        elif os.path.exists(path):
            os.remove(path)

    def get_compile_config(self) -> Any:
        # Keras writes down what `jit_compile="auto"` came to here; another backend has to decide for itself.
        config = super().get_compile_config()
        return {**config, "jit_compile": "auto"} if config else config

    def save_task_weights(self, filepath: Any) -> None:
        # As KerasHub, but without the optimizer: its state belongs to `.keras` files, and a task that is loaded from
        # a preset, its optimizer new, cannot take it.
        keras.saving.save_weights(self, filepath, objects_to_skip=self._not_in_head())

    def load_task_weights(self, filepath: Any) -> None:
        keras.saving.load_weights(self, filepath, objects_to_skip=self._not_in_head())

    def _not_in_head(self) -> list[Any]:
        return [*self.backbone._flatten_layers(), getattr(self, "optimizer", None)]

    preprocessor_class: Any = None
    # What Hugging Face calls a checkpoint with the head of this task.
    head_architecture: str | None = None

    @property
    def preprocessor(self) -> Any:
        """What reads texts; another may be put in its place, or None to take ready arrays."""
        return getattr(self, "_preprocessor", None)

    @preprocessor.setter
    def preprocessor(self, value: Any) -> None:
        # Past the tracking of layers: PyTorch would call `train(mode)` of all that are tracked, a tokenizer's too.
        object.__setattr__(self, "_preprocessor", value)

    def load_head(self, source: Any) -> None:
        """Takes the head's weights from a checkpoint with the head of this task."""
        # Reached only by a task that names a `head_architecture` and forgets this.
        raise NotImplementedError(f"{type(self).__name__} reads no heads of other packages.")  # every head its own way

    @classmethod
    def from_preset(cls, preset: Any, load_weights: bool = True, **kwargs: Any) -> Any:
        """Loads a task from a preset: one written by this package, on any backend, or a backbone to put a head on.

        Args:
            preset: a directory (a preset of this package or of KerasHub, or a checkpoint of Hugging Face), the name
                of a preset of KerasHub, `kaggle://...`, or `hf://...`. The head of a classifier of KerasHub, or of
                Hugging Face's BERT for the same task, is loaded with it.
            load_weights: bool. Whether to load the weights or keep random ones.
            **kwargs: arguments of the task that replace the saved ones. New `labels` or `num_classes` make a new
                head. Those of the preprocessor (`sequence_length`) and the `dtype` of the backbone may be among them.

        Raises:
            ValueError: the preset does not exist, is damaged, or holds another task. Without a network the error says
                what was tried, and how to work without one.
        """
        preset = os.fspath(preset)
        kwargs = {key: value for key, value in kwargs.items() if value is not None or key not in NEW_HEAD}
        with explained(preset):
            loader, task_class = open_preset(preset)
            if task_class is None or not issubclass(task_class, PresetTask):
                return cls._from_source(open_source(loader, task_class), load_weights, kwargs)
            if not issubclass(task_class, cls):
                raise ValueError(f"it holds a {task_class.__name__}, not a {cls.__name__}")
            reading = cls._reading_options(kwargs)
            task = cls._load_saved(loader, load_weights, kwargs)
            if reading:
                if task.preprocessor is None:
                    raise ValueError(f"it has no preprocessor to take {sorted(reading)}")
                task.preprocessor = _with_options(task.preprocessor, **reading)
            if "compile" not in kwargs:
                _compile_as_saved(task, preset)
            return task

    @classmethod
    def _from_source(cls, source: Any, load_weights: bool, kwargs: dict[str, Any]) -> Any:
        """A task over a backbone of KerasHub or Hugging Face, with the head that comes with it if it is the same."""
        dtype = {"dtype": kwargs.pop("dtype")} if "dtype" in kwargs else {}
        reading = cls._reading_options(kwargs)
        new_head = any(key in kwargs for key in NEW_HEAD)
        head = None if new_head else source.head(cls.head_architecture)
        backbone = source.backbone(load_weights, **dtype)
        if source.sequence_length() is not None:
            # RoBERTa counts two positions that no token has.
            limits = (source.sequence_length(), getattr(backbone, "max_sequence_length", None))
            reading.setdefault("sequence_length", min(limit for limit in limits if limit is not None))
        if "preprocessor" not in kwargs:
            tokenizer = source.tokenizer()
            if tokenizer is not None:
                kwargs["preprocessor"] = cls.preprocessor_for(backbone, tokenizer, **reading)
        task = cls(backbone, **{**(head or {}), **kwargs})
        if head is not None and load_weights:
            task.load_head(source)
        return task

    @classmethod
    def _reading_options(cls, kwargs: dict[str, Any]) -> dict[str, Any]:
        """Takes the arguments of the preprocessor from those of the task."""
        own = inspect.signature(cls.__init__).parameters
        known = [*inspect.signature(cls.preprocessor_class.__init__).parameters, "sequence_length"]
        return {key: kwargs.pop(key) for key in known if key in kwargs and key not in own}

    @classmethod
    def _load_saved(cls, loader: Any, load_weights: bool, kwargs: dict[str, Any]) -> Any:
        return loader.load_task(cls, load_weights, True, **kwargs)


def _with_options(preprocessor: Any, **options: Any) -> Any:
    """A preprocessor like another, but for some arguments. A `sequence_length` is that of sources and of targets."""
    config = {**preprocessor.get_config(), "tokenizer": preprocessor.tokenizer}
    length = options.pop("sequence_length", None)
    if length is not None:
        options.update({key: length for key in config if key.endswith("sequence_length")})
    return type(preprocessor)(**{**config, **options})


def open_source(loader: Any, task_class: Any) -> Any:
    """What other packages wrote, to take backbone, tokenizer and head from."""
    if "registered_name" in loader.config:
        return KerasHubPreset(loader, task_class)
    return HuggingFaceCheckpoint(loader)


def open_preset(preset: str) -> tuple[Any, Any]:
    """KerasHub's loader of a preset, and the class of the task that it holds, None if it is a backbone alone."""
    loader = preset_utils.get_preset_loader(preset)
    if not preset_utils.check_file_exists(preset, preset_utils.TASK_CONFIG_FILE):
        return loader, None
    config = preset_utils.load_json(preset, preset_utils.TASK_CONFIG_FILE)
    if not isinstance(config, dict) or "registered_name" not in config:
        raise ValueError(f"`{preset_utils.TASK_CONFIG_FILE}` in it is not that of a task")
    return loader, keras.saving.get_registered_object(config["registered_name"])


@contextmanager
def explained(preset: str) -> Iterator[None]:
    """Turns whatever goes wrong with a preset into one `ValueError` that names it."""
    try:
        yield
    except Exception as error:  # hubs, and readers of weights, raise whatever they like
        if is_remote(preset) and _while_fetching(error):
            raise ValueError(_remote_help(preset, error)) from error
        if isinstance(error, (OSError, KeyError, ValueError, safetensors.SafetensorError)):
            raise ValueError(f"The preset {preset!r} cannot be loaded: {error}") from error
        raise


def is_remote(preset: str) -> bool:
    """Whether a preset has to be fetched, or found in the cache of a hub."""
    return "://" in preset or (preset in preset_utils.BUILTIN_PRESETS and not os.path.exists(preset))


def _while_fetching(error: Exception) -> bool:
    """Whether a preset was being found or a file of it fetched, and not read, or made a task of."""
    fetching = (preset_utils.get_file.__code__, preset_utils.get_preset_loader.__code__)
    return any(frame.f_code in fetching for frame, _ in traceback.walk_tb(error.__traceback__))


def _remote_help(preset: str, error: Exception) -> str:
    """What was tried, and how to work without a network."""
    address = preset_utils.BUILTIN_PRESETS[preset]["kaggle_handle"] if "://" not in preset else preset
    scheme, handle = address.split("://", 1)
    hub, cache, command = {
        "hf": ("Hugging Face", "HF_HOME", f"hf download {handle} --local-dir my_preset"),
        "kaggle": (
            "Kaggle",
            "KAGGLEHUB_CACHE",
            f"python -c \"import kagglehub; print(kagglehub.model_download('{handle}'))\"",
        ),
    }.get(scheme, (scheme, "that hub's", f"the tools of {scheme}"))
    return (
        f"The preset {preset!r} cannot be loaded: neither from {hub} ({address}) nor from its cache ({cache}).\n"
        f"{type(error).__name__}: {error}\n"
        f"To work without a network, download it where there is one (`{command}`), or save it there "
        "(`task.save_to_preset(directory)`), and pass the local directory as `preset`."
    )


def _compile_as_saved(task: Any, preset: str) -> None:
    if not preset_utils.check_file_exists(preset, COMPILE_FILE):
        return
    try:
        task.compile_from_config(preset_utils.load_json(preset, COMPILE_FILE))
    except (TypeError, ValueError) as error:  # an optimizer, loss or metric of one's own that is not registered here
        warnings.warn(
            f"The compile arguments in {preset!r} cannot be restored, defaults are used: {error}", stacklevel=4
        )
