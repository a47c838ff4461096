"""Writes on from the beginnings it is given, with GPT-2 or with a small model trained on the spot.

    python examples/generate_text.py "the plot"
    python examples/generate_text.py --preset gpt2_base_en "Artificial Intelligence is"
    python examples/generate_text.py --preset hf://openai-community/gpt2 --corpus my_letters.txt "Dear"
    python examples/generate_text.py --model lstm --corpus my_novel.txt "Once upon a time"

Without `--preset` a model of the kind `--model` names learns words from `--corpus`, a text file with a text a line, or
from generated film reviews. With `--preset` (a directory, a preset of KerasHub, `hf://...`) it writes at once, or is
tuned on `--corpus` first. Beginnings may come from standard input too, one a line. A minute on two cores.
"""

import argparse
import os
import sys
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras

import keras_nlp_zoo as knz

TRANSFORMER = {"num_layers": 2, "num_heads": 4, "hidden_dim": 128, "intermediate_dim": 512, "max_sequence_length": 128}
RECURRENT = {"embedding_dim": 128, "hidden_dim": 256}
SIZES = {
    "gpt2": TRANSFORMER,
    "transformer": TRANSFORMER,
    "lstm": RECURRENT,
    "gru": RECURRENT,
    "rnn": RECURRENT,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("prompts", nargs="*", help="beginnings to continue; `-` reads them from standard input")
    parser.add_argument("--model", default="gpt2", choices=SIZES)
    parser.add_argument("--preset", help="start from this one")
    parser.add_argument("--corpus", metavar="FILE", help="texts to learn from, one a line")
    parser.add_argument("--size", type=int, default=2000, help="texts, where they are generated")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--lora", type=int, metavar="RANK", help="train a low-rank addition to a preset only")
    parser.add_argument("--sampler", default="top_p", help="greedy, top_k, top_p, random, or beam")
    parser.add_argument("--max-length", type=int, default=40, help="tokens, the beginning included")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--save", metavar="DIRECTORY", help="write a preset")
    args = parser.parse_args()

    keras.utils.set_random_seed(args.seed)
    learn = bool(args.corpus) or not args.preset
    train, held_out = read(args) if learn else ([], [])
    if args.preset:
        model = knz.create_model(args.model, "causal_lm", preset=args.preset)
        if args.lora:
            model.backbone.enable_lora(args.lora)
            model.compile()
    else:
        tokenizer = knz.Tokenizer.train(train, kind="byte_bpe", vocabulary_size=4000)
        model = knz.create_model(args.model, "causal_lm", tokenizer=tokenizer, sequence_length=128, **SIZES[args.model])
        model.compile(knz.training.AdamW(2e-3, weight_decay=0.01, global_clipnorm=1.0))
    print(f"{args.model}: {model.count_params():,} parameters, backend {keras.backend.backend()}")
    if learn:
        start = time.perf_counter()
        model.fit(train, epochs=args.epochs, batch_size=args.batch_size, verbose=2)
        minutes = (time.perf_counter() - start) / 60
        print(f"perplexity per token of held-out texts {model.perplexity(held_out):.2f} ({minutes:.1f} minutes)\n")

    prompts = args.prompts or ["the plot" if not args.corpus else held_out[0][:10]]
    if prompts == ["-"]:
        prompts = [line.rstrip("\n") for line in sys.stdin]
    for prompt in prompts:
        if args.sampler == "beam":
            print(model.generate(prompt, args.max_length, sampler=knz.samplers.BeamSearch(5)))
            continue
        for piece in model.stream(prompt, args.max_length, sampler=args.sampler, seed=args.seed):
            print(piece, end="", flush=True)
        print()
    if args.save:
        model.save_to_preset(args.save)
        print(f"Saved {args.save} (load it on any backend: knz.CausalLM.from_preset({args.save!r}))")


def read(args: argparse.Namespace) -> tuple[list[str], list[str]]:
    """Texts to learn from, and some held out."""
    if not args.corpus:
        train, _ = knz.datasets.load("reviews", split="train", size=args.size)
        return train, knz.datasets.load("reviews", split="validation", size=max(1, args.size // 10))[0]
    with open(args.corpus, encoding="utf-8") as file:
        texts = [line.strip() for line in file if line.strip()]
    if len(texts) < 10:
        raise SystemExit(f"{args.corpus} must have at least ten lines, a text each. It has {len(texts)}.")
    return [text for i, text in enumerate(texts) if i % 10], texts[::10]


if __name__ == "__main__":
    main()
