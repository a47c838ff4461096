"""What it costs to write text: `KERAS_BACKEND=jax python -m tests.benchmarks.decoding`.

Greedy decoding of a batch of 32, sources of 20 tokens, random weights, no end token, vocabulary 8,000: 32 tokens and
64 tokens, by each model; beside the transformer a Marian model of `transformers` of the same size, which takes turns
with it. Medians of five. `64/32` near 2 says that a step costs the same wherever it stands; without a cache it would
be near 4. Needs torch and transformers; run it on a machine that does nothing else.
"""

import os
import statistics
import time
from collections.abc import Callable
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import torch
import transformers

import keras_nlp_zoo as knz

ROUNDS, BATCH, SOURCE, VOCABULARY = 5, 32, 20, 8000
SIZE = {"num_layers": 3, "num_heads": 8, "hidden_dim": 256, "intermediate_dim": 512}
MODELS = {
    "seq2seq": lambda: knz.models.Seq2SeqBackbone(VOCABULARY, 256, 512),
    "attention": lambda: knz.models.Seq2SeqBackbone(
        VOCABULARY, 256, 256, cell="gru", attention="additive", bidirectional=True
    ),
    "transformer": lambda: knz.models.TransformerBackbone(VOCABULARY, **SIZE),
}


def ours(name: str) -> Callable[[int], Any]:
    model = knz.Seq2SeqLM(MODELS[name]())
    model.compile()
    ids = np.random.default_rng(0).integers(5, VOCABULARY, (BATCH, SOURCE)).astype("int32")

    def generate(length: int) -> Any:
        prompt = np.zeros((BATCH, length + 1), "int32")
        mask = (np.arange(length + 1) < np.ones((BATCH, 1))).astype("int32")
        inputs = {"encoder_token_ids": ids, "encoder_padding_mask": np.ones_like(ids)}
        return model.generate(
            {**inputs, "decoder_token_ids": prompt, "decoder_padding_mask": mask}, stop_token_ids=None
        )

    return generate


def marian() -> Callable[[int], Any]:
    config = transformers.MarianConfig(
        vocab_size=VOCABULARY,
        d_model=SIZE["hidden_dim"],
        pad_token_id=0,
        eos_token_id=1,
        decoder_start_token_id=0,
        **{
            f"{side}_{key}": SIZE[value]
            for side in ("encoder", "decoder")
            for key, value in (
                ("layers", "num_layers"),
                ("attention_heads", "num_heads"),
                ("ffn_dim", "intermediate_dim"),
            )
        },
    )
    with torch.device("cpu"):
        model = transformers.MarianMTModel(config).eval()
        ids = torch.randint(5, VOCABULARY, (BATCH, SOURCE))

    def generate(length: int) -> Any:
        with torch.device("cpu"), torch.no_grad():
            return model.generate(ids, max_new_tokens=length, min_new_tokens=length, do_sample=False, num_beams=1)

    return generate


def seconds(*runs: Callable[[], Any]) -> list[float]:
    """The median time of each, in turns; the first round warms up."""
    times = []
    for _ in range(ROUNDS + 1):
        times.append([])
        for run in runs:
            start = time.perf_counter()
            run()
            times[-1].append(time.perf_counter() - start)
    return [statistics.median(column) for column in zip(*times[1:], strict=True)]


def main() -> None:
    print(f"milliseconds for a batch of {BATCH}, {keras.backend.backend()}")
    print(f"{'':12} {'32 tokens':>10} {'64 tokens':>10} {'64/32':>6} {'Marian, 64':>11} {'ratio':>6}")
    rival = marian()
    for name in MODELS:
        generate = ours(name)
        rivals = [lambda: rival(64)] if name == "transformer" else []
        short, long, *theirs = seconds(lambda: generate(32), lambda: generate(64), *rivals)  # noqa: B023 - called at once
        line = f"{name:12} {1000 * short:10.1f} {1000 * long:10.1f} {long / short:6.2f}"
        print(line + (f" {1000 * theirs[0]:11.1f} {theirs[0] / long:6.2f}" if theirs else ""), flush=True)


if __name__ == "__main__":
    main()
