"""Token rows of unequal length, and batches of rows of about equal length.

Real sentences average 20 tokens; padded to one common length most of the work goes into padding. Here rows are
kept end to end as they were tokenised, once, and every batch is padded to the smallest of a few bucket lengths
that holds its rows. XLA compiles one program per bucket.
"""

import math
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import keras
import numpy as np

from keras_nlp_zoo.checks import check_int


def bucket_length(length: int, most: int | None = None) -> int:
    """The smallest bucket that holds `length` tokens: 8, 16, 24, 32, 48, 64, 96, 128, 192, ..., but at most `most`."""
    bucket = 8
    while bucket < length:
        # Each power of two is followed by one and a half times itself (8 has no such step: 12 saves little).
        is_power = bucket & (bucket - 1) == 0
        bucket = 16 if bucket == 8 else bucket * 3 // 2 if is_power else bucket // 3 * 4
    return bucket if most is None else min(bucket, most)


def batches_by_length(
    lengths: np.ndarray, batch_size: int, most: int | None = None
) -> Iterator[tuple[np.ndarray, np.ndarray, int]]:
    """Rows of about equal length together, for what is written or found for each of them.

    Yields:
        The rows of a batch; the same filled up to a full batch with copies of the last, or XLA would compile once
        more for the last batch; and the length to pad them to. The only batch is filled up to a power of two.
    """
    check_int("batch_size", batch_size, 1)
    order = np.argsort(lengths, kind="stable")
    for start in range(0, len(order), batch_size):
        indices = order[start : start + batch_size]
        size = batch_size if len(order) > batch_size else 1 << (len(indices) - 1).bit_length()
        filled = np.pad(indices, (0, size - len(indices)), mode="edge")
        yield indices, filled, bucket_length(int(lengths[indices].max()), most)


class TokenRows:
    """Rows of token ids of any length, held end to end.

    Args:
        token_ids: int32 `(sum of lengths,)`; in memory, or mapped from a file.
        lengths: int64 `(rows,)`.
        segment_ids: like `token_ids`, or None if every segment is 0.
    """

    def __init__(self, token_ids: np.ndarray, lengths: np.ndarray, segment_ids: np.ndarray | None = None):
        self.token_ids = token_ids
        self.lengths = lengths
        self.starts = np.concatenate([[0], np.cumsum(lengths)[:-1]]).astype("int64") if len(lengths) else lengths
        self.segment_ids = segment_ids

    @classmethod
    def from_lists(cls, rows: Any, segment_ids: Any = None) -> "TokenRows":
        lengths = np.fromiter((len(row) for row in rows), "int64", len(rows))
        return cls(_flatten(rows, lengths), lengths, None if segment_ids is None else _flatten(segment_ids, lengths))

    @classmethod
    def concatenate(cls, parts: list["TokenRows"]) -> "TokenRows":
        """Rows one after another, without segments."""
        token_ids, lengths = zip(*((part.token_ids, part.lengths) for part in parts), strict=True)
        return cls(np.concatenate(token_ids), np.concatenate(lengths))

    def __len__(self) -> int:
        return len(self.lengths)

    def tokens_of(self, rows: slice) -> slice:
        """Where the tokens of consecutive rows stand."""
        start, stop, _ = rows.indices(len(self))
        ends = np.append(self.starts, self.lengths.sum())
        return slice(ends[start], ends[max(start, stop)])

    def __getitem__(self, rows: slice) -> "TokenRows":
        """Consecutive rows; nothing is copied."""
        tokens = self.tokens_of(rows)
        segments = None if self.segment_ids is None else self.segment_ids[tokens]
        return TokenRows(self.token_ids[tokens], self.lengths[rows], segments)

    def truncate(self, length: int) -> "TokenRows":
        """The rows with at most `length` tokens each."""
        if len(self) == 0 or self.lengths.max() <= length:
            return self
        kept = np.minimum(self.lengths, length)
        position = np.arange(len(self.token_ids)) - np.repeat(self.starts, self.lengths)
        return TokenRows(self.token_ids[position < length], kept)

    def padded(self, indices: Any, length: int, pad_id: int) -> tuple[np.ndarray, np.ndarray]:
        """Rows as int32 `(len(indices), length)`, with a mask of the same shape that is 1 for tokens."""
        mask = np.arange(length) < self.lengths[indices][:, None]
        return self._gather(self.token_ids, indices, mask, pad_id), mask.astype("int32")

    def padded_segments(self, indices: Any, length: int) -> np.ndarray:
        """The segment ids of rows as int32 `(len(indices), length)`, 0 at padding."""
        if self.segment_ids is None:
            return np.zeros((len(indices), length), "int32")
        return self._gather(self.segment_ids, indices, np.arange(length) < self.lengths[indices][:, None], 0)

    def _gather(self, values: np.ndarray, indices: Any, mask: np.ndarray, fill: int) -> np.ndarray:
        outputs = np.full(mask.shape, fill, "int32")
        outputs[mask] = values[(self.starts[indices][:, None] + np.arange(mask.shape[1]))[mask]]
        return outputs


