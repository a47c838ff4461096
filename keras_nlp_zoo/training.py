"""Losses, learning rates and the like that Keras does not have."""

from typing import Any

import keras
from keras import ops

BACKEND = keras.backend.backend()
if BACKEND == "torch":
    from keras_nlp_zoo import adam_torch
    from keras_nlp_zoo.crossentropy_torch import crossentropy
elif BACKEND == "tensorflow":
    from keras_nlp_zoo import adam_tensorflow

__all__ = [
    "Adam",
    "AdamW",
    "CRFLoss",
    "InverseSquareRoot",
    "SpanCrossentropy",
    "TokenCrossentropy",
    "WarmupDecay",
    "fine_tuning_optimizer",
    "freeze",
]


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
        if not isinstance(label_smoothing, (int, float)) or not 0 <= label_smoothing < 1:
            raise ValueError(f"`label_smoothing` must be in [0, 1). Received: label_smoothing={label_smoothing!r}")
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


class CRFLoss(keras.losses.Loss):
    """The negative log-likelihood of a CRF, per word, of those that `sample_weight` does not leave out.

    Args:
        crf: the `knz.layers.CRF` that owns the transitions.

    Example:
        crf = knz.layers.CRF()
        emissions = crf(np.zeros((1, 2, 3)))
        loss = knz.training.CRFLoss(crf)
        loss(np.array([[0, 2]]), emissions)  # about log(3), if the transitions say nothing
    """

    def __init__(self, crf: Any, name: str = "crf_loss", **kwargs: Any):
        super().__init__(name=name, **kwargs)
        self.crf = crf

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        weights = (
            ops.ones(ops.shape(y_true), "float32") if sample_weight is None else ops.cast(sample_weight, "float32")
        )
        likelihood = self.crf.log_likelihood(y_pred, y_true, weights > 0)
        # Of a text that weighs w every word does.
        return -ops.sum(likelihood * ops.max(weights, axis=1)) / ops.maximum(ops.sum(weights), 1e-7)


@keras.saving.register_keras_serializable(package="keras_nlp_zoo")
class InverseSquareRoot(keras.optimizers.schedules.LearningRateSchedule):
    """A learning rate that rises in a straight line and then falls with the square root of the step.

    Paper: Vaswani et al. (2017), https://arxiv.org/abs/1706.03762, section 5.3, whose peak is
    `(hidden_dim * warmup_steps) ** -0.5`.

    Args:
        peak: float. The learning rate at step `warmup_steps`.
        warmup_steps: int. Steps of the rise.

    Raises:
        ValueError: an argument that is not positive.

    Example:
        optimizer = knz.training.Adam(knz.training.InverseSquareRoot(1e-3, warmup_steps=400), beta_2=0.98)
    """

    def __init__(self, peak: float, warmup_steps: int):
        for argument, value in (("peak", peak), ("warmup_steps", warmup_steps)):
            if not isinstance(value, (int, float)) or value <= 0:
                raise ValueError(f"`{argument}` must be positive. Received: {argument}={value!r}")
        self.peak = peak
        self.warmup_steps = warmup_steps

    def __call__(self, step: Any) -> Any:
        done = (ops.cast(step, "float32") + 1) / self.warmup_steps  # the first step is number 0
        return self.peak * ops.minimum(done, ops.rsqrt(done))

    def get_config(self) -> dict[str, Any]:
        return {"peak": self.peak, "warmup_steps": self.warmup_steps}


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


