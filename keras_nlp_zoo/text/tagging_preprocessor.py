"""Words and their tags as padded arrays."""

from typing import Any, NamedTuple

import keras
import numpy as np

from keras_nlp_zoo.text.batching import TokenRows, bucket_length
from keras_nlp_zoo.text.inputs import as_text_list, describe
from keras_nlp_zoo.text.offsets import first_tokens, strip, token_units, word_spans
from keras_nlp_zoo.text.preprocessor import TextPreprocessor
from keras_nlp_zoo.text.tokenizer import Tokenizer
from keras_nlp_zoo.text.windows import windows

UNITS = ("word", "token")


class Document(NamedTuple):
    """A text, and the `(start, end)` characters of what is tagged in it, its units."""

    text: str
    units: list[tuple[int, int]]


class TaggingRows:
    """Rows of token ids, each a window on a document, and the unit that each token stands for.

    Args:
        tokens: `TokenRows`.
        units: int32 `(sum of lengths,)`. The unit (of the row's document) that a token is tagged for, or -1.
        documents: int64 `(rows,)`. The document of each row.
        tags: int32 `(sum of lengths,)`, or None while they are not known.
    """

    def __init__(self, tokens: TokenRows, units: np.ndarray, documents: np.ndarray, tags: Any = None):
        self.tokens = tokens
        self.units = units
        self.documents = documents
        self.tags = tags
        self.lengths = tokens.lengths

    def __len__(self) -> int:
        return len(self.tokens)

    def __getitem__(self, rows: slice) -> "TaggingRows":
        part = self.tokens.tokens_of(rows)
        tags = None if self.tags is None else self.tags[part]
        return TaggingRows(self.tokens[rows], self.units[part], self.documents[rows], tags)

    def with_tags(self, tags: list[np.ndarray]) -> "TaggingRows":
        """The rows with the tags of every document's units."""
        owner = np.repeat(self.documents, self.lengths)
        starts = np.cumsum([0, *(len(one) for one in tags)])[owner]
        flat = np.concatenate([*tags, np.zeros(1, "int32")])  # one more, for places without a unit
        values = np.where(self.units < 0, 0, flat[np.where(self.units < 0, len(flat) - 1, starts + self.units)])
        return TaggingRows(self.tokens, self.units, self.documents, values.astype("int32"))

    def units_read(self, counts: list[int]) -> np.ndarray:
        """Whether there is a token for each unit of the documents, which have so many, end to end."""
        starts = np.cumsum([0, *counts])
        read = np.zeros(starts[-1], "bool")
        read[(starts[np.repeat(self.documents, self.lengths)] + self.units)[self.units >= 0]] = True
        return read

    @classmethod
    def concatenate(cls, parts: list["TaggingRows"]) -> "TaggingRows":
        tokens = TokenRows.concatenate([part.tokens for part in parts])
        tags = [part.tags for part in parts if part.tags is not None]
        return cls(
            tokens,
            np.concatenate([part.units for part in parts]),
            np.concatenate([part.documents for part in parts]),
            np.concatenate(tags) if len(tags) == len(parts) else None,
        )


