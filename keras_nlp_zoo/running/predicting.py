"""Predictions, batch by batch. Where the backend can, Python prepares the next batch while one is being worked on."""

import collections
from collections.abc import Iterable, Iterator
from typing import Any

import keras
import numpy as np

BACKEND = keras.backend.backend()
if BACKEND == "torch":
    from keras_nlp_zoo.running import predicting_torch
elif BACKEND == "jax":
    from keras_nlp_zoo.running import predicting_jax
else:
    from keras_nlp_zoo.running import predicting_tensorflow

# Bytes of results that may wait to be handed to NumPy, for which the work on them has to be done.
WAITING = 2**26


def predictions(model: Any, batches: Iterable[Any], rows: int) -> Any:
    """The outputs of a model for all batches, which have so many rows together, in NumPy."""
    store = predicting_torch.store if BACKEND == "torch" else _store
    whole: Any = None
    start = 0
    for outputs in _a_while_later(_outputs(model, batches)):
        if whole is None:
            whole = keras.tree.map_structure(lambda leaf: _room(leaf, rows), outputs)
        places = slice(start, start + len(keras.tree.flatten(outputs)[0]))
        keras.tree.map_structure(lambda array, leaf, places=places: store(leaf, array[places]), whole, outputs)
        start = places.stop
        del outputs  # before the next are made
    return whole


def _a_while_later(outputs: Iterable[Any]) -> Iterator[Any]:
    waiting: collections.deque[tuple[Any, int]] = collections.deque()
    size = 0
    for one in outputs:
        waiting.append((one, sum(leaf.nbytes for leaf in keras.tree.flatten(one))))
        del one
        size += waiting[-1][1]
        while size > WAITING:
            size -= waiting[0][1]
            yield waiting.popleft()[0]
    while waiting:
        yield waiting.popleft()[0]


def _room(leaf: Any, rows: int) -> np.ndarray:
    # Asked of the array itself only where NumPy does not know its dtype: a GPU takes its time to answer.
    dtype = leaf.dtype if BACKEND == "jax" else keras.ops.convert_to_numpy(leaf[:0]).dtype
    return np.empty((rows, *leaf.shape[1:]), dtype)


def _store(leaf: Any, place: np.ndarray) -> None:
    place[...] = keras.ops.convert_to_numpy(leaf)


def _outputs(model: Any, batches: Iterable[Any]) -> Iterator[Any]:
    if BACKEND == "torch":
        return predicting_torch.outputs(model, batches, together=_as_keras_has_it(model))
    if BACKEND == "jax" and model.jit_compile and _as_keras_has_it(model):
        return predicting_jax.outputs(model, batches)
    if BACKEND == "tensorflow" and predicting_tensorflow.can(model) and _as_keras_has_it(model):
        return predicting_tensorflow.outputs(model, batches)
    return map(model.predict_on_batch, batches)


def _as_keras_has_it(model: Any) -> bool:
    """Whether a step of prediction is a call of the model, and nobody's own."""
    names = ("predict_step", "make_predict_function")
    return all(getattr(getattr(model, name), "__func__", None) is getattr(keras.Model, name) for name in names)
