"""Texts with some of their tokens masked, to be guessed."""

from typing import Any

import keras
import numpy as np

from keras_nlp_zoo.checks import check_shares
from keras_nlp_zoo.text.batching import TokenRows, bucket_length
from keras_nlp_zoo.text.inputs import as_text_list
from keras_nlp_zoo.text.offsets import first_tokens, strip, word_spans
from keras_nlp_zoo.text.preprocessor import TextPreprocessor
from keras_nlp_zoo.text.tokenizer import Tokenizer
from keras_nlp_zoo.text.windows import windows


class MaskingRows:
    """Rows of token ids, and which tokens are masked together.

    Args:
        tokens: `TokenRows`.
        groups: int32 `(sum of lengths,)`. Neighbours with the same number are one word; -1 is never masked.
        mask_rate: float. The share of tokens that are masked.
        generator: draws what is masked; None for the same choice every time, a function of the row's tokens.
    """

    def __init__(self, tokens: TokenRows, groups: np.ndarray, mask_rate: float, generator: Any = None):
        self.tokens = tokens
        self.groups = groups
        self.mask_rate = mask_rate
        self.generator = generator
        self.lengths = tokens.lengths

    def side_lengths(self, length: int) -> tuple[int, int]:
        """The sizes of a batch in the bucket of a length: of its rows, and how many of their tokens can be masked."""
        return length, max(1, round(self.mask_rate * length))

    def __len__(self) -> int:
        return len(self.tokens)

    def __getitem__(self, rows: slice) -> "MaskingRows":
        part = self.tokens.tokens_of(rows)
        return MaskingRows(self.tokens[rows], self.groups[part], self.mask_rate, self.generator)

    @classmethod
    def concatenate(cls, parts: list["MaskingRows"]) -> "MaskingRows":
        groups = np.concatenate([part.groups for part in parts])
        return cls(
            TokenRows.concatenate([part.tokens for part in parts]), groups, parts[0].mask_rate, parts[0].generator
        )


