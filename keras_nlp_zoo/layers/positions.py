"""Where a token stands."""

from typing import Any

import keras
import numpy as np
from keras import ops

from keras_nlp_zoo.checks import check_sizes

KINDS = ("sinusoidal", "learned")
# Of weights that are added as they are: GPT-2's and BERT's.
UNSCALED_DEVIATION = 0.02


@keras.saving.register_keras_serializable(package="keras_nlp_zoo")
class PositionEncoding(keras.layers.Layer):
    """Scales token vectors by the root of their width and adds vectors of their positions.

    Paper: Vaswani et al. (2017), https://arxiv.org/abs/1706.03762, sections 3.4 and 3.5. Sinusoids are added to the
    scaled vectors, as there; learned positions are scaled too, which suits weights that begin like the tokens'.
    They are a table made in float64: KerasHub's `SinePositionEncoding` computes them in the precision of the model, and
    among 512 positions is wrong by up to 0.2 in float16 and 1.5 in bfloat16.

    Args:
        max_sequence_length: int. The most positions.
        kind: `"sinusoidal"` or `"learned"`.
        scale: bool. Whether the vectors are scaled.

    Call arguments:
        inputs: float `(batch, length, dim)`.
        start_index: int or scalar tensor. The position of the first vector.

    Returns:
        float `(batch, length, dim)`.

    Raises:
        ValueError: an argument out of its range, or inputs that go beyond `max_sequence_length`.

    Example:
        vectors = PositionEncoding(512)(np.ones((2, 9, 8)))  # (2, 9, 8)
    """

    def __init__(self, max_sequence_length: int, kind: str = "sinusoidal", scale: bool = True, **kwargs: Any):
        super().__init__(**kwargs)
        check_sizes(max_sequence_length=max_sequence_length)
        if kind not in KINDS:
            raise ValueError(f"`kind` must be one of {', '.join(KINDS)}. Received: kind={kind!r}")
        self.max_sequence_length = max_sequence_length
        self.kind = kind
        self.scale = scale
        self.supports_masking = True

    def build(self, inputs_shape: Any) -> None:
        dim = inputs_shape[-1]
        self.factor = dim**0.5
        if self.kind == "learned":
            deviation = dim**-0.5 if self.scale else UNSCALED_DEVIATION
            self.table = self.add_weight(
                (self.max_sequence_length, dim), keras.initializers.RandomNormal(stddev=deviation), name="positions"
            )
        else:
            self.table = _sinusoids(self.max_sequence_length, dim)

    def call(self, inputs: Any, start_index: Any = 0) -> Any:
        length = ops.shape(inputs)[1]
        if isinstance(start_index, int):
            if isinstance(length, int) and start_index + length > self.max_sequence_length:
                raise ValueError(
                    f"`max_sequence_length` is {self.max_sequence_length}. "
                    f"Received: {start_index + length} positions, shape={tuple(inputs.shape)}"
                )
            table = self.table if isinstance(length, int) else ops.convert_to_tensor(self.table)
            positions = table[start_index : start_index + length]
        else:
            positions = ops.take(self.table, start_index + ops.arange(length), axis=0)
        positions = ops.cast(positions, inputs.dtype)  # (length, dim)
        if not self.scale:
            return inputs + positions
        return (inputs + positions) * self.factor if self.kind == "learned" else inputs * self.factor + positions

    def compute_output_shape(self, inputs_shape: Any) -> Any:
        return inputs_shape

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "max_sequence_length": self.max_sequence_length,
            "kind": self.kind,
            "scale": self.scale,
        }


def _sinusoids(length: int, dim: int) -> np.ndarray:
    """Section 3.5: sines in the even columns, cosines in the odd ones, `(length, dim)`."""
    columns = np.arange(dim)
    angles = np.arange(length)[:, None] / 10_000 ** (2 * (columns // 2) / dim)
    return np.where(columns % 2, np.cos(angles), np.sin(angles)).astype("float32")