class PairRows:
    """Rows of a source and a target each; a row is as long as the longer of what encoder and decoder read.

    Args:
        source: the `TokenRows` that an encoder reads.
        target: the `TokenRows` of which a decoder reads all but the last token.
        corpus: whether these are all rows there are, of which batches will be made; see `side_lengths`.
    """

    def __init__(self, source: TokenRows, target: TokenRows, corpus: bool = False):
        self.source = source
        self.target = target
        self.lengths = np.maximum(source.lengths, target.lengths - 1)
        self.corpus = corpus
        self._side_lengths: dict[int, tuple[int, int]] = {}

    def side_lengths(self, length: int) -> tuple[int, int]:
        """What to pad sources and targets to in the bucket of a length.

        One shape for a bucket, so that XLA compiles one program for it, but neither side longer than the corpus
        needs. Without a corpus both are of that length.
        """
        if not self.corpus:
            return length, length
        if length not in self._side_lengths:
            inside = self.lengths <= length
            source, target = (
                bucket_length(int(lengths[inside].max(initial=0)), length)
                for lengths in (self.source.lengths, self.target.lengths - 1)
            )
            self._side_lengths[length] = source, target
        return self._side_lengths[length]

    def __len__(self) -> int:
        return len(self.lengths)

    def __getitem__(self, rows: slice) -> "PairRows":
        return PairRows(self.source[rows], self.target[rows])


class TokenFile:
    """Collects token rows in a temporary file, so that a corpus need not fit into memory; the file ends with it."""

    def __init__(self) -> None:
        self._files = {"token_ids": tempfile.TemporaryFile(), "segment_ids": tempfile.TemporaryFile()}  # noqa: SIM115 - `finish` closes them
        self._lengths: list[np.ndarray] = []
        self._has_segments = False

    def append(self, rows: TokenRows) -> None:
        self._lengths.append(rows.lengths)
        self._files["token_ids"].write(rows.token_ids.tobytes())
        segments = np.zeros_like(rows.token_ids) if rows.segment_ids is None else rows.segment_ids
        self._has_segments = self._has_segments or rows.segment_ids is not None
        self._files["segment_ids"].write(segments.tobytes())

    def finish(self) -> TokenRows:
        """All rows, mapped from the file; it cannot take more."""
        lengths = np.concatenate(self._lengths) if self._lengths else np.zeros(0, "int64")
        columns = {}
        for name, file in self._files.items():
            empty = file.seek(0, os.SEEK_END) == 0  # an empty file cannot be mapped
            columns[name] = np.zeros(0, "int32") if empty else np.memmap(file, "int32", mode="r")
            file.close()  # the mapping keeps what it needs, and nothing is left behind when it goes
        return TokenRows(columns["token_ids"], lengths, columns["segment_ids"] if self._has_segments else None)


class PairFile:
    """As `TokenFile`, for `PairRows`."""

    def __init__(self) -> None:
        self._source, self._target = TokenFile(), TokenFile()

    def append(self, rows: PairRows) -> None:
        self._source.append(rows.source)
        self._target.append(rows.target)

    def finish(self) -> PairRows:
        return PairRows(self._source.finish(), self._target.finish())


class RowParts:
    """Collects the rows of a dataset, in memory; for rows that are more than token ids."""

    def __init__(self) -> None:
        self._parts: list[Any] = []

    def append(self, rows: Any) -> None:
        self._parts.append(rows)

    def finish(self) -> Any:
        return type(self._parts[0]).concatenate(self._parts) if self._parts else []


