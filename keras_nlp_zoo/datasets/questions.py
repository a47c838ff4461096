"""Real corpora of questions on a context."""

from typing import Any

import numpy as np

from keras_nlp_zoo.datasets.corpus import Corpus, File
from keras_nlp_zoo.datasets.readers import read_squad


def _read_xquad(paths: dict[str, str], split: str) -> tuple[dict[str, list[str]], dict[str, list[Any]]]:
    x, y = read_squad(paths["xquad.en.json"])
    # The corpus has no split of its own. Paragraphs are split, so that no context is in two; the order is fixed for
    # good by this seed, and its last tenth is for the test.
    contexts = [*dict.fromkeys(x["context"])]
    order = np.random.RandomState(0).permutation(len(contexts))
    held_out = {contexts[i] for i in order[len(contexts) * 9 // 10 :]}
    chosen = [i for i, context in enumerate(x["context"]) if (context in held_out) == (split == "test")]
    x, y = ({key: [values[i] for i in chosen] for key, values in part.items()} for part in (x, y))
    return x, y


XQUAD = Corpus(
    name="xquad",
    task="question_answering",
    description="1,190 English questions on 240 paragraphs of Wikipedia; a fixed tenth of the paragraphs is for test",
    splits=("train", "test"),
    read=_read_xquad,
    files=(
        File(
            "xquad.en.json",
            "https://raw.githubusercontent.com/deepmind/xquad/master/xquad.en.json",
            "e4c57d1c9143aaa1c5d265ba5987a65f4e69528d2a98f29d6e75019b10344f29",
        ),
    ),
    licence="CC BY-SA 4.0",
    citation="Artetxe et al. (2020), On the Cross-lingual Transferability of Monolingual Representations.",
)
