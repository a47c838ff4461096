"""LSTM sentence encoder.

Paper: Hochreiter and Schmidhuber (1997), "Long Short-Term Memory", https://doi.org/10.1162/neco.1997.9.8.1735.
"""

import keras

from keras_nlp_zoo.layers import LSTM
from keras_nlp_zoo.models.recurrent import RecurrentBackbone


@keras.saving.register_keras_serializable(package="keras_nlp_zoo")
class LSTMBackbone(RecurrentBackbone):
    """Embeddings read by an LSTM. Arguments, inputs and outputs are those of `knz.models.RNNBackbone`.

    Example:
        backbone = LSTMBackbone(vocabulary_size=100, embedding_dim=8, hidden_dim=4, bidirectional=True)
        outputs = backbone({"token_ids": np.ones((2, 9)), "padding_mask": np.ones((2, 9))})
        outputs["pooled_output"].shape  # (2, 8)
    """

    recurrent_layer = LSTM
