"""Trains a small GPT, or an LSTM of about as many weights, to write character by character.

    python examples/train_char_gpt.py
    python examples/train_char_gpt.py --dataset tinyshakespeare --steps 2000 "ROMEO:"
    python examples/train_char_gpt.py --corpus my_novel.txt --model lstm "Once"

By default on generated film reviews; tinyshakespeare comes from the folder named by KERAS_NLP_ZOO_DATA or is
downloaded once. The network is that of nanoGPT's figure for a CPU: 4 layers, 4 heads, 128 wide, 64 characters in
view, batches of 12, and 2,000 steps; by default 400, two minutes at most on two cores. What to expect: see the README
beside this file.
"""

import argparse
import math
import os
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras

import keras_nlp_zoo as knz

CONTEXT, BATCH_SIZE, REPORTS = 64, 12, 10
SIZES = {
    "gpt2": {
        "num_layers": 4,
        "num_heads": 4,
        "hidden_dim": 128,
        "intermediate_dim": 512,
        "max_sequence_length": CONTEXT,
        "dropout": 0.0,
    },
    "lstm": {"num_layers": 2, "embedding_dim": 128, "hidden_dim": 240, "dropout": 0.0},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("prompts", nargs="*", help="beginnings to continue")
    parser.add_argument("--model", default="gpt2", choices=SIZES)
    parser.add_argument("--dataset", default="reviews", choices=["reviews", "tinyshakespeare"])
    parser.add_argument("--corpus", metavar="FILE", help="a text of your own; its last tenth is held out")
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--save", metavar="DIRECTORY", help="write a preset")
    args = parser.parse_args()

    keras.utils.set_random_seed(args.seed)
    train, validation = read(args)
    tokenizer = knz.Tokenizer.train([train, validation], kind="char")
    model = knz.create_model(
        args.model, "causal_lm", tokenizer=tokenizer, sequence_length=CONTEXT, pack=True, **SIZES[args.model]
    )
    rate = keras.optimizers.schedules.CosineDecay(
        0.0, max(1, args.steps - 100), alpha=0.1, warmup_target=1e-3 if args.model == "gpt2" else 3e-3, warmup_steps=100
    )
    model.compile(knz.training.AdamW(rate, weight_decay=0.1, beta_2=0.99, global_clipnorm=1.0))
    print(
        f"{args.model}: {len(train):,} characters to learn from, {tokenizer.vocabulary_size()} different tokens, "
        f"{model.count_params():,} parameters, backend {keras.backend.backend()}"
    )
    start = time.perf_counter()
    per_epoch = -(-args.steps // REPORTS)
    model.fit(train, batch_size=BATCH_SIZE, steps_per_epoch=per_epoch, epochs=-(-args.steps // per_epoch), verbose=2)
    minutes = (time.perf_counter() - start) / 60
    perplexity = model.evaluate(validation, batch_size=128, verbose=0, return_dict=True)["perplexity"]
    print(
        f"\nvalidation loss {math.log(perplexity):.4f} per character ({args.model}, seed {args.seed}, "
        f"{keras.backend.backend()}, {minutes:.1f} minutes)\n"
    )
    for prompt in args.prompts or [train[:12]]:
        for piece in model.stream(prompt, max_length=CONTEXT, sampler="top_k", seed=args.seed, stop_token_ids=None):
            print(piece, end="", flush=True)
        print("\n")
    if args.save:
        model.save_to_preset(args.save)
        print(f"Saved {args.save} (load it on any backend: knz.CausalLM.from_preset({args.save!r}))")


def read(args: argparse.Namespace) -> tuple[str, str]:
    """The text to learn from and the one held out."""
    if args.corpus:
        with open(args.corpus, encoding="utf-8") as file:
            text = file.read()
        at = int(0.9 * len(text))
        return text[:at], text[at:]
    options = {"size": 4000} if args.dataset == "reviews" else {}
    splits = (knz.datasets.load(args.dataset, split=split, **options)[0] for split in ("train", "validation"))
    train, validation = ("\n".join(texts) for texts in splits)
    return train, validation


if __name__ == "__main__":
    main()
