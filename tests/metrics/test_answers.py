"""Scores of answers: by hand, and by the steps of SQuAD's script on random ones."""

import collections
import random
import re
import string

import pytest

import keras_nlp_zoo as knz
from tests.conftest import ODD_TEXTS

BY_HAND = [  # prediction, references, exact match, F1
    ("1999", "1999", 1, 1),
    ("The Rhine.", "rhine", 1, 1),
    ("  an  APPLE,\tand the pear ", "apple and pear", 1, 1),
    ("in 1999", "1999", 0, 2 / 3),
    ("the red boat", "a blue boat", 0, 1 / 2),
    ("dog dog cat", "dog bird", 0, 2 / 5),
    ("Ada", ["Bob", "ada lovelace", "the Ada"], 1, 1),
    ("Ada L", ["Bob", "ada lovelace"], 0, 1 / 2),
    ("theatre another", "atre nother", 0, 0),  # articles are words, not letters
    ("don't", "dont", 1, 1),
    ("well-known", "well known", 0, 0),
    ("“Ada”", "Ada", 0, 0),  # the script knows the punctuation of ASCII alone
    ("김민수", "김민수", 1, 1),
    ("김민수는 서울", "김민수 서울", 0, 1 / 2),
    # No answer.
    ("", "", 1, 1),
    ("", "Ada", 0, 0),
    ("Ada", "", 0, 0),
    ("the.", "", 1, 1),
    ("", ["", "Ada"], 0, 0),  # the script leaves out references without words, if there are others
    ("the", ["the", "."], 1, 1),
]


@pytest.mark.parametrize(("prediction", "references", "exact", "f1"), BY_HAND)
def test_one_answer(prediction, references, exact, f1):
    assert knz.metrics.squad([prediction], [references]) == pytest.approx((exact, f1))


def test_scores_are_means():
    predictions, references, exact, f1 = zip(*BY_HAND, strict=True)
    references = [[item] if isinstance(item, str) else item for item in references]
    scores = knz.metrics.squad(predictions, references)
    assert scores.exact_match == pytest.approx(sum(exact) / len(exact))
    assert scores.f1 == pytest.approx(sum(f1) / len(f1))


def normal(text):
    """Lower case, punctuation, articles, white space: the four steps of the script, in its order."""
    text = "".join(letter for letter in text.lower() if letter not in set(string.punctuation))
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", text).split())


def overlap(prediction, reference):
    prediction, reference = normal(prediction).split(), normal(reference).split()
    if not prediction or not reference:
        return float(prediction == reference)
    same = sum((collections.Counter(prediction) & collections.Counter(reference)).values())
    if not same:
        return 0.0
    precision, recall = same / len(prediction), same / len(reference)
    return 2 * precision * recall / (precision + recall)


def test_random_answers():
    draw = random.Random(0)
    words = [
        "a",
        "The",
        "an",
        "red",
        "Red,",
        "boat",
        "(boat)",
        "1999",
        "'s",
        "-",
        "anthem",
        "theatre",
        "서울",
        "é",
        ".",
    ]

    def text():
        return draw.choice((" ", "  ", "\n")).join(draw.choices(words, k=draw.randint(0, 4)))

    predictions = [text() for _ in range(2000)]
    references = [[text() for _ in range(draw.randint(1, 3))] for _ in predictions]
    exact, f1 = 0, 0.0
    for prediction, accepted in zip(predictions, references, strict=True):
        accepted = [reference for reference in accepted if normal(reference)] or [""]
        exact += max(normal(prediction) == normal(reference) for reference in accepted)
        f1 += max(overlap(prediction, reference) for reference in accepted)
    assert 100 < exact < 1900
    assert knz.metrics.squad(predictions, references) == pytest.approx((exact / 2000, f1 / 2000))


def test_any_text_is_scored():
    assert knz.metrics.squad(ODD_TEXTS, ODD_TEXTS) == (1, 1)


@pytest.mark.parametrize(
    ("predictions", "references", "error", "message"),
    [
        (["a", "b"], ["a"], ValueError, "`predictions` and `references` must be equally many. Received: 2 and 1"),
        ([], [], ValueError, "`predictions` is empty"),
        (["a", "b"], [["a"], []], ValueError, r"`references\[1\]` is empty"),
        (["a", {"text": "b"}], ["a", "b"], TypeError, "`predictions` must hold strings. Item 1 is {'text': 'b'}"),
        ("a", ["a"], TypeError, "`predictions` must be a list of strings. Received one string: 'a'"),
    ],
)
def test_bad_answers(predictions, references, error, message):
    with pytest.raises(error, match=message):
        knz.metrics.squad(predictions, references)
