"""GPT-2 of 124M random weights beside `transformers`, in one run: writing and training.

    KERAS_BACKEND=jax python -m tests.benchmarks.generation [--int8] [--train]

Writing: 64 new tokens after 16, greedy, no end token, float32, batches of 1 and 8; tokens a second, medians of five,
taking turns. `--int8` adds our own after `quantize("int8")`. `--train`: AdamW, batches of 4 rows of 128 tokens
instead. Needs torch and transformers whatever the backend; run it on a machine that does nothing else.
"""

import argparse
import os
import tempfile

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")

import keras
import numpy as np
import torch
import transformers

import keras_nlp_zoo as knz
from tests.benchmarks.decoding import seconds
from tests.benchmarks.speed import ROUNDS, Clock, TakeTurns

PROMPT, NEW, VOCABULARY = 16, 64, 50257
BATCH, LENGTH, NUM_BATCHES = 4, 128, 4


class Peer:
    """GPT-2 of `transformers`, with its `generate` and a plain training loop."""

    def __init__(self) -> None:
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        torch.manual_seed(0)
        with torch.device("cpu"):
            self.module = transformers.GPT2LMHeadModel(transformers.GPT2Config())
        self.module.to(self.device)

    def generate(self, ids: np.ndarray) -> np.ndarray:
        self.module.eval()
        with torch.device(self.device), torch.no_grad():
            prompt = torch.tensor(ids).long()
            options = {"max_new_tokens": NEW, "do_sample": False, "pad_token_id": 0, "eos_token_id": None}
            return self.module.generate(prompt, attention_mask=torch.ones_like(prompt), **options).cpu().numpy()

    def fit(self, ids: np.ndarray) -> float:
        self.module.train()
        if not hasattr(self, "optimizer"):
            self.optimizer = torch.optim.AdamW(self.module.parameters(), lr=5e-5)
        batches = torch.tensor(ids, device=self.device).long().split(BATCH)
        with Clock() as clock:
            for batch in batches:
                self.optimizer.zero_grad(set_to_none=True)
                self.module(input_ids=batch[:, :-1], labels=batch[:, 1:]).loss.backward()
                torch.nn.utils.clip_grad_norm_(self.module.parameters(), 1.0)
                self.optimizer.step()
            _ = next(self.module.parameters()).flatten()[0].item()  # a GPU has finished
        return clock.seconds


def writing(model: knz.CausalLM, peer: Peer, int8: bool) -> None:
    random = np.random.default_rng(0)
    print(f"tokens a second, {keras.backend.backend()} beside transformers {transformers.__version__}")
    for batch in (1, 8):
        ids = random.integers(1000, VOCABULARY, (batch, PROMPT)).astype("int32")

        def ours(model: knz.CausalLM = model, ids: np.ndarray = ids) -> np.ndarray:
            prompt = np.pad(ids, ((0, 0), (0, NEW)))
            mask = np.broadcast_to(np.arange(PROMPT + NEW) < PROMPT, prompt.shape).astype("int32")
            inputs = {"token_ids": prompt, "padding_mask": mask, "beginning": prompt[:, :PROMPT]}
            return model.generate(inputs, stop_token_ids=None)["token_ids"]

        mine, theirs = seconds(ours, lambda ids=ids: peer.generate(ids))
        tokens = batch * NEW
        same = np.array_equal(ours(), peer.generate(ids))
        print(f"batch {batch}: {tokens / mine:.1f} against {tokens / theirs:.1f}, ratio {theirs / mine:.2f}", end="")
        print(f", the same tokens: {same}", flush=True)
    if int8:
        ids = ids[:1]
        before = ours()
        full = seconds(lambda: ours(ids=ids))[0]
        model.quantize("int8")
        model.compile()
        quantized = seconds(lambda: ours(ids=ids))[0]
        agreed = (ours(ids=ids)[:, PROMPT:] == before[:1, PROMPT:]).mean()
        print(
            f"int8, batch 1: {NEW / quantized:.1f} against {NEW / full:.1f} of float32, ratio {full / quantized:.2f};"
        )
        print(f"{agreed:.0%} of the tokens are the same")


def training(model: knz.CausalLM, peer: Peer) -> None:
    ids = np.random.default_rng(0).integers(0, VOCABULARY, (BATCH * NUM_BATCHES, LENGTH + 1)).astype("int32")
    model.compile(knz.training.AdamW(5e-5, global_clipnorm=1.0), weighted_metrics=[])
    turns = TakeTurns(lambda: peer.fit(ids))
    x = {"token_ids": ids[:, :-1], "padding_mask": np.ones_like(ids[:, :-1])}
    model.fit(x, ids[:, 1:], batch_size=BATCH, epochs=ROUNDS + 1, callbacks=[turns], verbose=0)
    mine, theirs = (len(ids) / one for one in turns.medians())
    print(
        f"training, {keras.backend.backend()}: {mine:.2f} rows a second against {theirs:.2f}, ratio {mine / theirs:.2f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--int8", action="store_true")
    parser.add_argument("--train", action="store_true")
    arguments = parser.parse_args()
    transformers.logging.set_verbosity_error()
    peer = Peer()
    with tempfile.TemporaryDirectory() as folder:
        peer.module.save_pretrained(folder)
        model = knz.CausalLM.from_preset(folder)
    if arguments.train:
        training(model, peer)
    else:
        writing(model, peer, arguments.int8)


if __name__ == "__main__":
    main()
