"""Learning rates that rise and fall."""

from typing import Any

import keras
from keras import ops

from keras_nlp_zoo.checks import check_int, check_positive, check_rates


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
        check_positive(peak=peak, warmup_steps=warmup_steps)
        self.peak = peak
        self.warmup_steps = warmup_steps

    def __call__(self, step: Any) -> Any:
        done = (ops.cast(step, "float32") + 1) / self.warmup_steps  # the first step is number 0
        return self.peak * ops.minimum(done, ops.rsqrt(done))

    def get_config(self) -> dict[str, Any]:
        return {"peak": self.peak, "warmup_steps": self.warmup_steps}


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
        check_positive(peak=peak)
        check_rates(warmup=warmup)
        if steps is not None:
            check_int("steps", steps, 1)
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
