"""Predictions on PyTorch, on a GPU by recordings (`recorded_torch.py`), and right into their place."""

from collections.abc import Iterable, Iterator
from typing import Any

import keras
import numpy as np
import torch

from keras_nlp_zoo.tasks.recorded_torch import recorded_predictions


def outputs(model: Any, batches: Iterable[Any]) -> Iterator[Any]:
    """Of a model for each batch; a GPU is not waited for."""
    function = recorded_predictions(model)
    for batch in batches:
        yield function([(keras.tree.map_structure(_tensor, batch),)])


def _tensor(array: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.require(array, None, ["C", "W"]))  # PyTorch reads memory forwards only


def store(tensor: torch.Tensor, place: np.ndarray) -> None:
    """Copies a tensor into an array of its shape, from a GPU without a stop on the way."""
    if place.dtype.kind == "V":  # NumPy's bfloat16, which PyTorch does not know
        place[...] = keras.ops.convert_to_numpy(tensor)
    else:
        torch.from_numpy(place).copy_(tensor)
