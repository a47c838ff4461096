"""What `speed` times beside the zoo: the same models in PyTorch, written as one would write them for speed."""

import torch
from torch import nn


class PeerDNN(nn.Module):
    def __init__(self, vocabulary_size: int):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary_size, 100)
        layers = [nn.Linear(100, 64), nn.ReLU(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 2)]
        self.layers = nn.Sequential(*layers)

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        mask = mask[:, :, None].float()
        return self.layers((self.embedding(ids) * mask).sum(1) / mask.sum(1))


class PeerCNN(nn.Module):
    def __init__(self, vocabulary_size: int):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary_size, 300)
        self.convolutions = nn.ModuleList(nn.Conv1d(300, 100, width, padding=width // 2) for width in (3, 4, 5))
        self.dropout = nn.Dropout(0.5)
        self.output = nn.Linear(300, 2)

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        x = (self.embedding(ids) * mask[:, :, None]).transpose(1, 2)
        maxima = [torch.relu(convolution(x)).amax(-1) for convolution in self.convolutions]
        return self.output(self.dropout(torch.cat(maxima, dim=-1)))


class PeerRecurrent(nn.Module):
    """Unpacked: with one direction and padding on the right, packing changes nothing and is slower on CPU."""

    def __init__(self, network: type[nn.Module], vocabulary_size: int):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary_size, 100)
        self.network = network(100, 128, batch_first=True)
        self.output = nn.Linear(128, 2)

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        outputs, _ = self.network(self.embedding(ids))
        return self.output(outputs[torch.arange(len(ids)), mask.sum(1) - 1])


class PeerTagger(nn.Module):
    """Packed: torch's backward direction starts at the last step and would read the padding first."""

    def __init__(self, vocabulary_size: int, num_classes: int):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary_size, 100)
        self.network = nn.LSTM(100, 128, batch_first=True, bidirectional=True)
        self.output = nn.Linear(256, num_classes)

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        packed = nn.utils.rnn.pack_padded_sequence(
            self.embedding(ids), mask.sum(1).cpu(), batch_first=True, enforce_sorted=False
        )
        outputs, _ = nn.utils.rnn.pad_packed_sequence(self.network(packed)[0], True, total_length=ids.shape[1])
        return self.output(outputs)


class PeerSeq2Seq(nn.Module):
    def __init__(self, vocabulary_size: int, dim: int, units: int):
        super().__init__()
        self.embeddings = nn.ModuleList(nn.Embedding(vocabulary_size, dim) for _ in range(2))
        self.encoder = nn.LSTM(dim, units, batch_first=True)
        self.decoder = nn.LSTM(dim, units, batch_first=True)
        self.output = nn.Linear(units, vocabulary_size)

    def forward(
        self, source: torch.Tensor, source_mask: torch.Tensor, target: torch.Tensor, target_mask: torch.Tensor
    ) -> torch.Tensor:
        packed = nn.utils.rnn.pack_padded_sequence(
            self.embeddings[0](source), source_mask.sum(1).cpu(), batch_first=True, enforce_sorted=False
        )
        _, states = self.encoder(packed)
        return self.output(self.decoder(self.embeddings[1](target), states)[0])


class PeerAttention(nn.Module):
    """Bahdanau et al. (2015): additive attention inside the decoder's step; state, context and word to the output."""

    def __init__(self, vocabulary_size: int, dim: int, units: int):
        super().__init__()
        self.embeddings = nn.ModuleList(nn.Embedding(vocabulary_size, dim) for _ in range(2))
        self.encoder = nn.GRU(dim, units, batch_first=True, bidirectional=True)
        self.bridge = nn.Linear(2 * units, units)
        self.key, self.query, self.score = nn.Linear(2 * units, units), nn.Linear(units, units), nn.Linear(units, 1)
        self.cell = nn.GRUCell(dim + 2 * units, units)
        self.output = nn.Linear(3 * units + dim, vocabulary_size)

    def forward(
        self, source: torch.Tensor, source_mask: torch.Tensor, target: torch.Tensor, target_mask: torch.Tensor
    ) -> torch.Tensor:
        packed = nn.utils.rnn.pack_padded_sequence(
            self.embeddings[0](source), source_mask.sum(1).cpu(), batch_first=True, enforce_sorted=False
        )
        vectors, state = self.encoder(packed)
        vectors, _ = nn.utils.rnn.pad_packed_sequence(vectors, True, total_length=source.shape[1])
        hidden = torch.tanh(self.bridge(torch.cat([state[0], state[1]], dim=-1)))
        keys, words, padding, said = self.key(vectors), self.embeddings[1](target), source_mask == 0, []
        for t in range(target.shape[1]):
            scores = self.score(torch.tanh(keys + self.query(hidden)[:, None]))[:, :, 0].masked_fill(padding, -1e9)
            context = torch.bmm(scores.softmax(-1)[:, None], vectors)[:, 0]
            hidden = self.cell(torch.cat([words[:, t], context], dim=-1), hidden)
            said.append(torch.cat([hidden, context, words[:, t]], dim=-1))
        return self.output(torch.stack(said, dim=1))


class PeerTransformer(nn.Module):
    def __init__(self, vocabulary_size: int, dim: int, heads: int, layers: int, intermediate_dim: int):
        super().__init__()
        self.embeddings = nn.ModuleList(nn.Embedding(vocabulary_size, dim) for _ in range(2))
        self.positions = nn.Parameter(0.02 * torch.randn(128, dim))
        self.transformer = nn.Transformer(dim, heads, layers, layers, intermediate_dim, batch_first=True)
        self.output = nn.Linear(dim, vocabulary_size)

    def forward(
        self, source: torch.Tensor, source_mask: torch.Tensor, target: torch.Tensor, target_mask: torch.Tensor
    ) -> torch.Tensor:
        words = [
            embedding(ids) + self.positions[: ids.shape[1]]
            for embedding, ids in zip(self.embeddings, (source, target), strict=True)
        ]
        padding = source_mask == 0
        hidden = self.transformer(
            *words,
            tgt_mask=nn.Transformer.generate_square_subsequent_mask(target.shape[1], device=target.device),
            src_key_padding_mask=padding,
            memory_key_padding_mask=padding,
            tgt_is_causal=True,
        )
        return self.output(hidden)
