"""Strings to token ids and back, trained and run by the Rust `tokenizers` library.

Six kinds, one class:

| kind        | unit, and the paper                                   | `detokenize` gives back              |
| ----------- | ----------------------------------------------------- | ------------------------------------ |
| `word`      | words and runs of punctuation                         | the words, joined by one space       |
| `wordpiece` | word pieces, `##` inside a word (Wu et al. 2016)      | the words, spacing of English prose  |
| `bpe`       | byte-pair encoding of characters (Sennrich et al. 2016) | the text, but for a leading space  |
| `byte_bpe`  | byte-pair encoding of UTF-8 bytes (Radford et al. 2019) | the text, always                   |
| `unigram`   | unigram language model (Kudo 2018)                    | the text, but for a leading space    |
| `char`      | single characters                                     | the text                             |

Characters that no token covers become the unknown token (never in `byte_bpe`). All kinds but `byte_bpe`
normalise to Unicode NFC first, so a Hangul syllable is one character whether it was typed composed or as
separate jamo; `strip_accents` takes marks off Latin, Greek, ... letters and leaves Hangul syllables whole.
"""

import os
import sys
from collections.abc import Iterable
from typing import Any, NamedTuple

import keras
import keras_hub
import tokenizers
from tokenizers import AddedToken, pre_tokenizers

from keras_nlp_zoo.text.inputs import TrainingTexts, as_text_list
from keras_nlp_zoo.text.offsets import whole_characters, without_half_pairs
from keras_nlp_zoo.text.tokenizer_kinds import (
    KINDS,
    check_ids,
    kind_of,
    pipeline,
    read_merges,
    read_vocabulary,
    unigram_model,
)

# One file in the Hugging Face format, so that other tools can read it.
ASSET_FILE = "tokenizer.json"
SPECIAL_TOKENS = {"pad": "[PAD]", "unknown": "[UNK]", "start": "[START]", "end": "[END]", "mask": "[MASK]"}


class Encoding(NamedTuple):
    """One encoded text: `token_ids`, `tokens`, and `offsets` as `(start, end)` characters of the text."""

    token_ids: list[int]
    tokens: list[str]
    offsets: list[tuple[int, int]]


