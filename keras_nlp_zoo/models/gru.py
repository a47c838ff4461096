"""GRU sentence encoder.

Paper: Cho et al. (2014), "Learning Phrase Representations using RNN Encoder-Decoder", https://arxiv.org/abs/1406.1078.
"""

import keras

from keras_nlp_zoo.layers import GRU
from keras_nlp_zoo.models.recurrent import RecurrentBackbone


@keras.saving.register_keras_serializable(package="keras_nlp_zoo")
class GRUBackbone(RecurrentBackbone):
    """Embeddings read by a GRU. Arguments, inputs and outputs are those of `knz.models.RNNBackbone`.

    Example:
        backbone = GRUBackbone(vocabulary_size=100, embedding_dim=8, hidden_dim=4, bidirectional=True)
        outputs = backbone({"token_ids": np.ones((2, 9)), "padding_mask": np.ones((2, 9))})
        outputs["pooled_output"].shape  # (2, 8)
    """

    recurrent_layer = GRU
