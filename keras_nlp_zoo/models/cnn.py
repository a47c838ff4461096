"""Convolutional sentence encoder with max-over-time pooling.

Paper: Kim (2014), "Convolutional Neural Networks for Sentence Classification", https://arxiv.org/abs/1408.5882,
section 2. One departure: windows are centred on every token, with zeros beyond both ends of the text, so that
a text shorter than the widest window is read in full and every token has a feature vector of its own.
"""

from collections.abc import Sequence
from typing import Any

import keras

from keras_nlp_zoo.checks import check_rates, check_size_list, check_sizes
from keras_nlp_zoo.layers import TokenEmbedding
from keras_nlp_zoo.layers.dropout import Dropout
from keras_nlp_zoo.models.backbone import Backbone


@keras.saving.register_keras_serializable(package="keras_nlp_zoo")
class CNNBackbone(Backbone):
    """N-gram filters of several widths, ReLU, and the maximum over time. The defaults are the paper's.

    Inputs: a dict of `token_ids` and `padding_mask` (1 = token, 0 = padding), int `(batch, length)`.
    Outputs: a dict of `sequence_output` `(batch, length, len(kernel_sizes) * filters)`, the feature maps (zero at
    padding), and `pooled_output` `(batch, len(kernel_sizes) * filters)`, their maxima.

    Args:
        vocabulary_size: int. Number of token ids, padding included.
        embedding_dim: int. Width of a word vector.
        filters: int. Feature maps per window width.
        kernel_sizes: sequence of int. Window widths in tokens.
        dropout: float. Dropout on the word vectors. The paper has none there; its dropout of 0.5 before the
            softmax is the classifier's.

    Raises:
        ValueError: an argument out of its range, `kernel_sizes` empty.

    Example:
        backbone = CNNBackbone(vocabulary_size=100, embedding_dim=8, filters=4)
        outputs = backbone({"token_ids": np.ones((2, 9)), "padding_mask": np.ones((2, 9))})
        outputs["pooled_output"].shape  # (2, 12)
    """

    def __init__(
        self,
        vocabulary_size: int,
        embedding_dim: int = 300,
        filters: int = 100,
        kernel_sizes: Sequence[int] = (3, 4, 5),
        dropout: float = 0.0,
        dtype: Any = None,
        **kwargs: Any,
    ):
        check_sizes(vocabulary_size=vocabulary_size, embedding_dim=embedding_dim, filters=filters)
        kernel_sizes = check_size_list("kernel_sizes", kernel_sizes)
        check_rates(dropout=dropout)

        # === Layers ===
        self.token_embedding = TokenEmbedding(vocabulary_size, embedding_dim, dtype=dtype, name="embedding")
        self.dropout_layer = Dropout(dropout, dtype=dtype, name="dropout")
        self.drop_padding = keras.layers.Multiply(dtype=dtype, name="drop_padding")
        self.convolutions = [
            keras.layers.Conv1D(filters, size, padding="same", activation="relu", dtype=dtype, name=f"width_{size}")
            for size in kernel_sizes
        ]
        self.concatenate = keras.layers.Concatenate(dtype=dtype, name="feature_maps")

        # === Functional ===
        inputs = self.text_inputs()
        words = self.dropout_layer(self.token_embedding(inputs["token_ids"]))  # (batch, length, embedding_dim)
        mask = keras.ops.expand_dims(keras.ops.cast(inputs["padding_mask"], words.dtype), -1)
        words = self.drop_padding([words, mask])
        maps = [convolution(words) for convolution in self.convolutions]  # each (batch, length, filters)
        maps = self.concatenate(maps) if len(maps) > 1 else maps[0]
        maps = self.drop_padding([maps, mask])
        # ReLU maps are never negative, so with zeros at padding this is the maximum over the text.
        pooled = keras.ops.max(maps, axis=1)
        super().__init__(
            inputs=inputs, outputs={"sequence_output": maps, "pooled_output": pooled}, dtype=dtype, **kwargs
        )

        # === Config ===
        self.vocabulary_size = vocabulary_size
        self.embedding_dim = embedding_dim
        self.filters = filters
        self.kernel_sizes = kernel_sizes
        self.dropout = dropout

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        config.update(
            {
                "vocabulary_size": self.vocabulary_size,
                "embedding_dim": self.embedding_dim,
                "filters": self.filters,
                "kernel_sizes": self.kernel_sizes,
                "dropout": self.dropout,
            }
        )
        return config
