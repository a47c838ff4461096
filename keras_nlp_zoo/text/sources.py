"""Where texts come from when they are not in a list: datasets of every kind, and files larger than memory."""

import os
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import keras
import numpy as np

from keras_nlp_zoo.checks import check_int
from keras_nlp_zoo.text.inputs import as_numpy, describe


class TextFiles(keras.utils.PyDataset):
    """Batches of texts read from tab-separated files when they are asked for; only line positions are in memory.

    `fit` reads them once, keeps the token ids in a temporary file, and batches by length from there.

    Args:
        paths: a file name or a list of them; UTF-8, one example a line.
        columns: the names of the columns. `"text"` is required, `"label"` is optional, others are ignored.
        batch_size: int. Lines in a batch.

    Raises:
        ValueError: a missing file, `columns` without `"text"`, a line with another number of columns.

    Example:
        reviews = knz.text.TextFiles("reviews.tsv", columns=("label", "text"), batch_size=64)
        tokenizer = knz.Tokenizer.train(reviews.texts())
        classifier.fit(reviews, epochs=5)
    """

    def __init__(self, paths: Any, columns: Sequence[str] = ("label", "text"), batch_size: int = 32):
        super().__init__()
        self.paths = [os.fspath(p) for p in ([paths] if isinstance(paths, (str, os.PathLike)) else paths)]
        if "text" not in columns:
            raise ValueError(f'`columns` must name a column "text". Received: columns={tuple(columns)!r}')
        check_int("batch_size", batch_size, 1)
        for path in self.paths:
            if not os.path.isfile(path):
                raise ValueError(f"`paths` names a file that does not exist: {path!r}")
        self.columns = tuple(columns)
        self.batch_size = batch_size
        # Where each batch begins: the file, the byte, and the number of the line.
        self._batches = list(self._index())

    def _index(self) -> Iterator[tuple[str, int, int]]:
        for path in self.paths:
            with open(path, "rb") as file:
                position = 0
                for number, line in enumerate(file):
                    if number % self.batch_size == 0:
                        yield path, position, number
                    position += len(line)

    def __len__(self) -> int:
        return len(self._batches)

    def __getitem__(self, index: int) -> Any:
        path, position, number = self._batches[index]
        rows = []
        with open(path, "rb") as file:
            file.seek(position)
            for i in range(self.batch_size):
                line = file.readline()
                if not line:
                    break
                fields = line.decode("utf-8", errors="replace").rstrip("\r\n").split("\t")
                if len(fields) != len(self.columns):
                    raise ValueError(
                        f"{path}, line {number + i + 1}: expected {len(self.columns)} columns "
                        f"({', '.join(self.columns)}), found {len(fields)}."
                    )
                rows.append(dict(zip(self.columns, fields, strict=True)))
        texts = [row["text"] for row in rows]
        return (texts, [row["label"] for row in rows]) if "label" in self.columns else (texts,)

    def texts(self) -> Iterator[str]:
        """Every text, one after another."""
        for index in range(len(self)):
            yield from self[index][0]


def is_dataset(x: Any) -> bool:
    """Whether `x` yields batches (a `PyDataset`, `tf.data`, `grain`, a `DataLoader`, a generator), not texts."""
    if isinstance(x, (str, bytes, list, tuple, dict, np.ndarray)) or x is None or keras.ops.is_tensor(x):
        return False
    if isinstance(x, keras.utils.PyDataset) or hasattr(x, "as_numpy_iterator"):
        return True
    if hasattr(x, "dtype"):  # a column of a data frame, a tensor of another library
        return False
    return hasattr(x, "__next__") or (hasattr(x, "__iter__") and not isinstance(x, Sequence)) or _is_map_dataset(x)


def _is_map_dataset(x: Any) -> bool:
    return hasattr(x, "to_iter_dataset")  # grain.MapDataset, which is a Sequence too


def is_endless(x: Any, steps: int | None) -> bool:
    """Whether a dataset never ends, or may not (its length is not known) and a number of steps was asked for."""
    if isinstance(x, keras.utils.PyDataset):
        return x.num_batches is None
    if hasattr(x, "cardinality"):  # tf.data: -1 is infinite, -2 unknown
        cardinality = int(x.cardinality())
        return cardinality == -1 or (cardinality == -2 and steps is not None)
    try:
        return len(x) >= sys.maxsize  # how grain says it
    except TypeError:
        return steps is not None
    except OverflowError:
        return True


def check_ends(x: Any, name: str) -> None:
    """A `ValueError` for a dataset that is known to go on for ever, where all of it would be read."""
    if is_endless(x, None):
        raise ValueError(
            f"`{name}` never ends: only `fit` (with `steps_per_epoch`, for `validation_data` with `validation_steps`) "
            "and `evaluate` (with `steps`) take such a dataset."
        )


def all_texts(x: Any, name: str) -> Any:
    """The texts of a whole dataset, as they would be passed without one."""
    check_ends(x, name)
    batches = [texts for texts, _, _ in iterate(x)]
    if not batches:
        raise ValueError(f"`{name}` is empty: the dataset yields no batches.")
    return _joined(batches)


def _joined(batches: Sequence[Any]) -> Any:
    if isinstance(batches[0], dict):
        return {key: _joined([batch[key] for batch in batches]) for key in batches[0]}
    if isinstance(batches[0], tuple):  # pairs
        return tuple(_joined(part) for part in zip(*batches, strict=True))
    return [text for batch in batches for text in (batch if isinstance(batch, list) else as_numpy(batch).tolist())]


def iterate(x: Any) -> Iterator[tuple[Any, Any, Any]]:
    """`(x, y, sample_weight)` of every batch of a dataset."""
    if isinstance(x, keras.utils.PyDataset):
        x.on_epoch_begin()
        batches = iter(x)
    else:
        batches = x.as_numpy_iterator() if hasattr(x, "as_numpy_iterator") else iter(x)
    for batch in batches:
        texts, y, sample_weight = keras.utils.unpack_x_y_sample_weight(_unlist(batch))
        leaf = texts[0] if isinstance(texts, tuple) else texts
        if isinstance(leaf, (str, bytes)) or getattr(leaf, "ndim", 1) == 0:
            raise ValueError(
                f"`x` must yield batches of texts, not single texts: batch it first. Received: {describe(leaf)}"
            )
        yield texts, y, sample_weight
    if isinstance(x, keras.utils.PyDataset):
        x.on_epoch_end()


def _unlist(batch: Any) -> Any:
    """A `DataLoader` gives lists where Keras expects tuples; a list of strings is one batch of texts all the same."""
    if not isinstance(batch, list):
        return batch
    return (batch,) if all(isinstance(item, (str, bytes)) for item in batch) else tuple(batch)
