"""Scores of the entities a model finds, while it trains."""

from typing import Any

from keras_nlp_zoo.metrics.epoch_scores import EpochScores, check_answers
from keras_nlp_zoo.metrics.spans import as_tag_lists, read_spans, span_f1


class SpanMetrics(EpochScores):
    """Lets the model tag words at the end of an epoch and scores the spans: `span_f1` beside the loss.

    The scores go into the epoch's logs as `val_precision`, `val_recall` and `val_f1`, where the history, the progress
    bar and the callbacks that come after this one find them. An epoch left out by `every` has no scores in its logs.

    Args:
        words: list of lists of str. The words of each text, as `knz.datasets.load` gives them.
        tags: list of lists of str. Their BIO or IOBES tags.
        every: int. Epochs from one scoring to the next.
        max_examples: int. How many texts are tagged, the first ones; None for all.
        batch_size: int. Texts that `tag_words` puts into a batch.

    Raises:
        ValueError: an argument that is not as above; unequal numbers of words and tags; tags of another scheme.
        TypeError: words or tags that are no strings; in `fit`, a model without `tag_words`.

    Example:
        words, tags = knz.datasets.load("entities", split="validation", size=200, format="words")
        scores = knz.metrics.SpanMetrics(words, tags, batch_size=64)
        stopping = keras.callbacks.EarlyStopping("val_f1", mode="max", patience=3)
        callbacks = [scores, stopping]  # for `fit`, in this order
    """

    method = "tag_words"

    def __init__(self, words: Any, tags: Any, every: int = 1, max_examples: int | None = None, batch_size: int = 32):
        super().__init__(every, max_examples, batch_size)
        words, tags = as_tag_lists(words, "words"), as_tag_lists(tags, "tags")
        if len(words) != len(tags) or not words:
            raise ValueError(
                "There must be tags for each text, and a text. "
                f"Received: {len(words)} texts in `words`, {len(tags)} in `tags`"
            )
        for i, (one, other) in enumerate(zip(words, tags, strict=True)):
            read_spans(other, f"tags[{i}]")  # tags of no scheme are an error now, not after an epoch
            if len(one) != len(other):
                raise ValueError(
                    f"`words[{i}]` and `tags[{i}]` must be equally long. Received: {len(one)} words, {len(other)} tags"
                )
        self.words = words[:max_examples]
        self.tags = tags[:max_examples]

    def scores(self) -> dict[str, float]:
        found = self.model.tag_words(self.words, batch_size=self.batch_size)
        scores = span_f1(self.tags, check_answers(found, len(self.words), "tag_words(...)"))
        return {"precision": scores.precision, "recall": scores.recall, "f1": scores.f1}
