"""Translation, and whatever else reads one text and writes another, over any encoder-decoder of this package."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import keras
import keras_hub
import numpy as np
from keras import ops

from keras_nlp_zoo.checks import check_int
from keras_nlp_zoo.layers.dense import Dense
from keras_nlp_zoo.tasks.backbones import check_vocabulary
from keras_nlp_zoo.tasks.generation import GeneratingTask, reads_kernels, to_numpy
from keras_nlp_zoo.text.batching import PairFile, PairRows, TokenRows, batches_by_length, bucket_length
from keras_nlp_zoo.text.inputs import as_text_list, describe
from keras_nlp_zoo.text.preprocessor import special_token_id
from keras_nlp_zoo.text.seq2seq_preprocessor import SOURCE, TARGET, Seq2SeqPreprocessor


class Attention(NamedTuple):
    """Where a decoder looked: `scores[..., t, s]` is the weight of source token s when target token t was said."""

    source_tokens: list[str]
    target_tokens: list[str]
    scores: np.ndarray


@keras.saving.register_keras_serializable(package="keras_nlp_zoo")
class Seq2SeqLM(GeneratingTask, keras_hub.models.Seq2SeqLM):
    """Learns to write one text for another: translations, answers, summaries.

    `fit` takes `{"encoder_text": sources, "decoder_text": targets}` and no `y`; the decoder reads the target and
    learns to say each of its tokens from the ones before (teacher forcing). `generate` writes targets token by
    token, each step reading only the last token (recurrent states, or cached keys and values). `predict` gives logits
    `(n, target_length, vocabulary_size)`, the targets given.

    Args:
        backbone: a `knz.models.Seq2SeqBackbone`, a `TransformerBackbone`, or another with their inputs, outputs and
            steps of decoding.
        preprocessor: a `knz.text.Seq2SeqPreprocessor`, or None to take ready arrays.

    Raises:
        TypeError: `backbone` is no encoder-decoder of this package, or `preprocessor` is of another kind.
        ValueError: a tokenizer with more tokens than the backbone has embeddings.

    Example:
        pairs = {"encoder_text": ["ein Hund", "eine Katze"], "decoder_text": ["a dog", "a cat"]}
        tokenizer = knz.Tokenizer.train(pairs["encoder_text"] + pairs["decoder_text"], kind="word")
        translator = knz.create_model("attention", tokenizer=tokenizer, hidden_dim=32)
        translator.fit(pairs, epochs=2, verbose=0)
        translator.generate(["ein Hund"], max_length=8)  # ["a dog"], after more epochs
    """

    preprocessor_class = Seq2SeqPreprocessor

    def __init__(self, backbone: Any, preprocessor: Any = None, **kwargs: Any):
        if not hasattr(backbone, "decode_step") or "encoder_token_ids" not in backbone.input:
            raise TypeError(f"`backbone` must be an encoder-decoder of keras_nlp_zoo. Received: {describe(backbone)}")
        if preprocessor is not None and not isinstance(preprocessor, Seq2SeqPreprocessor):
            raise TypeError(
                f"`preprocessor` must be a knz.text.Seq2SeqPreprocessor. Received: {describe(preprocessor)}"
            )
        check_vocabulary(backbone, preprocessor)

        # === Layers ===
        self.backbone = backbone
        self.preprocessor = preprocessor
        self.output_dense = None
        if not backbone.tie_embeddings:
            self.output_dense = Dense(backbone.vocabulary_size, dtype=backbone.dtype_policy, name="logits")

        # === Functional ===
        inputs = backbone.input
        outputs = self._logits(backbone(inputs)["decoder_sequence_output"])  # (batch, target_length, vocabulary_size)
        super().__init__(inputs=inputs, outputs=outputs, **kwargs)

    def _logits(self, hidden: Any) -> Any:
        if self.output_dense is None:
            return self.backbone.decoder_embedding(hidden, reverse=True)
        return self.output_dense(hidden)

    # === Reading ===

    def _encode(self, x: Any, name: str) -> PairRows:
        return self.preprocessor.encode(x, name)

    def _encode_all(self, x: Any, y: Any, sample_weight: Any, name: str) -> tuple[Any, Any, Any]:
        self._refuse_targets(y, name)
        return super()._encode_all(x, None, sample_weight, name)

    def _new_file(self) -> PairFile:
        return PairFile()

    def _pad(self, rows: PairRows, indices: Any, length: int) -> Any:
        return self.preprocessor.pad(rows, indices, length)

    def _bucket(self, rows: PairRows, *args: Any, **kwargs: Any) -> Any:
        return super()._bucket(PairRows(rows.source, rows.target, corpus=True), *args, **kwargs)

    @classmethod
    def preprocessor_for(cls, backbone: Any, tokenizer: Any, **kwargs: Any) -> Any:
        if isinstance(tokenizer, Seq2SeqPreprocessor):
            return tokenizer
        length = kwargs.pop("sequence_length", None)
        if length is None:
            length = min(128, getattr(backbone, "max_sequence_length", None) or 128)
        sides = {"encoder_sequence_length": length, "decoder_sequence_length": length}
        return Seq2SeqPreprocessor(tokenizer, **{**sides, **kwargs})

    # === Writing ===

    def generate(
        self,
        inputs: Any,
        max_length: int | None = None,
        stop_token_ids: Any = "auto",
        strip_prompt: bool = False,
        batch_size: int = 32,
        sampler: Any = None,
        seed: int | None = None,
        verbose: int = 0,
    ) -> Any:
        """Writes a target for each source.

        Args:
            inputs: a source or a list of them; or a dict of `"encoder_text"` and `"decoder_text"`, the beginnings of
                targets, which are then continued. Without a preprocessor a dict of `encoder_token_ids`,
                `encoder_padding_mask`, `decoder_token_ids` and `decoder_padding_mask`, as in KerasHub: the masked
                places of `decoder_token_ids` are filled.
            max_length: int. The most tokens of a target, start and end included; the preprocessor's
                `decoder_sequence_length` by default.
            stop_token_ids: the tokens that end a target: `"auto"` for the tokenizer's end token, a list, or None.
            strip_prompt: bool. Whether to leave the given beginning out of the result.
            batch_size: int. Sources in a batch; those of about equal length go together.
            sampler: another one for this call than `compile` was given: KerasHub's or its name, or
                `knz.samplers.BeamSearch(...)`.
            seed: int. Where the random numbers begin; without it they go on from call to call.
            verbose: 1 for a progress bar.

        Returns:
            A string for a string, a list of them for a list. With `BeamSearch(return_all_beams=True)` the n best
            instead, best first: a list of `{"text", "score"}`. Ready arrays give a dict of `decoder_token_ids` and
            `decoder_padding_mask` (and `scores`).

        Raises:
            TypeError: something that is not a string.
            ValueError: no preprocessor for texts, or an argument out of its range.
        """
        with self._decoding_with(sampler, seed) as decode:
            if isinstance(inputs, dict) and "encoder_token_ids" in inputs:
                return to_numpy(decode(inputs, stop_token_ids=self._stop_token_ids(stop_token_ids)))
            self._tokenizer()
            stop_token_ids = self._stop_token_ids(stop_token_ids)
            sources, prompts, single = _sources_and_prompts(inputs)
            max_length = self.preprocessor.decoder_sequence_length if max_length is None else max_length
            check_int("max_length", max_length, 2)
            rows = self.preprocessor.encode_sources(sources, "inputs")
            given = self.preprocessor.encode_prompts(prompts, max_length, "inputs")
            answers: list[Any] = [None] * len(rows)
            bar = keras.utils.Progbar(len(rows)) if verbose else None
            for indices, outputs in self._write(decode, rows, given, max_length, batch_size, stop_token_ids):
                tokens, mask = outputs["decoder_token_ids"], outputs["decoder_padding_mask"]
                lengths = given.lengths[indices] if strip_prompt else None
                texts = self._texts(tokens, mask, outputs.get("scores"), lengths)
                for i, answer in zip(indices, texts, strict=True):
                    answers[i] = answer
                if bar is not None:
                    bar.add(len(indices))
        return answers[0] if single else answers

    def _write(
        self, decode: Any, sources: TokenRows, given: TokenRows, max_length: int, batch_size: int, stop_token_ids: Any
    ) -> Iterator[tuple[np.ndarray, dict[str, np.ndarray]]]:
        """Targets as token ids, batch by batch: which rows they belong to, and what `generate_step` returns."""
        for indices, filled, length in batches_by_length(
            sources.lengths, batch_size, self.preprocessor.encoder_sequence_length
        ):
            prompt, prompt_mask = given.padded(filled, max_length, self.preprocessor.pad_id)
            inputs = {
                **self.preprocessor.pad_sources(sources, filled, length),
                "decoder_token_ids": prompt,
                "decoder_padding_mask": prompt_mask,
            }
            outputs = to_numpy(decode(inputs, stop_token_ids=stop_token_ids))
            yield indices, {key: value[: len(indices)] for key, value in outputs.items()}

    @reads_kernels
    def generate_step(self, inputs: dict[str, Any], stop_token_ids: Any = None) -> dict[str, Any]:
        """Fills the targets of one batch; what `generate` compiles.

        Args:
            inputs: `encoder_token_ids` and `encoder_padding_mask` `(batch, source_length)`, `decoder_token_ids` and
                `decoder_padding_mask` `(batch, max_length)`, of which the first column has to be given.
            stop_token_ids: list of int, or None.

        Returns:
            A dict of `decoder_token_ids` `(batch, max_length)` and `decoder_padding_mask`, 1 up to and with the stop
            token; of a beam search that returns all beams `(batch, num_beams, max_length)`, and `scores`
            `(batch, num_beams)`.
        """
        prompt, mask = inputs["decoder_token_ids"], ops.cast(inputs["decoder_padding_mask"], "bool")
        max_length = prompt.shape[1]
        cache = self.backbone.start_decoding(inputs["encoder_token_ids"], inputs["encoder_padding_mask"], max_length)
        # Given tokens are read one by one like those that were written: there are few, and no second way to read.
        tokens, mask, scores = self._sample(prompt, mask, 1, cache, stop_token_ids)
        return {"decoder_token_ids": tokens, "decoder_padding_mask": mask, **scores}

    # === Attention ===

    def attention(self, source: str, target: str | None = None) -> Attention:
        """Where the decoder looks while it says a target.

        Args:
            source: str.
            target: str. What `generate` writes, by default.

        Returns:
            An `Attention`: the tokens of the source, those that the decoder says (end tokens included), and the
            weights `(target, source)`, of a transformer `(num_layers, num_heads, target, source)`.
            `knz.plots.attention_map(*attention)` draws it.

        Raises:
            TypeError: something that is not a string.
            ValueError: the backbone does not attend.
        """
        for name, text in (("source", source), ("target", target)):
            if not isinstance(text, str) and not (name == "target" and text is None):
                raise TypeError(f"`{name}` must be a string. Received: {describe(text)}")
        tokenizer = self._tokenizer()
        if target is None:
            # Its tokens as they were written: read again as a text they might be others.
            sources = self.preprocessor.encode_sources([source], "source")
            size = self.preprocessor.decoder_sequence_length
            given = self.preprocessor.encode_prompts([""], size, "target")
            with self._decoding_with(None) as decode:
                ((_, outputs),) = self._write(decode, sources, given, size, 1, [special_token_id(tokenizer, "end")])
            best, mask = (outputs[key].reshape(-1, size)[0] for key in ("decoder_token_ids", "decoder_padding_mask"))
            rows = PairRows(sources, TokenRows.from_lists([best[mask == 1].tolist()]))
        else:
            rows = self.preprocessor.encode({SOURCE: [source], TARGET: [target]})
        length = bucket_length(int(rows.lengths[0]), self.preprocessor.sequence_length)
        inputs, said, _ = self.preprocessor.pad(rows, np.arange(1), length)
        scores = self.backbone.attention_scores({key: ops.convert_to_tensor(value) for key, value in inputs.items()})
        if scores is None:
            raise ValueError(f"This {type(self.backbone).__name__} has no attention to show: make one that attends.")
        sizes = rows.source.lengths[0], rows.target.lengths[0] - 1
        return Attention(
            [tokenizer.id_to_token(int(i)) for i in rows.source.token_ids],
            [tokenizer.id_to_token(int(i)) for i in said[0, : sizes[1]]],
            to_numpy(scores)[0, ..., : sizes[1], : sizes[0]].astype("float32"),
        )


def _sources_and_prompts(inputs: Any) -> tuple[list[str], list[str], bool]:
    """Sources, the beginnings of their targets, and whether there is one only, not in a list."""
    prompts = None
    if isinstance(inputs, dict):
        if not {SOURCE} <= set(inputs) <= {SOURCE, TARGET}:
            raise TypeError(f"`inputs` must have {SOURCE!r}, and may have {TARGET!r}. Received: {sorted(inputs)}")
        inputs, prompts = inputs[SOURCE], inputs.get(TARGET)
    single = isinstance(inputs, str)
    sources = [inputs] if single else as_text_list(inputs, "inputs")
    prompts = [""] * len(sources) if prompts is None else [prompts] if single else as_text_list(prompts, "inputs")
    if not sources:
        raise ValueError("`inputs` is empty: there are no sources in it.")
    if len(prompts) != len(sources):
        raise ValueError(f"`inputs` has {len(sources)} sources, but {len(prompts)} beginnings of targets.")
    return sources, prompts, single
