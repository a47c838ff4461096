"""What the zoo's own backbones share: the two inputs, the checks, and how their papers train them."""

from collections.abc import Sequence
from typing import Any

import keras
import keras_hub

from keras_nlp_zoo.training import Adam


class Backbone(keras_hub.models.Backbone):
    """Base of the backbones that are written in this package."""

    @staticmethod
    def text_inputs() -> dict[str, Any]:
        """`token_ids` and `padding_mask` (1 = token, 0 = padding), int32 `(batch, length)`, both free."""
        return {
            "token_ids": keras.Input((None,), dtype="int32", name="token_ids"),
            "padding_mask": keras.Input((None,), dtype="int32", name="padding_mask"),
        }

    def default_optimizer(self) -> keras.optimizers.Optimizer:
        """The optimizer that a task compiles with when none is named."""
        return Adam(1e-3)


def check_sizes(**sizes: Any) -> None:
    """Raises a `ValueError` that names the first argument which is not an int of at least 1."""
    for name, value in sizes.items():
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ValueError(f"`{name}` must be an int of at least 1. Received: {name}={value!r}")


def check_rates(**rates: Any) -> None:
    """Raises a `ValueError` that names the first argument which is not a number in `[0, 1)`."""
    for name, value in rates.items():
        if not isinstance(value, (int, float)) or not 0 <= value < 1:
            raise ValueError(f"`{name}` must be a number in [0, 1). Received: {name}={value!r}")


def check_size_list(name: str, values: Any) -> tuple[int, ...]:
    """The values as a tuple, or a `ValueError` that names the argument."""
    if not isinstance(values, Sequence) or not values:
        raise ValueError(f"`{name}` must be a non-empty sequence of ints. Received: {name}={values!r}")
    for value in values:
        check_sizes(**{name: value})
    return tuple(values)
