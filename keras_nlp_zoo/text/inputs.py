"""What a person passes as texts, checked: one clear error that names the argument and the item."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import keras
import numpy as np

from keras_nlp_zoo.text.offsets import without_half_pairs


def describe(value: Any) -> str:
    """A short description of a value for an error message, never the whole of it."""
    text = repr(value)
    return f"{text if len(text) <= 60 else text[:57] + '...'} of type {type(value).__name__}"


def as_text_list(texts: Any, name: str) -> list[str]:
    """A list of `str` from a list, tuple, NumPy array or tensor of strings; bytes are read as UTF-8.

    Args:
        texts: the texts, `(batch,)`.
        name: the argument's name, for the error.

    Raises:
        TypeError: something that is not a string, with its position.
    """
    if isinstance(texts, (str, bytes)):
        raise TypeError(f"`{name}` must be a list of strings. Received one string: {describe(texts)}")
    if not isinstance(texts, list):
        if hasattr(texts, "tolist") and getattr(texts, "ndim", 1) == 1:  # NumPy arrays, pandas columns
            texts = texts.tolist()
        elif hasattr(texts, "numpy"):
            texts = np.asarray(texts.numpy()).tolist()
        elif isinstance(texts, Sequence):
            texts = list(texts)
        else:
            raise TypeError(f"`{name}` must be a list of strings. Received: {describe(texts)}")
    if all(type(text) is str for text in texts):
        return texts
    return [_as_text(text, name, position) for position, text in enumerate(texts)]


def _as_text(text: Any, name: str, position: int) -> str:
    if isinstance(text, str):
        return str(text)
    if isinstance(text, bytes):
        return text.decode("utf-8", errors="replace")
    raise TypeError(f"`{name}` must hold strings. Item {position} is {describe(text)}")


def as_numpy(values: Any) -> np.ndarray:
    """A NumPy array from a list, an array, or a tensor of any backend."""
    if isinstance(values, np.ndarray):
        return values
    if keras.ops.is_tensor(values):
        return keras.ops.convert_to_numpy(values)
    if hasattr(values, "numpy"):
        return np.asarray(values.numpy())
    return np.asarray(list(values) if isinstance(values, Iterable) else values)


class TrainingTexts:
    """Hands texts to the Rust trainer one by one, checks them, and keeps what was wrong."""

    def __init__(self, texts: Iterable[str]):
        if isinstance(texts, (str, bytes)) or not isinstance(texts, Iterable):
            raise TypeError(f"`texts` must be an iterable of strings. Received: {describe(texts)}")
        self.texts = texts
        self.count = 0
        self.error: Exception | None = None

    def __iter__(self) -> Iterator[str]:
        try:
            for text in self.texts:
                if not isinstance(text, str):
                    raise TypeError(f"`texts` must hold strings. Item {self.count} is {describe(text)}")
                self.count += 1
                yield without_half_pairs(text)
        except Exception as error:  # Rust would say it in other words: who trains raises this one
            self.error = error
