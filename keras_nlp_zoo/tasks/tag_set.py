"""The tags of a task: between names of words' tags, spans of entities and the indices that a model learns."""

import bisect
import itertools
import warnings
from numbers import Integral
from typing import Any

import numpy as np

from keras_nlp_zoo.metrics.spans import read_spans, spans
from keras_nlp_zoo.naming import suggest
from keras_nlp_zoo.text.inputs import as_numpy, as_text_list, describe
from keras_nlp_zoo.text.tagging_preprocessor import Document

# What to do where a span does not end with a unit.
_HINTS = {"word": "; make the preprocessor with units='token' to keep them apart", "token": ""}


class TagSet:
    """The tags that a model tells apart.

    A unit is what gets a tag of its own: a word, or a token. Documents come twice: split into words, as people tag
    them, and into the units that the model reads.

    Args:
        names: list of str. The tags, or None if they are known by their indices.
        scheme: `"bio"`, or None where tags stand for themselves.
        number: int. How many there are.
    """

    def __init__(self, names: list[str] | None, scheme: str | None, number: int):
        self.names = names
        self.scheme = scheme if names is not None else None
        self.number = number
        # The index of the tag of what is no entity, -1 if there is none.
        self.outside = names.index("O") if names and self.scheme is not None and "O" in names else -1

    def name(self, index: Any) -> Any:
        """A tag; its index, if tags have no names."""
        return self.names[index] if self.names else int(index)

    def indices(self, tags: list[Any], name: str) -> list[int]:
        """The indices of tags, which may be names or indices; `name` is what an error calls them."""
        index = {tag: i for i, tag in enumerate(self.names or ())}
        indices = []
        for tag in tags:
            tag = tag.decode("utf-8") if isinstance(tag, bytes) else tag
            if isinstance(tag, str):
                if self.names is None:
                    raise ValueError(
                        f"`{name}` holds names, but this task has none to compare them with: pass `labels`."
                    )
                if tag not in index:
                    raise ValueError(f"`{name}` holds an unknown tag. {suggest('tag', tag, index)}")
                tag = index[tag]
            elif isinstance(tag, bool) or not isinstance(tag, int) or not 0 <= tag < self.number:
                raise ValueError(f"`{name}` must hold tags or their indices below {self.number}. Found: {tag!r}")
            indices.append(tag)
        return indices

    # === From what people write to what the model learns ===

    def of_units(
        self, x: Any, y: list[Any], documents: list[Document], read: list[Document], unit: str, name: str
    ) -> list[np.ndarray]:
        """The index of a tag for each unit of each document.

        Args:
            x: the texts as they came, strings or lists of words.
            y: for each the tags of its words, or spans of its characters.
            documents: the texts in words.
            read: the texts in the units that the model reads.
            unit: what these are called: `"word"` or `"token"`.
            name: what an error calls `y`.
        """
        widened: list[int] = []
        tags = []
        for i, (item, document, units) in enumerate(zip(x, documents, read, strict=True)):
            found = self._spans(item, document, y[i], f"{name}[{i}]")
            if found is None:
                tags.append(self._from_words(document, units, y[i], unit, f"{name}[{i}]"))
            else:
                tags.append(self._from_spans(units.units, found, unit, f"{name}[{i}]", widened))
        if widened:
            warnings.warn(
                f"{len(widened)} spans in `{name}` begin or end within a {unit} and were widened{_HINTS[unit]}.",
                stacklevel=6,
            )
        return tags

    def _spans(self, item: Any, document: Document, y: Any, name: str) -> list[tuple[int, int, str]] | None:
        """The spans of a document's characters that `y` holds, None if it holds tags. A text without any has none."""
        if not is_list(y):
            raise TypeError(f"`{name}` must be a list of tags or of spans. Received: {describe(y)}")
        if len(y) and not isinstance(y[0], (dict, tuple, list)):
            return None
        if not len(y) and (self.scheme is None or not isinstance(item, (str, bytes))):
            return None
        if self.scheme is None:
            raise ValueError(f"`{name}` holds spans, which need scheme='bio'.")
        return _checked_spans(document.text, y, name)

    def _from_words(self, document: Document, read: Document, y: Any, unit: str, name: str) -> np.ndarray:
        tags = as_numpy(y)
        if len(tags) != len(document.units):
            raise ValueError(f"`{name}` has {len(tags)} tags for {len(document.units)} words.")
        indices = self.indices(tags.tolist(), name)
        if read.units == document.units:
            return np.asarray(indices, "int32")
        if self.scheme is None:
            return np.asarray([indices[i] for i in _owners(document.units, read.units)], "int32")
        names = [self.name(i) for i in indices]
        found = [(document.units[a][0], document.units[b - 1][1], label) for label, a, b in spans(names)]
        return self._from_spans(read.units, found, unit, name, [])

    def _from_spans(self, units: Any, found: Any, unit: str, name: str, widened: list[int]) -> np.ndarray:
        names = ["O"] * len(units)
        for start, end, label in found:
            inside = _inside(units, start, end)
            if inside and (units[inside[0]][0] < start or units[inside[-1]][1] > end):
                widened.append(start)
            if any(names[i] != "O" for i in inside):
                raise ValueError(f"`{name}` holds two spans within one {unit}, at character {start}{_HINTS[unit]}.")
            for i in inside:
                names[i] = f"{'B' if i == inside[0] else 'I'}-{label}"
        return np.asarray(self.indices(names, name), "int32")

    # === From what the model found to what people read ===

    def of_words(self, document: Document, read: Document, indices: np.ndarray) -> list[Any]:
        """The tag of each word, from the indices of the units that the model read."""
        names = [self.name(i) for i in indices]
        if read.units == document.units:
            return names
        if self.scheme is None:
            first = dict(reversed([(owner, i) for i, owner in enumerate(_owners(document.units, read.units))]))
            return [names[first[i]] if i in first else self.name(0) for i in range(len(document.units))]
        tags = ["O"] * len(document.units)
        for label, first_unit, last_unit in spans(names):
            start, end, place = read.units[first_unit][0], read.units[last_unit - 1][1], "B"
            for i in _inside(document.units, start, end):
                if tags[i] == "O":
                    tags[i], place = f"{place}-{label}", "I"
        return tags

    def entities(self, read: Document, indices: np.ndarray, scores: np.ndarray) -> list[dict[str, Any]]:
        """The entities in the units that the model read, each with the mean score of its units."""
        names = [self.name(i) for i in indices]
        found = [(name, i, i + 1) for i, name in enumerate(names)] if self.scheme is None else spans(names)
        entities = []
        for label, first, last in found:
            start, end = read.units[first][0], read.units[last - 1][1]
            score = float(scores[first:last].mean())
            entities.append({"text": read.text[start:end], "label": label, "start": start, "end": end, "score": score})
        return entities


