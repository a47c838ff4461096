"""Dropout of whole tokens."""

from typing import Any

import keras
from keras import ops

from keras_nlp_zoo.checks import check_rates
from keras_nlp_zoo.layers.dropout import draw_kept


@keras.saving.register_keras_serializable(package="keras_nlp_zoo")
class WordDropout(keras.layers.Layer):
    """Takes random tokens out of a padding mask during training; nothing is rescaled.

    Paper: Iyyer et al. (2015), https://aclanthology.org/P15-1162, section 3.

    Args:
        rate: float in `[0, 1)`. The probability that a token is left out.
        seed: int. Seed of the random draws.

    Call arguments:
        padding_mask: int `(batch, length)`; 1 = token, 0 = padding.
        training: bool. Outside training the mask is returned as it is.

    Returns:
        A mask of the same shape and dtype.

    Raises:
        ValueError: `rate` out of its range.

    Example:
        mask = WordDropout(0.3)(np.ones((2, 9), "int32"), training=True)  # about 30% zeros
    """

    def __init__(self, rate: float, seed: int | None = None, **kwargs: Any):
        super().__init__(**kwargs)
        check_rates(rate=rate)
        self.rate = rate
        self.seed = seed
        if rate > 0:
            self.seed_generator = keras.random.SeedGenerator(seed)

    def call(self, padding_mask: Any, training: bool = False) -> Any:
        if not training or self.rate == 0:
            return padding_mask
        kept = draw_kept(ops.shape(padding_mask), self.rate, self.seed_generator)
        return padding_mask * ops.cast(kept, padding_mask.dtype)

    def compute_output_shape(self, padding_mask_shape: Any) -> Any:
        return padding_mask_shape

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "rate": self.rate, "seed": self.seed}
