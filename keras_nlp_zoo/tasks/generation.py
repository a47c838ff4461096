"""What the tasks share that write texts: a way to decode, kept compiled, and texts of what it wrote."""

import functools
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras
import keras_hub
import numpy as np
from keras import ops

from keras_nlp_zoo.layers.dense import kernels_for_one_row, with_kernels
from keras_nlp_zoo.metrics import TokenAccuracy
from keras_nlp_zoo.naming import suggest
from keras_nlp_zoo.tasks.task import TextTask, unless_auto
from keras_nlp_zoo.text.inputs import as_text_list, describe
from keras_nlp_zoo.text.preprocessor import special_token_id
from keras_nlp_zoo.training import TokenCrossentropy

# Those that need no argument.
SAMPLERS = ("beam", "greedy", "random", "top_k", "top_p")


@contextmanager
def _retracing_is_meant() -> Iterator[None]:
    """TensorFlow warns of a program that is traced again; here there is one for each bucket of lengths."""

    def wanted(record: logging.LogRecord) -> bool:
        return "tf.function retracing" not in record.getMessage()

    logger = logging.getLogger("tensorflow")
    logger.addFilter(wanted)
    try:
        yield
    finally:
        logger.removeFilter(wanted)


def reads_kernels(generate_step: Any) -> Any:
    """A `generate_step` whose `inputs` may hold `kernels` too: what `kernels_for_one_row` gives."""

    @functools.wraps(generate_step)
    def step(self: Any, inputs: dict[str, Any], stop_token_ids: Any = None) -> dict[str, Any]:
        with with_kernels(self, inputs.get("kernels", [])):
            return generate_step(self, inputs, stop_token_ids)

    return step


class GeneratingTask(TextTask):
    """A `TextTask` that has a `sampler` to write with; mixed into a task of KerasHub."""

    targets_in_texts = True
    sampler: Any
    _logits: Any
    generate_function: Any
    jit_compile: bool
    # A call may bring a sampler, which the task then has: of several threads one writes at a time.
    _writing: Any = None

    # === Compiling ===

    default_metric: Any = TokenAccuracy

    def compile(
        self,
        optimizer: Any = "auto",
        loss: Any = "auto",
        *,
        weighted_metrics: Any = "auto",
        sampler: Any = "greedy",
        **kwargs: Any,
    ) -> None:
        """As `keras.Model.compile`, with defaults, and with the way to write.

        Args:
            optimizer: the backbone's own by default; `knz.training.fine_tuning_optimizer()` for one that comes trained.
            loss: `knz.training.TokenCrossentropy()` by default, the mean over real tokens.
            weighted_metrics: per real token, the accuracy by default, of a `CausalLM` the perplexity.
            sampler: what `generate` writes with: a sampler of KerasHub or its name (`"greedy"`, `"top_k"`, `"top_p"`,
                ...), or `knz.samplers.BeamSearch(...)`.

        Raises:
            TypeError: `sampler` is not a sampler.
            ValueError: an unknown name of a sampler.
        """
        if self._writing is None:
            self._writing = threading.RLock()
        with self._writing:
            self._forget_programs()
            self._compiles_writing = kwargs.get("jit_compile", "auto") is not False
            super().compile(
                optimizer=unless_auto(optimizer, self.default_optimizer),
                loss=unless_auto(loss, TokenCrossentropy),
                weighted_metrics=unless_auto(weighted_metrics, lambda: [self.default_metric()]),
                sampler=get_sampler(sampler),
                **kwargs,
            )

    def _forget_programs(self) -> None:
        """Those that were traced with the layers as they were."""
        self._generate_functions: dict[str, Any] = {}

    def get_compile_config(self) -> dict[str, Any]:
        config = super().get_compile_config()
        if not config:
            return config
        return {**config, "sampler": keras.saving.serialize_keras_object(self._own_sampler())}

    def _own_sampler(self) -> Any:
        """What `compile` was given, whatever another thread writes with now."""
        if self._writing is None:
            raise ValueError("This task has not been compiled: call `compile()` before it is to write.")
        with self._writing:
            return self.sampler

    # === Reading ===

    def _refuse_targets(self, y: Any, name: str) -> None:
        if y is not None:
            target_name = "y" if name == "x" else name
            raise ValueError(f"`{target_name}` must be left out: the texts in `{name}` say what is to be learnt.")

    def preprocess_samples(self, x: Any, y: Any = None, sample_weight: Any = None) -> Any:
        if not self._takes_texts(x):
            return keras.utils.pack_x_y_sample_weight(x, y, sample_weight)
        self._refuse_targets(y, "x")
        return self.preprocessor(x, sample_weight=sample_weight)

    # === Writing ===

    def make_generate_function(self) -> Any:
        # On TensorFlow `"auto"` means XLA on a GPU only, for training. Without it GPT-2 (124M) writes 29 tokens a
        # second on two cores, and 66 in batches of 8; with it 42 and 175, compiled in the same time. A recurrent
        # network's step is compiled already (`recurrent_kernels_xla`); the whole loop took longer with it.
        usual = self.jit_compile
        cached = getattr(self.backbone, "caches_keys", False) and keras.backend.backend() == "tensorflow"
        try:
            self.jit_compile = usual or (cached and self._compiles_writing)
            return super().make_generate_function()
        finally:
            self.jit_compile = usual

    @contextmanager
    def _decoding_with(self, sampler: Any, seed: int | None = None) -> Iterator[Any]:
        """The compiled `generate_step`, for a time with another sampler; with random numbers from a seed."""
        self._own_sampler()  # there is one
        with self._writing, _retracing_is_meant(), self._compiled_for(sampler, seed) as decode:

            def step(inputs: dict[str, Any], stop_token_ids: Any = None) -> Any:
                texts = max(len(value) for key, value in inputs.items() if key.endswith("token_ids"))
                rows = texts * getattr(self.sampler, "num_beams", 1)
                kernels = kernels_for_one_row(self) if rows == 1 else []
                return decode({**inputs, "kernels": kernels}, stop_token_ids=stop_token_ids)

            yield step

    @contextmanager
    def _compiled_for(self, sampler: Any, seed: int | None) -> Iterator[Any]:
        if sampler is None:
            _seed(self.sampler, seed)
            yield self.make_generate_function()
            return
        sampler = get_sampler(sampler)
        _seed(sampler, seed)
        key = str(keras.saving.serialize_keras_object(sampler))
        usual = self.sampler, self.generate_function
        # What was compiled for one like it serves again, with the random state of this one.
        self.sampler, self.generate_function = self._generate_functions.get(key, (another(sampler), None))
        compiled_for = self.sampler
        try:
            _copy_state(sampler, compiled_for)
            function = self.make_generate_function()
            self._generate_functions[key] = compiled_for, function
            yield function
            _copy_state(compiled_for, sampler)
        finally:
            self.sampler, self.generate_function = usual

    def _following(self, tokens: Any, cache: Any, index: Any) -> tuple[Any, Any, Any]:
        """What samplers ask for: the scores of the token at `index`, the vector they are made of, and the cache."""
        last = ops.slice(tokens, [0, index - 1], [ops.shape(tokens)[0], 1])[:, 0]
        hidden, cache = self.backbone.decode_step(last, index - 1, cache)
        return self._logits(hidden), hidden, cache

    def _sample(
        self, tokens: Any, mask: Any, index: Any, cache: Any, stop_token_ids: Any, hidden_states: Any = None
    ) -> tuple[Any, Any, dict[str, Any]]:
        """What the sampler's own loop writes: tokens, those of all beams if it gives them, the mask, and `scores`."""
        found = self.sampler(
            next=self._following,
            prompt=tokens,
            cache=cache,
            index=index,
            mask=mask,
            stop_token_ids=stop_token_ids,
            hidden_states=hidden_states,
            model=self,
        )
        if not isinstance(found, tuple):
            return found, mask_after_stop(found, mask, stop_token_ids), {}
        tokens, scores = found
        return tokens, mask_after_stop(tokens, mask[:, None], stop_token_ids), {"scores": scores}

    def _stop_token_ids(self, stop_token_ids: Any) -> Any:
        """What `"auto"` stands for."""
        if not isinstance(stop_token_ids, str):
            return stop_token_ids
        if stop_token_ids != "auto":
            raise ValueError(
                f'`stop_token_ids` must be "auto", a list of ids, or None. Received: stop_token_ids={stop_token_ids!r}'
            )
        return [special_token_id(self._tokenizer(), "end")]

    def _texts(self, tokens: np.ndarray, mask: np.ndarray, scores: Any, prompt_lengths: Any) -> list[Any]:
        """Texts of the rows, or of the n best of each; without their beginnings if it is said how long these are."""
        mask = mask.astype(bool)
        if prompt_lengths is not None:
            given = np.arange(tokens.shape[-1]) < prompt_lengths[:, None]
            mask = mask & ~(given if tokens.ndim == 2 else given[:, None])
        flat = [row[kept].tolist() for row, kept in _rows(tokens, mask)]
        texts = as_text_list(self._tokenizer().detokenize(flat), "outputs")
        if scores is None:
            return texts
        return [
            [
                {"text": texts[i * scores.shape[1] + j], "score": float(score)}
                for j, score in enumerate(row)
                if np.isfinite(score)  # a place in the beam that was never filled
            ]
            for i, row in enumerate(scores)
        ]

    def _tokenizer(self) -> Any:
        if self.preprocessor is None:
            raise ValueError("This task has no preprocessor: pass ready arrays and `stop_token_ids`.")
        return self.preprocessor.tokenizer


