"""Steps of PyTorch on a GPU as CUDA graphs: what a step asks of the GPU is recorded once, then started as one.

Keras takes the processor 4 to 5 ms for a step of training, whatever the model; the GPU has done an lstm's in one.

See https://docs.pytorch.org/docs/stable/notes/cuda.html#cuda-graphs.
"""

import collections
import contextlib
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
def recorded(model: Any, *functions: str, keep: bool = False) -> Iterator[None]:
    """A context in which Keras's trainer repeats recordings.

    As on JAX and TensorFlow, which compile a step, Python runs for the first batches of a shape alone.

    Args:
        model: a model of Keras's.
        functions: what its trainer calls for each batch: "train", "test", "predict".
        keep: bool. Whether what was recorded, and the memory it takes, is kept for the next time.
    """
    names = [f"{function}_function" for function in functions]
    names = [name for name in names if not isinstance(getattr(model, name), Recorded)]
    on_gpu = keras.ops.zeros(()).device.type == "cuda"
    if not on_gpu or model.run_eagerly or model.jit_compile is True:
        names = []
    places = [variable.value.data_ptr() for variable in model.variables] if names and keep else []
    for name in names:
        kept, places_then = getattr(model, "_kept_recordings", {}).get(name, (None, None))
        if kept is None or places != places_then:  # somebody has put other weights in their place
            getattr(model, f"make_{name}")(force=True)
            kept = Recorded(getattr(model, name))
        setattr(model, name, kept)
    try:
        yield
    finally:
        if names and keep:
            object.__setattr__(model, "_kept_recordings", {name: (getattr(model, name), places) for name in names})
        for name in names:
            setattr(model, name, None)


class Recorded:
    """A function of one batch, recorded for each shape of it.

    It may change variables in place, and draw from PyTorch's own random numbers. One that needs a number from the GPU
    to go on cannot be recorded, and is run as it is.
    """

    def __init__(self, function: Callable[[Any], Any]):
        self.function = function
        self.stream = torch.cuda.Stream()
        self.pool = torch.cuda.graph_pool_handle()
        self.constants = Constants()
        self.seen: collections.Counter[Any] = collections.Counter()
        self.recordings: dict[Any, tuple[Any, list[Any], Any]] = {}
        self.can_be_recorded = True

    def __call__(self, batch: Any) -> Any:
        if not self.can_be_recorded:
            return self.function(batch)
        leaves = [leaf if leaf is None else torch.as_tensor(leaf) for leaf in keras.tree.flatten(batch)]
        shape = tuple(leaf if leaf is None else (leaf.shape, leaf.dtype) for leaf in leaves)
        self.seen[shape] += 1
        if shape not in self.recordings:
            here = [leaf if leaf is None else leaf.to("cuda", copy=True, non_blocking=True) for leaf in leaves]
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
        return keras.tree.map_structure(torch.clone, outputs)  # the next batch's will stand in the same place

    def _run(self, batch: Any) -> Any:
        """On the stream that is recorded, for which PyTorch sets things up."""
        now = torch.cuda.current_stream()
        self.stream.wait_stream(now)
        with torch.cuda.stream(self.stream), self.constants:
            outputs = self.function(batch)
        now.wait_stream(self.stream)
        return outputs

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
            self.can_be_recorded = False
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
        if isinstance(args[0], torch.Tensor):
            return function(*args, **kwargs)
        numbers = np.asarray(args[0])
        key = (numbers.dtype, numbers.shape, numbers.tobytes(), kwargs.get("dtype"))
        if key not in self.made:
            self.made[key] = function(*args, **kwargs)
        return self.made[key].clone()
