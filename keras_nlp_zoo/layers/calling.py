"""Layers called without what Keras does around every call, where nothing of it is needed.

On PyTorch, where nothing is compiled, that takes 0.1 to 0.2 ms a layer: longer than most products of one token, and
for a small network longer than its work on a batch. The other backends compile a step once and have no such cost.
"""

from collections.abc import Callable
from typing import Any

import keras


def run(layer: Any, *args: Any, **kwargs: Any) -> Any:
    """`layer(...)`."""
    return layer.call(*args, **kwargs) if _can_be_run(layer) else layer(*args, **kwargs)


def _can_be_run(layer: Any) -> bool:
    """Whether `layer.call` gives what `layer` does."""
    if keras.backend.backend() != "torch":
        return False
    if not isinstance(layer, keras.Layer):
        return True  # an operation of Keras's
    policy = layer.dtype_policy
    plain = policy.quantization_mode is None and policy.compute_dtype == policy.variable_dtype
    return plain and layer.activity_regularizer is None


class RunsItsLayers:
    """For a functional model, before its other bases: on PyTorch its layers are `run`, one after the other.

    A call takes 1 to 3 ms less. Masks that Keras hangs on tensors are not handed from layer to layer: the models of
    this package take theirs as arguments.

    What nobody reads is left out, as XLA leaves it out: a model, or a layer, that has a method `call_without` is told
    which of its outputs, flat, have no use, and may give None for them.
    """

    _standardize_inputs: Callable[..., Any]
    _plans: Any = None

    def call(self, inputs: Any, training: Any = None, mask: Any = None, **kwargs: Any) -> Any:
        return self.call_without(frozenset(), inputs, training, mask, **kwargs)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        model: Any = super()
        if len(args) != 1 or [*kwargs] != ["training"] or kwargs["training"] is None or not _can_be_run(self):
            return model.__call__(*args, **kwargs)
        if self._plan().flat_inputs(args[0]) is None:
            return model.__call__(*args, **kwargs)
        # The rest of what Keras does here takes 1 ms, longer than a small network takes for a batch.
        context = model._get_call_context()  # where a layer that is not told finds out whether it is trained
        try:
            context.set_value("training", kwargs["training"])
            return self.call(args[0], **kwargs)
        finally:
            model._maybe_reset_call_context()

    def call_without(
        self, unused: frozenset[int], inputs: Any, training: Any = None, mask: Any = None, **kwargs: Any
    ) -> Any:
        """As `call`, with None for each output whose number, among all of them flat, is in `unused`."""
        hung = mask is not None and any(one is not None for one in keras.tree.flatten(mask))
        if keras.backend.backend() != "torch" or hung or kwargs:
            model: Any = super()
            return model.call(inputs, training=training, mask=mask, **kwargs)
        plan = self._plan(unused)
        flat = plan.flat_inputs(inputs)
        return plan.run(self._standardize_inputs(inputs) if flat is None else flat, training)

    def _plan(self, unused: frozenset[int] = frozenset()) -> "_Plan":
        if self._plans is None:
            self._plans = {}
        if unused not in self._plans:
            self._plans[unused] = _Plan(self, unused)
        return self._plans[unused]


class _Plan:
    """The graph of a functional model as a list of calls. Keras works that out anew at every call."""

    def __init__(self, model: Any, unused: frozenset[int]):
        places = {id(tensor): _Place(number) for number, tensor in enumerate(model.inputs)}
        self.inputs = model.input
        self.names = sorted(self.inputs) if isinstance(self.inputs, dict) else []
        self.device: Any = None  # not known yet: Keras tries a model with tensors that are nowhere ("meta")
        self.steps: list[tuple[Any, Any, Any, bool, frozenset[int]]] = []
        outputs = model.output
        if isinstance(outputs, (list, tuple)) and len(outputs) == 1:
            outputs = outputs[0]
        flat = [None if number in unused else tensor for number, tensor in enumerate(keras.tree.flatten(outputs))]
        outputs = keras.tree.pack_sequence_as(outputs, flat)
        used = {id(tensor) for tensor in flat}
        for nodes in model._nodes_by_depth.values():
            used |= {id(tensor) for node in nodes for tensor in node.input_tensors}
        for _, nodes in sorted(model._nodes_by_depth.items(), reverse=True):
            for node in nodes:
                if node.is_input or any(id(tensor) not in places for tensor in node.input_tensors):
                    continue
                args, kwargs = (_with_places(part, places) for part in (node.arguments.args, node.arguments.kwargs))
                for tensor in node.outputs:
                    places[id(tensor)] = _Place(len(places))
                takes_training = getattr(node.operation, "_call_has_training_arg", False)
                spared = frozenset(i for i, tensor in enumerate(node.outputs) if id(tensor) not in used)
                if not hasattr(node.operation, "call_without"):
                    spared = frozenset()
                self.steps.append((node.operation, args, kwargs, takes_training, spared))
        self.outputs = _with_places(outputs, places)

    def flat_inputs(self, inputs: Any) -> list[Any] | None:
        """The inputs in the order of the graph; None if Keras has to make them what the model was built for."""
        if not self.names or not isinstance(inputs, dict) or len(inputs) != len(self.names):
            return None
        flat: list[Any] = [inputs.get(name) for name in self.names]
        for i, name in enumerate(self.names):
            tensor, wanted = flat[i], self.inputs[name]
            if not keras.ops.is_tensor(tensor) or tensor.ndim != len(wanted.shape) or tensor.device.type == "meta":
                return None
            if self.device is None:
                self.device = keras.ops.zeros(()).device
            if tensor.device.type == "cpu" != self.device.type:
                tensor = flat[i] = tensor.to(self.device, non_blocking=True)  # a GPU need not be waited for
            if tensor.device != self.device:
                return None
            if keras.backend.standardize_dtype(tensor.dtype) != wanted.dtype:
                return None
        return flat

    def run(self, flat_inputs: Any, training: Any) -> Any:
        values = list(flat_inputs)
        for operation, args, kwargs, takes_training, spared in self.steps:
            filled = {name: _filled(value, values) for name, value in kwargs.items()}
            if takes_training and training is not None:
                filled["training"] = training
            positional = [_filled(value, values) for value in args]
            if spared and _can_be_run(operation):
                outputs = operation.call_without(spared, *positional, **filled)
            else:
                outputs = run(operation, *positional, **filled)
            if isinstance(outputs, (dict, list, tuple)):
                values.extend(keras.tree.flatten(outputs))
            else:
                values.append(outputs)
        return _filled(self.outputs, values)


class _Place(int):
    """Which of all values of a graph stands here."""


def _with_places(structure: Any, places: dict[int, _Place]) -> Any:
    return keras.tree.map_structure(lambda leaf: places.get(id(leaf), leaf), structure)


def _filled(structure: Any, values: list[Any]) -> Any:
    kind = type(structure)
    if kind is _Place:
        return values[structure]
    if kind is dict:
        return {name: _filled(value, values) for name, value in structure.items()}
    if kind is list or kind is tuple:
        return kind([_filled(value, values) for value in structure])
    return structure
