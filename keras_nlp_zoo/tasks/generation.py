"""What the tasks share that write texts: a way to decode, kept compiled, and texts of what it wrote."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras
import keras_hub
import numpy as np
from keras import ops

from keras_nlp_zoo.tasks.task import TextTask
from keras_nlp_zoo.text.inputs import as_text_list


class GeneratingTask(TextTask):
    """A `TextTask` that has a `sampler` to write with; mixed into a task of KerasHub."""

    sampler: Any
    generate_function: Any

    def compile(self, *args: Any, **kwargs: Any) -> None:
        self._generate_functions: dict[str, Any] = {}
        super().compile(*args, **kwargs)

    def get_compile_config(self) -> dict[str, Any]:
        config = super().get_compile_config()
        return {**config, "sampler": keras.saving.serialize_keras_object(self.sampler)} if config else config

    @contextmanager
    def _decoding_with(self, sampler: Any) -> Iterator[Any]:
        """The compiled `generate_step`, for a time with another sampler."""
        if sampler is None:
            yield self.make_generate_function()
            return
        sampler = keras_hub.samplers.get(sampler)
        key = str(keras.saving.serialize_keras_object(sampler))
        usual = self.sampler, self.generate_function
        # What was compiled for one like it serves again, with the random state of this one.
        self.sampler, self.generate_function = self._generate_functions.get(key, (sampler, None))
        compiled_for = self.sampler
        try:
            _copy_state(sampler, compiled_for)
            function = self.make_generate_function()
            self._generate_functions[key] = compiled_for, function
            yield function
            _copy_state(compiled_for, sampler)
        finally:
            self.sampler, self.generate_function = usual

    def _answers(self, outputs: dict[str, np.ndarray], prompt_lengths: Any) -> list[Any]:
        """Texts of the rows, or of the n best of each."""
        tokens, mask = outputs["decoder_token_ids"], outputs["decoder_padding_mask"].astype(bool)
        if prompt_lengths is not None:
            given = np.arange(tokens.shape[-1]) < prompt_lengths[:, None]
            mask = mask & ~(given if tokens.ndim == 2 else given[:, None])
        flat = [row[kept].tolist() for row, kept in _rows(tokens, mask)]
        texts = as_text_list(self._tokenizer().detokenize(flat), "outputs")
        if "scores" not in outputs:
            return texts
        scores = outputs["scores"]
        return [
            [
                {"text": texts[i * scores.shape[1] + j], "score": float(score)}
                for j, score in enumerate(row)
                if np.isfinite(score)  # a place in the beam that was never filled
            ]
            for i, row in enumerate(scores)
        ]

    def _tokenizer(self) -> Any:
        if self.preprocessor is None:
            raise ValueError("This task has no preprocessor: pass ready arrays and `stop_token_ids`.")
        return self.preprocessor.tokenizer


def _rows(tokens: np.ndarray, mask: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    length = tokens.shape[-1]
    return zip(tokens.reshape(-1, length), mask.reshape(-1, length), strict=True)


def _copy_state(source: Any, target: Any) -> None:
    for variable, value in zip(target.variables, source.variables, strict=True):
        if variable is not value:
            variable.assign(value)


def to_numpy(outputs: Any) -> Any:
    return keras.tree.map_structure(ops.convert_to_numpy, outputs)