@keras.saving.register_keras_serializable(package="keras_nlp_zoo")
class WarmupDecay(keras.optimizers.schedules.LearningRateSchedule):
    """A learning rate that rises in a straight line and then falls in one, to nothing at the last step.

    Paper: Devlin et al. (2019), https://arxiv.org/abs/1810.04805, appendix A.2.

    Args:
        peak: float. The highest learning rate.
        warmup: float in `[0, 1)`. The share of all steps in which it rises.
        steps: int. All steps; None to be told by `fit` of the tasks, which knows how many there will be (the peak
            until then).
        start: int. The step of the optimizer at which it begins.

    Raises:
        ValueError: an argument out of its range.

    Example:
        optimizer = knz.training.AdamW(knz.training.WarmupDecay(3e-5), weight_decay=0.01)
    """

    def __init__(self, peak: float = 5e-5, warmup: float = 0.1, steps: int | None = None, start: int = 0):
        if not isinstance(peak, (int, float)) or peak <= 0:
            raise ValueError(f"`peak` must be positive. Received: peak={peak!r}")
        if not isinstance(warmup, (int, float)) or not 0 <= warmup < 1:
            raise ValueError(f"`warmup` must be in [0, 1). Received: warmup={warmup!r}")
        if steps is not None and (isinstance(steps, bool) or not isinstance(steps, int) or steps < 1):
            raise ValueError(f"`steps` must be an int of at least 1, or None. Received: steps={steps!r}")
        self.peak = peak
        self.warmup = warmup
        self.steps = steps
        self.start = start

    def __call__(self, step: Any) -> Any:
        step = ops.cast(step, "float32") - self.start
        if self.steps is None:
            return self.peak * ops.ones_like(step)
        rise = max(self.warmup * self.steps, 1.0)
        fall = max(self.steps - self.warmup * self.steps, 1.0)
        return self.peak * ops.clip(ops.minimum((step + 1) / rise, (self.steps - step) / fall), 0.0, 1.0)

    def get_config(self) -> dict[str, Any]:
        # How long it lasts belongs to one `fit`: saved and loaded, it asks anew.
        return {"peak": self.peak, "warmup": self.warmup, "steps": None, "start": 0}


# mypy does not know what a mixin is mixed into: an Adam of Keras, whose methods `super()` finds.
class _SameSteps:
    """Makes an Adam of Keras right on TensorFlow, fast on PyTorch, and learn in bfloat16.

    On TensorFlow the gradient of Keras's `Embedding` is a list of rows, ten for a token that stands in the batch ten
    times. Keras squares and clips these rows as they are; here those of one token are summed first. On PyTorch a step
    is one pass over the weights (`adam_torch.py`). In bfloat16 the 0.999 of the second moment is 1, and the rate that
    Keras corrects with it 0: here it is corrected in float32.
    """

    # mypy cannot know what `super()` is here: this is mixed in before an optimizer, hence `type: ignore[misc]`.

    def apply(self: Any, grads: Any, trainable_variables: Any = None) -> Any:
        if BACKEND == "tensorflow":
            variables = self._trainable_variables if trainable_variables is None else trainable_variables
            # Reshaped, the list becomes a matrix.
            grads = [g if g is None else ops.reshape(g, v.shape) for g, v in zip(grads, variables, strict=True)]
        return super().apply(grads, trainable_variables)  # type: ignore[misc]  # the optimizer has it

    def _clip_gradients(self: Any, grads: Any) -> Any:
        if BACKEND == "torch" and self.global_clipnorm and not self.clipnorm:
            return adam_torch.shorten(grads, self.global_clipnorm)
        return super()._clip_gradients(grads)  # type: ignore[misc]  # the optimizer has it

    def _backend_update_step(self: Any, grads: Any, trainable_variables: Any, learning_rate: Any) -> None:
        if BACKEND == "torch" and not self.amsgrad:
            adam_torch.step(self, grads, trainable_variables, learning_rate)
            return
        if not self.amsgrad:
            taken = ops.cast(self.iterations + 1, "float32")
            first, second = (1.0 - ops.power(beta, taken) for beta in (self.beta_1, self.beta_2))
            learning_rate = ops.cast(learning_rate, "float32") * ops.sqrt(second) / first
        super()._backend_update_step(grads, trainable_variables, learning_rate)  # type: ignore[misc]  # as above

    def update_step(self: Any, gradient: Any, variable: Any, learning_rate: Any) -> None:
        if self.amsgrad:
            super().update_step(gradient, variable, learning_rate)  # type: ignore[misc]  # the optimizer has it
        elif BACKEND == "tensorflow" and keras.backend.standardize_dtype(variable.dtype) == "float32":
            adam_tensorflow.update(self, gradient, variable, learning_rate)
        else:
            gradient, rate = (ops.cast(value, variable.dtype) for value in (gradient, learning_rate))
            place = self._get_variable_index(variable)
            m, v = self._momentums[place], self._velocities[place]
            self.assign_add(m, ops.subtract(gradient, m) * (1 - self.beta_1))
            self.assign_add(v, ops.subtract(ops.square(gradient), v) * (1 - self.beta_2))
            self.assign_sub(variable, ops.multiply(m, rate) / (ops.sqrt(v) + self.epsilon))


