"""How a task is saved as a preset, and loaded on any backend."""

import json
import os
import warnings
from typing import Any

import keras
import keras_hub

# Not public in KerasHub, and the way past `Task.from_preset`, which asks for one task class per backbone class.
from keras_hub.src.utils import preset_utils

from keras_nlp_zoo.models.backbone import Backbone

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

    @classmethod
    def from_preset(cls, preset: Any, load_weights: bool = True, **kwargs: Any) -> Any:
        """Loads a task from a preset: one written by this package, on any backend, or a backbone to put a head on.

        Args:
            preset: a directory, or the name of a preset of KerasHub, or `kaggle://...`, or `hf://...`.
            load_weights: bool. Whether to load the weights or keep random ones.
            **kwargs: arguments of the task that replace the saved ones. New `labels` or `num_classes` make a new head.

        Raises:
            ValueError: the preset does not exist, is damaged, or holds another task.
        """
        preset = os.fspath(preset)
        try:
            loader = preset_utils.get_preset_loader(preset)
            task_class = saved_task_class(preset)
            if task_class is not None and issubclass(task_class, PresetTask):
                if not issubclass(task_class, cls):
                    raise ValueError(f"it holds a {task_class.__name__}, not a {cls.__name__}")
                task = cls._load_saved(loader, load_weights, kwargs)
                if "compile" not in kwargs:
                    _compile_as_saved(task, preset)
                return task
            backbone_kwargs = {"dtype": kwargs.pop("dtype")} if "dtype" in kwargs else {}
            backbone = loader.load_backbone(loader.check_backbone_class(), load_weights, **backbone_kwargs)
            if "preprocessor" not in kwargs and not isinstance(backbone, Backbone):
                tokenizer = keras_hub.tokenizers.Tokenizer.from_preset(preset)
                kwargs["preprocessor"] = cls.preprocessor_for(backbone, tokenizer)
        except (OSError, KeyError, ValueError) as error:
            raise ValueError(f"The preset {preset!r} cannot be loaded: {error}") from error
        return cls(backbone, **kwargs)

    @classmethod
    def _load_saved(cls, loader: Any, load_weights: bool, kwargs: dict[str, Any]) -> Any:
        return loader.load_task(cls, load_weights, True, **kwargs)


def saved_task_class(preset: str) -> Any:
    """The class of the task that a preset holds, or None if it holds a backbone alone."""
    if not preset_utils.check_file_exists(preset, preset_utils.TASK_CONFIG_FILE):
        return None
    config = preset_utils.load_json(preset, preset_utils.TASK_CONFIG_FILE)
    if not isinstance(config, dict) or "registered_name" not in config:
        raise ValueError(f"`{preset_utils.TASK_CONFIG_FILE}` in it is not that of a task")
    return keras.saving.get_registered_object(config["registered_name"])


def _compile_as_saved(task: Any, preset: str) -> None:
    if not preset_utils.check_file_exists(preset, COMPILE_FILE):
        return
    try:
        task.compile_from_config(preset_utils.load_json(preset, COMPILE_FILE))
    except (TypeError, ValueError) as error:  # an optimizer, loss or metric of one's own that is not registered here
        warnings.warn(
            f"The compile arguments in {preset!r} cannot be restored, defaults are used: {error}", stacklevel=4
        )
