"""How far the named entities found in texts agree with those that are there: span F1, as conlleval counts it.

Paper: Tjong Kim Sang and De Meulder (2003), Introduction to the CoNLL-2003 Shared Task, https://aclanthology.org/W03-0419;
the scores are those that seqeval gives.
"""

import re
from collections import Counter
from typing import Any, NamedTuple

from keras_nlp_zoo.text.inputs import as_text_list, describe

_TAG = re.compile(r"O|[BIES](-.*)?", re.DOTALL)


class LabelScore(NamedTuple):
    """Scores of one label, 0 to 1, and its support: how many of its spans there are in truth."""

    precision: float
    recall: float
    f1: float
    support: int


class SpanScores(NamedTuple):
    """Scores of all spans together, 0 to 1, their number in truth, and a `LabelScore` for each label."""

    precision: float
    recall: float
    f1: float
    support: int
    labels: dict[str, LabelScore]


def spans(tags: Any) -> list[tuple[str, int, int]]:
    """The spans of one sequence of BIO or IOBES tags, by the rules of conlleval.

    `B-` begins a span, `I-` is inside, `E-` ends one, `S-` is one by itself, `O` is outside. What breaks the scheme
    is read as conlleval and seqeval (in its default mode) read it: an `I-` or `E-` that follows nothing of its label
    begins a span, and a `B-` or `I-` that nothing ends still makes one.

    Args:
        tags: list of str, `(words,)`. A tag without a label (`"B"`) has the label `"_"`.

    Returns:
        A list of `(label, start, end)` in order: the span is `words[start:end]`. (seqeval's `get_entities` gives the
        last word instead, `end - 1`.)

    Raises:
        TypeError: something that is not a string.
        ValueError: a tag that is none of `O`, `B-...`, `I-...`, `E-...`, `S-...`.

    Example:
        knz.metrics.spans(["B-PER", "I-PER", "O", "B-LOC"])  # [("PER", 0, 2), ("LOC", 3, 4)]
    """
    return read_spans(as_text_list(tags, "tags"), "tags")


def span_f1(true: Any, predicted: Any) -> SpanScores:
    """Precision, recall and F1 of spans: one counts as found if its label and both of its ends are right.

    Args:
        true: list of lists of str. The BIO or IOBES tags of each text; see `spans`.
        predicted: list of lists of str. The tags found, as many for each text.

    Returns:
        A `SpanScores`: those of all spans of all texts (micro averages), and `labels` with those of each label. A
        share of nothing (no spans found, or none in truth) is 0.

    Raises:
        TypeError: something that is not a string.
        ValueError: nothing to score, unequal lengths, a tag that is none; see `spans`.

    Example:
        scores = knz.metrics.span_f1([["B-PER", "I-PER", "O", "B-LOC"]], [["B-PER", "I-PER", "O", "O"]])
        scores.precision, scores.recall, scores.labels["LOC"].f1  # (1.0, 0.5, 0.0)
    """
    true, predicted = as_tag_lists(true, "true"), as_tag_lists(predicted, "predicted")
    if len(true) != len(predicted):
        raise ValueError(f"`true` and `predicted` must be equally many. Received: {len(true)} and {len(predicted)}")
    if not true:
        raise ValueError(f"`true` is empty: there is nothing to score. Received: {describe(true)}")
    there: Counter[str] = Counter()
    found: Counter[str] = Counter()
    right: Counter[str] = Counter()
    for i, (ours, theirs) in enumerate(zip(true, predicted, strict=True)):
        if len(ours) != len(theirs):
            raise ValueError(
                f"`true[{i}]` and `predicted[{i}]` must be equally long. Received: {len(ours)} and {len(theirs)} tags"
            )
        one, other = read_spans(ours, f"true[{i}]"), read_spans(theirs, f"predicted[{i}]")
        there.update(label for label, _, _ in one)
        found.update(label for label, _, _ in other)
        right.update(label for label, _, _ in {*one} & {*other})
    labels = {label: _score(right[label], found[label], there[label]) for label in sorted(there | found)}
    return SpanScores(*_score(right.total(), found.total(), there.total()), labels)


def as_tag_lists(tags: Any, name: str) -> list[list[str]]:
    """A list of lists of `str` from lists, tuples or arrays of them; the name is the argument's, for the error."""
    if isinstance(tags, (str, bytes)) or not hasattr(tags, "__len__") or isinstance(tags, dict):
        raise TypeError(f"`{name}` must be a list of lists of strings. Received: {describe(tags)}")
    return [as_text_list(one, f"{name}[{i}]") for i, one in enumerate(tags)]


def read_spans(tags: list[str], name: str) -> list[tuple[str, int, int]]:
    """`spans` of tags that are strings; the name is the argument's, for the error."""
    found: list[tuple[str, int, int]] = []
    label, start = "", -1  # of the span that is open, if start is not -1
    for i, tag in enumerate([*tags, "O"]):
        if not _TAG.fullmatch(tag):
            raise ValueError(f"`{name}` must hold tags like O, B-PER, I-PER. Item {i} is {tag!r}")
        place, this = tag[0], tag[2:] or "_"
        if start >= 0 and (place in "OBS" or this != label):
            found.append((label, start, i))
            start = -1
        if start < 0 and place != "O":
            label, start = this, i
        if place in "ES":
            found.append((label, start, i + 1))
            start = -1
    return found


def _score(right: int, found: int, there: int) -> LabelScore:
    return LabelScore(
        precision=right / found if found else 0.0,
        recall=right / there if there else 0.0,
        f1=2 * right / (found + there) if found + there else 0.0,
        support=there,
    )
