"""Named corpora: real ones, found or fetched and verified, and generated ones of any size.

texts, labels = knz.datasets.load("mr", split="train")
knz.datasets.info("mr").labels  # ("negative", "positive")
"""

import builtins
import inspect
from typing import Any

from keras_nlp_zoo.datasets.classification import MR, SST2, TREC
from keras_nlp_zoo.datasets.corpus import Corpus, File, fetch
from keras_nlp_zoo.datasets.dates import DATES
from keras_nlp_zoo.datasets.entities import ENTITIES
from keras_nlp_zoo.datasets.facts import FACTS
from keras_nlp_zoo.datasets.pairs import KOREAN_CHATBOT, MULTI30K
from keras_nlp_zoo.datasets.questions import XQUAD
from keras_nlp_zoo.datasets.readers import read_conll, read_squad
from keras_nlp_zoo.datasets.reversal import REVERSAL
from keras_nlp_zoo.datasets.reviews import REVIEWS
from keras_nlp_zoo.datasets.small_talk import SMALL_TALK
from keras_nlp_zoo.datasets.tagged import GUM_NER
from keras_nlp_zoo.datasets.texts import TINYSHAKESPEARE
from keras_nlp_zoo.naming import suggest

_REAL = (MR, TREC, SST2, MULTI30K, KOREAN_CHATBOT, GUM_NER, XQUAD, TINYSHAKESPEARE)
_GENERATED = (REVIEWS, DATES, REVERSAL, SMALL_TALK, ENTITIES, FACTS)
_CORPORA = {corpus.name: corpus for corpus in _REAL + _GENERATED}

__all__ = ["Corpus", "File", "info", "list", "load", "read_conll", "read_squad"]


def load(name: str, split: str = "train", **options: Any) -> Any:
    """A split of a corpus, as `fit` takes it.

    A real corpus is looked for in the folder named by the environment variable `KERAS_NLP_ZOO_DATA` (as
    `<folder>/<corpus>/<file>`), then in the Keras cache, and is downloaded into that otherwise.

    Args:
        name: str. One of `list()`.
        split: str. One of `info(name).splits`.
        **options: what `info(name).description` names, e.g. `size` of a generated corpus.

    Returns:
        `(x, y)`: for classification a list of texts and a list of label names; for tagging a list of lists of words
        and one of their tags (or texts and the spans in them); for questions `({"question": [...], "context": [...]},
        {"answer": [...], "answer_start": [...]})`; for translation and its like
        `({"encoder_text": [...], "decoder_text": [...]}, None)`, the texts read and the texts to be written; for
        language models `([text, ...], None)`.

    Raises:
        ValueError: an unknown name, split or option, or a file that is not the expected one.
        ConnectionError: the corpus is not on this machine and cannot be downloaded.

    Example:
        texts, labels = knz.datasets.load("reviews", size=100, language="ko")
    """
    corpus = info(name)
    if split not in corpus.splits:
        raise ValueError(suggest(f"split of {name!r}", split, corpus.splits))
    known = [*inspect.signature(corpus.read).parameters][2:]
    for option in options:
        if option not in known:
            raise ValueError(suggest(f"option of {name!r}", option, known))
    paths = {file.name: fetch(name, file) for file in corpus.files}
    return corpus.read(paths, split, **options)


def info(name: str) -> Corpus:
    """What is known of a corpus: splits, labels, files, licence, citation.

    Raises:
        ValueError: an unknown name.
    """
    if name not in _CORPORA:
        raise ValueError(suggest("corpus", name, _CORPORA))
    return _CORPORA[name]


def list() -> builtins.list[str]:
    """The names of the corpora."""
    return [*_CORPORA]
