"""What the six kinds of tokenizers are made of, and the vocabulary files they are read from."""

import json
import os
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import tokenizers
from tokenizers import Regex, decoders, models, normalizers, pre_tokenizers, trainers

from keras_nlp_zoo.text.inputs import describe


class Kind(NamedTuple):
    model: Callable[..., Any]
    trainer: Callable[..., Any]
    pre_tokenizer: Callable[[], Any]
    decoder: Callable[[], Any] | None
    normalizes: bool = True


KINDS = {
    "word": Kind(
        lambda unknown, vocabulary=None, merges=None: models.WordLevel(vocabulary or {}, unk_token=unknown),
        trainers.WordLevelTrainer,
        pre_tokenizers.Whitespace,
        None,
    ),
    "wordpiece": Kind(
        lambda unknown, vocabulary=None, merges=None: models.WordPiece(vocabulary or {}, unk_token=unknown),
        trainers.WordPieceTrainer,
        pre_tokenizers.BertPreTokenizer,
        decoders.WordPiece,
    ),
    "bpe": Kind(
        lambda unknown, vocabulary=None, merges=None: models.BPE(vocabulary or {}, merges or [], unk_token=unknown),
        trainers.BpeTrainer,
        pre_tokenizers.Metaspace,
        decoders.Metaspace,
    ),
    "byte_bpe": Kind(
        lambda unknown, vocabulary=None, merges=None: models.BPE(vocabulary or {}, merges or []),
        trainers.BpeTrainer,
        lambda: pre_tokenizers.ByteLevel(add_prefix_space=False),
        decoders.ByteLevel,
        normalizes=False,
    ),
    "unigram": Kind(
        lambda unknown, vocabulary=None, merges=None: unigram_model(vocabulary, unknown),
        trainers.UnigramTrainer,
        pre_tokenizers.Metaspace,
        decoders.Metaspace,
    ),
    "char": Kind(
        lambda unknown, vocabulary=None, merges=None: models.WordLevel(vocabulary or {}, unk_token=unknown),
        trainers.WordLevelTrainer,
        lambda: pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated"),
        decoders.Fuse,
    ),
}


def pipeline(name: str, model: Any, lowercase: bool, strip_accents: bool, special_tokens: list[str]) -> Any:
    """A tokenizer of the Rust library: a model of a kind, and what comes before and after it."""
    kind = KINDS[name]
    rust = tokenizers.Tokenizer(model)
    steps: list[Any] = [normalizers.NFC()] if kind.normalizes else []
    if lowercase:
        steps.append(normalizers.Lowercase())
    if strip_accents:
        # Back to NFC afterwards: decomposition also takes Hangul syllables apart.
        steps += [normalizers.NFD(), normalizers.StripAccents(), normalizers.NFC()]
    if steps:
        rust.normalizer = normalizers.Sequence(steps)
    rust.pre_tokenizer = kind.pre_tokenizer()
    if name == "unigram":
        # The special tokens are pieces of this model. Split text that spells one after its first character.
        spelled = [f"{re.escape(t[0])}(?={re.escape(t[1:])})" for t in special_tokens]
        split = pre_tokenizers.Split(Regex("|".join(spelled)), "isolated")
        rust.pre_tokenizer = pre_tokenizers.Sequence([rust.pre_tokenizer, split])
    if kind.decoder is not None:
        rust.decoder = kind.decoder()
    return rust


def kind_of(rust: Any) -> str:
    """The kind that a tokenizer of the Rust library comes nearest to."""
    model = type(rust.model).__name__
    if model == "BPE":
        return "byte_bpe" if "ByteLevel" in str(rust.pre_tokenizer) else "bpe"
    return {"WordPiece": "wordpiece", "Unigram": "unigram"}.get(model, "word")


def unigram_model(vocabulary: Any, unknown: str) -> models.Unigram:
    if vocabulary is None:
        return models.Unigram()
    pieces = [(piece, float(score)) for piece, score in vocabulary]
    names = [piece for piece, _ in pieces]
    return models.Unigram(pieces, names.index(unknown) if unknown in names else None)


def read_vocabulary(vocabulary: Any) -> Any:
    if isinstance(vocabulary, (str, os.PathLike)):
        path = os.fspath(vocabulary)
        if not os.path.isfile(path):
            raise ValueError(f"`vocabulary` is neither a dict, a list nor a file. Received: vocabulary={path!r}")
        with open(path, encoding="utf-8") as file:
            vocabulary = json.load(file) if path.endswith(".json") else file.read().rstrip("\n").split("\n")
    if isinstance(vocabulary, Mapping):
        return dict(vocabulary)
    if isinstance(vocabulary, Sequence):
        return list(vocabulary)
    raise ValueError(f"`vocabulary` must be a dict, a list or a file name. Received: {describe(vocabulary)}")


def check_ids(vocabulary: Any) -> dict[str, int]:
    """Tokens with their ids, or a `ValueError` if an id is left out or a token stands there twice."""
    if isinstance(vocabulary, dict):
        ids = [*vocabulary.values()]
        if not all(type(i) is int for i in ids) or sorted(ids) != list(range(len(ids))):
            raise ValueError(f"`vocabulary` must give each id from 0 to {len(vocabulary) - 1} to one token.")
        return vocabulary
    places: dict[str, int] = {}
    for token in vocabulary:
        if token in places:
            raise ValueError(f"`vocabulary` holds a token twice: {token!r}, at {places[token]} and {len(places)}.")
        places[token] = len(places)
    return places


def read_merges(merges: Any) -> list[tuple[str, str]]:
    if isinstance(merges, (str, os.PathLike)):
        with open(merges, encoding="utf-8") as file:
            merges = [line for line in file.read().split("\n") if line and not line.startswith("#version")]
    pairs = [tuple(merge.split(" ")) if isinstance(merge, str) else tuple(merge) for merge in merges]
    for pair in pairs:
        if len(pair) != 2:
            raise ValueError(f"`merges` must hold pairs such as 'th e'. Received: {' '.join(pair)!r}")
    return [(left, right) for left, right in pairs]
