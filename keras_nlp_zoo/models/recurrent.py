"""What the recurrent sentence encoders share; `rnn.py`, `lstm.py` and `gru.py` say which network reads the text."""

from typing import Any

import keras
from keras import ops

from keras_nlp_zoo.checks import check_rates, check_sizes
from keras_nlp_zoo.layers import TokenEmbedding
from keras_nlp_zoo.layers.dropout import Dropout
from keras_nlp_zoo.models.backbone import Backbone
from keras_nlp_zoo.training import Adam


class RecurrentBackbone(Backbone):
    """Embeddings read by a recurrent network; `RNNBackbone` says what arguments, inputs and outputs they have."""

    recurrent_layer: Any = None

    def __init__(
        self,
        vocabulary_size: int,
        embedding_dim: int = 100,
        hidden_dim: int = 128,
        num_layers: int = 1,
        bidirectional: bool = False,
        dropout: float = 0.3,
        dtype: Any = None,
        **kwargs: Any,
    ):
        check_sizes(
            vocabulary_size=vocabulary_size, embedding_dim=embedding_dim, hidden_dim=hidden_dim, num_layers=num_layers
        )
        check_rates(dropout=dropout)

        # === Layers ===
        self.token_embedding = TokenEmbedding(vocabulary_size, embedding_dim, dtype=dtype, name="embedding")
        self.dropout_layer = Dropout(dropout, dtype=dtype, name="dropout")
        self.recurrent = self.recurrent_layer(
            hidden_dim,
            num_layers=num_layers,
            bidirectional=bidirectional,
            return_sequences=True,
            return_state="hidden",
            dropout=dropout,
            dtype=dtype,
            name="recurrent",
        )

        # === Functional ===
        inputs = self.text_inputs()
        words = self.token_embedding(inputs["token_ids"])  # (batch, length, embedding_dim)
        if dropout:
            words = self.dropout_layer(words)
        sequence, *hidden = self.recurrent(words, mask=inputs["padding_mask"])
        pooled = ops.concatenate(hidden[-2:], axis=-1) if bidirectional else hidden[-1]
        super().__init__(
            inputs=inputs, outputs={"sequence_output": sequence, "pooled_output": pooled}, dtype=dtype, **kwargs
        )

        # === Config ===
        self.vocabulary_size = vocabulary_size
        self.embedding_dim = embedding_dim
        self.hidden_dim = hidden_dim
        self.num_layers = num_layers
        self.bidirectional = bidirectional
        self.dropout = dropout

    def default_optimizer(self) -> keras.optimizers.Optimizer:
        """Adam with the gradient's norm kept below 1: through time it can explode (Pascanu et al. 2013)."""
        return Adam(1e-3, global_clipnorm=1.0)

    # === Decoding ===

    def start_decoding(self, token_ids: Any, padding_mask: Any, max_length: int) -> Any:
        """Reads the beginning of a text.

        Args:
            token_ids: int `(batch, length)`.
            padding_mask: int `(batch, length)`; 1 = a token to be read.
            max_length: int. The most tokens that will be read; a recurrent network has no limit.

        Returns:
            The cache for `decode_step`: the states of all layers, each `(batch, hidden_dim)`.

        Raises:
            ValueError: a bidirectional network, which has to know how a text ends.
        """
        if self.bidirectional:
            raise ValueError("`bidirectional` networks write no texts: they read from the end too.")
        states = self.recurrent.final_states(self.token_embedding(token_ids), padding_mask)
        # TensorFlow forgets the size of the batch in there, and its loops ask for it.
        return tuple(ops.reshape(state, (ops.shape(token_ids)[0], self.hidden_dim)) for state in states)

    def decode_step(self, token_ids: Any, index: Any, cache: Any) -> tuple[Any, Any]:
        """Reads the next token of each row.

        Args:
            token_ids: int `(batch,)`.
            index: int scalar; where they stand, which does not matter here.
            cache: what `start_decoding` or the step before returned.

        Returns:
            Their `sequence_output` `(batch, hidden_dim)`, and the next cache.
        """
        outputs, states = self.recurrent.step(self.token_embedding(token_ids), list(cache))
        return outputs, tuple(states)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        config.update(
            {
                "vocabulary_size": self.vocabulary_size,
                "embedding_dim": self.embedding_dim,
                "hidden_dim": self.hidden_dim,
                "num_layers": self.num_layers,
                "bidirectional": self.bidirectional,
                "dropout": self.dropout,
            }
        )
        return config
