"""Classes: their names, their probabilities, the layer that tells them apart."""

from typing import Any

import numpy as np

# What makes a new head of a saved task; None leaves it as it is.
NEW_HEAD = ("labels", "num_classes")


def check_labels(labels: Any, num_classes: Any) -> tuple[list[str] | None, int]:
    """The names as a list and their number, or a `ValueError` that says what is wrong with them."""
    if labels is not None:
        if isinstance(labels, str) or not all(isinstance(label, str) for label in labels):
            raise ValueError(f"`labels` must be a list of names. Received: labels={labels!r}")
        labels = [str(label) for label in labels]
        if len(set(labels)) < len(labels):
            raise ValueError(f"`labels` holds a name twice. Received: labels={labels!r}")
        if num_classes is not None and num_classes != len(labels):
            raise ValueError(f"`num_classes`={num_classes!r} contradicts `labels`, which are {len(labels)}.")
        num_classes = len(labels)
    if isinstance(num_classes, bool) or not isinstance(num_classes, int) or num_classes < 2:
        raise ValueError(
            f"Pass `labels` (names) or `num_classes` (an int), at least two classes. "
            f"Received: labels={labels!r}, num_classes={num_classes!r}"
        )
    return labels, num_classes


def softmax(logits: np.ndarray) -> np.ndarray:
    """Probabilities over the last axis, in float64."""
    exponents = np.exp(logits.astype("float64") - logits.max(axis=-1, keepdims=True))
    return exponents / exponents.sum(axis=-1, keepdims=True)


class LabelledHead:
    """What tasks share whose head is one dense layer, `output_dense`, with an output for each class."""

    output_dense: Any

    def load_head(self, source: Any) -> None:
        kernel, bias = source.tensors("classifier.weight", "classifier.bias")
        self.output_dense.set_weights([kernel.T, bias])

    @classmethod
    def _load_saved(cls, loader: Any, load_weights: bool, kwargs: dict[str, Any]) -> Any:
        new_head = any(key in kwargs for key in NEW_HEAD)
        if new_head:
            kwargs = {**dict.fromkeys(NEW_HEAD), **kwargs}
        return loader.load_task(cls, load_weights, not new_head, **kwargs)