@keras.saving.register_keras_serializable(package="keras_nlp_zoo")
class MaskingPreprocessor(TextPreprocessor):
    """Hides tokens of texts, as BERT is trained: most behind the mask token, some behind a random one.

    Other tokens are hidden every time that a text is read. Texts of more than `sequence_length` tokens become several
    rows; nothing is cut off.

    Paper: Devlin et al. (2019), https://arxiv.org/abs/1810.04805, section 3.1.

    Args:
        tokenizer: a `knz.Tokenizer`, or a tokenizer of KerasHub, with a mask token.
        sequence_length: int. The most tokens of a row, special ones included.
        mask_rate: float. The share of tokens to be guessed.
        mask_token_rate, random_token_rate: float. Of those, the share that becomes the mask token, and a random
            token; the rest stays as it is.
        whole_words: bool. Whether all tokens of a word are hidden together; needs a `knz.Tokenizer`.
        add_start_token, add_end_token, return_segment_ids: as for `TextPreprocessor`.

    Returns:
        `(x, y, sample_weight)`: the dict of `token_ids`, `padding_mask` `(batch, length)` and `mask_positions`
        `(batch, masks)`; the tokens hidden, int32 `(batch, masks)`; and 1.0 for each of them, 0 where there are fewer.

    Raises:
        ValueError: an argument out of its range, a tokenizer without a mask token.

    Example:
        preprocessor = knz.text.MaskingPreprocessor(knz.Tokenizer.train(["a fine film"], kind="word"))
        x, y, sample_weight = preprocessor(["a fine film"])
        x["mask_positions"].shape  # (1, 1)
    """

    def __init__(
        self,
        tokenizer: Any,
        sequence_length: int = 512,
        mask_rate: float = 0.15,
        mask_token_rate: float = 0.8,
        random_token_rate: float = 0.1,
        whole_words: bool = False,
        **kwargs: Any,
    ):
        super().__init__(tokenizer, sequence_length, **kwargs)
        rates = {"mask_rate": mask_rate, "mask_token_rate": mask_token_rate, "random_token_rate": random_token_rate}
        check_shares(**rates)
        if mask_rate == 0 or mask_token_rate + random_token_rate > 1:
            raise ValueError(
                "`mask_rate` must be more than 0, `mask_token_rate` and `random_token_rate` together at most 1. "
                f"Received: {rates}"
            )
        if whole_words and not isinstance(tokenizer, Tokenizer):
            raise ValueError("`whole_words` needs a knz.Tokenizer, which knows where in a text a token stands.")
        self.mask_rate = mask_rate
        self.mask_token_rate = mask_token_rate
        self.random_token_rate = random_token_rate
        self.whole_words = whole_words

    def encode(self, x: Any, name: str = "x") -> MaskingRows:
        """Rows of all texts, nothing hidden yet."""
        texts = as_text_list(x, name)
        start, end = self.edges()
        ids: list[list[int]] = []
        groups: list[list[int]] = []
        for tokens, words in zip(*self._tokens_and_words(texts), strict=True):
            room = self.sequence_length - len(start) - len(end)
            for window in windows(len(tokens), room, 0):
                part = slice(window.first, window.last)
                ids.append([*start, *tokens[part], *end])
                groups.append([*(-1 for _ in start), *words[part], *(-1 for _ in end)])
        rows = TokenRows.from_lists(ids)
        flat = np.fromiter((group for row in groups for group in row), "int32", int(rows.lengths.sum()))
        return MaskingRows(rows, flat, self.mask_rate)

    def _tokens_and_words(self, texts: list[str]) -> tuple[list[Any], list[Any]]:
        if not self.whole_words:
            tokens = self._tokenize(texts)
            return tokens, [list(range(len(row))) for row in tokens]
        encodings = self.tokenizer.encode(texts)
        words = []
        for text, encoding in zip(texts, encodings, strict=True):
            marks = first_tokens(word_spans(text), [strip(text, *span) for span in encoding.offsets])
            words.append(np.maximum(np.maximum.accumulate(marks), 0).tolist() if marks else [])
        return [encoding.token_ids for encoding in encodings], words

    def pad(self, rows: MaskingRows, indices: Any, length: int) -> Any:
        """The rows at `indices` as `(x, y, sample_weight)`, tokens hidden; see the class."""
        x = super().pad(rows.tokens, indices, length)
        groups = TokenRows(rows.groups, rows.lengths).padded(indices, length, -1)[0]
        token_ids = x["token_ids"]
        _, most = rows.side_lengths(length)
        positions = np.zeros((len(indices), most), "int32")
        weights = np.zeros((len(indices), most), "float32")
        hidden = token_ids.copy()
        for row, size in enumerate(rows.lengths[indices]):
            generator = rows.generator or np.random.default_rng([0, *token_ids[row, :size]])
            places = self._choose(groups[row, :size], most, generator)
            positions[row, : len(places)] = places
            weights[row, : len(places)] = 1
            lot = generator.random(len(places))
            random_ids = generator.integers(self.tokenizer.vocabulary_size(), size=len(places))
            replaced = np.where(lot < self.mask_token_rate, self._special("mask"), random_ids)
            kept = lot >= self.mask_token_rate + self.random_token_rate
            hidden[row, places] = np.where(kept, token_ids[row, places], replaced)
        y = np.take_along_axis(token_ids, positions, axis=1) * weights.astype("int32")
        return {**x, "token_ids": hidden, "mask_positions": positions}, y, weights

    def _choose(self, groups: np.ndarray, most: int, generator: Any) -> np.ndarray:
        """The places to hide, a share of the row, whole groups at a time."""
        candidates = np.unique(groups[groups >= 0])
        if not len(candidates):
            return np.zeros(0, "int64")
        wanted = min(most, max(1, round(self.mask_rate * int((groups >= 0).sum()))))
        chosen: list[np.ndarray] = []
        for group in generator.permutation(candidates):
            places = np.flatnonzero(groups == group)
            if sum(map(len, chosen)) + len(places) <= wanted or (not chosen and len(places) <= most):
                chosen.append(places)
        return np.sort(np.concatenate(chosen)) if chosen else np.zeros(0, "int64")

    def call(self, x: Any, y: Any = None, sample_weight: Any = None) -> Any:
        if y is not None or sample_weight is not None:
            raise ValueError("`y` and `sample_weight` must be left out: what is hidden is what is to be learnt.")
        rows = self.encode([x] if isinstance(x, str) else x)
        rows.generator = np.random.default_rng(np.random.randint(2**31))
        length = bucket_length(int(rows.lengths.max(initial=0)), self.sequence_length)
        return self.pad(rows, np.arange(len(rows)), length)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        config.update(
            {
                "mask_rate": self.mask_rate,
                "mask_token_rate": self.mask_token_rate,
                "random_token_rate": self.random_token_rate,
                "whole_words": self.whole_words,
            }
        )
        return config
