import sys

import pytest
import sacrebleu

import keras_nlp_zoo as knz
from tests.conftest import ODD_TEXTS

PREDICTIONS = ["A dog runs through the grass .", "two men talk", "어제 친구와 강을 따라 걸었다", ""]
REFERENCES = [
    "The dog runs through green grass.",
    "Two men are talking.",
    "어제 친구와 함께 강을 따라 걸었다",
    "A cat.",
]
SEVERAL = [[REFERENCES[0], "A dog runs through the grass."], [REFERENCES[1]], [REFERENCES[2], "걸었다", "어제"], ["A"]]
COLUMNS = [  # the first reference of each, the second, the third, as sacrebleu takes them
    [REFERENCES[0], REFERENCES[1], REFERENCES[2], "A"],
    ["A dog runs through the grass.", None, "걸었다", None],
    [None, None, "어제", None],
]


@pytest.mark.parametrize("options", [{}, {"lowercase": True}, {"tokenize": "char"}, {"tokenize": "none"}])
def test_bleu_is_that_of_sacrebleu(options):
    oracle = sacrebleu.BLEU(**options)
    score = oracle.corpus_score(PREDICTIONS, [REFERENCES]).score
    assert 10 < score < 90
    assert knz.metrics.bleu(PREDICTIONS, REFERENCES, **options) == (score, str(oracle.get_signature()))
    several = oracle.corpus_score(PREDICTIONS, COLUMNS).score
    assert several > score
    assert knz.metrics.bleu(PREDICTIONS, SEVERAL, **options) == (several, str(oracle.get_signature()))
    assert "nrefs:var" in str(oracle.get_signature())


@pytest.mark.parametrize("options", [{}, {"lowercase": True}, {"word_order": 2}])
def test_chrf_is_that_of_sacrebleu(options):
    oracle = sacrebleu.CHRF(**options)
    score = oracle.corpus_score(PREDICTIONS, [REFERENCES]).score
    assert 10 < score < 90
    found = knz.metrics.chrf(PREDICTIONS, REFERENCES, **options)
    assert (found.score, found.signature) == (score, str(oracle.get_signature()))
    assert knz.metrics.chrf(PREDICTIONS, SEVERAL, **options).score == oracle.corpus_score(PREDICTIONS, COLUMNS).score


def test_one_perfect_text_is_100():
    for metric in (knz.metrics.bleu, knz.metrics.chrf):
        assert metric([REFERENCES[0]], [REFERENCES[0]]).score == pytest.approx(100)
        assert metric(tuple(REFERENCES), tuple(REFERENCES)).score == pytest.approx(100)


def test_exact_match():
    predictions = ["one", " two\n", "Three", "f our", "", "e\u0301"]
    references = ["one", "two", "three", "four", "", "\u00e9"]
    assert knz.metrics.exact_match(predictions, references) == 3 / 6
    assert knz.metrics.exact_match(predictions, [[text, "Three", "f our"] for text in references]) == 5 / 6


METRICS = [knz.metrics.bleu, knz.metrics.chrf, knz.metrics.exact_match]


@pytest.mark.parametrize("metric", METRICS)
def test_any_text_is_scored(metric):
    score = metric(ODD_TEXTS, ODD_TEXTS)
    assert getattr(score, "score", 100 * score) >= 90  # BLEU counts no n-grams in a text of white space


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize(
    ("predictions", "references", "error", "message"),
    [
        (["a", "b"], ["a"], ValueError, "`predictions` and `references` must be equally many. Received: 2 and 1"),
        ([], [], ValueError, "`predictions` is empty"),
        (["a", "b"], [["a"], []], ValueError, r"`references\[1\]` is empty"),
        (["a", 3], ["a", "b"], TypeError, "`predictions` must hold strings. Item 1 is 3 of type int"),
        (["a"], [None], TypeError, "`references` must hold strings. Item 0 is None"),
        (["a", "b"], [["a"], "b"], TypeError, r"`references\[1\]` must be a list of strings. Received one string"),
        ("a", ["a"], TypeError, "`predictions` must be a list of strings. Received one string: 'a'"),
        (["a"], "a", TypeError, "`references` must be a list of strings. Received one string: 'a'"),
    ],
)
def test_bad_texts(metric, predictions, references, error, message):
    with pytest.raises(error, match=message):
        metric(predictions, references)


def test_bad_options():
    with pytest.raises(ValueError, match=r"`tokenize` is not known\. There is no tokenizer '13b'\. Did you mean '13a'"):
        knz.metrics.bleu(["a"], ["a"], tokenize="13b")
    with pytest.raises(ValueError, match=r"`word_order` must be an int of at least 0. Received: word_order=-1"):
        knz.metrics.chrf(["a"], ["a"], word_order=-1)


@pytest.mark.parametrize("name", ["bleu", "chrf"])
def test_without_sacrebleu(name, monkeypatch):
    monkeypatch.setitem(sys.modules, "sacrebleu", None)
    with pytest.raises(ImportError, match=rf'`{name}` needs sacrebleu: pip install "keras_nlp_zoo\[metrics\]"'):
        getattr(knz.metrics, name)(["a"], ["a"])
    assert knz.metrics.exact_match(["a"], ["a"]) == 1
