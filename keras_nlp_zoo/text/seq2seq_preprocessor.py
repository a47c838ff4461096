"""Pairs of texts to the padded arrays that an encoder-decoder reads, and back."""

from typing import Any

import keras
import keras_hub
import numpy as np

from keras_nlp_zoo.checks import check_int
from keras_nlp_zoo.text.batching import PairRows, TokenRows, bucket_length
from keras_nlp_zoo.text.inputs import as_text_list, describe
from keras_nlp_zoo.text.preprocessor import special_token_id, warn_if_cut

SOURCE, TARGET = "encoder_text", "decoder_text"


@keras.saving.register_keras_serializable(package="keras_nlp_zoo")
class Seq2SeqPreprocessor(keras_hub.models.Preprocessor):
    """Tokenises sources and targets for training an encoder-decoder, with any KerasHub tokenizer.

    A source ends with the tokenizer's end token. A target stands between start and end token; the decoder reads all
    of it but the last token and learns to say all of it but the first. Texts that are longer than allowed are cut at
    their end (a target then has no end token), with one warning per call that says how many were.

    Args:
        tokenizer: a `knz.Tokenizer`, or a tokenizer of KerasHub, with a start and an end token.
        encoder_sequence_length: int. The most tokens of a source that are kept, the end token included.
        decoder_sequence_length: int. The most tokens of a target that the decoder reads, the start token included.

    Call arguments:
        x: a dict of `"encoder_text"` and `"decoder_text"`, each a string or a list of strings.
        sample_weight: float `(batch,)`, or None.

    Returns:
        `(x, y, sample_weight)`: the dict of `encoder_token_ids`, `encoder_padding_mask`, `decoder_token_ids` and
        `decoder_padding_mask`, int32 `(batch, length)`; the tokens to say, int32 `(batch, length)`; and the weight
        of each, 0 at padding.

    Raises:
        TypeError: `x` is no such dict, or holds something that is not a string.
        ValueError: sources and targets differ in number, or the tokenizer lacks a special token.

    Example:
        preprocessor = Seq2SeqPreprocessor(Tokenizer.train(["ein Hund", "a dog"], kind="word"))
        x, y, weight = preprocessor({"encoder_text": ["ein Hund"], "decoder_text": ["a dog"]})
        x["decoder_token_ids"].shape  # (1, 8)
    """

    def __init__(
        self, tokenizer: Any, encoder_sequence_length: int = 128, decoder_sequence_length: int = 128, **kwargs: Any
    ):
        super().__init__(**kwargs)
        if not isinstance(tokenizer, keras_hub.tokenizers.Tokenizer):
            raise TypeError(
                f"`tokenizer` must be a knz.Tokenizer or a KerasHub tokenizer. Received: {describe(tokenizer)}"
            )
        check_int("encoder_sequence_length", encoder_sequence_length, 2)
        check_int("decoder_sequence_length", decoder_sequence_length, 2)
        self.tokenizer = tokenizer
        self.encoder_sequence_length = encoder_sequence_length
        self.decoder_sequence_length = decoder_sequence_length
        self.built = True

    @property
    def sequence_length(self) -> int:
        """The length that no batch exceeds."""
        return max(self.encoder_sequence_length, self.decoder_sequence_length)

    def encode(self, x: Any, name: str = "x") -> PairRows:
        """Token ids of every pair, special tokens included, cut but not yet padded."""
        _check_pair(x, name)
        sources = as_text_list(x[SOURCE], f"{name}[{SOURCE!r}]")
        targets = as_text_list(x[TARGET], f"{name}[{TARGET!r}]")
        if len(sources) != len(targets):
            raise ValueError(f"`{name}` has {len(sources)} sources, but {len(targets)} targets.")
        # One token more than the decoder reads: the last is only said.
        return PairRows(
            self.encode_sources(sources, name),
            self._encode(targets, name, True, True, self.decoder_sequence_length + 1),
        )

    def encode_sources(self, texts: list[str], name: str = "x") -> TokenRows:
        """Token ids of sources."""
        return self._encode(texts, name, False, True, self.encoder_sequence_length)

    def encode_prompts(self, texts: list[str], max_length: int, name: str = "x") -> TokenRows:
        """Token ids of the beginnings of targets, the start token included, of which at least one is left to say."""
        return self._encode(texts, name, True, False, max_length - 1)

    def pad(self, rows: PairRows, indices: Any, length: int) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
        """The rows at `indices` as `(x, y, sample_weight)`, arrays of at most `length` columns; see `encode`."""
        source_length, target_length = rows.side_lengths(length)
        target, mask = rows.target.padded(indices, target_length + 1, self.pad_id)
        x = {
            **self.pad_sources(rows.source, indices, source_length),
            # The last token of a target is not read, only said.
            "decoder_token_ids": np.where(mask[:, 1:], target[:, :-1], self.pad_id).astype("int32"),
            "decoder_padding_mask": mask[:, 1:],
        }
        return x, target[:, 1:], mask[:, 1:].astype("float32")

    def pad_sources(self, rows: TokenRows, indices: Any, length: int) -> dict[str, np.ndarray]:
        """The encoder's half of `pad`."""
        token_ids, padding_mask = rows.padded(indices, length, self.pad_id)
        return {"encoder_token_ids": token_ids, "encoder_padding_mask": padding_mask}

    @property
    def pad_id(self) -> int:
        return special_token_id(self.tokenizer, "pad")

    def call(self, x: Any, y: Any = None, sample_weight: Any = None) -> Any:
        _check_pair(x, "x")
        single = isinstance(x[SOURCE], str)
        if single:
            x = {key: [value] for key, value in x.items()}
        rows = self.encode(x)
        length = bucket_length(int(rows.lengths.max(initial=0)), self.sequence_length)
        features, targets, weights = self.pad(rows, np.arange(len(rows)), length)
        if sample_weight is not None:
            weights = weights * np.asarray(sample_weight, "float32").reshape(-1, 1)
        if single:
            return {key: value[0] for key, value in features.items()}, targets[0], weights[0]
        return features, targets, weights

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        config.update(
            {
                "encoder_sequence_length": self.encoder_sequence_length,
                "decoder_sequence_length": self.decoder_sequence_length,
            }
        )
        return config

    def _encode(self, texts: list[str], name: str, start: bool, end: bool, length: int) -> TokenRows:
        before = [special_token_id(self.tokenizer, "start")] if start else []
        after = [special_token_id(self.tokenizer, "end")] if end else []
        ids = self.tokenizer.tokenize(texts) if texts else []
        ids = ids.to_list() if hasattr(ids, "to_list") else ids
        rows = TokenRows.from_lists([[*before, *row, *after] for row in ids])
        warn_if_cut(int((rows.lengths > length).sum()), len(rows), name, length)
        return rows.truncate(length)


def _check_pair(x: Any, name: str) -> None:
    if not isinstance(x, dict) or set(x) != {SOURCE, TARGET}:
        received = f"a dict of {sorted(map(str, x))}" if isinstance(x, dict) else describe(x)
        raise TypeError(f"`{name}` must be a dict of {SOURCE!r} and {TARGET!r}. Received: {received}")
