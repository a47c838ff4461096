"""Elman recurrent sentence encoder.

Paper: Elman (1990), "Finding Structure in Time", https://doi.org/10.1207/s15516709cog1402_1.
"""

import keras

from keras_nlp_zoo.layers import RNN
from keras_nlp_zoo.models.recurrent import RecurrentBackbone


@keras.saving.register_keras_serializable(package="keras_nlp_zoo")
class RNNBackbone(RecurrentBackbone):
    """Embeddings read by an Elman network. Arguments, inputs and outputs are those of `RecurrentBackbone`.

    Example:
        backbone = RNNBackbone(vocabulary_size=100, embedding_dim=8, hidden_dim=4, bidirectional=True)
        outputs = backbone({"token_ids": np.ones((2, 9)), "padding_mask": np.ones((2, 9))})
        outputs["pooled_output"].shape  # (2, 8)
    """

    recurrent_layer = RNN