def _rows(tokens: np.ndarray, mask: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    length = tokens.shape[-1]
    return zip(tokens.reshape(-1, length), mask.reshape(-1, length), strict=True)


def get_sampler(sampler: Any) -> Any:
    """A sampler by its name, as `keras_hub.samplers.get`; or a `ValueError` with the names there are."""
    if isinstance(sampler, str) and sampler not in SAMPLERS:
        raise ValueError(suggest("sampler", sampler, SAMPLERS))
    found = keras_hub.samplers.get(sampler)
    if not isinstance(found, keras_hub.samplers.Sampler):
        raise TypeError(f"`sampler` must be a sampler of KerasHub, or its name. Received: {describe(sampler)}")
    return found


def another(sampler: Any) -> Any:
    """A sampler like this one, with a random state of its own."""
    return type(sampler).from_config(sampler.get_config())


def _seed(sampler: Any, seed: int | None) -> None:
    if seed is not None:
        for variable in sampler.variables:
            variable.assign(keras.random.SeedGenerator(seed).state)


def _copy_state(source: Any, target: Any) -> None:
    for variable, value in zip(target.variables, source.variables, strict=True):
        if variable is not value:
            variable.assign(value)


def mask_after_stop(tokens: Any, given: Any, stop_token_ids: Any) -> Any:
    """1 up to and with the first stop token that was not given, int32 like `tokens`, `(..., length)`."""
    stops = ops.zeros_like(tokens, dtype="int32")
    for stop in stop_token_ids or ():
        stops = ops.maximum(stops, ops.cast((tokens == stop) & ops.logical_not(given), "int32"))
    before = ops.cumsum(stops, axis=-1) - stops  # stop tokens before each place
    return ops.cast(before == 0, "int32")


def to_numpy(outputs: Any) -> Any:
    return keras.tree.map_structure(ops.convert_to_numpy, outputs)