@keras.saving.register_keras_serializable(package="keras_nlp_zoo")
class TaggingPreprocessor(TextPreprocessor):
    """Finds the words of a text, and the token that each of them is tagged at.

    A document is a list of words, or a text, which is split into words here (letters and digits in a row, or
    punctuation in a row). A word is tagged at its first token; a token that holds several words (`"(Paris,"` of
    `"bpe"` or `"unigram"`) stands for the longest of them. Documents of more than `sequence_length` tokens are read in
    windows that overlap; nothing is cut off.

    Args:
        tokenizer: a `knz.Tokenizer`, which knows the characters that a token stands for.
        sequence_length: int. The most tokens of a window, special ones included.
        units: what carries a tag: `"word"`, or `"token"` where entities begin or end within words (Korean names
            before a particle). Tokens that share a character (of bytes) are one.
        overlap: int. Tokens that neighbouring windows share; a quarter of `sequence_length` by default.
        add_start_token, add_end_token, return_segment_ids: as for `TextPreprocessor`.

    Raises:
        TypeError: another tokenizer; something that is neither a text nor a list of words.
        ValueError: an argument out of its range.

    Example:
        tokenizer = knz.Tokenizer.train(["Ada met Bob ."], kind="word")
        preprocessor = knz.text.TaggingPreprocessor(tokenizer)
        preprocessor(["Ada met Bob .".split()])["token_ids"].shape  # (1, 8)
    """

    def __init__(
        self,
        tokenizer: Any,
        sequence_length: int = 512,
        units: str = "word",
        overlap: int | None = None,
        **kwargs: Any,
    ):
        super().__init__(tokenizer, sequence_length, **kwargs)
        if not isinstance(tokenizer, Tokenizer):
            raise TypeError(
                "`tokenizer` must be a knz.Tokenizer, which knows what characters a token stands for. "
                f"Received: {describe(tokenizer)}"
            )
        if units not in UNITS:
            raise ValueError(f"`units` must be one of {', '.join(UNITS)}. Received: units={units!r}")
        self.units = units
        self.overlap = overlap
        self._windows(0)  # what is wrong with the overlap should be said now

    def documents(self, x: Any, name: str = "x") -> list[Document]:
        """Every item as a text and its words; see the class."""
        if isinstance(x, (str, bytes)) or not hasattr(x, "__len__"):
            raise TypeError(f"`{name}` must be a list of texts or of lists of words. Received: {describe(x)}")
        return [_document(item, name, position) for position, item in enumerate(x)]

    def encode(self, x: Any, name: str = "x") -> TaggingRows:
        """Windows on all documents; see `encode_documents`."""
        return self.encode_documents(self.documents(x, name))[0]

    def encode_documents(self, documents: list[Document]) -> tuple[TaggingRows, list[Document]]:
        """Windows on all documents, and the documents with the units that are tagged."""
        start, end = self.edges()
        ids: list[list[int]] = []
        units: list[list[int]] = []
        owners: list[int] = []
        tagged: list[Document] = []
        for number, (document, encoding) in enumerate(
            zip(documents, self.tokenizer.encode([document.text for document in documents]), strict=True)
        ):
            spans = [strip(document.text, *offsets) for offsets in encoding.offsets]
            if self.units == "token":
                parts, marks = token_units(spans)
                document = Document(document.text, parts)
            else:
                marks = first_tokens(document.units, spans)
            tagged.append(document)
            for window in self._windows(len(spans)):
                ids.append([*start, *encoding.token_ids[window.start : window.stop], *end])
                owned = [marks[i] if window.first <= i < window.last else -1 for i in range(window.start, window.stop)]
                units.append([*(-1 for _ in start), *owned, *(-1 for _ in end)])
                owners.append(number)
        tokens = TokenRows.from_lists(ids)
        flat = np.fromiter((unit for row in units for unit in row), "int32", int(tokens.lengths.sum()))
        return TaggingRows(tokens, flat, np.asarray(owners, "int64")), tagged

    def pad(self, rows: TaggingRows, indices: Any, length: int) -> Any:
        """The rows at `indices` as `(x, tags, weights)`, or as `x` if there are no tags; arrays of `length` columns."""
        x = super().pad(rows.tokens, indices, length)
        if rows.tags is None:
            return x
        tags, weights = self.targets(rows, indices, length)
        return x, tags, weights

    def targets(self, rows: TaggingRows, indices: Any, length: int) -> tuple[np.ndarray, np.ndarray]:
        """Tags `(batch, length)`, and 1.0 where there is one to learn."""
        units = self.unit_table(rows, indices, length)
        tags = TokenRows(rows.tags, rows.lengths).padded(indices, length, 0)[0]
        return tags, (units >= 0).astype("float32")

    def unit_table(self, rows: TaggingRows, indices: Any, length: int) -> np.ndarray:
        """The unit of each token `(batch, length)`, -1 where there is none."""
        return TokenRows(rows.units, rows.lengths).padded(indices, length, -1)[0]

    def call(self, x: Any, y: Any = None, sample_weight: Any = None) -> Any:
        single = isinstance(x, str)
        rows = self.encode([x] if single else x)
        length = rows.lengths.max(initial=0)
        outputs = super().pad(rows.tokens, np.arange(len(rows)), bucket_length(int(length), self.sequence_length))
        if single and len(rows) == 1:
            outputs = {key: value[0] for key, value in outputs.items()}
        return keras.utils.pack_x_y_sample_weight(outputs, y, sample_weight)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "units": self.units, "overlap": self.overlap}

    def _windows(self, length: int) -> Any:
        room = self.sequence_length - self.add_start_token - self.add_end_token
        return windows(length, room, room // 4 if self.overlap is None else self.overlap)


def _document(item: Any, name: str, position: int) -> Document:
    if isinstance(item, (str, bytes)):
        (text,) = as_text_list([item], name)
        return Document(text, word_spans(text))
    if not hasattr(item, "__len__") or isinstance(item, dict):
        raise TypeError(f"`{name}` must hold texts or lists of words. Item {position} is {describe(item)}")
    words = as_text_list(item, f"{name}[{position}]")
    ends = np.cumsum([len(word) + 1 for word in words]) - 1
    return Document(" ".join(words), [(int(end) - len(word), int(end)) for word, end in zip(words, ends, strict=True)])
