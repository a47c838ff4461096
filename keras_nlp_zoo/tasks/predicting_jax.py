"""Predictions on JAX, which works on a batch while Python goes on: a jitted call of the model.

On a GPU (an H200) a batch of 64 short texts took 0.22 ms to bring there, 0.08 to start, 0.02 to work on and 0.20 to
bring back. So batches of one shape go there together, are worked on there one after another, and come back together.
"""

import functools
import itertools
from collections.abc import Iterable, Iterator
from typing import Any

import jax
import keras
import numpy as np

# Batches that go to a GPU together, and the bytes that they and their results may have there.
TOGETHER = 10
MOST_BYTES = 2**24
# Bytes from which on results come back by way of pinned memory: 51 MB in 17 ms instead of 48.
LARGE = 2**20


def outputs(model: Any, batches: Iterable[Any]) -> Iterator[Any]:
    """Of a model for the batches, of one or of some at a time, without waiting for them."""
    call, one_by_one = _compiled(model)
    values, changed = [variable.value for variable in model.variables], {}
    far = jax.default_backend() != "cpu"
    try:
        for group in _groups(batches) if far else ([batch] for batch in batches):
            if far and _small(call, values, group[0]):
                # Always as many, so that one program serves for all numbers of them.
                full = group + group[:1] * (TOGETHER - len(group))
                stacked = keras.tree.map_structure(lambda *leaves: np.stack(leaves), *full)
                found = one_by_one(values, stacked, len(group))
                if len(group) < TOGETHER:
                    found = keras.tree.map_structure(functools.partial(_first, len(group)), found)
                yield keras.tree.map_structure(_on_its_way, found)
                continue
            for batch in group:
                found, changed = call(values, batch)
                for i, value in changed.items():
                    values[i] = value
                yield keras.tree.map_structure(_on_its_way, found) if far else found
                del found  # before the next are made
    finally:
        for i in changed:
            model.variables[i].assign(values[i])


def _groups(batches: Iterable[Any]) -> Iterator[list[Any]]:
    """The batches, up to so many of one shape at a time."""
    for _, alike in itertools.groupby(batches, _shape):
        while group := list(itertools.islice(alike, TOGETHER)):
            yield group


def _small(call: Any, values: Any, batch: Any) -> bool:
    """Whether batches like this one may go together. Not where one changes what the next is worked on with."""
    found, changed = call.eval_shape(values, batch)
    size = sum(leaf.size * leaf.dtype.itemsize for leaf in keras.tree.flatten([batch, found]))
    return not changed and size * TOGETHER <= MOST_BYTES


def _first(count: int, leaf: jax.Array) -> jax.Array:
    """What belongs to the first batches of a whole group."""
    return leaf[: len(leaf) // TOGETHER * count]


def _on_its_way(leaf: jax.Array) -> jax.Array:
    """A result that has set out for the processor's memory."""
    if leaf.nbytes >= LARGE:
        return jax.device_put(leaf, leaf.sharding.with_memory_kind("pinned_host"))
    leaf.copy_to_host_async()
    return leaf


def _shape(batch: Any) -> Any:
    return [(path, leaf.shape, leaf.dtype) for path, leaf in keras.tree.flatten_with_path(batch)]


def _compiled(model: Any) -> tuple[Any, Any]:
    """A model as a function of its variables' values and a batch: its outputs, and by number the values that change.
    And as one of values, stacked batches and how many of these to work on: the outputs of all.

    Keras's takes 0.2 ms more for each batch, hands out all weights anew, and is without them if it is interrupted.
    """
    model.make_predict_function()
    made_for, compiled = getattr(model, "_compiled_calls", (None, (None, None)))
    if made_for is not model.predict_function:  # it has been compiled anew

        @jax.jit
        def call(values: Any, batch: Any) -> Any:
            variables = model.variables
            with keras.StatelessScope(list(zip(variables, values, strict=True))) as scope:
                before = [scope.get_current_value(variable) for variable in variables]
                found = model(batch, training=False)
                after = [scope.get_current_value(variable) for variable in variables]
            return found, {i: after[i] for i in range(len(after)) if after[i] is not before[i]}

        @jax.jit
        def one_by_one(values: Any, stacked: Any, count: Any) -> Any:
            def work_on(i: Any, whole: Any) -> Any:
                found, _ = call(values, keras.tree.map_structure(lambda leaf: leaf[i], stacked))
                return keras.tree.map_structure(lambda leaf, one: leaf.at[i].set(one), whole, found)

            found, _ = jax.eval_shape(call, values, keras.tree.map_structure(lambda leaf: leaf[0], stacked))
            room = keras.tree.map_structure(lambda leaf: jax.numpy.empty((TOGETHER, *leaf.shape), leaf.dtype), found)
            whole = jax.lax.fori_loop(0, count, work_on, room)
            return keras.tree.map_structure(lambda leaf: leaf.reshape(-1, *leaf.shape[2:]), whole)

        compiled = call, one_by_one
        model._compiled_calls = (model.predict_function, compiled)
    return compiled
