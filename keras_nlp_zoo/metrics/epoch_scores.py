"""What the callbacks have in common that score a model while it trains."""

from typing import Any

import keras

from keras_nlp_zoo.checks import check_int
from keras_nlp_zoo.text.inputs import describe


class EpochScores(keras.callbacks.Callback):
    """Scores a model at the end of an epoch; the scores go into its logs as `val_<name>`.

    There the history, the progress bar and the callbacks that come after this one find them. An epoch left out by
    `every` has no scores in its logs.

    Args:
        every: int. Epochs from one scoring to the next.
        max_examples: int. How many examples are scored, the first ones; None for all.
        batch_size: int. Examples handed to the model at once.

    Raises:
        ValueError: an argument that is not as above.
        TypeError: in `fit`, a model without the `method`.
    """

    # What the model must have to be scored.
    method: str

    def __init__(self, every: int, max_examples: int | None, batch_size: int):
        super().__init__()
        for name, value in (("every", every), ("batch_size", batch_size)):
            check_int(name, value, 1)
        if max_examples is not None:
            check_int("max_examples", max_examples, 1)
        self.every = every
        self.max_examples = max_examples
        self.batch_size = batch_size

    def scores(self) -> dict[str, float]:
        """The scores of the model as it is now, by their names."""
        raise NotImplementedError(f"{type(self).__name__} must say what it scores.")  # spans, answers: each its own

    def on_train_begin(self, logs: Any = None) -> None:
        if not hasattr(self.model, self.method):
            raise TypeError(
                f"{type(self).__name__} needs a model with `{self.method}`. Received: {type(self.model).__name__}"
            )

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if (epoch + 1) % self.every:
            return
        for name, score in self.scores().items():
            if logs is not None:
                logs[f"val_{name}"] = score


def check_answers(answers: Any, number: int, source: str) -> list[Any]:
    """What a model answered, if it is a list with an item for each of the examples."""
    if not isinstance(answers, (list, tuple)) or len(answers) != number:
        raise ValueError(
            f"`{source}` must give a list of {number}, one for each example. Received: {describe(answers)}"
        )
    return list(answers)
