"""Spans and their scores: by hand, by the published rules of conlleval, and by seqeval."""

import itertools
import random

import pytest

import keras_nlp_zoo as knz

TAGS = ["O", *(f"{place}-{label}" for place in "BIES" for label in ("X", "Y"))]
SEQUENCES = [list(tags) for length in range(5) for tags in itertools.product(TAGS, repeat=length)]

BY_HAND = {
    "": [],
    "O O": [],
    "B-PER I-PER O B-LOC": [("PER", 0, 2), ("LOC", 3, 4)],
    "B-PER B-PER I-PER": [("PER", 0, 1), ("PER", 1, 3)],
    "B-PER I-LOC": [("PER", 0, 1), ("LOC", 1, 2)],
    # What breaks BIO.
    "I-PER I-PER O I-PER": [("PER", 0, 2), ("PER", 3, 4)],
    "O I-PER I-LOC I-LOC": [("PER", 1, 2), ("LOC", 2, 4)],
    # IOBES, whole and broken.
    "B-PER I-PER E-PER S-LOC": [("PER", 0, 3), ("LOC", 3, 4)],
    "S-PER S-PER": [("PER", 0, 1), ("PER", 1, 2)],
    "E-PER E-PER": [("PER", 0, 1), ("PER", 1, 2)],
    "B-PER E-PER I-PER": [("PER", 0, 2), ("PER", 2, 3)],
    "B-PER S-PER E-PER": [("PER", 0, 1), ("PER", 1, 2), ("PER", 2, 3)],
    # Labels with hyphens, and none.
    "B-work-of-art I-work-of-art": [("work-of-art", 0, 2)],
    "B I O I-": [("_", 0, 2), ("_", 3, 4)],
    "B-날짜 I-날짜": [("날짜", 0, 2)],
}


@pytest.mark.parametrize("tags", BY_HAND)
def test_spans_by_hand(tags):
    assert knz.metrics.spans(tags.split()) == BY_HAND[tags]


def conlleval(tags):
    """Where spans begin and end, by the lists of pairs in conlleval (Tjong Kim Sang, 2004)."""
    pairs = [*zip(["O", *tags], [*tags, "O"], strict=True)]  # pair i is between the words i - 1 and i

    def begins(before, tag):
        return (
            tag[0] in "BS"
            or (before[0] in "ESO" and tag[0] in "IE")
            or (tag != "O" and before[1:] != tag[1:] and before != "O")
        )

    def ends(before, tag):
        return before[0] in "ES" or (before[0] in "BI" and tag[0] in "BSO") or (before != "O" and before[1:] != tag[1:])

    found = []
    for start, tag in enumerate(tags):
        if begins(*pairs[start]):
            end = next(i for i in range(start + 1, len(tags) + 1) if ends(*pairs[i]))
            found.append((tag[2:], start, end))
    return found


def test_every_short_sequence_is_read_as_conlleval_reads_it():
    assert len(SEQUENCES) == 1 + 9 + 9**2 + 9**3 + 9**4
    for tags in SEQUENCES:
        assert knz.metrics.spans(tags) == conlleval(tags), tags


def test_every_short_sequence_is_read_as_seqeval_reads_it():
    reason = "seqeval, the oracle, is not installed: tox installs it"
    get_entities = pytest.importorskip("seqeval.metrics.sequence_labeling", reason=reason).get_entities
    for tags in SEQUENCES:
        assert knz.metrics.spans(tags) == [(label, start, last + 1) for label, start, last in get_entities(tags)], tags


def random_texts(number):
    """Tags in truth, and the same with some of them changed."""
    draw = random.Random(0)
    tags = [*TAGS, "O", "O", "O", "B-Z", "I-Z", "B", "I", "B-a-b", "I-a-b"]
    true = [draw.choices(tags, k=draw.randint(0, 12)) for _ in range(number)]
    return true, [[tag if draw.random() < 0.7 else draw.choice(tags) for tag in one] for one in true]


