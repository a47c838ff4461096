"""Predictions on TensorFlow: a traced call of the model, looked up once for each shape of batches.

On CPU batches are worked on side by side (`side_by_side.py`).
"""

import functools
from collections.abc import Iterable, Iterator
from typing import Any

import keras
import tensorflow as tf

from keras_nlp_zoo.running.side_by_side import enough, side_by_side, small


def can(model: Any) -> bool:
    """Whether the model is traced, and a batch not spread over devices."""
    eager = model.run_eagerly or tf.config.functions_run_eagerly()
    return not eager and model.distribute_strategy.num_replicas_in_sync == 1


def outputs(model: Any, batches: Iterable[Any]) -> Iterator[Any]:
    """Of a model for each batch."""
    calls = _calls(model)
    many, batches = enough(batches)
    if many and not tf.config.list_logical_devices("GPU"):
        first = next(batches)
        found = calls.program(first)(first)
        apart = small(found) and not calls.assign(first)
        yield found
        del found  # before the next are made
        if apart:
            yield from side_by_side(functools.partial(calls.program(batch), batch) for batch in batches)
    for batch in batches:
        yield calls.program(batch)(batch)


class _Calls:
    """A model as one program for each shape of a batch; as in Keras, one for all of them after the second shape.

    Keras's function asks at each call which of its programs is meant, and leaves results to be fetched out of it.
    """

    def __init__(self, model: Any):
        self.made_for = model.predict_function
        self._function = tf.function(
            lambda batch: model(batch, training=False),
            autograph=False,
            reduce_retracing=True,
            jit_compile=model.jit_compile or None,
        )
        self._programs: dict[Any, Any] = {}

    def program(self, batch: Any) -> Any:
        """From batches like this one, in NumPy, to their outputs, in NumPy."""
        return functools.partial(_run, self._traced(batch))

    def assign(self, batch: Any) -> bool:
        """Whether a batch like this one gives a variable a value, which the next must see."""
        graph = self._traced(batch).graph.as_graph_def()
        nodes = (node for part in (graph.node, *(one.node_def for one in graph.library.function)) for node in part)
        return any(node.op.startswith(("Assign", "ResourceScatter")) for node in nodes)

    def _traced(self, batch: Any) -> Any:
        paths = keras.tree.flatten_with_path(batch)
        shape = (type(batch), *((path, leaf.shape, leaf.dtype) for path, leaf in paths))
        if shape not in self._programs:
            self._programs[shape] = self._function.get_concrete_function(_tensors(batch))
        return self._programs[shape]


def _calls(model: Any) -> _Calls:
    model.make_predict_function()
    calls = getattr(model, "_calls_to_predict", None)
    if calls is None or calls.made_for is not model.predict_function:  # it has been compiled anew
        calls = model._calls_to_predict = _Calls(model)
    return calls


def _run(program: Any, batch: Any) -> Any:
    # Without a name for the tensors: what a translator says of a batch, 51 MB, would be kept while the next is worked
    # on, which then takes half as long again, since its memory has to be fetched from the system.
    return keras.tree.map_structure(lambda leaf: leaf.numpy(), program(_tensors(batch)))


def _tensors(batch: Any) -> Any:
    return keras.tree.map_structure(tf.convert_to_tensor, batch)
