"""How far written texts agree with their references: corpus scores as the field reports them.

BLEU and chrF are sacrebleu's (`pip install "keras_nlp_zoo[metrics]"`): Post (2018), A Call for Clarity in Reporting
BLEU Scores, https://arxiv.org/abs/1804.08771.
"""

import itertools
from typing import Any, NamedTuple

from keras_nlp_zoo.checks import check_int
from keras_nlp_zoo.naming import suggest
from keras_nlp_zoo.text.inputs import as_text_list, describe


class Score(NamedTuple):
    """A corpus score, 0 to 100, and sacrebleu's signature: what somebody else needs to compare with it."""

    score: float
    signature: str


def bleu(predictions: Any, references: Any, lowercase: bool = False, tokenize: str = "13a") -> Score:
    """Corpus BLEU: n-grams in common with the references, up to four words, less a penalty for brevity.

    Paper: Papineni et al. (2002), https://aclanthology.org/P02-1040.

    Args:
        predictions: list of str. The texts written.
        references: list of str, or list of lists of str where a text has several references.
        lowercase: bool. Whether case is ignored.
        tokenize: str. How words are told apart, one of sacrebleu's tokenizers: `"13a"` for most languages; for
            Korean `"ko-mecab"` (needs `pip install "sacrebleu[ko]"`) or `"char"`.

    Returns:
        A `Score`.

    Raises:
        TypeError: something that is not a string.
        ValueError: nothing to score, unequal lengths, a text without references, an unknown `tokenize`.
        ImportError: sacrebleu is not installed.

    Example:
        score = knz.metrics.bleu(["the cat sat on the mat"], ["the cat sat on the mat"])
        score.score, score.signature  # (100.0, "nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:...")
    """
    metrics = _sacrebleu("bleu")
    if tokenize not in metrics.BLEU.TOKENIZERS:
        raise ValueError(f"`tokenize` is not known. {suggest('tokenizer', tokenize, metrics.BLEU.TOKENIZERS)}")
    return _score(metrics.BLEU(lowercase=lowercase, tokenize=tokenize), predictions, references)


def chrf(predictions: Any, references: Any, lowercase: bool = False, word_order: int = 0) -> Score:
    """Corpus chrF: n-grams of characters in common with the references; needs no tokenizer, in any language.

    Paper: Popović (2015), https://aclanthology.org/W15-3049.

    Args:
        predictions: list of str. The texts written.
        references: list of str, or list of lists of str where a text has several references.
        lowercase: bool. Whether case is ignored.
        word_order: int. The longest n-gram of words counted too; 2 gives chrF++.

    Returns:
        A `Score`.

    Raises:
        TypeError: something that is not a string.
        ValueError: nothing to score, unequal lengths, a text without references, a negative `word_order`.
        ImportError: sacrebleu is not installed.

    Example:
        knz.metrics.chrf(["고양이가 앉아 있다"], ["고양이가 앉았다"]).score
    """
    check_int("word_order", word_order, 0)
    metric = _sacrebleu("chrf").CHRF(lowercase=lowercase, word_order=word_order)
    return _score(metric, predictions, references)


def exact_match(predictions: Any, references: Any) -> float:
    """The share of texts, 0 to 1, that are one of their references, character for character.

    White space around a text does not count; case, punctuation and spaces inside it do.

    Args:
        predictions: list of str. The texts written.
        references: list of str, or list of lists of str where a text has several references.

    Raises:
        TypeError: something that is not a string.
        ValueError: nothing to score, unequal lengths, a text without references.

    Example:
        knz.metrics.exact_match(["2024-03-07", "2024-03-08 "], ["2024-03-17", "2024-03-08"])  # 0.5
    """
    predictions, references = check_texts(predictions, references)
    hits = [
        text.strip() in {reference.strip() for reference in accepted}
        for text, accepted in zip(predictions, references, strict=True)
    ]
    return sum(hits) / len(hits)


def _sacrebleu(name: str) -> Any:
    try:
        from sacrebleu import metrics  # optional, and slow to import
    except ImportError as error:
        raise ImportError(f'`{name}` needs sacrebleu: pip install "keras_nlp_zoo[metrics]"') from error
    return metrics


def _score(metric: Any, predictions: Any, references: Any) -> Score:
    predictions, references = check_texts(predictions, references)
    # sacrebleu takes the first reference of every text, then the second, ...: None where a text has no more.
    columns = [*itertools.zip_longest(*references)]
    score = metric.corpus_score(predictions, columns).score
    return Score(float(score), metric.get_signature().format())


def check_texts(predictions: Any, references: Any) -> tuple[list[str], list[list[str]]]:
    """The predictions, and the list of references of each.

    Args:
        predictions: what a person passes as predictions.
        references: what a person passes as references; see `as_references`.

    Raises:
        TypeError: something that is not a string.
        ValueError: nothing to score, unequal lengths, a text without references.
    """
    predictions = as_text_list(predictions, "predictions")
    references = [[item] if isinstance(item, str) else item for item in as_references(references, "references")]
    if len(predictions) != len(references):
        raise ValueError(
            f"`predictions` and `references` must be equally many. Received: {len(predictions)} and {len(references)}"
        )
    if not predictions:
        raise ValueError(f"`predictions` is empty: there is nothing to score. Received: {describe(predictions)}")
    return predictions, references


def as_references(references: Any, name: str) -> list[Any]:
    """A list of `str`, or of lists of `str` where texts have several references.

    Args:
        references: what a person passes as references.
        name: the argument's name, for the error.

    Raises:
        TypeError: something that is not a string, with its position.
        ValueError: a text without references.
    """
    if not isinstance(references, (list, tuple)) or not any(isinstance(item, (list, tuple)) for item in references):
        return as_text_list(references, name)
    checked = [as_text_list(item, f"{name}[{i}]") for i, item in enumerate(references)]
    for i, accepted in enumerate(checked):
        if not accepted:
            raise ValueError(f"`{name}[{i}]` is empty: every text needs a reference. Received: {accepted!r}")
    return checked
