"""Language models: what comes next, token by token."""

from collections.abc import Iterator
from typing import Any

import keras
import keras_hub
import numpy as np
from keras import ops

from keras_nlp_zoo.checks import check_int
from keras_nlp_zoo.layers.dense import Dense
from keras_nlp_zoo.metrics import Perplexity
from keras_nlp_zoo.tasks.backbones import check_vocabulary, token_vectors
from keras_nlp_zoo.tasks.generation import another, get_sampler, to_numpy
from keras_nlp_zoo.tasks.next_token import NextTokenTask, as_tensors, takes_steps
from keras_nlp_zoo.tasks.reading import as_weights
from keras_nlp_zoo.tasks.streaming import TextStream, stop_strings, written
from keras_nlp_zoo.text.batching import batches_by_length
from keras_nlp_zoo.text.causal_lm_preprocessor import CausalLMPreprocessor, NextTokenFile
from keras_nlp_zoo.text.inputs import as_text_list, describe
from keras_nlp_zoo.training import TokenCrossentropy

# Tokens between two looks for stop strings, which cannot be looked for in compiled code.
CHUNK = 16


@keras.saving.register_keras_serializable(package="keras_nlp_zoo")
class CausalLM(NextTokenTask, keras_hub.models.CausalLM):
    """Learns to say the next token of a text, and so to write.

    `fit` takes texts alone, or one long text. `generate` continues beginnings, each step reading only the last token
    (recurrent states, or cached keys and values); `stream` gives a text while it is written; `perplexity` says how
    well texts are foreseen. `predict` gives logits `(n, length, vocabulary_size)`.

    Args:
        backbone: a `knz.models.GPT2Backbone`, `TransformerDecoderBackbone`, or a recurrent one that reads forwards.
        preprocessor: a `knz.text.CausalLMPreprocessor`, or None to take ready arrays.

    Raises:
        TypeError: `backbone` is none that writes texts, or `preprocessor` is of another kind.
        ValueError: a tokenizer with more tokens than the backbone has embeddings, or a bidirectional backbone.

    Example:
        texts = ["to be or not to be", "that is the question"]
        tokenizer = knz.Tokenizer.train(texts, kind="char")
        writer = knz.create_model("lstm", "causal_lm", tokenizer=tokenizer, hidden_dim=32)
        writer.fit(texts, epochs=2, verbose=0)
        writer.generate("to be", max_length=12)  # "to be or not", after more epochs
        writer.perplexity(texts)
    """

    preprocessor_class = CausalLMPreprocessor
    default_metric = Perplexity

    def __init__(self, backbone: Any, preprocessor: Any = None, **kwargs: Any):
        if not hasattr(backbone, "decode_step") or "token_ids" not in backbone.input:
            raise TypeError(
                "`backbone` must be a recurrent network, a TransformerDecoderBackbone or a GPT2Backbone of "
                f"keras_nlp_zoo. Received: {describe(backbone)}"
            )
        if getattr(backbone, "bidirectional", False):
            raise ValueError("`backbone` is bidirectional: it reads what it would have to say.")
        if preprocessor is not None and not isinstance(preprocessor, CausalLMPreprocessor):
            raise TypeError(
                f"`preprocessor` must be a knz.text.CausalLMPreprocessor. Received: {describe(preprocessor)}"
            )
        check_vocabulary(backbone, preprocessor)

        # === Layers ===
        self.backbone = backbone
        self.preprocessor = preprocessor
        self.output_dense = None
        if not getattr(backbone, "tie_embeddings", False):
            self.output_dense = Dense(backbone.vocabulary_size, dtype=backbone.dtype_policy, name="logits")

        # === Functional ===
        inputs = backbone.input
        outputs = self._logits(token_vectors(backbone, backbone(inputs)))  # (batch, length, vocabulary_size)
        super().__init__(inputs=inputs, outputs=outputs, **kwargs)

    def _logits(self, hidden: Any) -> Any:
        if self.output_dense is None:
            return self.backbone.token_embedding(hidden, reverse=True)
        return self.output_dense(hidden)

    def _forget_programs(self) -> None:
        super()._forget_programs()
        self.__dict__.pop("_scorer_model", None)

    # === Reading ===

    def _encode_all(self, x: Any, y: Any, sample_weight: Any, name: str) -> tuple[Any, Any, Any]:
        self._refuse_targets(y, name)
        if isinstance(x, str):
            x = [x]
        rows = self.preprocessor.encode(x, name)
        if sample_weight is not None:
            if self.preprocessor.pack:
                raise ValueError("`sample_weight` does not go with `pack`, which makes one text of all.")
            sample_weight = as_weights(sample_weight, len(x), name)[rows.texts]
        return rows, None, sample_weight

    def _new_file(self) -> NextTokenFile:
        return NextTokenFile()

    @classmethod
    def preprocessor_for(cls, backbone: Any, tokenizer: Any, **kwargs: Any) -> Any:
        if getattr(tokenizer, "start_token_id", None) == getattr(tokenizer, "end_token_id", None):
            # GPT-2 has one token for both, and was trained on texts that begin with neither.
            kwargs.setdefault("add_start_token", False)
        return super().preprocessor_for(backbone, tokenizer, **kwargs)

    # === Scoring ===

    def perplexity(
        self, texts: Any, stride: int | None = None, batch_size: int = 8, per_text: bool = False, verbose: int = 0
    ) -> Any:
        """How many tokens, equally likely, the model is as unsure between: exp of the mean loss per token.

        A text longer than the model reads goes through a window that moves by `stride` tokens; each token is scored
        once, with at least `sequence_length - stride` tokens before it in view. The first token of a text is scored
        where texts begin with a start token. Neither batches nor padding change the result.

        Args:
            texts: a string, or a list of them.
            stride: int. Half of the preprocessor's `sequence_length` by default.
            batch_size: int. Windows in a batch.
            per_text: bool. Whether to give one number for each text rather than one for all.
            verbose: 1 for a progress bar.

        Returns:
            A float: over the tokens of all texts; or a list of floats, `nan` for a text with nothing to score.

        Raises:
            ValueError: no preprocessor, no token to score, or `stride` out of its range.
        """
        self._tokenizer()
        longest = self.preprocessor.sequence_length
        stride = max(1, longest // 2) if stride is None else stride
        check_int("stride", stride, 1)
        if stride > longest:
            raise ValueError(f"`stride` must not exceed sequence_length={longest}. Received: stride={stride!r}")
        texts = [texts] if isinstance(texts, str) else as_text_list(texts, "texts")
        rows = self.preprocessor.encode_windows(texts, stride)
        if not len(rows):
            raise ValueError("`texts` must hold a text of at least two tokens: the first is only read.")
        totals, counts = np.zeros(len(texts)), np.zeros(len(texts))
        bar = keras.utils.Progbar(len(rows)) if verbose else None
        for indices, filled, length in batches_by_length(rows.lengths, batch_size, longest):
            x, targets, weights = self.preprocessor.pad(rows, filled, length)
            losses = to_numpy(self._scorer().predict_on_batch({**x, "targets": targets}))
            for number, row in enumerate(indices):
                real = weights[number] > 0
                totals[rows.texts[row]] += losses[number][real].astype("float64").sum()
                counts[rows.texts[row]] += real.sum()
            if bar is not None:
                bar.add(len(indices))
        if per_text:
            with np.errstate(invalid="ignore"):  # 0 / 0 where there is nothing to score
                return np.exp(totals / counts).tolist()
        return float(np.exp(totals.sum() / counts.sum()))

    def _scorer(self) -> Any:
        """A model that gives the loss of each token, so that no logits leave the device."""
        if "_scorer_model" not in self.__dict__:
            targets = keras.Input((None,), dtype="int32", name="targets")
            losses = TokenCrossentropy().call(targets, ops.cast(self.output, "float32"))
            # Past Keras's tracking: it has no weights of its own.
            self.__dict__["_scorer_model"] = keras.Model({**self.input, "targets": targets}, losses)
        return self.__dict__["_scorer_model"]

    # === Writing ===

    def generate(
        self,
        inputs: Any,
        max_length: int | None = None,
        stop_token_ids: Any = "auto",
        strip_prompt: bool = False,
        stop: Any = None,
        batch_size: int = 32,
        sampler: Any = None,
        seed: int | None = None,
        verbose: int = 0,
    ) -> Any:
        """Continues texts.

        Args:
            inputs: a beginning or a list of them, of any lengths. Without a preprocessor a dict of `token_ids` and
                `padding_mask` `(batch, max_length)`, as in KerasHub: the masked places are filled.
            max_length: int. The most tokens of a text, its beginning included; the preprocessor's `sequence_length`
                by default.
            stop_token_ids: the tokens that end a text: `"auto"` for the tokenizer's end token, a list, or None.
            strip_prompt: bool. Whether to leave the beginning out of the result.
            stop: str or list of str. A text ends before the first of these that is written.
            batch_size: int. Texts in a batch; those of about equal length go together.
            sampler: another one for this call than `compile` was given: KerasHub's or its name, or
                `knz.samplers.BeamSearch(...)`.
            seed: int. Where the random numbers begin; without it they go on from call to call.
            verbose: 1 for a progress bar.

        Returns:
            A string for a string, a list of them for a list. With `BeamSearch(return_all_beams=True)` the n best
            instead, best first: a list of `{"text", "score"}`. Ready arrays give a dict of `token_ids` and
            `padding_mask` (and `scores`).

        Raises:
            TypeError: something that is not a string.
            ValueError: no preprocessor for texts, a beginning that leaves no room, or an argument out of its range.
        """
        with self._decoding_with(sampler, seed) as decode:
            if isinstance(inputs, dict):
                outputs = to_numpy(decode(as_tensors(inputs), stop_token_ids=self._stop_token_ids(stop_token_ids)))
                return {key: outputs[key] for key in ("token_ids", "padding_mask", "scores") if key in outputs}
            single = isinstance(inputs, str)
            prompts, max_length = self._prompts([inputs] if single else inputs, max_length)
            stop_token_ids, stop = self._stop_token_ids(stop_token_ids), stop_strings(stop)
            if stop and getattr(self.sampler, "return_all_beams", False):
                raise ValueError("`stop` does not go with `return_all_beams`, whose texts would lose their scores.")
            lengths = np.array([len(prompt) for prompt in prompts])
            answers: list[Any] = [None] * len(prompts)
            bar = keras.utils.Progbar(len(prompts)) if verbose else None
            for indices, filled, _ in batches_by_length(lengths, batch_size):
                batch = [prompts[i] for i in filled]
                chunk = CHUNK if stop and takes_steps(self.sampler) else None
                for outputs in self._write(batch, max_length, decode, stop_token_ids, chunk):
                    texts = self._texts_of(outputs, batch, strip_prompt, stop)
                answers_here = zip(indices, texts, strict=False)  # a batch may be filled up
                for i, text in answers_here:
                    answers[i] = text
                if bar is not None:
                    bar.add(len(indices))
        return answers[0] if single else answers

    def stream(
        self,
        prompt: str,
        max_length: int | None = None,
        stop_token_ids: Any = "auto",
        strip_prompt: bool = False,
        stop: Any = None,
        sampler: Any = None,
        seed: int | None = None,
    ) -> Iterator[str]:
        """Gives the text that `generate` would while it is written, piece by piece.

        Joined, the pieces are what `generate` returns for the same arguments. A piece ends where a character does,
        and is not given before it is sure not to belong to a `stop` string. Arguments and errors are those of
        `generate`; a beam search cannot be streamed.

        Example:
            for piece in writer.stream("to be", max_length=40):
                print(piece, end="", flush=True)
        """
        if not isinstance(prompt, str):
            raise TypeError(f"`prompt` must be a string. Received: {describe(prompt)}")
        (tokens,), max_length = self._prompts([prompt], max_length)
        stop_token_ids, stop = self._stop_token_ids(stop_token_ids), stop_strings(stop)
        writes = self._own_sampler() if sampler is None else get_sampler(sampler)
        if not takes_steps(writes):
            raise ValueError(f"`sampler` writes no text from left to right: {type(writes).__name__}")
        if sampler is not None:
            sampler = writes
        elif seed is not None and writes.variables:
            sampler = another(writes)  # what is written between two pieces draws from the task's own
        return self._pieces(tokens, max_length, stop_token_ids, strip_prompt, stop, sampler, seed)

    def _pieces(
        self,
        prompt: list[int],
        max_length: int,
        stop_token_ids: Any,
        strip_prompt: bool,
        stop: Any,
        sampler: Any,
        seed: Any,
    ) -> Iterator[str]:
        text = TextStream(self._tokenizer(), prompt, strip_prompt, stop)
        seeds = [seed]

        def decode(*args: Any, **kwargs: Any) -> Any:
            # For one step at a time: between two of them the model may be asked for something else.
            with self._decoding_with(sampler, seeds.pop() if seeds else None) as step:
                return step(*args, **kwargs)

        for outputs in self._write([prompt], max_length, decode, stop_token_ids, chunk=1):
            piece = text.add(_new_tokens(outputs, 0, prompt))
            if piece:
                yield piece
            if text.ended:
                return
        rest = text.finish()
        if rest:
            yield rest

    def _prompts(self, texts: Any, max_length: int | None) -> tuple[list[list[int]], int]:
        self._tokenizer()
        texts = as_text_list(texts, "inputs")
        if not texts:
            raise ValueError("`inputs` is empty: there are no texts in it.")
        max_length = self.preprocessor.sequence_length if max_length is None else max_length
        check_int("max_length", max_length, 1)
        limit = getattr(self.backbone, "max_sequence_length", None)
        if limit is not None and max_length > limit:
            raise ValueError(f"`max_length` must not exceed max_sequence_length={limit}. Received: {max_length!r}")
        prompts = self.preprocessor.encode_prompts(texts)
        longest = max(map(len, prompts))
        if longest >= max_length:
            raise ValueError(
                f"`max_length` must be more than the {longest} tokens of the longest text in `inputs`. "
                f"Received: max_length={max_length!r}"
            )
        return prompts, max_length

    def _texts_of(
        self, outputs: dict[str, Any], prompts: list[list[int]], strip_prompt: bool, stop: tuple[str, ...]
    ) -> list[Any]:
        """Texts of one batch; what ends before a stop string is marked as done."""
        if not stop or "scores" in outputs:
            lengths = np.array([len(prompt) for prompt in prompts]) if strip_prompt else None
            return self._texts(outputs["token_ids"], outputs["padding_mask"], outputs.get("scores"), lengths)
        texts = []
        for row, prompt in enumerate(prompts):
            new = _new_tokens(outputs, row, prompt)
            text, ended = written(self._tokenizer(), prompt, new, strip_prompt, stop)
            texts.append(text)
            if ended and "done" in outputs:
                outputs["done"][row] = True
        return texts


def _new_tokens(outputs: dict[str, Any], row: int, prompt: list[int]) -> list[int]:
    """What stands after a beginning."""
    return outputs["token_ids"][row][outputs["padding_mask"][row] == 1][len(prompt) :].tolist()
