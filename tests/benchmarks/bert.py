"""How fast BERT is fine-tuned beside `transformers`, the same checkpoint in one run.

    KERAS_BACKEND=jax python -m tests.benchmarks.bert CHECKPOINT

CHECKPOINT is a directory of Hugging Face. Both sides see the same batches of 16 rows of 64 tokens (lengths uniform
between a fifth of that and all of it), train all weights with AdamW in float32 and take turns, an epoch each; a
figure is the median of five epochs. Needs torch whatever the backend; run it on a machine that does nothing else.
"""

import argparse
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")

import keras
import numpy as np
import torch
import transformers

import keras_nlp_zoo as knz
from tests.benchmarks.speed import ROUNDS, Clock, TakeTurns

BATCH_SIZE, LENGTH, NUM_BATCHES = 16, 64, 12


class Peer:
    """The checkpoint in `transformers`, with a plain training loop."""

    def __init__(self, checkpoint: str, features: dict[str, np.ndarray], targets: np.ndarray):
        device = "cuda" if torch.cuda.is_available() else "cpu"
        self.module = transformers.AutoModelForSequenceClassification.from_pretrained(checkpoint, num_labels=2)
        self.module.to(device)
        self.optimizer = torch.optim.AdamW(self.module.parameters(), lr=5e-5)
        names = {"token_ids": "input_ids", "padding_mask": "attention_mask", "segment_ids": "token_type_ids"}
        columns = {names[key]: torch.tensor(value, device=device, dtype=torch.long) for key, value in features.items()}
        columns["labels"] = torch.tensor(targets, device=device, dtype=torch.long)
        self.batches = [
            {key: value[start : start + BATCH_SIZE] for key, value in columns.items()}
            for start in range(0, len(targets), BATCH_SIZE)
        ]

    def fit(self) -> float:
        self.module.train()
        with Clock() as clock:
            for batch in self.batches:
                self.optimizer.zero_grad(set_to_none=True)
                self.module(**batch).loss.backward()
                torch.nn.utils.clip_grad_norm_(self.module.parameters(), 1.0)
                self.optimizer.step()
            _ = next(self.module.parameters()).flatten()[0].item()  # a GPU has finished
        return clock.seconds

    def predict(self) -> float:
        self.module.eval()
        with torch.no_grad(), Clock() as clock:
            _ = torch.cat([self.module(**batch).logits for batch in self.batches]).cpu()
        return clock.seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint")
    arguments = parser.parse_args()
    transformers.logging.set_verbosity_error()
    keras.utils.set_random_seed(0)
    random = np.random.default_rng(0)
    size = BATCH_SIZE * NUM_BATCHES
    model = knz.TextClassifier.from_preset(arguments.checkpoint, num_classes=2, dropout=0.1)
    mask = (np.arange(LENGTH) < random.integers(LENGTH // 5, LENGTH + 1, size)[:, None]).astype("int32")
    ids = random.integers(1000, model.backbone.vocabulary_size, (size, LENGTH)).astype("int32") * mask
    features = {"token_ids": ids, "padding_mask": mask, "segment_ids": np.zeros_like(ids)}
    targets = random.integers(0, 2, size).astype("int32")
    peer = Peer(arguments.checkpoint, features, targets)
    options = {"batch_size": BATCH_SIZE, "verbose": 0}
    turns = TakeTurns(peer.fit)
    model.fit(features, targets, epochs=ROUNDS + 1, callbacks=[turns], **options)
    ours, theirs = turns.medians()
    rounds = []
    for _ in range(ROUNDS + 1):
        with Clock() as clock:
            model.predict(features, **options)
        rounds.append([clock.seconds, peer.predict()])
    ours_predict, theirs_predict = (sorted(column)[ROUNDS // 2] for column in zip(*rounds[1:], strict=True))
    print(
        f"{keras.backend.backend()} beside transformers {transformers.__version__}, rows a second: "
        f"fit {size / ours:.1f} against {size / theirs:.1f}, ratio {theirs / ours:.2f}; "
        f"predict {size / ours_predict:.1f} against {size / theirs_predict:.1f}, "
        f"ratio {theirs_predict / ours_predict:.2f}"
    )


if __name__ == "__main__":
    main()
