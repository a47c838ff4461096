"""How fast the zoo trains and predicts beside native PyTorch: `KERAS_BACKEND=jax python -m tests.benchmarks.speed`.

    python -m tests.benchmarks.speed                 every row
    python -m tests.benchmarks.speed lstm gru        these rows
    python -m tests.benchmarks.speed --keras lstm    Keras's own masked layer as well (rnn, lstm, gru)

One row is one model on batches of random tokens, the lengths uniform between a fifth of the length and all of it.
Both sides see the same batches, train with Adam in float32 and take turns, an epoch each, so that a slow moment of
the machine hits both; a figure is the median of five epochs. `ratio` above 1 means faster than PyTorch. Needs torch
whatever the backend; run it on a machine that does nothing else. A later architecture adds a `Row` to `ROWS`.
"""

import argparse
import dataclasses
import os
import statistics
import time
from collections.abc import Callable
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # on a GPU both sides share the memory

import keras
import numpy as np
import torch
from torch import nn

import keras_nlp_zoo as knz
from tests.benchmarks.peers import (
    PeerAttention,
    PeerCNN,
    PeerDNN,
    PeerRecurrent,
    PeerSeq2Seq,
    PeerTagger,
    PeerTransformer,
)

ROUNDS = 5
NO_TARGET = -100  # what PyTorch's cross-entropy leaves out


