"""Accuracy per token."""

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="keras_nlp_zoo")
class TokenAccuracy(keras.metrics.Metric):
    """Share of the real tokens that get the highest score, over all batches. For `weighted_metrics` of `compile`.

    Keras's `SparseCategoricalAccuracy` takes a mean for every row first, which then counts by its share of padding:
    the same texts in other batches give another figure.

    Input shapes: targets int `(batch, length)`, scores float `(batch, length, vocabulary_size)`, `sample_weight`
    `(batch, length)` (1 = token, 0 = padding).

    Example:
        accuracy = knz.metrics.TokenAccuracy()
        accuracy.update_state(np.array([[1, 0]]), np.eye(2)[None], sample_weight=np.array([[1, 0]]))
        float(accuracy.result())  # 0.0
    """

    def __init__(self, name: str = "accuracy", dtype: Any = "float32"):
        super().__init__(name=name, dtype=dtype)
        self.total = self.add_weight(shape=(), initializer="zeros", dtype="float32", name="total")
        self.count = self.add_weight(shape=(), initializer="zeros", dtype="float32", name="count")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        right = ops.cast(ops.argmax(y_pred, axis=-1), "int32") == ops.cast(y_true, "int32")
        weights = ops.ones_like(right, dtype="float32") if sample_weight is None else ops.cast(sample_weight, "float32")
        self.total.assign_add(ops.sum(ops.where(right, weights, 0.0)))
        self.count.assign_add(ops.sum(weights))

    def result(self) -> Any:
        return self.total / ops.maximum(self.count, keras.config.epsilon())
