"""How tasks read texts: tokenised once, in batches of one length."""

import itertools
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

from keras_nlp_zoo.text.batching import BucketedBatches, TokenFile, bucket_length
from keras_nlp_zoo.text.inputs import as_numpy
from keras_nlp_zoo.text.preprocessor import TextPreprocessor, encode_with
from keras_nlp_zoo.text.sources import check_ends, is_dataset, iterate


class TextReading:
    """Lists, arrays and datasets of texts as rows of token ids, and these as batches. A part of `TextTask`."""

    preprocessor: Any
    backbone: Any
    # Whether what is to be learnt is kept in the rows of tokens, one for each token, and not beside them.
    targets_in_texts = False

    def encode_targets(self, y: Any, name: str = "y") -> np.ndarray:
        """Targets as the loss reads them. Tasks override this to take names for indices."""
        return as_numpy(y)

    def _takes_texts(self, x: Any) -> bool:
        """Whether `x` has to be tokenised; an error if it has to be and cannot."""
        if isinstance(x, BucketedBatches) or (isinstance(x, dict) and any("token_ids" in key for key in x)):
            return False
        if self.preprocessor is not None:
            return True
        leaf = next(iter(x.values())) if isinstance(x, dict) and x else x
        leaf = leaf[0] if isinstance(leaf, (list, tuple)) and leaf else leaf
        if isinstance(leaf, (str, bytes)) or (isinstance(leaf, np.ndarray) and leaf.dtype.kind in "USO"):
            raise ValueError(
                "`x` holds texts, but this task has no preprocessor to tokenise them: pass `preprocessor` (or "
                f"`tokenizer` to `create_model`), or arrays {sorted(self.backbone.input)}."
            )
        return False

    def _unpack(self, data: Any) -> tuple[Any, Any, Any]:
        """What is held out as `(x, y, sample_weight)`. Keras takes a list for a tuple: one of texts is x alone."""
        texts = isinstance(data, list) and (not data or any(isinstance(item, (str, bytes)) for item in data))
        if texts or is_dataset(data):
            return data, None, None
        return keras.utils.unpack_x_y_sample_weight(data)

    def _encode(self, x: Any, name: str) -> Any:
        if isinstance(self.preprocessor, TextPreprocessor):
            return self.preprocessor.encode(x, name)
        return encode_with(self.preprocessor, x)

    def _new_file(self) -> Any:
        """Where the rows of a dataset are kept."""
        return TokenFile()

    def _pad(self, rows: Any, indices: Any, length: int) -> Any:
        if isinstance(self.preprocessor, TextPreprocessor):
            return self.preprocessor.pad(rows, indices, length)
        token_ids, padding_mask = rows.padded(indices, length, self.preprocessor.tokenizer.pad_token_id)
        outputs = {"token_ids": token_ids, "padding_mask": padding_mask}
        if "segment_ids" in self.backbone.input:
            outputs["segment_ids"] = rows.padded_segments(indices, length)
        return outputs

    def _read(
        self, x: Any, y: Any, sample_weight: Any, batch_size: int | None, name: str = "x", steps: int | None = None
    ) -> tuple[Any, np.ndarray | None, np.ndarray | None, int]:
        """Everything a list or a dataset holds, or its first `steps` batches, tokenised."""
        if not is_dataset(x):
            rows, y, sample_weight = self._encode_all(x, y, sample_weight, name)
            if len(rows) == 0:
                raise ValueError(f"`{name}` is empty: there are no texts in it.")
            batch_size = batch_size or 32
            return *first_batches((rows, y, sample_weight), batch_size, steps), batch_size
        if steps is None:
            check_ends(x, name)
        file, targets, weights = self._new_file(), [], []
        for texts, batch_y, batch_weight in itertools.islice(iterate(x), steps):
            part, batch_y, batch_weight = self._encode_all(texts, batch_y, batch_weight, name)
            file.append(part)
            batch_size = batch_size or len(part)
            if batch_y is not None:
                targets.append(batch_y)
            if batch_weight is not None:
                weights.append(batch_weight)
        rows = file.finish()
        if len(rows) == 0:
            raise ValueError(f"`{name}` is empty: the dataset yields no batches.")
        columns = [np.concatenate(parts) if parts else None for parts in (targets, weights)]
        for values in columns:
            if values is not None and len(values) != len(rows):
                raise ValueError(f"`{name}` yields {len(rows)} texts, but {len(values)} targets or sample weights.")
        return rows, columns[0], columns[1], batch_size or 32

    def _encode_all(self, x: Any, y: Any, sample_weight: Any, name: str) -> tuple[Any, Any, Any]:
        """Texts as rows, targets as the loss reads them (None where the rows hold them), and a weight for each row."""
        target_name = "y" if name == "x" else name
        rows = self._encode(x, name)
        y = None if y is None else self.encode_targets(y, target_name)
        if y is not None and len(y) != len(rows):
            raise ValueError(f"`{name}` has {len(rows)} texts, but `{target_name}` has {len(y)} values.")
        return rows, y, None if sample_weight is None else as_weights(sample_weight, len(rows), name)

    def _bucket(
        self,
        rows: Any,
        y: np.ndarray | None,
        sample_weight: np.ndarray | None,
        batch_size: int,
        seed: int | None = None,
        endless: bool = False,
        first_pass: int = 0,
    ) -> BucketedBatches:
        return BucketedBatches(
            rows,
            self._pad,
            y,
            sample_weight,
            batch_size=batch_size,
            most=getattr(self.preprocessor, "sequence_length", None),
            seed=seed,
            endless=endless,
            first_pass=first_pass,
        )

    def _batches(
        self, x: Any, y: Any, sample_weight: Any, batch_size: int | None, name: str = "x", steps: int | None = None
    ) -> BucketedBatches:
        return self._bucket(*self._read(x, y, sample_weight, batch_size, name, steps))

    def _stream(self, x: Any, class_weight: dict[int, float] | None) -> Iterator[Any]:
        """Batches of a dataset without end, tokenised as they come."""
        most = getattr(self.preprocessor, "sequence_length", None)
        previous, number = None, 0
        while number >= 0:
            number = -1  # and so it stays if there is nothing left, as in a generator that has run out
            for number, (texts, y, sample_weight) in enumerate(iterate(x)):
                rows, y, sample_weight = self._encode_all(texts, y, sample_weight, "x")
                if class_weight is not None:
                    sample_weight = weighted(y, sample_weight, class_weight)
                length = bucket_length(int(rows.lengths.max(initial=0)), most)
                if number == 1 and length == previous and length != most:
                    length = bucket_length(length + 1, most)  # see BucketedBatches on TensorFlow and shapes
                previous = length
                padded = self._pad(rows, np.arange(len(rows)), length)
                if self.targets_in_texts:
                    padded, y, weight = padded
                    sample_weight = weight if sample_weight is None else weight * sample_weight[:, None]
                yield (padded, y) if sample_weight is None else (padded, y, sample_weight)