@dataclasses.dataclass
class Row:
    """One model, here and in PyTorch, and the batches they are fed with.

    `ours` makes a compiled Keras model; `peer` makes a torch module from what `data` gives, ids `(batch, length)` and
    a padding mask, to logits. `per_token` says that there is one target for every token and not one for the text.
    """

    ours: Callable[[], Any]
    peer: Callable[[], nn.Module]
    length: int
    vocabulary_size: int
    batch_size: int = 32
    num_batches: int = 30
    num_classes: int = 2
    per_token: bool = False

    def data(self) -> tuple[dict[str, np.ndarray], np.ndarray]:
        random = np.random.default_rng(0)
        size = self.batch_size * self.num_batches
        lengths = random.integers(max(1, self.length // 5), self.length + 1, size)
        mask = (np.arange(self.length) < lengths[:, None]).astype("int32")
        ids = random.integers(4, self.vocabulary_size, (size, self.length)).astype("int32") * mask
        targets = random.integers(0, self.num_classes, (size, self.length) if self.per_token else size)
        return {"token_ids": ids, "padding_mask": mask}, targets.astype("int32")


@dataclasses.dataclass
class PairRow(Row):
    """As `Row`, for what reads ids and mask of a source and of a target, and says the target's next token."""

    batch_size: int = 64
    num_batches: int = 5

    def data(self) -> tuple[dict[str, np.ndarray], np.ndarray]:
        random = np.random.default_rng(0)
        size, features = self.batch_size * self.num_batches, {}
        for side in ("encoder", "decoder"):
            lengths = random.integers(self.length // 5, self.length + 1, size)
            mask = (np.arange(self.length) < lengths[:, None]).astype("int32")
            ids = random.integers(4, self.vocabulary_size, (size, self.length)).astype("int32") * mask
            features |= {f"{side}_token_ids": ids, f"{side}_padding_mask": mask}
        targets = np.where(mask[:, 1:] == 1, ids[:, 1:], NO_TARGET)
        features |= {f"decoder_{what}": features[f"decoder_{what}"][:, :-1] for what in ("token_ids", "padding_mask")}
        return features, targets


# === Ours ===


def classifier(name: str, vocabulary_size: int, head_dropout: float = 0.0, **config: Any) -> keras.Model:
    backbone = knz.registry.ARCHITECTURES[name].backbones["text_classifier"](vocabulary_size, dropout=0.0, **config)
    model = knz.TextClassifier(backbone, num_classes=2, dropout=head_dropout)
    model.compile(knz.training.Adam(1e-3), metrics=[])
    return model


def tagger(vocabulary_size: int, num_classes: int) -> keras.Model:
    backbone = knz.models.LSTMBackbone(vocabulary_size, bidirectional=True, dropout=0.0)
    model = knz.TokenClassifier(backbone, num_classes=num_classes, scheme=None, dropout=0.0)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)  # of padding too, as the peer's
    model.compile(knz.training.Adam(1e-3), loss, weighted_metrics=[])
    return model


def translator(backbone: Any) -> keras.Model:
    model = knz.Seq2SeqLM(backbone)
    model.compile(knz.training.Adam(1e-3), weighted_metrics=[])
    return model


def keras_layer(layer: Any, vocabulary_size: int) -> keras.Model:
    """What Keras alone gives for `rnn`, `lstm` and `gru`."""
    ids = keras.Input((None,), dtype="int32", name="token_ids")
    mask = keras.Input((None,), dtype="int32", name="padding_mask")
    words = keras.layers.Embedding(vocabulary_size, 100)(ids)
    logits = keras.layers.Dense(2)(layer(128)(words, mask=keras.ops.cast(mask, "bool")))
    model = keras.Model({"token_ids": ids, "padding_mask": mask}, logits)
    model.compile(knz.training.Adam(1e-3), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


ROWS = {
    "dnn": Row(
        lambda: classifier("dnn", 20_000, embedding_dim=100, hidden_dim=(64, 32), word_dropout=0.0),
        lambda: PeerDNN(20_000),
        length=56,
        vocabulary_size=20_000,
        batch_size=64,
        num_batches=100,
    ),
    "cnn": Row(
        lambda: classifier("cnn", 20_000, head_dropout=0.5),
        lambda: PeerCNN(20_000),
        length=56,
        vocabulary_size=20_000,
        batch_size=64,
        num_batches=20,
    ),
    "rnn": Row(lambda: classifier("rnn", 5_000), lambda: PeerRecurrent(nn.RNN, 5_000), 100, 5_000),
    "lstm": Row(lambda: classifier("lstm", 5_000), lambda: PeerRecurrent(nn.LSTM, 5_000), 100, 5_000),
    "gru": Row(lambda: classifier("gru", 5_000), lambda: PeerRecurrent(nn.GRU, 5_000), 100, 5_000),
    "bilstm tagger": Row(
        lambda: tagger(20_000, 9), lambda: PeerTagger(20_000, 9), 50, 20_000, num_classes=9, per_token=True
    ),
    "seq2seq": PairRow(
        lambda: translator(knz.models.Seq2SeqBackbone(8000, 256, 512, dropout=0.0)),
        lambda: PeerSeq2Seq(8000, 256, 512),
        25,
        8000,
    ),
    "attention": PairRow(
        lambda: translator(
            knz.models.Seq2SeqBackbone(
                8000, 256, 256, cell="gru", attention="additive", bidirectional=True, dropout=0.0
            )
        ),
        lambda: PeerAttention(8000, 256, 256),
        25,
        8000,
    ),
    "transformer": PairRow(
        lambda: translator(
            knz.models.TransformerBackbone(
                8000,
                num_layers=3,
                num_heads=8,
                hidden_dim=256,
                intermediate_dim=512,
                positions="learned",
                tie_embeddings=False,
            )
        ),
        lambda: PeerTransformer(8000, 256, 8, 3, 512),
        30,
        8000,
    ),
}
KERAS_LAYERS = {"rnn": keras.layers.SimpleRNN, "lstm": keras.layers.LSTM, "gru": keras.layers.GRU}


# === Measuring ===


class Peer:
    """A torch module that trains and predicts on the batches of a row."""

    def __init__(self, row: Row):
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        features, targets = row.data()
        # Keras's torch backend may have made CUDA the default device; the batches are put where they belong.
        self.module = row.peer().to(device)
        self.optimizer = torch.optim.Adam(self.module.parameters(), 1e-3)
        arrays = (*features.values(), targets)
        tensors = [torch.tensor(array, dtype=torch.int64, device=device) for array in arrays]
        self.batches = list(zip(*(tensor.split(row.batch_size) for tensor in tensors), strict=True))

    def fit(self) -> float:
        self.module.train()
        with Clock() as clock:
            for *features, targets in self.batches:
                self.optimizer.zero_grad(set_to_none=True)
                logits = self.module(*features)
                nn.functional.cross_entropy(logits.flatten(0, -2), targets.flatten(), ignore_index=NO_TARGET).backward()
                self.optimizer.step()
            _ = next(self.module.parameters()).flatten()[0].item()  # a GPU has finished
        return clock.seconds

    def predict(self) -> float:
        self.module.eval()
        with torch.no_grad(), Clock() as clock:
            _ = torch.cat([self.module(*features) for *features, _ in self.batches]).cpu()
        return clock.seconds


class Clock:
    """`with Clock() as clock: ...; clock.seconds`."""

    def __enter__(self) -> "Clock":
        self.start = time.perf_counter()
        return self

    def __exit__(self, *exception: Any) -> None:
        self.seconds = time.perf_counter() - self.start


class TakeTurns(keras.callbacks.Callback):
    """After each of our epochs the others run one of theirs; the first round warms up and is left out."""

    def __init__(self, *others: Callable[[], float]):
        super().__init__()
        self.others = others
        self.rounds: list[list[float]] = []

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.start = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        ours = time.perf_counter() - self.start
        self.rounds.append([ours, *(other() for other in self.others)])

    def medians(self) -> list[float]:
        return [statistics.median(column) for column in zip(*self.rounds[1:], strict=True)]


def measure(name: str, with_keras: bool) -> None:
    row = ROWS[name]
    keras.utils.set_random_seed(0)
    features, targets = row.data()
    peer, model = Peer(row), row.ours()
    options: dict[str, Any] = {"batch_size": row.batch_size, "verbose": 0}
    weights = (targets != NO_TARGET).astype("float32") if isinstance(row, PairRow) else None
    targets = np.maximum(targets, 0)

    def epoch_of(model: keras.Model) -> Callable[[], float]:
        def run() -> float:
            turns = TakeTurns()
            model.fit(features, targets, epochs=1, callbacks=[turns], **options)
            return turns.rounds[0][0]

        return run

    rivals = [peer.fit]
    if with_keras and name in KERAS_LAYERS:
        rivals.append(epoch_of(keras_layer(KERAS_LAYERS[name], row.vocabulary_size)))
    turns = TakeTurns(*rivals)
    model.fit(features, targets, sample_weight=weights, epochs=ROUNDS + 1, callbacks=[turns], **options)
    ours, theirs, *keras_seconds = turns.medians()

    rounds = []
    for _ in range(ROUNDS + 1):
        with Clock() as clock:
            model.predict(features, **options)
        rounds.append([clock.seconds, peer.predict()])
    ours_predict, theirs_predict = (statistics.median(column) for column in zip(*rounds[1:], strict=True))

    size = len(targets)
    line = f"{name:14} {size / ours:10,.0f} {size / theirs:10,.0f} {theirs / ours:6.2f}"
    line += f" {size / ours_predict:12,.0f} {size / theirs_predict:10,.0f} {theirs_predict / ours_predict:6.2f}"
    if keras_seconds:
        line += f" {keras_seconds[0] / ours:10.2f}"
    print(line, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs="*", default=[], help=", ".join(ROWS))
    parser.add_argument("--keras", action="store_true", help="time Keras's own layer too")
    arguments = parser.parse_args()
    unknown = set(arguments.rows) - set(ROWS)
    if unknown:
        parser.error(f"unknown rows {sorted(unknown)}; there are {list(ROWS)}")
    device = "GPU" if torch.cuda.is_available() else f"{torch.get_num_threads()} threads"
    print(f"samples a second, {keras.backend.backend()} beside PyTorch {torch.__version__}, {device}")
    print(f"{'':14} {'fit':>10} {'torch':>10} {'ratio':>6} {'predict':>12} {'torch':>10} {'ratio':>6}", end="")
    print(f" {'over Keras':>10}" if arguments.keras else "")
    for name in arguments.rows or ROWS:
        measure(name, arguments.keras)


if __name__ == "__main__":
    main()