@pytest.mark.parametrize("number", [1, 3, 200])
def test_scores_are_those_of_seqeval(number):
    seqeval = pytest.importorskip("seqeval.metrics", reason="seqeval, the oracle, is not installed: tox installs it")
    true, predicted = random_texts(number)
    scores = knz.metrics.span_f1(true, predicted)
    assert scores.precision == pytest.approx(seqeval.precision_score(true, predicted, zero_division=0))
    assert scores.recall == pytest.approx(seqeval.recall_score(true, predicted, zero_division=0))
    assert scores.f1 == pytest.approx(seqeval.f1_score(true, predicted, zero_division=0))
    report = seqeval.classification_report(true, predicted, output_dict=True, zero_division=0)
    averages = {name: report.pop(name) for name in ("micro avg", "macro avg", "weighted avg")}
    assert scores.support == averages["micro avg"]["support"]
    assert [*scores.labels] == [*report]
    for label, row in report.items():
        expected = [row["precision"], row["recall"], row["f1-score"], row["support"]]
        assert [*scores.labels[label]] == pytest.approx(expected), label


def test_scores_by_hand():
    true = [["B-PER", "I-PER", "O", "B-LOC"], ["B-PER", "O"], []]
    predicted = [["B-PER", "I-PER", "O", "B-PER"], ["B-PER", "I-PER"], []]
    # Three in truth, three found; one is right, one has another label, one another end.
    scores = knz.metrics.span_f1(true, predicted)
    assert scores[:4] == pytest.approx((1 / 3, 1 / 3, 1 / 3, 3))
    assert scores.labels == {"LOC": (0, 0, 0, 1), "PER": (1 / 3, 1 / 2, pytest.approx(2 / 5), 2)}


def test_nothing_found_and_nothing_there():
    assert knz.metrics.span_f1([["B-X"]], [["O"]]) == (0, 0, 0, 1, {"X": (0, 0, 0, 1)})
    assert knz.metrics.span_f1([["O"]], [["I-X"]]) == (0, 0, 0, 0, {"X": (0, 0, 0, 0)})
    assert knz.metrics.span_f1([["O"], []], [["O"], []]) == (0, 0, 0, 0, {})
    assert knz.metrics.span_f1([("B-X",)], (["B-X"],)).f1 == 1


@pytest.mark.parametrize(
    ("true", "predicted", "error", "message"),
    [
        ([["O"]], [], ValueError, "`true` and `predicted` must be equally many. Received: 1 and 0"),
        ([], [], ValueError, "`true` is empty"),
        ([["O"], ["O"]], [["O"], []], ValueError, r"`true\[1\]` and `predicted\[1\]` .*Received: 1 and 0 tags"),
        ([["PER"]], [["O"]], ValueError, r"`true\[0\]` must hold tags like O, B-PER, I-PER. Item 0 is 'PER'"),
        ([["O", "O"]], [["O", ""]], ValueError, r"`predicted\[0\]` must hold tags .* Item 1 is ''"),
        ([["O-PER"]], [["O"]], ValueError, "Item 0 is 'O-PER'"),
        ([["O", 3]], [["O", "O"]], TypeError, r"`true\[0\]` must hold strings. Item 1 is 3"),
        (["O"], [["O"]], TypeError, r"`true\[0\]` must be a list of strings. Received one string"),
        ("O", [["O"]], TypeError, "`true` must be a list of lists of strings. Received: 'O'"),
        ([["O"]], None, TypeError, "`predicted` must be a list of lists of strings. Received: None"),
    ],
)
def test_bad_tags(true, predicted, error, message):
    with pytest.raises(error, match=message):
        knz.metrics.span_f1(true, predicted)


def test_bad_tags_of_one_sequence():
    with pytest.raises(TypeError, match=r"`tags` must be a list of strings. Received one string: 'B-PER'"):
        knz.metrics.spans("B-PER")
    with pytest.raises(ValueError, match=r"`tags` must hold tags like O, B-PER, I-PER. Item 1 is 'b-PER'"):
        knz.metrics.spans(["O", "b-PER"])
