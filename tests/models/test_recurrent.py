"""The recurrent backbones: embeddings, then the layer that `tests/layers/test_recurrent.py` tests."""

import keras
import numpy as np
import pytest

from keras_nlp_zoo.models import GRUBackbone, LSTMBackbone, RNNBackbone
from tests.called import called


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
    assert len(states) == (2 if bidirectional else 1)


# === Decoding ===


@pytest.mark.parametrize("backbone_class", [RNNBackbone, LSTMBackbone, GRUBackbone])
@pytest.mark.parametrize(("begun", "num_layers"), [(0, 1), (3, 2), (6, 1)])
def test_decoding_step_by_step_is_reading_at_once(backbone_class, begun, num_layers):
    """After a beginning of which only a part is to be read, and with dropout that must not be active."""
    backbone = backbone_class(30, embedding_dim=4, hidden_dim=6, num_layers=num_layers, dropout=0.5)
    ids = np.random.RandomState(0).randint(0, 30, (3, 7)).astype("int32")
    expected = called(backbone, {"token_ids": ids, "padding_mask": np.ones_like(ids)})["sequence_output"]
    mask = np.broadcast_to(np.arange(7) < begun, ids.shape).astype("int32")
    cache = called(backbone.start_decoding, ids, mask, max_length=7)
    assert len(cache) == num_layers * (2 if backbone_class is LSTMBackbone else 1)
    assert all(tuple(state.shape) == (3, 6) for state in cache)
    for index in range(begun, 7):
        output, cache = called(backbone.decode_step, ids[:, index], index, cache)
        np.testing.assert_allclose(output, expected[:, index], atol=1e-5)
    assert isinstance(cache, tuple)


@pytest.mark.parametrize("backbone_class", [RNNBackbone, LSTMBackbone, GRUBackbone])
def test_rows_may_begin_with_different_lengths(backbone_class):
    """A row's state is that after its own last token."""
    backbone = backbone_class(30, embedding_dim=4, hidden_dim=6, dropout=0.0)
    ids, lengths = np.random.RandomState(0).randint(0, 30, (3, 7)), np.array([7, 1, 4])
    mask = (np.arange(7) < lengths[:, None]).astype("int32")
    hidden = called(backbone.start_decoding, ids, mask, max_length=9)[0]
    sequence = called(backbone, {"token_ids": ids, "padding_mask": mask})["sequence_output"]
    np.testing.assert_allclose(hidden, sequence[np.arange(3), lengths - 1], atol=1e-6)


def test_a_bidirectional_network_writes_nothing():
    backbone = GRUBackbone(30, embedding_dim=4, hidden_dim=6, bidirectional=True)
    with pytest.raises(ValueError, match="`bidirectional` networks write no texts"):
        backbone.start_decoding(np.ones((1, 2), "int32"), np.ones((1, 2), "int32"), 4)


def test_clipped_gradients_by_default():
    assert LSTMBackbone(10).default_optimizer().global_clipnorm == 1.0
