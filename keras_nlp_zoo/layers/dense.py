"""A dense layer, as fast as the processor allows."""

from typing import Any

import keras
from keras import ops

BACKEND = keras.backend.backend()
if BACKEND == "jax":
    from keras_nlp_zoo.layers import dense_jax
elif BACKEND == "torch":
    from keras_nlp_zoo.layers.dense_torch import has_kernel, lay_out, linear


@keras.saving.register_keras_serializable(package="keras_nlp_zoo")
class Dense(keras.layers.Dense):
    """Keras's `Dense`; with the faster products of the backends, see `product`."""

    def build(self, input_shape: Any) -> None:
        super().build(input_shape)
        if BACKEND == "torch":
            lay_out(self._kernel)

    def call(self, inputs: Any, training: Any = None) -> Any:
        special = self.lora_enabled or self.quantization_mode is not None
        outputs = None if special else product(inputs, self.kernel, self.bias)
        if outputs is None:
            return super().call(inputs, training=training)
        return outputs if self.activation is None else self.activation(outputs)

    def quantize(self, mode: Any = None, type_check: bool = True, config: Any = None) -> None:
        super().quantize(mode, type_check=False, config=config)  # else Keras refuses every subclass


def product(inputs: Any, kernel: Any, bias: Any = None) -> Any:
    """`inputs @ kernel + bias` in the backend's faster way, or None where it has none that is better than Keras's.

    See `dense_jax.py` and `dense_torch.py`.

    Args:
        inputs: float `(..., dim)`.
        kernel: float `(dim, units)`, a variable or a tensor.
        bias: float `(units,)`, or None.
    """
    if not ops.is_tensor(inputs):
        return None
    if BACKEND == "jax" and len(inputs.shape) > 2:
        outputs = dense_jax.product(inputs, ops.convert_to_tensor(kernel))
        return outputs if bias is None else ops.add(outputs, bias)
    if BACKEND == "torch":
        kernel = ops.convert_to_tensor(kernel)
        if has_kernel(inputs, kernel):
            return linear(inputs, kernel.t(), None if bias is None else ops.convert_to_tensor(bias))
    return None
