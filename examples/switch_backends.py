"""Trains a classifier on one backend and serves its preset on the others, each in a process of its own.

    KERAS_BACKEND=jax python examples/switch_backends.py
    KERAS_BACKEND=torch python examples/switch_backends.py --model lstm --size 5000

Prints the accuracy and the largest difference of a logit on unseen reviews, and the seconds that predicting them
takes, by backend; one that is not installed is left out. About a minute on two cores.
"""

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

BACKENDS = ("jax", "tensorflow", "torch")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="gru", help="an architecture that classifies texts")
    parser.add_argument("--size", type=int, default=2000, help="reviews to learn from")
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--output", help="keep the preset in this folder")
    parser.add_argument("--serve", metavar="PRESET", help=argparse.SUPPRESS)  # what the other processes do
    args = parser.parse_args()
    if args.serve:
        print(json.dumps(serve(args.serve)))
        return

    import keras

    import keras_nlp_zoo as knz

    here = keras.backend.backend()
    keras.utils.set_random_seed(0)
    texts, labels = knz.datasets.load("reviews", size=args.size)
    tokenizer = knz.Tokenizer.train(texts, kind="word")
    model = knz.create_model(args.model, tokenizer=tokenizer, labels=["negative", "positive"])
    print(f"Training {args.model} on {here}")
    model.fit(texts, labels, epochs=args.epochs, verbose=2)
    with tempfile.TemporaryDirectory() as folder:
        preset = args.output or os.path.join(folder, "preset")
        model.save_to_preset(preset)
        found = {}
        for backend in sorted(BACKENDS, key=lambda name: name != here):
            if importlib.util.find_spec(backend) is None:
                print(f"{backend} is not installed")
                continue
            found[backend] = in_process(backend, preset)
    print(f"\n{'served on':12} {'accuracy':>9} {'largest difference':>19} {'seconds':>8}")
    for backend, answer in found.items():
        pairs = zip(answer["logits"], found[here]["logits"], strict=True)
        difference = max(abs(a - b) for ours, theirs in pairs for a, b in zip(ours, theirs, strict=True))
        print(f"{backend:12} {answer['accuracy']:9.2%} {difference:19.1e} {answer['seconds']:8.2f}")


def in_process(backend: str, preset: str) -> dict:
    """What `serve` gives on another backend: Keras has one for each process."""
    done = subprocess.run(
        [sys.executable, __file__, "--serve", preset],
        env={**os.environ, "KERAS_BACKEND": backend},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"{backend} failed:\n{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


def serve(preset: str) -> dict:
    """Accuracy, logits and seconds on unseen reviews."""
    import keras_nlp_zoo as knz

    model = knz.TextClassifier.from_preset(preset)
    texts, labels = knz.datasets.load("reviews", split="test", size=500)
    model.predict(texts, verbose=0)  # compiles
    start = time.perf_counter()
    logits = model.predict(texts, verbose=0)
    seconds = time.perf_counter() - start
    right = [model.labels[row.argmax()] == label for row, label in zip(logits, labels, strict=True)]
    return {"accuracy": sum(right) / len(right), "logits": logits.tolist(), "seconds": seconds}


if __name__ == "__main__":
    main()
