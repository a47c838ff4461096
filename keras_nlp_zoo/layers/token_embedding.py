"""Word vectors."""

from typing import Any

import keras
from keras import ops

from keras_nlp_zoo.layers.dense import product


@keras.saving.register_keras_serializable(package="keras_nlp_zoo")
class TokenEmbedding(keras.layers.ReversibleEmbedding):
    """Keras's `ReversibleEmbedding`, beginning in [-0.25, 0.25], and trained alike on every backend.

    The range is that of Kim (2014), https://arxiv.org/abs/1408.5882: five times the one Keras begins with, in which
    a recurrent network learns nothing for many epochs.

    Args:
        input_dim: int. Number of token ids.
        output_dim: int. Width of a token's vector.
        **kwargs: further arguments of `keras.layers.ReversibleEmbedding`.

    Call arguments:
        inputs: int `(batch, length)`; reversed float `(batch, length, output_dim)`.
        reverse: bool. Whether to go from vectors to the scores of all tokens: their products with the tokens' vectors.

    Returns:
        float `(batch, length, output_dim)`; reversed `(batch, length, input_dim)`.

    Example:
        vectors = TokenEmbedding(100, 8)(np.ones((2, 9), "int32"))  # (2, 9, 8)
    """

    def __init__(self, input_dim: int, output_dim: int, **kwargs: Any):
        kwargs.setdefault("embeddings_initializer", keras.initializers.RandomUniform(-0.25, 0.25))
        super().__init__(input_dim, output_dim, **kwargs)

    def call(self, inputs: Any, reverse: bool = False) -> Any:
        special = self.lora_enabled or self.quantization_mode is not None
        if reverse and not special and self.tie_weights and self.reverse_dtype is None and not self.logit_soft_cap:
            scores = product(inputs, ops.transpose(self.embeddings))
            if scores is not None:
                return scores
        if reverse or special or keras.config.backend() != "tensorflow":
            return super().call(inputs, reverse=reverse)
        # The gradient of a lookup is one row per token on TensorFlow. Keras's optimizers square and clip these rows
        # before they add those of the same token up, and so take other steps than on JAX and PyTorch. The gradient
        # of a product is a whole matrix.
        embeddings = ops.multiply(self.embeddings, ops.ones((), self.embeddings.dtype))
        return ops.cast(ops.take(embeddings, ops.cast(inputs, "int32"), axis=0), self.compute_dtype)

    def quantize(self, mode: Any = None, type_check: bool = True, config: Any = None) -> None:
        super().quantize(mode, type_check=False, config=config)  # else Keras refuses every subclass
