"""Steps of PyTorch on a GPU as CUDA graphs: what a step asks of the GPU is recorded once, then started as one.

Keras takes the processor 4 to 5 ms for a step of training, whatever the model; the GPU has done an lstm's in one.

See https://docs.pytorch.org/docs/stable/notes/cuda.html#cuda-graphs.
"""

import collections
import contextlib
import threading
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
import torch
from torch.overrides import TorchFunctionMode

# Batches of a shape that are run before one is recorded: in the first PyTorch sets up what stays.
RUN_FIRST = 2
# Graphs of one function, each of which keeps the memory of its results.
MOST = 64


@contextlib.contextmanager
def recorded(model: Any, *functions: str) -> Iterator[None]:
    """A context in which Keras's trainer repeats recordings.

    As on JAX and TensorFlow, which compile a step, Python runs for the first batches of a shape alone.

    Args:
        model: a model of Keras's.
        functions: what its trainer calls for each batch: "train", "test".
    """
    names = [f"{function}_function" for function in functions]
    names = [name for name in names if not isinstance(getattr(model, name), Recorded)]
    if not _can_be_recorded(model):
        names = []
    for name in names:
        getattr(model, f"make_{name}")(force=True)
        setattr(model, name, Recorded(getattr(model, name)))
    try:
        yield
    finally:
        for name in names:
            setattr(model, name, None)


def recorded_predictions(model: Any) -> Callable[[Any], Any]:
    """What a model predicts of a batch `((x,),)`, as tensors.

    What is recorded, and the memory it takes, stays with the model until it is compiled, or other weights are put in
    the place of its own.
    """
    model.make_predict_function()
    function = model.predict_function
    if not _can_be_recorded(model):
        return function
    state = (function, [variable.value.data_ptr() for variable in model.variables])
    state_then, kept = getattr(model, "_kept_predictions", (None, None))
    if kept is None or state_then != state:
        kept = Recorded(function)
        object.__setattr__(model, "_kept_predictions", (state, kept))
    return kept


def _can_be_recorded(model: Any) -> bool:
    if keras.ops.zeros(()).device.type != "cuda" or model.run_eagerly or model.jit_compile is True:
        return False
    # A recording would bring them along to where they are not wanted.
    return not torch.is_inference_mode_enabled() and not torch.is_autocast_enabled("cuda")


class Recorded:
    """A function of one batch, recorded for each shape of it.

    It may change variables in place, and draw from PyTorch's own random numbers. One that needs a number from the GPU
    to go on cannot be recorded, and is run as it is.
    """

    def __init__(self, function: Callable[[Any], Any]):
        self.function = function
        self.device = keras.ops.zeros(()).device
        self.stream = torch.cuda.Stream(self.device)
        self.pool = torch.cuda.graph_pool_handle()
        self.constants = Constants()
        self.seen: collections.Counter[Any] = collections.Counter()
        self.recordings: dict[Any, tuple[Any, list[Any], Any]] = {}
        self.can_be_recorded = True
        self.lock = threading.RLock()  # a server may predict in many threads

    def __call__(self, batch: Any) -> Any:
        with self.lock, torch.cuda.device(self.device):
            return self._repeat(batch) if self.can_be_recorded else self.function(batch)

    def _repeat(self, batch: Any) -> Any:
        paths, values = zip(*keras.tree.flatten_with_path(batch), strict=True)
        leaves = [value if value is None else torch.as_tensor(value) for value in values]
        shape = (paths, *(leaf if leaf is None else (leaf.shape, leaf.dtype) for leaf in leaves))
        self.seen[shape] += 1
        if shape not in self.recordings:
            here = [leaf if leaf is None else leaf.to(self.device, copy=True, non_blocking=True) for leaf in leaves]
            packed = keras.tree.pack_sequence_as(batch, here)
            if self.seen[shape] < RUN_FIRST or len(self.recordings) == MOST:
                return self._run(packed)
            if self.seen[shape] == RUN_FIRST:
                return self._run_and_watch(packed)
            if not self._record(shape, packed):
                return self.function(batch)
        graph, places, outputs = self.recordings[shape]
        for place, leaf in zip(places, leaves, strict=True):
            if leaf is not None:
                place.copy_(leaf, non_blocking=True)
        graph.replay()
        # The next batch's will stand in the same place.
        return keras.tree.map_structure(lambda leaf: leaf.clone() if torch.is_tensor(leaf) else leaf, outputs)

    def _run(self, batch: Any) -> Any:
        """On the stream that is recorded, for which PyTorch sets things up."""
        now = torch.cuda.current_stream()
        self.stream.wait_stream(now)
        try:
            with torch.cuda.stream(self.stream), self.constants:
                outputs = self.function(batch)
        except torch.OutOfMemoryError:
            if not self.recordings:
                raise
            self._give_up()  # the memory of recordings is needed
            return self.function(batch)
        now.wait_stream(self.stream)
        return outputs

    def _give_up(self) -> None:
        self.can_be_recorded = False
        self.recordings.clear()
        torch.cuda.empty_cache()

    def _run_and_watch(self, batch: Any) -> Any:
        """To see whether the function waits for the GPU: PyTorch is in disorder if a recording is broken off."""
        usual = torch.cuda.get_sync_debug_mode()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            torch.cuda.set_sync_debug_mode("warn")
            try:
                outputs = self._run(batch)
            finally:
                torch.cuda.set_sync_debug_mode(usual)
        for warning in caught:
            if "called a synchronizing CUDA operation" in str(warning.message):
                self.can_be_recorded = False
            elif "Synchronization debug mode" not in str(warning.message):
                warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
        return outputs

    def _record(self, shape: Any, batch: Any) -> bool:
        """Whether it could be done. Nothing is computed yet."""
        graph = torch.cuda.CUDAGraph()
        # Other threads may use the GPU meanwhile, hence thread_local.
        recording = torch.cuda.graph(graph, self.pool, self.stream, capture_error_mode="thread_local")
        try:
            # PyTorch's own context does not come back to the stream if it fails.
            with torch.cuda.stream(torch.cuda.current_stream()), recording, self.constants:
                outputs = self.function(batch)
        except RuntimeError:
            self._give_up()
            return False
        self.recordings[shape] = graph, keras.tree.flatten(batch), outputs
        return True


class Constants(TorchFunctionMode):
    """Makes a tensor of the same numbers of Python's once: a graph can copy within the GPU alone."""

    def __init__(self) -> None:
        super().__init__()
        self.made: dict[Any, Any] = {}

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        device = kwargs.get("device")
        if function not in (torch.as_tensor, torch.tensor) or device is None or torch.device(device).type == "cpu":
            return function(*args, **kwargs)
        if not args or any(torch.is_tensor(part) for part in keras.tree.flatten(args[0])):
            return function(*args, **kwargs)
        numbers = np.asarray(args[0])
        key = (numbers.dtype, numbers.shape, numbers.tobytes(), kwargs.get("dtype"))
        if key not in self.made:
            self.made[key] = function(*args, **kwargs)
        return self.made[key].clone()
