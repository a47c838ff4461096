"""Scores of what a model writes, while it trains."""

import inspect
from collections.abc import Callable
from typing import Any

from keras_nlp_zoo.checks import check_int
from keras_nlp_zoo.metrics.epoch_scores import EpochScores
from keras_nlp_zoo.metrics.text import as_references, bleu
from keras_nlp_zoo.text.inputs import as_text_list, describe


class GenerationMetrics(EpochScores):
    """Lets the model write at the end of an epoch and scores it: BLEU beside the loss.

    The scores go into the epoch's logs as `val_<name>`, where the history, the progress bar and the callbacks that
    come after this one find them. An epoch left out by `every` has no scores in its logs.

    Args:
        x: dict. What is read and what is to be written, `{"encoder_text": [...], "decoder_text": [...]}`, as
            `knz.datasets.load` gives them.
        y: the references instead of `decoder_text`: list of str, or list of lists of str where a text has several.
        metrics: dict from a name to a function of `(predictions, references)` that returns a number, or something
            with a number as its `score`. `{"bleu": knz.metrics.bleu}` by default.
        every: int. Epochs from one scoring to the next.
        max_examples: int. How many examples are written, the first ones; None for all.
        batch_size: int. Texts handed to `generate` at once.
        max_length: int. Passed on to `generate`, if not None.

    Raises:
        ValueError: an argument that is not as above; unequal numbers of texts and references.
        TypeError: texts that are no strings; in `fit`, a model without `generate`.

    Example:
        x, y = knz.datasets.load("dates", split="validation", size=200)
        scores = knz.metrics.GenerationMetrics(x, metrics={"exact_match": knz.metrics.exact_match}, batch_size=64)
        stopping = keras.callbacks.EarlyStopping("val_exact_match", mode="max", patience=3)
        callbacks = [scores, stopping]  # for `fit`, in this order
    """

    method = "generate"

    def __init__(
        self,
        x: Any,
        y: Any = None,
        metrics: dict[str, Callable[[Any, Any], Any]] | None = None,
        every: int = 1,
        max_examples: int | None = None,
        batch_size: int = 32,
        max_length: int | None = None,
    ):
        super().__init__(every, max_examples, batch_size)
        if max_length is not None:
            check_int("max_length", max_length, 1)
        if not isinstance(x, dict) or "encoder_text" not in x or (y is None and "decoder_text" not in x):
            raise ValueError(f'`x` must be a dict with "encoder_text" and "decoder_text". Received: {describe(x)}')
        texts = as_text_list(x["encoder_text"], 'x["encoder_text"]')
        references = as_references(x["decoder_text"], 'x["decoder_text"]') if y is None else as_references(y, "y")
        if len(texts) != len(references) or not texts:
            raise ValueError(
                f"There must be one reference for each text, and a text. "
                f"Received: {len(texts)} texts in `x`, {len(references)} references"
            )
        perfect = [references[0] if isinstance(references[0], str) else references[0][0]]
        self.metrics = {"bleu": bleu} if metrics is None else dict(metrics)
        for name, metric in self.metrics.items():
            if not callable(metric):
                raise ValueError(f"`metrics[{name!r}]` must be a function. Received: {describe(metric)}")
            _number(metric(perfect, references[:1]))  # what fails should fail now, not after an epoch
        self.texts = texts[:max_examples]
        self.references = references[:max_examples]
        self.options = {} if max_length is None else {"max_length": max_length}

    def scores(self) -> dict[str, float]:
        predictions = self._write()
        return {name: _number(metric(predictions, self.references)) for name, metric in self.metrics.items()}

    def _write(self) -> list[str]:
        generate = self.model.generate
        if "batch_size" in inspect.signature(generate).parameters:
            return as_text_list(generate(self.texts, batch_size=self.batch_size, **self.options), "generate(...)")
        # KerasHub's `generate` makes one batch of all it is given, and is compiled for each new size of one.
        predictions: list[str] = []
        for start in range(0, len(self.texts), self.batch_size):
            batch = self.texts[start : start + self.batch_size]
            filler = batch[-1:] * (self.batch_size - len(batch) if start else 0)
            answers = as_text_list(generate(batch + filler, **self.options), "generate(...)")
            predictions += answers[: len(batch)]
        return predictions


def _number(score: Any) -> float:
    return float(getattr(score, "score", score))
