"""Predictions, batch by batch. Where the backend can, Python prepares the next batch while one is being worked on."""

import collections
from collections.abc import Iterable, Iterator
from typing import Any

import keras
import numpy as np

# Bytes of results that may wait to be handed to NumPy, for which the work on them has to be done.
WAITING = 2**26


def predictions(model: Any, batches: Iterable[Any], rows: int) -> Any:
    """The outputs of a model for all batches, which have so many rows together, in NumPy."""
    whole: Any = None
    start = 0
    for outputs in _a_while_later(_outputs(model, batches)):
        leaves = keras.tree.flatten(outputs)
        if whole is None:
            whole = keras.tree.map_structure(lambda leaf: _room(leaf, rows), outputs)
        places = slice(start, start + len(leaves[0]))
        for array, leaf in zip(keras.tree.flatten(whole), leaves, strict=True):
            _store(leaf, array[places])
        start = places.stop
    return whole


def _a_while_later(outputs: Iterable[Any]) -> Iterator[Any]:
    waiting: collections.deque[tuple[Any, int]] = collections.deque()
    size = 0
    for one in outputs:
        waiting.append((one, sum(leaf.nbytes for leaf in keras.tree.flatten(one))))
        size += waiting[-1][1]
        while size > WAITING:
            first, freed = waiting.popleft()
            size -= freed
            yield first
    yield from (one for one, _ in waiting)


def _room(leaf: Any, rows: int) -> np.ndarray:
    return np.empty((rows, *leaf.shape[1:]), keras.ops.convert_to_numpy(leaf[:0]).dtype)


def _store(leaf: Any, place: np.ndarray) -> None:
    if keras.backend.backend() == "torch" and place.dtype.kind != "V":  # NumPy's bfloat16, which PyTorch does not know
        import torch

        torch.from_numpy(place).copy_(leaf)  # from a GPU without a stop on the way
    else:
        place[...] = keras.ops.convert_to_numpy(leaf)


def _outputs(model: Any, batches: Iterable[Any]) -> Iterator[Any]:
    backend = keras.backend.backend()
    if backend == "torch":
        import torch

        from keras_nlp_zoo.tasks.recorded_torch import recorded

        model.make_predict_function()
        with recorded(model, "predict", keep=True):
            for batch in batches:
                yield model.predict_function([(keras.tree.map_structure(torch.as_tensor, batch),)])
    elif backend == "jax" and model.jit_compile and not model.run_eagerly:
        call, values = _compiled(model), [variable.value for variable in model.variables]
        for batch in batches:
            yield call(values, batch)
    else:
        yield from map(model.predict_on_batch, batches)


def _compiled(model: Any) -> Any:
    """A model as a function of its variables' values and a batch.

    Keras's takes 0.2 ms more for each batch, hands out all weights anew, and is without them if it is interrupted.
    """
    if not hasattr(model, "_compiled_call"):
        import jax

        def call(values: Any, batch: Any) -> Any:
            with keras.StatelessScope(list(zip(model.variables, values, strict=True))):
                return model(batch, training=False)

        model._compiled_call = jax.jit(call)
    return model._compiled_call