@keras.saving.register_keras_serializable(package="keras_nlp_zoo")
class Tokenizer(keras_hub.tokenizers.Tokenizer):
    """A tokenizer of one of six kinds that saves inside presets and `.keras` files.

    `Tokenizer.train` learns one from texts; the constructor takes a vocabulary that exists already.
    Token ids 0 to 4 of a trained tokenizer are pad, unknown, start, end and mask.
    Text that merely spells a special token (`"[PAD]"`) is tokenised as text; ask for
    `special_tokens=True` to have it recognised. Half of a surrogate pair becomes U+FFFD.

    Args:
        kind: one of `"word"`, `"wordpiece"`, `"bpe"`, `"byte_bpe"`, `"unigram"`, `"char"`.
        vocabulary: a dict from token to id (0, 1, ..., none left out), a list of tokens in order of their ids, none
            twice (for `"unigram"` a list of `(piece, log probability)`), or a file that holds one: `.json`, or text
            with a token a line.
        merges: the merges of `"bpe"` and `"byte_bpe"` in order, as strings `"left right"`, or a file of them.
        lowercase: bool. Whether to lower-case.
        strip_accents: bool. Whether to take combining marks off letters.
        pad_token, unknown_token, start_token, end_token, mask_token: the special tokens as they stand in the
            vocabulary. One that the vocabulary lacks has the id `None`.

    Raises:
        ValueError: an unknown `kind`, or a `vocabulary` or `merges` that does not suit it.

    Example:
        tokenizer = knz.Tokenizer.train(["a fine film", "a dull film"], kind="word", vocabulary_size=100)
        tokenizer.tokenize("a fine day")  # [5, 8, 1]: "day" is unknown
        tokenizer.encode("a fine film").offsets  # [(0, 1), (2, 6), (7, 11)]
        tokenizer.detokenize([5, 6])
    """

    def __init__(
        self,
        kind: str,
        vocabulary: Any = None,
        merges: Any = None,
        *,
        lowercase: bool = False,
        strip_accents: bool = False,
        pad_token: str = SPECIAL_TOKENS["pad"],
        unknown_token: str = SPECIAL_TOKENS["unknown"],
        start_token: str = SPECIAL_TOKENS["start"],
        end_token: str = SPECIAL_TOKENS["end"],
        mask_token: str = SPECIAL_TOKENS["mask"],
        **kwargs: Any,
    ):
        if kind not in KINDS:
            raise ValueError(f"`kind` must be one of {', '.join(KINDS)}. Received: kind={kind!r}")
        super().__init__(**kwargs)
        self.kind = kind
        self.lowercase = lowercase
        self.strip_accents = strip_accents
        self.pad_token = pad_token
        self.unknown_token = unknown_token
        self.start_token = start_token
        self.end_token = end_token
        self.mask_token = mask_token
        self.file_assets = [ASSET_FILE]
        self.built = True
        self._rust: tokenizers.Tokenizer | None = None
        self._size = 0
        self._reads_special: tokenizers.Tokenizer | None = None
        if vocabulary is not None:
            self._set_vocabulary(vocabulary, merges)
        elif merges is not None:
            raise ValueError("`merges` was given without a `vocabulary`.")

    @classmethod
    def train(
        cls,
        texts: Iterable[str],
        kind: str = "word",
        vocabulary_size: int = 20_000,
        *,
        lowercase: bool = False,
        strip_accents: bool = False,
        min_frequency: int = 1,
        **kwargs: Any,
    ) -> "Tokenizer":
        """Learn a vocabulary from texts.

        The same texts give the same vocabulary, but for `"wordpiece"` and `"unigram"`, where the library breaks ties
        between equally frequent pieces at random: keep the tokenizer, not the texts.

        Args:
            texts: strings; any iterable, read once and never held as a whole, so a generator over a file will do.
            kind: see the class.
            vocabulary_size: int. The most tokens to learn, the five special ones included.
            lowercase, strip_accents: see the class.
            min_frequency: int. Words (merges, characters) seen less often are left out. Not used by `"unigram"`.
            **kwargs: further arguments of the class.

        Returns:
            A `Tokenizer`.

        Raises:
            TypeError: `texts` is a single string, or holds something that is not one.
            ValueError: an unknown `kind`, a `vocabulary_size` too small for it, or no texts.
        """
        self = cls(kind, lowercase=lowercase, strip_accents=strip_accents, **kwargs)
        special = self._special_tokens()
        smallest = len(special) + (256 if kind == "byte_bpe" else 1)
        if not isinstance(vocabulary_size, int) or vocabulary_size < smallest:
            raise ValueError(
                f"`vocabulary_size` must be an int of at least {smallest} for kind={kind!r}. "
                f"Received: vocabulary_size={vocabulary_size!r}"
            )
        options: dict[str, Any] = {
            "vocab_size": vocabulary_size,
            "special_tokens": special,
            "show_progress": sys.stdout.isatty() and keras.config.is_interactive_logging_enabled(),
        }
        if kind == "unigram":
            options["unk_token"] = self.unknown_token
        else:
            options["min_frequency"] = min_frequency
        if kind == "byte_bpe":
            options["initial_alphabet"] = pre_tokenizers.ByteLevel.alphabet()
        rust = self._pipeline(KINDS[kind].model(self.unknown_token))
        reader = TrainingTexts(texts)
        try:
            rust.train_from_iterator(reader, KINDS[kind].trainer(**options))
        except Exception:  # raised again: here, or below as the reader met it, clearer than in Rust's words
            if reader.error is None:
                raise
        if reader.error is not None:
            raise reader.error
        if reader.count == 0:
            raise ValueError("`texts` is empty: there is nothing to train a tokenizer on.")
        self._use(rust)
        return self

    @classmethod
    def wrap(cls, rust: tokenizers.Tokenizer, **special_tokens: Any) -> "Tokenizer":
        """A tokenizer of the Rust library as it is, its own normalisation and splitting included.

        Args:
            rust: a `tokenizers.Tokenizer`, e.g. `tokenizers.Tokenizer.from_file("tokenizer.json")`. Its padding,
                truncation and added start and end tokens are not used.
            **special_tokens: `pad_token` and the like; see the class.

        Returns:
            A `Tokenizer`. Its `kind` is that of the model; `lowercase` and `strip_accents` say nothing about it.
        """
        self = cls(kind_of(rust), **special_tokens)
        rust = tokenizers.Tokenizer.from_str(rust.to_str())
        rust.no_padding()
        rust.no_truncation()
        self._use(rust)
        return self

    # === Encoding ===

    def tokenize(self, inputs: Any, special_tokens: bool = False) -> Any:
        """Token ids of a text or of many texts.

        Args:
            inputs: a string, or a list of strings.
            special_tokens: bool. Whether `"[MASK]"` and the like in the text mean the special token.

        Returns:
            A list of int for a string, a list of such lists for a list of strings. Nothing is added, cut or padded.
        """
        if isinstance(inputs, str):
            return self.tokenize([inputs], special_tokens)[0]
        encodings = self._encode(as_text_list(inputs, "inputs"), special_tokens, offsets=False)
        return [encoding.ids for encoding in encodings]

    def encode(self, inputs: Any, special_tokens: bool = False) -> Any:
        """Token ids with their tokens and character offsets.

        Args:
            inputs: a string, or a list of strings.
            special_tokens: see `tokenize`.

        Returns:
            An `Encoding` for a string, a list of them for a list. `text[start:end]` is what a token stands for.
        """
        if isinstance(inputs, str):
            return self.encode([inputs], special_tokens)[0]
        texts = as_text_list(inputs, "inputs")
        encodings = self._encode(texts, special_tokens, offsets=True)
        return [
            Encoding(encoding.ids, encoding.tokens, whole_characters(text, encoding.tokens, encoding.offsets))
            for text, encoding in zip(texts, encodings, strict=True)
        ]

    def detokenize(self, inputs: Any) -> Any:
        """Text of token ids. Pad, start and end tokens are dropped; unknown and mask tokens stay visible.

        Args:
            inputs: ids as a list of int or an array `(length,)`; or several, as a list of lists or `(batch, length)`.

        Returns:
            A string, or a list of strings.

        Raises:
            ValueError: an id that the tokenizer does not have.
        """
        rust = self._loaded()
        if hasattr(inputs, "shape"):
            inputs = keras.ops.convert_to_numpy(inputs).tolist()
        single = len(inputs) == 0 or not hasattr(inputs[0], "__len__")
        dropped = {self.pad_token_id, self.start_token_id, self.end_token_id}
        rows = [[int(i) for i in row if int(i) not in dropped] for row in ([inputs] if single else inputs)]
        size = self.vocabulary_size()
        for row in rows:
            for i in row:
                if not 0 <= i < size:
                    raise ValueError(f"`inputs` holds the id {i}; this tokenizer has ids from 0 to {size - 1}.")
        texts = rust.decode_batch(rows, skip_special_tokens=False)
        return texts[0] if single else texts

    def call(self, inputs: Any, training: Any = None) -> Any:
        return self.tokenize(inputs)

    # === Vocabulary ===

    def vocabulary_size(self) -> int:
        """Number of token ids."""
        self._loaded()
        return self._size

    def get_vocabulary(self) -> list[str]:
        """All tokens in order of their ids; `""` for an id without one."""
        rust = self._loaded()
        return [rust.id_to_token(i) or "" for i in range(self._size)]

    def token_to_id(self, token: str) -> int | None:
        return self._loaded().token_to_id(token)

    def id_to_token(self, id: int) -> str | None:
        return self._loaded().id_to_token(int(id))

    @property
    def pad_token_id(self) -> int | None:
        return self.token_to_id(self.pad_token)

    @property
    def unknown_token_id(self) -> int | None:
        return self.token_to_id(self.unknown_token)

    @property
    def start_token_id(self) -> int | None:
        return self.token_to_id(self.start_token)

    @property
    def end_token_id(self) -> int | None:
        return self.token_to_id(self.end_token)

    @property
    def mask_token_id(self) -> int | None:
        return self.token_to_id(self.mask_token)

    @property
    def special_tokens(self) -> list[str]:
        return [token for token in self._special_tokens() if self.token_to_id(token) is not None]

    @property
    def special_token_ids(self) -> list[int]:
        return [id for id in map(self.token_to_id, self.special_tokens) if id is not None]

    # === Saving ===

    def save_assets(self, dir_path: str) -> None:
        self._loaded().save(os.path.join(dir_path, ASSET_FILE))

    def load_assets(self, dir_path: str) -> None:
        path = os.path.join(dir_path, ASSET_FILE)
        try:
            rust = tokenizers.Tokenizer.from_file(path)
        except Exception as error:  # the library raises a bare Exception for anything wrong with the file
            raise ValueError(f"The tokenizer file {path} is missing or damaged: {error}") from error
        self._use(rust)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        config.update(
            {
                "kind": self.kind,
                "lowercase": self.lowercase,
                "strip_accents": self.strip_accents,
                "pad_token": self.pad_token,
                "unknown_token": self.unknown_token,
                "start_token": self.start_token,
                "end_token": self.end_token,
                "mask_token": self.mask_token,
            }
        )
        return config

    # === The Rust tokenizer ===

    @property
    def is_loaded(self) -> bool:
        """Whether there is a vocabulary (a tokenizer made from a config gets it from the preset's files)."""
        return self._rust is not None

    def _loaded(self) -> tokenizers.Tokenizer:
        if self._rust is None:
            raise ValueError("This tokenizer has no vocabulary yet: train one, or pass `vocabulary`.")
        return self._rust

    def _special_tokens(self) -> list[str]:
        tokens = (self.pad_token, self.unknown_token, self.start_token, self.end_token, self.mask_token)
        return list(dict.fromkeys(tokens))

    def _pipeline(self, model: Any) -> tokenizers.Tokenizer:
        return pipeline(self.kind, model, self.lowercase, self.strip_accents, self._special_tokens())

    def _set_vocabulary(self, vocabulary: Any, merges: Any) -> None:
        tokens = read_vocabulary(vocabulary)
        if (merges is not None) != (self.kind in ("bpe", "byte_bpe")):
            raise ValueError(f"`merges` goes with the kinds bpe and byte_bpe. Received: kind={self.kind!r}")
        if self.kind == "unigram":
            if not tokens or not all(isinstance(t, (tuple, list)) and len(t) == 2 for t in tokens):
                raise ValueError("`vocabulary` of a unigram tokenizer is a list of (piece, log probability).")
            check_ids([piece for piece, _ in tokens])
            rust = self._pipeline(unigram_model(tokens, self.unknown_token))
        else:
            ids = check_ids(tokens)
            pairs = None if merges is None else read_merges(merges)
            rust = self._pipeline(KINDS[self.kind].model(self.unknown_token, ids, pairs))
        known = [t for t in self._special_tokens() if rust.token_to_id(t) is not None]
        rust.add_special_tokens([AddedToken(token, normalized=False, special=True) for token in known])
        self._use(rust)

    def _use(self, rust: tokenizers.Tokenizer) -> None:
        """Reads with it from now on, special tokens like any other text."""
        rust.encode_special_tokens = True
        # Not how many tokens there are: one that comes from elsewhere may leave ids out.
        self._size = 1 + max(rust.get_vocab(with_added_tokens=True).values(), default=-1)
        self._rust, self._reads_special = rust, None

    def _special_reader(self) -> tokenizers.Tokenizer:
        """A second one that reads special tokens as such. To switch the first would switch it in other threads too."""
        if self._reads_special is None:
            self._reads_special = tokenizers.Tokenizer.from_str(self._loaded().to_str())
        return self._reads_special

    def _encode(self, texts: list[str], special_tokens: bool, offsets: bool) -> list[Any]:
        rust = self._special_reader() if special_tokens else self._loaded()
        encode = rust.encode_batch if offsets else rust.encode_batch_fast
        try:
            return encode(texts, add_special_tokens=False)
        except (TypeError, UnicodeEncodeError):  # half of a surrogate pair, which Rust does not take
            return encode([without_half_pairs(text) for text in texts], add_special_tokens=False)
