"""Real corpora of pairs of texts: what is read, and what is to be written."""

import csv
import gzip

import numpy as np

from keras_nlp_zoo.datasets.corpus import SPLITS, Corpus, File, as_pairs
from keras_nlp_zoo.naming import suggest

_LANGUAGES = ("de", "en")
_MULTI30K = "https://raw.githubusercontent.com/multi30k/dataset/master/data/task1/raw/"
_MULTI30K_HASHES = {
    "train.de.gz": "726e39b2fa9eb9ffb6dc763fb35a179f80fae06ffc5d28b6ace5faa883de28a6",
    "train.en.gz": "d79cfa999dd4c51d2cb42499b6796d5a882c3a8a961923c25a898c90f8bbd56f",
    "val.de.gz": "f0cba2f995189cf5770f29a8a9a537a3ad3f51657ad873405082ff6863a5e75a",
    "val.en.gz": "14f7d25ddd868909a9213e361768460edcacdd6ab9d1e77b92560dc10c10dc28",
    "test_2016_flickr.de.gz": "9204244e408ccb38d2a55cfcd344df15005fc42a07a6e55ca6c52b6ababb8cc8",
    "test_2016_flickr.en.gz": "611d361c6334bc7246101d48097c13cf5c4413c5befc793cc629934359d532d9",
}
_TOPICS = ("everyday", "parting", "love")


def _read_multi30k(
    paths: dict[str, str], split: str, source: str = "de", target: str = "en"
) -> tuple[dict[str, list[str]], None]:
    for name, language in (("source", source), ("target", target)):
        if language not in _LANGUAGES:
            raise ValueError(suggest(f"`{name}` language of 'multi30k'", language, _LANGUAGES))
    if source == target:
        raise ValueError(f"`source` and `target` must be two languages. Received: {source!r} for both")
    stem = {"validation": "val", "test": "test_2016_flickr"}.get(split, split)
    texts = {}
    for language in _LANGUAGES:
        with gzip.open(paths[f"{stem}.{language}.gz"], "rt", encoding="utf-8", newline="\n") as file:
            texts[language] = [line.strip() for line in file]
    return {"encoder_text": texts[source], "decoder_text": texts[target]}, None


def _read_korean_chatbot(
    paths: dict[str, str], split: str, topic: str | None = None
) -> tuple[dict[str, list[str]], None]:
    if topic is not None and topic not in _TOPICS:
        raise ValueError(suggest("topic", topic, _TOPICS))
    with open(paths["ChatbotData.csv"], encoding="utf-8", newline="") as file:
        rows = [[cell.strip() for cell in row] for row in csv.reader(file)][1:]
    # The corpus has no split of its own. The order is fixed for good by this seed, and so are the splits by it.
    rows = [rows[i] for i in np.random.RandomState(0).permutation(len(rows))]
    # Questions that differ in spaces and punctuation only count as one.
    keys = ["".join(filter(str.isalnum, question)) for question, _, _ in rows]
    rank = {key: i for i, key in enumerate(dict.fromkeys(keys))}

    def split_by_rank(key: str) -> str:
        twentieth = 20 * rank[key] // len(rank)
        return "test" if twentieth == 19 else "validation" if twentieth == 18 else "train"

    chosen = [
        (question, answer)
        for key, (question, answer, index) in zip(keys, rows, strict=True)
        if split_by_rank(key) == split and topic in (None, _TOPICS[int(index)])
    ]
    return as_pairs(chosen)


MULTI30K = Corpus(
    name="multi30k",
    task="seq2seq_lm",
    description="31,014 captions of pictures, German to English; `source` and `target` (de, en) may be swapped",
    splits=SPLITS,
    read=_read_multi30k,
    files=tuple(File(name, _MULTI30K + name, sha256) for name, sha256 in _MULTI30K_HASHES.items()),
    licence="CC BY-NC-SA 4.0",
    citation="Elliott et al. (2016), Multi30K: Multilingual English-German Image Descriptions. Test: Flickr 2016.",
    languages=_LANGUAGES,
)

KOREAN_CHATBOT = Corpus(
    name="korean_chatbot",
    task="seq2seq_lm",
    description="11,823 Korean remarks and answers; `topic` (everyday, parting, love, or None for all)",
    splits=SPLITS,
    read=_read_korean_chatbot,
    files=(
        File(
            "ChatbotData.csv",
            "https://raw.githubusercontent.com/songys/Chatbot_data/master/ChatbotData.csv",
            "287eb129695b577321c80ad397bb3c2279164d4ca577874d129fd3db5b30afe2",
        ),
    ),
    licence="MIT",
    citation="Song (2018), Chatbot data for Korean, https://github.com/songys/Chatbot_data.",
    languages=("ko",),
)
