"""Ready arrays, and texts that have been batched, one batch after another."""

from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

from keras_nlp_zoo.text.batching import BucketedBatches
from keras_nlp_zoo.text.inputs import as_numpy


def can_be_sliced(x: Any) -> bool:
    """Whether `slices` takes `x`: batches of ours, or a tree of arrays."""
    if isinstance(x, BucketedBatches):
        return not x.endless
    leaves = keras.tree.flatten(x) if isinstance(x, (dict, list, tuple)) else [x]
    arrays = all(isinstance(leaf, np.ndarray) or keras.ops.is_tensor(leaf) for leaf in leaves)
    return bool(leaves) and arrays and len({len(leaf) for leaf in leaves}) == 1 and len(leaves[0]) > 0


def number_of_rows(x: Any) -> int:
    """Of all that `slices` yields."""
    return len(x.order() if isinstance(x, BucketedBatches) else keras.tree.flatten(x)[0])


def number_of_batches(x: Any, batch_size: int | None) -> int:
    """How many `slices` yields."""
    if isinstance(x, BucketedBatches):
        return x.batches_per_pass
    return -(-number_of_rows(x) // (batch_size or 32))


def batches_to_train(x: Any, batch_size: int | None, validation_split: float) -> int | None:
    """How many batches of ready arrays, or of a dataset of them, an epoch has; None where `x` does not tell."""
    if isinstance(x, keras.utils.PyDataset):
        return x.num_batches
    if not can_be_sliced(x):
        return None
    rows = len(keras.tree.flatten(x)[0])
    return -(-int(rows * (1.0 - validation_split)) // (batch_size or 32))


def slices(x: Any, batch_size: int | None) -> Iterator[Any]:
    """The batches."""
    if isinstance(x, BucketedBatches):
        for i in range(x.batches_per_pass):
            yield x[i][0]
        return
    arrays, size = keras.tree.map_structure(as_numpy, x), batch_size or 32
    for start in range(0, number_of_batches(x, size) * size, size):
        yield keras.tree.map_structure(lambda array, start=start: array[start : start + size], arrays)