class BucketedBatches(keras.utils.PyDataset):
    """Batches of rows of about equal length, for `fit`, `evaluate` and `predict`.

    Every pass is in a new order, a function of the seed and the number of the pass alone, so that it is the same
    on every backend. Rows are shuffled, dealt to their buckets in that order, and cut into batches; what is left
    over in a bucket moves up to the next, so every batch is full but one.

    Args:
        rows: `TokenRows` or `PairRows`.
        pad: function of `(rows, indices, length)` that gives a batch's arrays, or a tuple of these, the targets made
            of the same texts and the targets' weights.
        y: array `(rows, ...)`, or None.
        sample_weight: array `(rows,)`, or None.
        batch_size: int. Rows in a batch.
        most: int. The length that no bucket exceeds.
        seed: int, or None for one fixed order (for evaluating).
        endless: bool. Whether pass follows pass without end (for training, where the trainer counts the steps).
        first_pass: int. The number of the first pass.
    """

    def __init__(
        self,
        rows: Any,
        pad: Callable[[Any, np.ndarray, int], Any],
        y: np.ndarray | None = None,
        sample_weight: np.ndarray | None = None,
        *,
        batch_size: int = 32,
        most: int | None = None,
        seed: int | None = None,
        endless: bool = False,
        first_pass: int = 0,
    ):
        super().__init__()
        batch_size = int(batch_size) if isinstance(batch_size, np.integer) else batch_size
        check_int("batch_size", batch_size, 1)
        self.rows = rows
        self.pad = pad
        self.y = y
        self.sample_weight = sample_weight
        self.batch_size = batch_size
        self.seed = seed
        self.endless = endless
        self.first_pass = first_pass
        longest = int(rows.lengths.max(initial=0))
        lengths = [bucket_length(0, most)]
        while lengths[-1] < longest and lengths[-1] != most:
            lengths.append(bucket_length(lengths[-1] + 1, most))
        self._bucket_lengths = lengths
        self._bucket_of = np.searchsorted(lengths, rows.lengths)
        self._pass: tuple[int | None, list[tuple[np.ndarray, int]]] = (None, [])

    @property
    def batches_per_pass(self) -> int:
        return math.ceil(len(self.rows) / self.batch_size)

    @property
    def num_batches(self) -> int | None:
        """None while endless: Keras then keeps one running index over all epochs."""
        return None if self.endless else self.batches_per_pass

    def __getitem__(self, index: int) -> Any:
        number, position = divmod(index, self.batches_per_pass)
        indices, length = self._batches(number)[position]
        x = self.pad(self.rows, indices, length)
        if isinstance(x, tuple):
            x, y, weight = x
            return x, y, weight if self.sample_weight is None else weight * self.sample_weight[indices][:, None]
        if self.y is None:
            return (x,)
        if self.sample_weight is None:
            return x, self.y[indices]
        return x, self.y[indices], self.sample_weight[indices]

    def order(self) -> np.ndarray:
        """The row at each position of the one fixed order (`seed=None`)."""
        return np.concatenate([indices for indices, _ in self._batches(0)])

    def _batches(self, number: int) -> list[tuple[np.ndarray, int]]:
        if self._pass[0] != number:
            self._pass = (number, self._plan(number))
        return self._pass[1]

    def _plan(self, number: int) -> list[tuple[np.ndarray, int]]:
        generator = None if self.seed is None else np.random.default_rng((self.seed, self.first_pass + number))
        order = np.arange(len(self.rows)) if generator is None else generator.permutation(len(self.rows))
        batches: list[tuple[np.ndarray, int]] = []
        left_over = order[:0]
        for bucket, length in enumerate(self._bucket_lengths):
            members = np.concatenate([left_over, order[self._bucket_of[order] == bucket]])
            full = len(members) // self.batch_size * self.batch_size
            batches += [(members[i : i + self.batch_size], length) for i in range(0, full, self.batch_size)]
            left_over = members[full:]
        if len(left_over):
            longest = int(self.rows.lengths[left_over].max(initial=0))
            batches.append((left_over, next(n for n in self._bucket_lengths if n >= longest)))
        if generator is not None:
            batches = [batches[i] for i in generator.permutation(len(batches))]
        # Keras on TensorFlow takes the shape of all batches from the first two: two that differ tell it that the
        # length is free, that of sources and that of targets.
        sides = [getattr(self.rows, "side_lengths", lambda length: (length,))(length) for _, length in batches]
        free = [len(set(lengths)) > 1 for lengths in zip(*sides, strict=True)]

        def tells(i: int) -> bool:
            return all(a != b for a, b, varies in zip(sides[0], sides[i], free, strict=True) if varies)

        if any(free):
            other = next((i for i in range(1, len(batches)) if tells(i)), None)
            if other is None:  # then the first is neither among the shortest nor among the longest
                shortest, other = (choose(range(len(sides)), key=sides.__getitem__) for choose in (min, max))
                batches[0], batches[shortest] = batches[shortest], batches[0]
                other = shortest if other == 0 else other
            batches[1], batches[other] = batches[other], batches[1]
        return batches


def _flatten(rows: Iterable[Any], lengths: np.ndarray) -> np.ndarray:
    return np.fromiter((i for row in rows for i in row), "int32", int(lengths.sum()))
