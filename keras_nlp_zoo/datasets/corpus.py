"""What is known of a corpus, and where its files come from."""

import hashlib
import os
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar

import keras

T = TypeVar("T")
# Of a generated corpus, and of a real one that has no splits of its own.
SPLITS = ("train", "validation", "test")
# The folder in which corpora are looked for first, laid out as `<corpus>/<file>`.
DATA_FOLDER = "KERAS_NLP_ZOO_DATA"


class File(NamedTuple):
    """A public file: its name, address and SHA-256."""

    name: str
    address: str
    sha256: str


@dataclass(frozen=True)
class Corpus:
    """What is known of a corpus.

    Args:
        name: str. What `load` takes.
        task: str. The task it is for.
        description: str. One line.
        splits: names of the splits.
        read: function of `(paths, split, **options)` that gives `(x, y)` as `fit` takes them; `paths` has the path
            of each file by its name.
        labels: names of the classes, in the order of their indices.
        files: the public files; none for a generated corpus.
        licence: str. The terms of use.
        citation: str. What to cite.
        languages: codes of the languages.
    """

    name: str
    task: str
    description: str
    splits: tuple[str, ...]
    read: Callable[..., Any] = field(repr=False)
    labels: tuple[str, ...] = ()
    files: tuple[File, ...] = ()
    licence: str = ""
    citation: str = ""
    languages: tuple[str, ...] = ("en",)


def split_of(text: str) -> str:
    """The split of a generated text, by its hash (80, 10 and 10 in a hundred): no text is in two splits."""
    remainder = zlib.crc32(text.encode()) % 10
    return "test" if remainder == 9 else "validation" if remainder == 8 else "train"


def draw_split(draw: Callable[[], tuple[str, T]], split: str, size: int) -> Iterator[T]:
    """The first `size` of a split; `draw` gives the text that decides on the split, and what is wanted."""
    found = 0
    while found < size:
        key, drawn = draw()
        if split_of(key) == split:
            found += 1
            yield drawn


def as_pairs(pairs: Iterable[tuple[str, str]]) -> tuple[dict[str, list[str]], None]:
    """Sources with their targets, as `fit` takes them."""
    pairs = [*pairs]
    return {"encoder_text": [source for source, _ in pairs], "decoder_text": [target for _, target in pairs]}, None


def fetch(corpus: str, file: File) -> str:
    """The path of a corpus's file: from `KERAS_NLP_ZOO_DATA`, else from the Keras cache, else downloaded into it.

    Raises:
        ValueError: the file found, or the one downloaded, is not the expected one; a downloaded one is removed.
        ConnectionError: the file is nowhere on this machine and cannot be downloaded.
    """
    folder = os.environ.get(DATA_FOLDER)
    if folder:
        path = os.path.join(folder, corpus, file.name)
        if os.path.isfile(path):
            if _sha256(path) != file.sha256:
                raise ValueError(f"{path} is not the file expected there: its SHA-256 is not {file.sha256}.")
            return path
    home = os.environ.get("KERAS_HOME") or os.path.expanduser(os.path.join("~", ".keras"))
    subfolder = os.path.join("datasets", "keras_nlp_zoo", corpus)
    os.makedirs(home, exist_ok=True)  # a folder that is not there is one Keras cannot write to: it goes elsewhere
    cached = os.path.join(home, subfolder, file.name)
    last: Exception | None = None
    for _ in range(2):  # a transfer that breaks off leaves a file with the wrong hash: start over once
        try:
            return keras.utils.get_file(
                fname=file.name,
                origin=file.address,
                file_hash=file.sha256,
                hash_algorithm="sha256",
                cache_subdir=subfolder,
                cache_dir=home,
            )
        except Exception as error:  # `get_file` raises a bare Exception for an address it cannot reach
            last = error
            if os.path.exists(cached):
                os.remove(cached)
    if isinstance(last, ValueError):
        raise ValueError(f"{file.address} does not hold the expected file of {corpus!r}: {last}") from last
    raise ConnectionError(
        f"{file.name} of the corpus {corpus!r} is not on this machine and cannot be downloaded: {last}. "
        f"Offline, put it into <folder>/{corpus}/ and set {DATA_FOLDER}=<folder>."
    ) from last


def _sha256(path: str) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
