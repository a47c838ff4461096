"""Texts to the padded arrays that a backbone reads."""

import warnings
from typing import Any

import keras
import keras_hub
import numpy as np

from keras_nlp_zoo.checks import check_int
from keras_nlp_zoo.text.batching import TokenRows, bucket_length
from keras_nlp_zoo.text.inputs import as_numpy, as_text_list, describe


@keras.saving.register_keras_serializable(package="keras_nlp_zoo")
class TextPreprocessor(keras_hub.models.Preprocessor):
    """Tokenises texts and pads them to a few lengths, for any backbone and any KerasHub tokenizer.

    Called on texts it gives `{"token_ids", "padding_mask"}`, int32 `(batch, length)`, where `length` is the bucket
    (8, 16, 24, 32, 48, 64, 96, ...) that holds the longest text of the batch. A text longer than
    `sequence_length` tokens is cut at its end, with one warning per call that says how many were.

    Args:
        tokenizer: a `knz.Tokenizer`, or a tokenizer of KerasHub.
        sequence_length: int. The most tokens of a text that are kept, special ones included.
        add_start_token, add_end_token: bool. Whether texts begin (end) with the tokenizer's start (end) token.
        return_segment_ids: bool. Whether to give `segment_ids` too, as BERT reads them. The first text of a pair
            has segment 0, the second segment 1.

    Call arguments:
        x: a string, a list of strings, or a tuple of two lists (pairs, each packed into one row). KerasHub takes a
            lone tuple for `(x, y)`: call `preprocessor(pair, y=None)`.
        y, sample_weight: handed through.

    Raises:
        TypeError: `x` holds something that is not a string.
        ValueError: the tokenizer lacks a special token that is needed.

    Example:
        preprocessor = TextPreprocessor(Tokenizer.train(["a fine film"], kind="word"))
        preprocessor(["a fine film", "fine"])["token_ids"].shape  # (2, 8)
    """

    def __init__(
        self,
        tokenizer: Any,
        sequence_length: int = 512,
        add_start_token: bool = False,
        add_end_token: bool = False,
        return_segment_ids: bool = False,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        if not isinstance(tokenizer, keras_hub.tokenizers.Tokenizer):
            raise TypeError(
                f"`tokenizer` must be a knz.Tokenizer or a KerasHub tokenizer. Received: {describe(tokenizer)}"
            )
        check_int("sequence_length", sequence_length, 1 + add_start_token + add_end_token)
        self.tokenizer = tokenizer
        self.sequence_length = sequence_length
        self.add_start_token = add_start_token
        self.add_end_token = add_end_token
        self.return_segment_ids = return_segment_ids
        self.built = True

    def encode(self, x: Any, name: str = "x") -> Any:
        """`TokenRows` of every text, special tokens included, cut but not yet padded.

        Args:
            x: a list of strings, or a tuple of two such lists (pairs).
            name: what to call `x` in an error.
        """
        segments = x if is_pair(x) else (x,)
        columns = [self._tokenize(as_text_list(segment, name)) for segment in segments]
        if len({len(column) for column in columns}) > 1:
            raise ValueError(f"The lists of the pair `{name}` differ in length: {[len(c) for c in columns]}.")
        start, end = self.edges(pair=len(columns) > 1)
        if not start and not end:  # the common case, and the one that has to be fast
            rows = TokenRows.from_lists(columns[0])
            lengths = rows.lengths
            rows = rows.truncate(self.sequence_length)
            warn_if_cut(int((lengths > self.sequence_length).sum()), len(rows), name, self.sequence_length)
            return rows
        packed, segment_ids, cut = [], [], 0
        for row in zip(*columns, strict=True):
            room = self.sequence_length - len(start) - len(end) * len(row)
            kept = _fit_into(room, [len(ids) for ids in row])
            cut += sum(kept) < sum(len(ids) for ids in row)
            ids, kinds = list(start), [0] * len(start)
            for kind, (part, size) in enumerate(zip(row, kept, strict=True)):
                ids += [*part[:size], *end]
                kinds += [kind] * (size + len(end))
            packed.append(ids)
            segment_ids.append(kinds)
        warn_if_cut(cut, len(packed), name, self.sequence_length)
        return TokenRows.from_lists(packed, segment_ids if self.return_segment_ids and len(columns) > 1 else None)

    def edges(self, pair: bool = False) -> tuple[list[int], list[int]]:
        """The special tokens before and after what is read, each a list of one or none; a pair always has an end."""
        start = [self._special("start")] if self.add_start_token else []
        return start, [self._special("end")] if self.add_end_token or pair else []

    def pad(self, rows: Any, indices: Any, length: int) -> Any:
        """The rows at `indices` as arrays of `length` columns; see `encode`."""
        token_ids, padding_mask = rows.padded(indices, length, self._special("pad"))
        outputs = {"token_ids": token_ids, "padding_mask": padding_mask}
        if self.return_segment_ids:
            outputs["segment_ids"] = rows.padded_segments(indices, length)
        return outputs

    def call(self, x: Any, y: Any = None, sample_weight: Any = None) -> Any:
        single = isinstance(x, str)
        rows = self.encode([x] if single else x)
        length = bucket_length(int(rows.lengths.max(initial=0)), self.sequence_length)
        outputs = self.pad(rows, np.arange(len(rows)), length)
        if single:
            outputs = {key: value[0] for key, value in outputs.items()}
        return keras.utils.pack_x_y_sample_weight(outputs, y, sample_weight)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        config.update(
            {
                "sequence_length": self.sequence_length,
                "add_start_token": self.add_start_token,
                "add_end_token": self.add_end_token,
                "return_segment_ids": self.return_segment_ids,
            }
        )
        return config

    def _tokenize(self, texts: list[str]) -> Any:
        if not texts:
            return []
        ids = self.tokenizer.tokenize(texts)
        return ids.to_list() if hasattr(ids, "to_list") else ids

    def _special(self, name: str) -> int:
        return special_token_id(self.tokenizer, name)


def special_token_id(tokenizer: Any, name: str) -> int:
    """The id of a special token, or a `ValueError` that says how to get one."""
    token_id = getattr(tokenizer, f"{name}_token_id", None)
    if token_id is None:
        raise ValueError(f"`tokenizer` has no {name} token: name one with `{name}_token` when making it.")
    return token_id


def warn_if_cut(cut: int, total: int, name: str, length: int) -> None:
    """Says that texts were cut, if any were."""
    if cut:
        warnings.warn(
            f"{cut} of {total} texts in `{name}` are longer than sequence_length={length} "
            "tokens and were cut at the end.",
            stacklevel=4,
        )


def is_pair(x: Any) -> bool:
    """Whether `x` is a pair of lists of texts rather than a tuple of texts."""
    return isinstance(x, tuple) and len(x) == 2 and not any(isinstance(part, (str, bytes)) for part in x)


def _fit_into(room: int, lengths: list[int]) -> list[int]:
    """How much of each segment is kept, one token being taken off the longest until all fit."""
    lengths = list(lengths)
    excess = sum(lengths) - max(room, 0)
    while excess > 0:
        longest = max(range(len(lengths)), key=lengths.__getitem__)
        second = max((n for i, n in enumerate(lengths) if i != longest), default=0)
        step = min(excess, max(lengths[longest] - second, 1))
        lengths[longest] -= step
        excess -= step
    return lengths


def encode_with(preprocessor: Any, x: Any) -> TokenRows:
    """Token rows through a preprocessor of KerasHub, its padding taken off again."""
    parts = []
    texts = x if is_pair(x) else (x,)
    for start in range(0, len(texts[0]), 1024):
        chunk = tuple(list(part[start : start + 1024]) for part in texts)
        parts.append(preprocessor(chunk if len(chunk) > 1 else chunk[0], y=None))  # else a pair is taken for (x, y)
    if not parts:
        return TokenRows.from_lists([])
    columns = {key: np.concatenate([as_numpy(part[key]) for part in parts]) for key in parts[0]}
    mask = columns["padding_mask"].astype(bool)
    segments = columns["segment_ids"][mask].astype("int32") if "segment_ids" in columns else None
    return TokenRows(columns["token_ids"][mask].astype("int32"), mask.sum(axis=1).astype("int64"), segments)
