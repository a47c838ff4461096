"""Elman recurrent sentence encoder.

Paper: Elman (1990), "Finding Structure in Time", https://doi.org/10.1207/s15516709cog1402_1.
"""

import keras

from keras_nlp_zoo.layers import RNN
from keras_nlp_zoo.models.recurrent import RecurrentBackbone


@keras.saving.register_keras_serializable(package="keras_nlp_zoo")
class RNNBackbone(RecurrentBackbone):
    """Embeddings read by an Elman network.

    Inputs: a dict of `token_ids` and `padding_mask` (1 = token, 0 = padding), int `(batch, length)`.
    Outputs: a dict of `sequence_output` `(batch, length, hidden_dim)`, every step's output (zero at padding), and
    `pooled_output` `(batch, hidden_dim)`, the state after the last token. A bidirectional network has both twice
    as wide: the forward state and, beside it, that of the backward direction after the first token.

    Args:
        vocabulary_size: int. Number of token ids, padding included.
        embedding_dim: int. Width of a word vector.
        hidden_dim: int. Width of the recurrent state.
        num_layers: int. Recurrent layers, each reading the one below.
        bidirectional: bool. Whether to read backwards too.
        dropout: float. Dropout on the word vectors and between the recurrent layers.

    Raises:
        ValueError: an argument out of its range.

    Example:
        backbone = RNNBackbone(vocabulary_size=100, embedding_dim=8, hidden_dim=4, bidirectional=True)
        outputs = backbone({"token_ids": np.ones((2, 9)), "padding_mask": np.ones((2, 9))})
        outputs["pooled_output"].shape  # (2, 8)
    """

    recurrent_layer = RNN
