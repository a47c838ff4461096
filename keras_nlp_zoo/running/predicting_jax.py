"""Predictions on JAX, which works on a batch while Python goes on: a jitted call of the model.

On a GPU (an H200) a batch of 64 short texts took 0.22 ms to bring there, 0.08 to start and 0.14 to bring back, most of
it for asking. So batches of one shape go there together, and their results come back together. To work on ten of them
in one program as well, in a loop, made recurrent models slower: the GPU waits for the processor between two.

On CPU batches are worked on side by side (`side_by_side.py`), by programs that keep to one core.
"""

import functools
import itertools
from collections.abc import Iterable, Iterator
from typing import Any

import jax
import keras
import numpy as np

from keras_nlp_zoo.running.side_by_side import enough, side_by_side, small

# Batches that go to a GPU together, and the bytes that they, and that their results, may have.
TOGETHER = 10
MOST_BYTES = 2**24
# Bytes from which on results come back by way of pinned memory: 51 MB in 17 ms instead of 48.
LARGE = 2**20
# What compiles a program for one core, and the operations of a batch from which on it takes longer than a thread to
# begin with it.
ONE_CORE: Any = {"xla_cpu_multi_thread_eigen": False}
LEAST_OPERATIONS = 10**7


def outputs(model: Any, batches: Iterable[Any]) -> Iterator[Any]:
    """Of a model for the batches, of one or of some at a time."""
    if jax.default_backend() != "cpu":
        return _one_by_one(model, _brought(batches), far=True)
    many, batches = enough(batches)
    if many and keras.distribution.distribution() is None:
        first = next(batches)
        batches = itertools.chain([first], batches)
        if _stand_alone(model, first):
            return side_by_side(_calls(model, batches))
    return _one_by_one(model, ([batch] for batch in batches), far=False)


def _stand_alone(model: Any, batch: Any) -> bool:
    """Whether batches like this are work enough, and leave nothing behind that the next must see, nor much."""
    lowered = _compiled(model, one_core=True).lower(_values(model), batch)
    found, changed = lowered.out_info
    operations = (lowered.cost_analysis() or {}).get("flops", 0)
    return not changed and small(found) and operations >= LEAST_OPERATIONS


def _calls(model: Any, batches: Iterable[Any]) -> Iterator[Any]:
    """For each batch one that reads it. What is compiled, once for each shape, is so before threads part."""
    compiled, values, programs = _compiled(model, one_core=True), _values(model), {}
    for batch in batches:
        shape = tuple(_shape(batch))
        if shape not in programs:
            programs[shape] = compiled.lower(values, batch).compile()
        yield functools.partial(_finished, programs[shape], values, batch)


def _finished(program: Any, values: list[Any], batch: Any) -> Any:
    return jax.block_until_ready(program(values, batch)[0])


def _one_by_one(model: Any, groups: Iterable[list[Any]], far: bool) -> Iterator[Any]:
    """The outputs for each batch, or for a group of them together, without waiting for them."""
    call, values, changed = _compiled(model), _values(model), {}
    try:
        for group in groups:
            together: list[Any] = []
            for batch in group:
                found, changed = call(values, batch)
                for i, value in changed.items():
                    values[i] = value
                if together or (len(group) == TOGETHER and _size(found) * TOGETHER <= MOST_BYTES):
                    together.append(found)
                else:
                    yield keras.tree.map_structure(_on_its_way, found) if far else found
                del found  # before the next are made
            if together:
                found = _joined(together)
                del together
                yield keras.tree.map_structure(_on_its_way, found)
                del found
    finally:
        for i in changed:
            model.variables[i].assign(values[i])


def _brought(batches: Iterable[Any]) -> Iterator[list[Any]]:
    """The batches, some of one shape at a time, these in JAX's memory."""
    for _, alike in itertools.groupby(batches, _shape):
        while group := list(itertools.islice(alike, TOGETHER)):
            if len(group) == 1 or _size(group[0]) * TOGETHER > MOST_BYTES:
                yield from ([batch] for batch in group)
                continue
            # Always as many, so that few programs are compiled that take them apart.
            full = group + group[:1] * (TOGETHER - len(group))
            yield _apart(keras.tree.map_structure(lambda *leaves: np.stack(leaves), *full))[: len(group)]


def _size(leaves: Any) -> int:
    return sum(leaf.nbytes for leaf in keras.tree.flatten(leaves))


def _on_its_way(leaf: jax.Array) -> jax.Array:
    """A result that has set out for the processor's memory."""
    if leaf.nbytes >= LARGE:
        return jax.device_put(leaf, leaf.sharding.with_memory_kind("pinned_host"))
    leaf.copy_to_host_async()
    return leaf


def _shape(batch: Any) -> Any:
    return [(path, leaf.shape, leaf.dtype) for path, leaf in keras.tree.flatten_with_path(batch)]


@jax.jit
def _apart(stacked: Any) -> list[Any]:
    return [keras.tree.map_structure(lambda leaf, i=i: leaf[i], stacked) for i in range(TOGETHER)]


@jax.jit
def _joined(outputs: list[Any]) -> Any:
    return keras.tree.map_structure(lambda *leaves: jax.numpy.concatenate(leaves), *outputs)


def _values(model: Any) -> list[Any]:
    return [variable.value for variable in model.variables]


def _compiled(model: Any, one_core: bool = False) -> Any:
    """A model as a function of its variables' values and a batch: its outputs, and by number the values that change.

    Keras's takes 0.2 ms more for each batch, hands out all weights anew, and is without them if it is interrupted.
    """
    model.make_predict_function()
    nothing: Any = (None, None)
    made_for, functions = getattr(model, "_compiled_calls", nothing)
    if made_for is not model.predict_function:  # it has been compiled anew

        def call(values: Any, batch: Any) -> Any:
            variables = model.variables
            with keras.StatelessScope(list(zip(variables, values, strict=True))) as scope:
                before = [scope.get_current_value(variable) for variable in variables]
                found = model(batch, training=False)
                after = [scope.get_current_value(variable) for variable in variables]
            return found, {i: after[i] for i in range(len(after)) if after[i] is not before[i]}

        functions = {False: jax.jit(call), True: jax.jit(call, compiler_options=ONE_CORE)}
        model._compiled_calls = (model.predict_function, functions)
    return functions[one_core]
