"""Dense layers, as fast as the processor allows."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
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
        outputs = product(inputs, self.kernel, self.bias) if _is_plain(self) else None
        if outputs is None:
            return super().call(inputs, training=training)
        return outputs if self.activation is None else self.activation(outputs)

    def quantize(self, mode: Any = None, type_check: bool = True, config: Any = None) -> None:
        super().quantize(mode, type_check=False, config=config)  # else Keras refuses every subclass


@keras.saving.register_keras_serializable(package="keras_nlp_zoo")
class EinsumDense(keras.layers.EinsumDense):
    """Keras's `EinsumDense`; where its equation is one product of matrices, as in an attention, as `Dense` has it.

    Of `(batch, length, dim)` an attention makes `(batch, length, num_heads, head_dim)`, and the other way round.
    """

    def call(self, inputs: Any, training: Any = None) -> Any:
        summed = _summed_axes(self.equation) if _is_plain(self) else 0
        outputs = None
        if summed:
            kernel = ops.convert_to_tensor(self.kernel)
            size = math.prod(kernel.shape[:summed])
            rows = ops.reshape(inputs, (*ops.shape(inputs)[:-summed], size)) if summed > 1 else inputs
            outputs = product(rows, ops.reshape(kernel, (size, -1)))
        if outputs is None:
            return super().call(inputs, training=training)
        outputs = ops.reshape(outputs, (*ops.shape(outputs)[:-1], *kernel.shape[summed:]))
        outputs = outputs if self.bias is None else ops.add(outputs, self.bias)
        return outputs if self.activation is None else self.activation(outputs)

    def quantize(self, mode: Any = None, type_check: bool = True, config: Any = None) -> None:
        super().quantize(mode, type_check=False, config=config)  # as above


def _is_plain(layer: Any) -> bool:
    return not layer.lora_enabled and layer.quantization_mode is None


def kernels_for_one_row(model: Any) -> list[Any]:
    """A model's kernels `(units, dim)`, as one row reads them fastest; none but on JAX's CPU, see `dense_jax.py`."""
    return [dense_jax.turned(kernel) for kernel in _slow_kernels(model)]


@contextmanager
def with_kernels(model: Any, kernels: list[Any]) -> Iterator[None]:
    """Where a program is traced that has `kernels_for_one_row` of the model among its arguments."""
    if not kernels:
        yield
        return
    with dense_jax.with_kernels(_slow_kernels(model), kernels):
        yield


def _slow_kernels(model: Any) -> list[Any]:
    if BACKEND != "jax":
        return []
    layers = [layer for layer in model._flatten_layers() if isinstance(layer, Dense) and _is_plain(layer)]
    kernels = [layer._kernel for layer in layers if layer.compute_dtype == "float32"]
    return [kernel for kernel in kernels if dense_jax.is_slow_for_one_row(kernel)]


def _summed_axes(equation: str) -> int:
    """How many axes, the inputs' last and the kernel's first, one product of matrices sums over; 0 if it is not one."""
    inputs, kernel, outputs = equation.replace("->", ",").split(",")
    count = sum(axis in inputs for axis in kernel)
    if inputs[-count:] == kernel[:count] and outputs == inputs[:-count] + kernel[count:]:
        return count
    return 0


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
        outputs = dense_jax.product(inputs, kernel)
        return outputs if bias is None else ops.add(outputs, bias)
    if BACKEND == "torch":
        kernel = ops.convert_to_tensor(kernel)
        if has_kernel(inputs, kernel):
            return linear(inputs, kernel.t(), None if bias is None else ops.convert_to_tensor(bias))
    return None
