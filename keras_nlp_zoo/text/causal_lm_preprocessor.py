"""Texts to the padded arrays that a language model learns from."""

from typing import Any

import keras
import numpy as np

from keras_nlp_zoo.text.batching import TokenFile, TokenRows, bucket_length
from keras_nlp_zoo.text.inputs import as_text_list
from keras_nlp_zoo.text.preprocessor import TextPreprocessor


class NextTokenRows:
    """Rows of tokens of which all but the last are read, and all but the first are said.

    Args:
        tokens: `TokenRows` of at least two tokens each.
        texts: int64 `(rows,)`. The text that a row comes from; None where nobody asks.
        read_before: int64 `(rows,)`. How many tokens of a row are read only, because another row says them.
    """

    def __init__(self, tokens: TokenRows, texts: np.ndarray | None = None, read_before: np.ndarray | None = None):
        self.tokens = tokens
        self.texts = texts
        self.read_before = read_before
        self.lengths = tokens.lengths - 1

    def __len__(self) -> int:
        return len(self.tokens)

    def __getitem__(self, rows: slice) -> "NextTokenRows":
        texts, before = (None if column is None else column[rows] for column in (self.texts, self.read_before))
        return NextTokenRows(self.tokens[rows], texts, before)


class NextTokenFile:
    """As `TokenFile`, for `NextTokenRows`."""

    def __init__(self) -> None:
        self._tokens = TokenFile()

    def append(self, rows: NextTokenRows) -> None:
        self._tokens.append(rows.tokens)

    def finish(self) -> NextTokenRows:
        return NextTokenRows(self._tokens.finish())


@keras.saving.register_keras_serializable(package="keras_nlp_zoo")
class CausalLMPreprocessor(TextPreprocessor):
    """Tokenises texts for learning each token from those before it, with any KerasHub tokenizer.

    Nothing is cut off: a text of more than `sequence_length` tokens becomes several rows, one after another.

    Args:
        tokenizer: a `knz.Tokenizer`, or a tokenizer of KerasHub.
        sequence_length: int. The most tokens that a row reads.
        add_start_token, add_end_token: bool. Whether texts begin (end) with the tokenizer's start (end) token.
        pack: bool. Whether all texts are joined to one before it is cut into rows, so that there is no padding. A
            model then reads beyond the end of a text into the next.

    Call arguments:
        x: a string, or a list of strings.
        sample_weight: float `(batch,)`, or None.

    Returns:
        `(x, y, sample_weight)`: the dict of `token_ids` and `padding_mask`, int32 `(rows, length)`; the tokens to
        say, int32 `(rows, length)`; and the weight of each, 0 at padding.

    Raises:
        TypeError: `x` holds something that is not a string.
        ValueError: the tokenizer lacks a special token that is needed.

    Example:
        preprocessor = CausalLMPreprocessor(Tokenizer.train(["a fine film"], kind="word"))
        x, y, weight = preprocessor(["a fine film", "fine"])
        x["token_ids"].shape  # (2, 8)
    """

    def __init__(
        self,
        tokenizer: Any,
        sequence_length: int = 512,
        add_start_token: bool = True,
        add_end_token: bool = True,
        pack: bool = False,
        **kwargs: Any,
    ):
        super().__init__(tokenizer, sequence_length, add_start_token, add_end_token, **kwargs)
        self.pack = pack

    def encode(self, x: Any, name: str = "x") -> NextTokenRows:
        """Rows of all texts, not yet padded. Texts of a single token say nothing, and have none."""
        start, end = self.edges()
        ids = [[*start, *row, *end] for row in self._tokenize(as_text_list([x] if isinstance(x, str) else x, name))]
        return self._rows([[token for row in ids for token in row]] if self.pack else ids, self.sequence_length)

    def encode_windows(self, texts: Any, stride: int, name: str = "texts") -> NextTokenRows:
        """Rows for scoring texts: a token that begins a row is said with tokens before it in view.

        Args:
            texts: list of str.
            stride: int. How many tokens are new in a row; the others are read only.
        """
        start, _ = self.edges()
        return self._rows([[*start, *row] for row in self._tokenize(as_text_list(texts, name))], stride)

    def encode_prompts(self, texts: list[str]) -> list[list[int]]:
        """Token ids of the beginnings of texts. One without tokens begins with the start token."""
        rows = self._tokenize(texts)
        start = [self._special("start")] if self.add_start_token or not all(rows) else []
        return [[*(start if self.add_start_token or not row else []), *row] for row in rows]

    def _rows(self, ids: list[list[int]], stride: int) -> NextTokenRows:
        """Rows of at most `sequence_length` tokens, and the next; each after the first says `stride` tokens."""
        size = self.sequence_length
        rows, texts, before = [], [], []
        for text, tokens in enumerate(ids):
            done = 0  # tokens before this one have been said, or are the first
            while done < len(tokens) - 1:
                # As many tokens before the new ones as there is room for.
                end = min(len(tokens), size + 1 if done == 0 else done + 1 + stride)
                begin = max(0, end - size - 1) if stride < size else done
                rows.append(tokens[begin:end])
                texts.append(text)
                before.append(done - begin)
                done = end - 1
        return NextTokenRows(TokenRows.from_lists(rows), np.array(texts, "int64"), np.array(before, "int64"))

    def pad(
        self, rows: NextTokenRows, indices: Any, length: int
    ) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
        """The rows at `indices` as `(x, y, sample_weight)`, arrays of `length` columns; see `encode`."""
        tokens, mask = rows.tokens.padded(indices, length + 1, self._special("pad"))
        x = {
            "token_ids": np.where(mask[:, 1:], tokens[:, :-1], self._special("pad")).astype("int32"),
            "padding_mask": mask[:, 1:],
        }
        weight = mask[:, 1:].astype("float32")
        if rows.read_before is not None:
            weight *= np.arange(length) >= rows.read_before[indices][:, None]
        return x, tokens[:, 1:], weight

    def call(self, x: Any, y: Any = None, sample_weight: Any = None) -> Any:
        rows = self.encode(x)
        length = bucket_length(int(rows.lengths.max(initial=0)), self.sequence_length)
        features, targets, weights = self.pad(rows, np.arange(len(rows)), length)
        if sample_weight is not None:
            weights = weights * np.asarray(sample_weight, "float32").reshape(-1)[rows.texts][:, None]
        return features, targets, weights

    def get_config(self) -> dict[str, Any]:
        config = {**super().get_config(), "pack": self.pack}
        del config["return_segment_ids"]
        return config
