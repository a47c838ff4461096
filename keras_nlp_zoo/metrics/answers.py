"""How far answers agree with their references: exact match and F1, as the script of SQuAD counts them.

Papers: Rajpurkar et al. (2016), https://arxiv.org/abs/1606.05250, section 6.1; questions without an answer:
Rajpurkar et al. (2018), https://arxiv.org/abs/1806.03822.
"""

import re
import string
from collections import Counter
from typing import Any, NamedTuple

from keras_nlp_zoo.metrics.text import check_texts

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)


class AnswerScores(NamedTuple):
    """The share of answers that are a reference, and the mean F1 of their words; 0 to 1."""

    exact_match: float
    f1: float


def squad(predictions: Any, references: Any) -> AnswerScores:
    """Exact match and F1 of answers, as the script of SQuAD 2.0 counts them (which gives percents, though).

    Case, ASCII punctuation, the articles (a, an, the) and the amount of white space do not count. Of several
    references the one counts that an answer agrees with best. The empty string says that there is no answer: it
    agrees with itself alone.

    F1 counts words as white space divides them: in Korean a name with another particle is another word.

    Args:
        predictions: list of str. The answers given.
        references: list of str, or list of lists of str where a question has several right answers. References of
            nothing but punctuation and articles are left out where there are others, as the script has it.

    Returns:
        An `AnswerScores`.

    Raises:
        TypeError: something that is not a string.
        ValueError: nothing to score, unequal lengths, a question without references.

    Example:
        knz.metrics.squad(["The Rhine.", "in 1999"], [["rhine", "river Rhine"], ["1999"]])  # (0.5, 0.833)
    """
    predictions, references = check_texts(predictions, references)
    exact, overlap = 0.0, 0.0
    for prediction, accepted in zip(predictions, references, strict=True):
        words = _words(prediction)
        options = [option for option in map(_words, accepted) if option] or [[]]
        exact += words in options
        overlap += max(_f1(words, option) for option in options)
    return AnswerScores(exact / len(predictions), overlap / len(predictions))


def _words(text: str) -> list[str]:
    """The words that count."""
    return _ARTICLES.sub(" ", text.lower().translate(_NO_PUNCTUATION)).split()


def _f1(words: list[str], reference: list[str]) -> float:
    if not words or not reference:
        return float(words == reference)
    return 2 * (Counter(words) & Counter(reference)).total() / (len(words) + len(reference))
