"""Deep averaging network: the mean of the word vectors, read by a stack of ReLU layers.

Paper: Iyyer et al. (2015), "Deep Unordered Composition Rivals Syntactic Methods for Text Classification",
https://aclanthology.org/P15-1162. The order of the words plays no part.
"""

from collections.abc import Sequence
from typing import Any

import keras

from keras_nlp_zoo.checks import check_rates, check_size_list, check_sizes
from keras_nlp_zoo.layers import SequencePooling, TokenEmbedding, WordDropout
from keras_nlp_zoo.layers.dense import Dense
from keras_nlp_zoo.layers.dropout import Dropout
from keras_nlp_zoo.models.backbone import Backbone
from keras_nlp_zoo.training import AdamW


@keras.saving.register_keras_serializable(package="keras_nlp_zoo")
class DNNBackbone(Backbone):
    """Averaged embeddings into a ReLU stack. Widths, depth and word dropout are the paper's by default.

    Inputs: a dict of `token_ids` and `padding_mask` (1 = token, 0 = padding), int `(batch, length)`.
    Outputs: a dict of `sequence_output` `(batch, length, embedding_dim)`, the word vectors (zero at padding), and
    `pooled_output` `(batch, hidden_dim)`.

    Args:
        vocabulary_size: int. Number of token ids, padding included.
        embedding_dim: int. Width of a word vector.
        hidden_dim: int, or a sequence of `num_layers` ints. Width of the ReLU layers.
        num_layers: int. Number of ReLU layers; that of `hidden_dim` if it is a sequence.
        word_dropout: float. Probability that a word is left out of the mean during training.
        dropout: float. Dropout after each ReLU layer; the paper has none.

    Raises:
        ValueError: an argument out of its range.

    Example:
        backbone = DNNBackbone(vocabulary_size=100, embedding_dim=8, hidden_dim=(64, 32))
        outputs = backbone({"token_ids": np.ones((2, 9)), "padding_mask": np.ones((2, 9))})
        outputs["pooled_output"].shape  # (2, 32)
    """

    def __init__(
        self,
        vocabulary_size: int,
        embedding_dim: int = 300,
        hidden_dim: int | Sequence[int] = 300,
        num_layers: int = 3,
        word_dropout: float = 0.3,
        dropout: float = 0.3,
        dtype: Any = None,
        **kwargs: Any,
    ):
        check_sizes(vocabulary_size=vocabulary_size, embedding_dim=embedding_dim, num_layers=num_layers)
        check_rates(word_dropout=word_dropout, dropout=dropout)
        if isinstance(hidden_dim, Sequence):
            hidden_dim = check_size_list("hidden_dim", hidden_dim)
            num_layers = len(hidden_dim)
            widths = hidden_dim
        else:
            check_sizes(hidden_dim=hidden_dim)
            widths = (hidden_dim,) * num_layers

        # === Layers ===
        self.token_embedding = TokenEmbedding(vocabulary_size, embedding_dim, dtype=dtype, name="embedding")
        self.drop_padding = keras.layers.Multiply(dtype=dtype, name="drop_padding")
        self.word_dropout_layer = WordDropout(word_dropout, dtype=dtype, name="word_dropout")
        self.pooling = SequencePooling("mean", dtype=dtype, name="mean")
        self.dense_layers = [
            Dense(width, activation="relu", dtype=dtype, name=f"dense_{i}") for i, width in enumerate(widths)
        ]
        self.dropout_layer = Dropout(dropout, dtype=dtype, name="dropout")

        # === Functional ===
        inputs = self.text_inputs()
        mask = inputs["padding_mask"]
        words = self.token_embedding(inputs["token_ids"])  # (batch, length, embedding_dim)
        words = self.drop_padding([words, keras.ops.expand_dims(keras.ops.cast(mask, words.dtype), -1)])
        x = self.pooling(words, self.word_dropout_layer(mask))  # (batch, embedding_dim)
        for dense in self.dense_layers:
            x = self.dropout_layer(dense(x))
        super().__init__(inputs=inputs, outputs={"sequence_output": words, "pooled_output": x}, dtype=dtype, **kwargs)

        # === Config ===
        self.vocabulary_size = vocabulary_size
        self.embedding_dim = embedding_dim
        self.hidden_dim = hidden_dim
        self.num_layers = num_layers
        self.word_dropout = word_dropout
        self.dropout = dropout

    def default_optimizer(self) -> keras.optimizers.Optimizer:
        """Adam with weight decay: an average of words overfits before it has learnt."""
        return AdamW(5e-4, weight_decay=0.3)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        config.update(
            {
                "vocabulary_size": self.vocabulary_size,
                "embedding_dim": self.embedding_dim,
                "hidden_dim": self.hidden_dim,
                "num_layers": self.num_layers,
                "word_dropout": self.word_dropout,
                "dropout": self.dropout,
            }
        )
        return config
