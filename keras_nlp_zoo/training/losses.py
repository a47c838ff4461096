"""Losses of texts: per real token, per word of a CRF, of the two ends of an answer."""

from typing import Any

import keras
from keras import ops

from keras_nlp_zoo.checks import check_rates

BACKEND = keras.backend.backend()
if BACKEND == "torch":
    from keras_nlp_zoo.training.crossentropy_torch import crossentropy


@keras.saving.register_keras_serializable(package="keras_nlp_zoo")
class TokenCrossentropy(keras.losses.Loss):
    """Cross-entropy per real token: the mean over the tokens that `sample_weight` does not leave out.

    Keras's own divides by the number of all positions, so its value, and every step, shrinks with the share of padding.

    Label smoothing: Szegedy et al. (2016), https://arxiv.org/abs/1512.00567, section 7.

    Args:
        label_smoothing: float in `[0, 1)`. The share of the probability that is spread over the whole vocabulary.

    Call arguments:
        y_true: int `(batch, length)`.
        y_pred: float `(batch, length, vocabulary_size)`, logits.
        sample_weight: float `(batch, length)`, 0 at padding.

    Raises:
        ValueError: `label_smoothing` out of its range.

    Example:
        loss = knz.training.TokenCrossentropy(label_smoothing=0.1)
        loss(np.array([[2, 0]]), np.zeros((1, 2, 4)), np.array([[1.0, 0.0]]))  # log(4)
    """

    def __init__(
        self,
        label_smoothing: float = 0.0,
        reduction: str = "mean_with_sample_weight",
        name: str = "token_crossentropy",
        dtype: Any = None,
    ):
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        check_rates(label_smoothing=label_smoothing)
        self.label_smoothing = label_smoothing

    def call(self, y_true: Any, y_pred: Any) -> Any:
        y_true = ops.cast(y_true, "int32")  # Keras hands it over as a float
        if BACKEND == "torch" and ops.is_tensor(y_pred):  # else of a model that is being put together
            return crossentropy(y_pred, y_true, self.label_smoothing)
        if BACKEND == "tensorflow" and not self.label_smoothing:
            return ops.sparse_categorical_crossentropy(y_true, y_pred, from_logits=True)  # one kernel there
        # Of a lookup the gradient is an array of the logits' size more. On JAX, 1,536 tokens of 8,000, their products
        # included: 311 ms with it, 274 without.
        is_true = ops.equal(ops.expand_dims(y_true, -1), ops.arange(y_pred.shape[-1], dtype="int32"))
        said = (1 - self.label_smoothing) * ops.sum(ops.where(is_true, y_pred, 0.0), axis=-1)
        if self.label_smoothing:
            said += self.label_smoothing * ops.mean(y_pred, axis=-1)
        return ops.logsumexp(y_pred, axis=-1) - said

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "label_smoothing": self.label_smoothing}


@keras.saving.register_keras_serializable(package="keras_nlp_zoo")
class SpanCrossentropy(keras.losses.Loss):
    """Cross-entropy of the first and of the last token of an answer, their mean.

    Call arguments:
        y_true: int `(batch, 2)`, their positions.
        y_pred: float `(batch, length, 2)`, logits, very low where there is padding.

    Example:
        knz.training.SpanCrossentropy()(np.array([[0, 3]]), np.zeros((1, 4, 2)))  # log(4)
    """

    def __init__(self, reduction: str = "sum_over_batch_size", name: str = "span_crossentropy", dtype: Any = None):
        super().__init__(name=name, reduction=reduction, dtype=dtype)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        log_probabilities = ops.log_softmax(ops.cast(y_pred, "float32"), axis=1)
        true = ops.take_along_axis(log_probabilities, ops.cast(y_true, "int32")[:, None, :], axis=1)
        return -ops.mean(true[:, 0], axis=-1)


class CRFLoss(keras.losses.Loss):
    """The negative log-likelihood of a CRF: the mean over the words that `sample_weight` does not leave out, float32.

    Args:
        crf: the `knz.layers.CRF` that owns the transitions.

    Example:
        crf = knz.layers.CRF()
        emissions = crf(np.zeros((1, 2, 3)))
        loss = knz.training.CRFLoss(crf)
        loss(np.array([[0, 2]]), emissions)  # about log(3), if the transitions say nothing
    """

    def __init__(self, crf: Any, name: str = "crf_loss"):
        super().__init__(name=name)
        self.crf = crf

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        weights = (
            ops.ones(ops.shape(y_true), "float32") if sample_weight is None else ops.cast(sample_weight, "float32")
        )
        likelihood = self.crf.log_likelihood(y_pred, y_true, weights > 0)
        # Of a text that weighs w every word does.
        return -ops.sum(likelihood * ops.max(weights, axis=1)) / ops.maximum(ops.sum(weights), 1e-7)