@keras.saving.register_keras_serializable(package="keras_nlp_zoo")
class Adam(_SameSteps, keras.optimizers.Adam):
    """`keras.optimizers.Adam` that takes the same steps on every backend, on PyTorch in a twentieth of the time.

    Weights in bfloat16 learn too, where Keras's stand still on JAX and TensorFlow (0.999 is 1 there).
    On PyTorch gradients that `global_clipnorm` cuts are cut in place.

    Paper: Kingma and Ba (2015), https://arxiv.org/abs/1412.6980.

    Example:
        optimizer = knz.training.Adam(1e-3, global_clipnorm=1.0)
    """


@keras.saving.register_keras_serializable(package="keras_nlp_zoo")
class AdamW(_SameSteps, keras.optimizers.AdamW):
    """`keras.optimizers.AdamW` with the steps of `knz.training.Adam`.

    Paper: Loshchilov and Hutter (2019), https://arxiv.org/abs/1711.05101.

    Example:
        optimizer = knz.training.AdamW(2e-5, weight_decay=0.01, global_clipnorm=1.0)
    """


def fine_tuning_optimizer(
    learning_rate: Any = 5e-5,
    weight_decay: float = 0.01,
    global_clipnorm: float | None = 1.0,
    gradient_accumulation_steps: int | None = None,
) -> keras.optimizers.Optimizer:
    """What pretrained backbones are trained with: AdamW, its rate rising and falling over one `fit`.

    Biases and layer normalisation do not decay.

    Paper: Devlin et al. (2019), https://arxiv.org/abs/1810.04805, appendix A.2 and A.3; decay as Loshchilov and
    Hutter (2019), https://arxiv.org/abs/1711.05101.

    Args:
        learning_rate: float, the peak of a `WarmupDecay`; or a schedule of one's own.
        weight_decay: float.
        global_clipnorm: float. The longest gradient that is not cut, or None.
        gradient_accumulation_steps: int. Batches whose gradients are averaged before the weights move.

    Example:
        classifier = knz.create_model("bert", vocabulary_size=9, num_classes=2, num_layers=1, num_heads=2, hidden_dim=4)
        classifier.compile(knz.training.fine_tuning_optimizer(2e-5, gradient_accumulation_steps=4))
    """
    schedule = isinstance(learning_rate, keras.optimizers.schedules.LearningRateSchedule)
    optimizer = AdamW(
        learning_rate if schedule else WarmupDecay(learning_rate),
        weight_decay=weight_decay,
        global_clipnorm=global_clipnorm,
        gradient_accumulation_steps=gradient_accumulation_steps,
    )
    optimizer.exclude_from_weight_decay(var_names=["bias", "beta", "gamma"])
    return optimizer


def freeze(backbone: Any, num_layers: int | None = None) -> None:
    """Keeps a pretrained backbone, or the lower part of it, from being trained. Compile the task anew afterwards.

    Args:
        backbone: a backbone; for a part of it one with `transformer_layers` (BERT and most of KerasHub's).
        num_layers: int. How many layers are kept as they are, and the embeddings below them; all if left out.

    Raises:
        ValueError: a number of layers that the backbone does not have, or one that has none.

    Example:
        classifier = knz.create_model("bert", vocabulary_size=9, num_classes=2, num_layers=2, num_heads=2, hidden_dim=4)
        knz.training.freeze(classifier.backbone, num_layers=1)
        classifier.compile()
    """
    if num_layers is None:
        backbone.trainable = False
        return
    layers = list(getattr(backbone, "transformer_layers", []))
    if not layers:
        raise ValueError(
            f"`num_layers` must be left out: a {type(backbone).__name__} has no `transformer_layers` to freeze in part."
        )
    if isinstance(num_layers, bool) or not isinstance(num_layers, int) or not 0 <= num_layers <= len(layers):
        raise ValueError(
            f"`num_layers` must be an int from 0 to {len(layers)}, the transformer layers of this "
            f"{type(backbone).__name__}. Received: num_layers={num_layers!r}"
        )
    last = layers[num_layers - 1] if num_layers else None
    for layer in backbone.layers:
        if layer is layers[0] and last is None:
            return
        layer.trainable = False
        if layer is last:
            return