def tag_names(labels: Any, scheme: str | None) -> Any:
    """The names of the tags: the labels, or, of kinds of entities, the beginning and the inside of each."""
    if labels is None or isinstance(labels, str):
        return labels
    labels = list(labels)
    if scheme is None or not all(isinstance(label, str) for label in labels):
        return labels
    if any(label == "O" or label.startswith(("B-", "I-")) for label in labels):
        read_spans(labels, "labels")  # all of them have to be tags then
        return labels
    return ["O", *(f"{place}-{label}" for label in labels for place in "BI")]


def is_list(values: Any) -> bool:
    return hasattr(values, "__len__") and not isinstance(values, (str, bytes, dict))


def _inside(units: list[tuple[int, int]], start: int, end: int) -> range:
    """The units, in order and apart, that have characters from `start` to `end`."""
    first = bisect.bisect_right(units, start, key=lambda unit: unit[1])
    return range(first, max(first, bisect.bisect_left(units, end, key=lambda unit: unit[0])))


def _checked_spans(text: str, y: Any, name: str) -> list[tuple[int, int, str]]:
    found = []
    for item in y:
        try:
            start, end, label = (item["start"], item["end"], item["label"]) if isinstance(item, dict) else item
        except (KeyError, TypeError, ValueError):
            raise ValueError(f"`{name}` must hold (start, end, label). Received: {describe(item)}") from None
        whole = isinstance(start, Integral) and isinstance(end, Integral)
        if not whole or not 0 <= int(start) < int(end) <= len(text):
            raise ValueError(f"`{name}` holds a span outside of the text ({len(text)} characters): {describe(item)}")
        (label,) = as_text_list([label], name)
        found.append((int(start), int(end), label))
    found.sort()
    for (_, end, _), (start, _, _) in itertools.pairwise(found):
        if start < end:
            raise ValueError(f"`{name}` holds spans that overlap, at character {start}.")
    return found


def _owners(words: list[tuple[int, int]], parts: list[tuple[int, int]]) -> list[int]:
    """The word that each of its parts lies in."""
    owners, word = [], 0
    for start, _ in parts:
        while word + 1 < len(words) and words[word][1] <= start:
            word += 1
        owners.append(word)
    return owners
