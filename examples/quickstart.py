"""Five classic architectures learn to tell good reviews from bad ones.

    python examples/quickstart.py "the plot was not dull" "the music was lovely , but the script was a mess"

Trains each on 4,800 generated film reviews, prints a table of accuracies on unseen ones, classifies the sentences
of the command line, and leaves the best model (a preset that any backend loads) and a picture of the learning
curves in a folder. No network, no GPU; the backend is the one KERAS_BACKEND names.
"""

import argparse
import os
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras

import keras_nlp_zoo as knz

MODELS = ("dnn", "cnn", "rnn", "lstm", "gru")
KINDS = ("plain", "negation", "contrast")
# A contrast means its opposite when its clauses change places: an average of word vectors cannot tell.
DEFEATED = {("dnn", "contrast"), ("dnn", "all")}
SENTENCES = ["the acting was truly moving", "the plot was not dull", "the music was superb , but the script was a mess"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sentences", nargs="*", default=SENTENCES, help="sentences to classify")
    parser.add_argument("--models", nargs="+", default=MODELS, choices=MODELS)
    parser.add_argument("--language", default="en", choices=knz.datasets.info("reviews").languages)
    parser.add_argument("--size", type=int, default=4800, help="training reviews")
    parser.add_argument("--epochs", type=int, default=7)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", default="quickstart_output", help="folder for the best model and the picture")
    args = parser.parse_args()

    corpus = knz.datasets.info("reviews")
    texts, labels = knz.datasets.load("reviews", size=args.size, language=args.language)
    validation = knz.datasets.load("reviews", split="validation", size=480, language=args.language)
    tests = {
        kind: knz.datasets.load("reviews", split="test", size=480, language=args.language, kind=kind) for kind in KINDS
    }
    tokenizer = knz.Tokenizer.train(texts, kind="word")
    print(f"{len(texts):,} reviews, {tokenizer.vocabulary_size()} words, backend {keras.backend.backend()}")
    print(f"e.g. {texts[0]!r}: {labels[0]}\n")

    rows, histories, best = [], {}, (0.0, "", None)
    for name in args.models:
        keras.utils.set_random_seed(args.seed)
        model = knz.create_model(name, tokenizer=tokenizer, labels=corpus.labels)
        print(f"== {name}: {model.count_params():,} parameters")
        start = time.perf_counter()
        histories[name] = model.fit(texts, labels, validation_data=validation, epochs=args.epochs, verbose=2)
        seconds = time.perf_counter() - start
        scores = {kind: model.evaluate(*test, return_dict=True, verbose=0)["accuracy"] for kind, test in tests.items()}
        scores["all"] = sum(scores.values()) / len(scores)
        rows.append((name, model.count_params(), seconds, scores))
        best = max(best, (scores["all"], name, model), key=lambda entry: entry[0])

    print(f"\nAccuracy on unseen reviews, by what the review takes to be understood ({keras.backend.backend()})\n")
    print(f"{'model':8} {'parameters':>12} {'seconds':>8} " + " ".join(f"{kind:>10}" for kind in (*KINDS, "all")))
    for name, parameters, seconds, scores in rows:
        cells = [f"{scores[kind]:9.1%}{'*' if (name, kind) in DEFEATED else ' '}" for kind in (*KINDS, "all")]
        print(f"{name:8} {parameters:12,} {seconds:8.1f} " + " ".join(cells))
    print("\n* built to defeat it: turn the clauses of a contrast round and the same words mean the opposite,")
    print("  so a network that averages its words can only guess there.")

    score, name, model = best
    os.makedirs(args.output, exist_ok=True)
    preset, picture = os.path.join(args.output, "best"), os.path.join(args.output, "learning_curves.png")
    model.save_to_preset(preset)
    knz.plots.learning_curves(histories, picture)
    print(f"\nThe best, {name} ({score:.1%}), says of your sentences:")
    for sentence, answer in zip(args.sentences, model.classify(args.sentences), strict=True):
        print(f"  {answer['label']:9} {answer['score']:.2f}  {sentence}")
    print(f"\nSaved {preset} (load it on any backend: knz.TextClassifier.from_preset({preset!r})) and {picture}")


if __name__ == "__main__":
    main()
