"""What the zoo's own backbones share: the two inputs, the checks, and how their papers train them."""

from typing import Any

import keras
import keras_hub

from keras_nlp_zoo.layers.calling import RunsItsLayers
from keras_nlp_zoo.training import Adam


class Backbone(RunsItsLayers, keras_hub.models.Backbone):
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
