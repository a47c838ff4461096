"""One vector for a sequence, padding left out."""

from typing import Any

import keras
from keras import ops

MODES = ("mean", "max", "first", "last")


@keras.saving.register_keras_serializable(package="keras_nlp_zoo")
class SequencePooling(keras.layers.Layer):
    """Pools `(batch, length, dim)` to `(batch, dim)` over the positions whose mask is 1.

    A row that is all padding gives zeros. `"first"` and `"last"` expect right padding.

    Args:
        mode: `"mean"`, `"max"`, `"first"` or `"last"` (the last real position).

    Call arguments:
        inputs: float `(batch, length, dim)`.
        padding_mask: int or bool `(batch, length)`; 1 = token, 0 = padding.

    Raises:
        ValueError: an unknown `mode`.

    Example:
        pooled = SequencePooling("mean")(np.ones((2, 9, 4)), np.ones((2, 9)))  # (2, 4)
    """

    def __init__(self, mode: str, **kwargs: Any):
        super().__init__(**kwargs)
        if mode not in MODES:
            raise ValueError(f"`mode` must be one of {', '.join(MODES)}. Received: mode={mode!r}")
        self.mode = mode
        self.supports_masking = True

    def call(self, inputs: Any, padding_mask: Any) -> Any:
        mask = ops.cast(padding_mask, inputs.dtype)[:, :, None]  # (batch, length, 1)
        if self.mode == "mean":
            # Summed in float32: half precision counts to 256 (bfloat16) or 2,048 (float16) and no further.
            count = ops.sum(ops.cast(padding_mask, "float32"), axis=1, keepdims=True)  # (batch, 1)
            total = ops.sum(ops.cast(inputs * mask, "float32"), axis=1)  # (batch, dim)
            return ops.cast(total / ops.maximum(count, 1.0), inputs.dtype)
        any_token = ops.max(mask, axis=1)  # (batch, 1)
        if self.mode == "max":
            lowest = ops.cast(-3e4, inputs.dtype)  # finite in float16 too
            return ops.max(ops.where(mask > 0, inputs, lowest), axis=1) * any_token
        if self.mode == "first":
            return inputs[:, 0] * any_token
        length = ops.sum(ops.cast(padding_mask, "int32"), axis=1)
        last = ops.maximum(length - 1, 0)[:, None, None]  # (batch, 1, 1)
        return ops.take_along_axis(inputs, last, axis=1)[:, 0] * any_token

    def compute_mask(self, inputs: Any, mask: Any = None) -> None:
        return None

    def compute_output_shape(self, inputs_shape: Any, padding_mask_shape: Any = None) -> Any:
        return (inputs_shape[0], inputs_shape[2])

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "mode": self.mode}
