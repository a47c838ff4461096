"""The article's encoder and decoder, and its attention, in PyTorch and here."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_nlp_zoo as knz

# tests/parity runs this file on JAX and TensorFlow too, beside PyTorch.
torch = pytest.importorskip("torch", reason="torch is the oracle, and not installed: see `tox -e parity`")
from torch import nn  # noqa: E402 - not before it is known to be there

VOCABULARY, DIM, UNITS = 30, 6, 8


class Torch(nn.Module):
    """An encoder's final states begin the decoder."""

    def __init__(self, network, num_layers):
        super().__init__()
        self.encoder_embedding = nn.Embedding(VOCABULARY, DIM)
        self.decoder_embedding = nn.Embedding(VOCABULARY, DIM)
        self.encoder = network(DIM, UNITS, num_layers, batch_first=True)
        self.decoder = network(DIM, UNITS, num_layers, batch_first=True)
        self.output = nn.Linear(UNITS, VOCABULARY)

    def forward(self, source, target):
        _, states = self.encoder(self.encoder_embedding(source))
        return self.output(self.decoder(self.decoder_embedding(target), states)[0])


@pytest.mark.parametrize(("cell", "network"), [("lstm", nn.LSTM), ("gru", nn.GRU), ("rnn", nn.RNN)])
@pytest.mark.parametrize("num_layers", [1, 2])
def test_encoder_and_decoder(cell, network, num_layers):
    torch.manual_seed(0)
    theirs = Torch(network, num_layers)
    backbone = knz.models.Seq2SeqBackbone(VOCABULARY, DIM, UNITS, num_layers=num_layers, cell=cell)
    ours = knz.Seq2SeqLM(backbone)
    for name in ("encoder_embedding", "decoder_embedding", "encoder", "decoder"):
        knz.interop.load_torch(getattr(backbone, name), getattr(theirs, name))
    knz.interop.load_torch(ours.output_dense, theirs.output)
    random = np.random.RandomState(0)
    lengths = [[9, 4], [1, 6], [5, 5]]
    inputs = {}
    for i, side in enumerate(("encoder", "decoder")):
        mask = (np.arange(9 if i == 0 else 6) < np.array(lengths)[:, i : i + 1]).astype("int32")
        inputs[f"{side}_token_ids"] = random.randint(0, VOCABULARY, mask.shape) * mask
        inputs[f"{side}_padding_mask"] = mask
    found = ops.convert_to_numpy(ours(inputs))
    for row, (source, target) in enumerate(lengths):
        ids = [
            torch.tensor(inputs[f"{side}_token_ids"][row : row + 1, :length])
            for side, length in (("encoder", source), ("decoder", target))
        ]
        expected = theirs(*ids)[0].detach().cpu().numpy()
        np.testing.assert_allclose(found[row, :target], expected, atol=1e-5)


def test_attention_of_the_article():
    """softmax(Q K^T) V with Q, K, V of (10, 64)."""
    torch.manual_seed(0)
    query, key, value = (torch.randn(1, 10, 64) for _ in range(3))
    # In float64: in float32 PyTorch is 7e-7 from it itself, and so are the others, on their own side of it.
    scores = query.double() @ key.double().transpose(1, 2)
    expected = (torch.softmax(scores, dim=-1) @ value.double()).numpy()
    found = keras.layers.Attention()([array.numpy() for array in (query, value, key)])
    np.testing.assert_allclose(ops.convert_to_numpy(found), expected, atol=1e-6)