def cut(columns: Any, part: slice) -> tuple[Any, Any, Any]:
    """A part of rows, of their targets and of their weights, of which some may be None."""
    rows, y, sample_weight = (None if column is None else column[part] for column in columns)
    return rows, y, sample_weight


def first_batches(columns: Any, batch_size: int, steps: int | None) -> tuple[Any, Any, Any]:
    """The part of rows, targets and weights that makes the first `steps` batches; all of it if left out."""
    return cut(columns, slice(None if steps is None else steps * batch_size))


def as_weights(sample_weight: Any, number: int, name: str, examples: str = "texts") -> np.ndarray:
    """Weights of `number` examples, float32."""
    weights = as_numpy(sample_weight).astype("float32")
    if len(weights) != number:
        raise ValueError(f"`{name}` has {number} {examples}, but `sample_weight` has {len(weights)} values.")
    return weights


def weighted(y: np.ndarray, sample_weight: Any, class_weight: dict[int, float]) -> np.ndarray:
    indices = y.argmax(axis=-1) if y.ndim > 1 and y.shape[-1] > 1 else y.reshape(len(y))
    weights = np.array([class_weight.get(int(index), 1.0) for index in indices], "float32")
    return weights if sample_weight is None else weights * as_numpy(sample_weight).astype("float32")
