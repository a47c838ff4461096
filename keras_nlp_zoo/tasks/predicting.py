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
        if whole is None:
            whole = keras.tree.map_structure(lambda leaf: _room(leaf, rows), outputs)
        places = slice(start, start + len(keras.tree.flatten(outputs)[0]))
        keras.tree.map_structure(lambda array, leaf, places=places: _store(leaf, array[places]), whole, outputs)
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

        from keras_nlp_zoo.tasks.recorded_torch import recorded_predictions

        function = recorded_predictions(model)
        for batch in batches:
            tensors = keras.tree.map_structure(lambda leaf: torch.from_numpy(np.require(leaf, None, ["C", "W"])), batch)
            yield function([(tensors,)])
    elif backend == "jax" and model.jit_compile and type(model).predict_step is keras.Model.predict_step:
        yield from _outputs_on_jax(model, batches)
    else:
        yield from map(model.predict_on_batch, batches)


def _outputs_on_jax(model: Any, batches: Iterable[Any]) -> Iterator[Any]:
    call, values, changed = _compiled(model), [variable.value for variable in model.variables], {}
    try:
        for batch in batches:
            outputs, changed = call(values, batch)
            for i, value in changed.items():
                values[i] = value
            yield outputs
            del outputs
    finally:
        for i in changed:
            model.variables[i].assign(values[i])


def _compiled(model: Any) -> Any:
    """A model as a function of its variables' values and a batch: its outputs, and by number the values that change.

    Keras's takes 0.2 ms more for each batch, hands out all weights anew, and is without them if it is interrupted.
    """
    model.make_predict_function()
    made_for, compiled = getattr(model, "_compiled_call", (None, None))
    if made_for is not model.predict_function:  # it has been compiled anew
        import jax

        def call(values: Any, batch: Any) -> Any:
            variables = model.variables
            with keras.StatelessScope(list(zip(variables, values, strict=True))) as scope:
                before = [scope.get_current_value(variable) for variable in variables]
                outputs = model(batch, training=False)
                after = [scope.get_current_value(variable) for variable in variables]
            return outputs, {i: after[i] for i in range(len(after)) if after[i] is not before[i]}

        compiled = jax.jit(call)
        model._compiled_call = (model.predict_function, compiled)
    return compiled
