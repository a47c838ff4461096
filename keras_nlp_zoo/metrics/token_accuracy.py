"""Accuracy per token."""

from typing import Any

import keras
from keras import ops

from keras_nlp_zoo.metrics.perplexity import token_weights


@keras.saving.register_keras_serializable(package="keras_nlp_zoo")
class TokenAccuracy(keras.metrics.Metric):
    """Share of the real tokens that get the highest score, over all batches. For `weighted_metrics` of `compile`.

    Keras's `SparseCategoricalAccuracy` takes a mean for every row first, which then counts by its share of padding:
    the same texts in other batches give another figure.

    Input shapes: targets int `(batch, length)`, scores float `(batch, length, vocabulary_size)`, `sample_weight`
    `(batch, length)` (1 = token, 0 = padding) or `(batch,)`.

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
        # Of equal scores the first counts, as for argmax, which takes twice (TensorFlow) to nine times (JAX) as long.
        y_true = ops.expand_dims(ops.cast(y_true, "int32"), -1)
        y_pred = ops.convert_to_tensor(y_pred)
        true = ops.take_along_axis(y_pred, y_true, axis=-1)
        not_before = ops.arange(y_pred.shape[-1], dtype="int32") >= y_true
        right = ops.all((y_pred < true) | ((y_pred == true) & not_before), axis=-1)
        weights = token_weights(sample_weight, right)
        self.total.assign_add(ops.sum(ops.where(right, weights, 0.0)))
        self.count.assign_add(ops.sum(weights))

    def result(self) -> Any:
        return self.total / ops.maximum(self.count, keras.config.epsilon())
