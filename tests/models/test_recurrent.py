"""The recurrent backbones: embeddings, then the layer that `tests/layers/test_recurrent.py` tests."""

import keras
import numpy as np
import pytest

from keras_nlp_zoo.models import GRUBackbone, LSTMBackbone, RNNBackbone


@pytest.mark.parametrize("backbone_class", [RNNBackbone, LSTMBackbone, GRUBackbone])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_outputs(backbone_class, bidirectional):
    backbone = backbone_class(30, embedding_dim=4, hidden_dim=6, bidirectional=bidirectional, dropout=0.0)
    ids, lengths = np.random.RandomState(0).randint(0, 30, (3, 7)), np.array([7, 1, 4])
    mask = (np.arange(7) < lengths[:, None]).astype("int32")
    outputs = {k: keras.ops.convert_to_numpy(v) for k, v in backbone({"token_ids": ids, "padding_mask": mask}).items()}
    words = keras.ops.convert_to_numpy(backbone.token_embedding.embeddings)[ids]
    sequence, *states = backbone.recurrent(words, mask=mask)
    np.testing.assert_allclose(outputs["sequence_output"], keras.ops.convert_to_numpy(sequence), atol=1e-6)
    # The state after the last token; backwards, after the first.
    forward = outputs["sequence_output"][np.arange(3), lengths - 1, :6]
    np.testing.assert_allclose(outputs["pooled_output"][:, :6], forward, atol=1e-6)
    if bidirectional:
        np.testing.assert_allclose(outputs["pooled_output"][:, 6:], outputs["sequence_output"][:, 0, 6:], atol=1e-6)
    assert backbone.output["pooled_output"].shape == (None, 12 if bidirectional else 6)
    assert len(states) == (2 if backbone_class is LSTMBackbone else 1) * (2 if bidirectional else 1)


def test_clipped_gradients_by_default():
    assert LSTMBackbone(10).default_optimizer().global_clipnorm == 1.0
