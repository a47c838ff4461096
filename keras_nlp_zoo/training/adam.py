"""Adam, with the same steps on every backend."""

from typing import Any

import keras
from keras import ops

BACKEND = keras.backend.backend()
if BACKEND == "torch":
    from keras_nlp_zoo.training import adam_torch
elif BACKEND == "tensorflow":
    from keras_nlp_zoo.training import adam_tensorflow


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
