"""What is said of the ten architectures, put to the test: a picture and a sentence for each claim.

    python examples/claims.py --quick
    KERAS_BACKEND=jax python examples/claims.py
    python examples/claims.py bottleneck sides --seeds 5

Every model is trained from scratch on generated data, once for each seed; error bars are one standard deviation over
the seeds. The sentence under a picture says whether the claim, or a part of it, held at these sizes, on this machine
and backend.
`--quick` takes about ten minutes on two cores, everything about an hour.
"""

import argparse
import json
import os
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any, NamedTuple

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
from claims_texts import ANIMALS, animal_sentences, marks_in_order

import keras_nlp_zoo as knz

# curves: model -> what was varied -> one value for each seed
Curves = dict[str, dict[Any, list[float]]]


class Panel(NamedTuple):
    """One plot. What was varied is a number (lines) or a name (bars)."""

    x: str
    y: str
    curves: Curves


class Finding(NamedTuple):
    """What became of a claim: whether each part of it held, and what was measured."""

    held: tuple[bool, ...]
    because: str
    panels: list[Panel]

    @property
    def verdict(self) -> str:
        found = "Held" if all(self.held) else "Held in part" if any(self.held) else "Did not hold"
        return f"{found}: {self.because}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("claims", nargs="*", metavar="claim", help=f"some of: {', '.join(CLAIMS)} (default: all)")
    parser.add_argument("--quick", action="store_true", help="fewer points, texts and seeds")
    parser.add_argument("--seeds", type=int, help="trainings of each model (3; 2 with --quick)")
    parser.add_argument("--output", default="claims_output", help="folder for the pictures")
    parser.add_argument("--measure", nargs=2, metavar=("MODEL", "LENGTH"), help=argparse.SUPPRESS)  # in own processes
    args = parser.parse_args()
    if args.measure:
        print(json.dumps(seconds_and_megabytes(args.measure[0], int(args.measure[1]))))
        return
    unknown = sorted(set(args.claims) - set(CLAIMS))
    if unknown:
        parser.error(f"unknown claim {unknown[0]!r}; there are: {', '.join(CLAIMS)}")
    if args.seeds is not None and args.seeds < 1:
        parser.error("--seeds must be at least 1")
    seeds = range(args.seeds or (2 if args.quick else 3))
    os.makedirs(args.output, exist_ok=True)
    sentences, start = [], time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        compile_once(folder)
        for name in args.claims or CLAIMS:
            claim, experiment, quick = CLAIMS[name]
            print(f"\n== {name}: {claim}")
            finding = experiment(seeds, **(quick if args.quick else {}))
            sentences.append(f"{name:11} {finding.verdict}")
            draw(claim, finding, os.path.join(args.output, f"{name}.png"))
            print(finding.verdict)
    print(f"\n{(time.perf_counter() - start) / 60:.1f} minutes on {keras.backend.backend()}; pictures in {args.output}")
    print("\n".join(sentences))


# === The claims ===


def forgetting(
    seeds: range, distances: tuple[int, ...] = (0, 20, 40, 80, 160, 320), size: int = 6000, epochs: int = 10
) -> Finding:
    """Reviews whose opinion stands at the beginning, `distance` words before the end; trained on all distances.

    Each distance prepares for the next: learnt at once, none of the three bridges 60 words, and with no more than 80
    as the longest the RNN gets there too. "gru open" differs from "gru" in where it begins only, see `open_gates`.
    """
    accuracy: Curves = {}
    train: tuple[list[str], list[str]] = ([], [])
    for distance in distances:
        part = knz.datasets.load("reviews", size=size // len(distances), kind="plain", distance=distance)
        train = (train[0] + part[0], train[1] + part[1])
    for model in ("rnn", "lstm", "gru", "gru open"):
        for seed in seeds:
            prepare = open_gates if model == "gru open" else None
            classifier = classify(model.split()[0], train, seed, epochs, prepare)[0]
            for distance in distances:
                test = knz.datasets.load("reviews", split="test", size=500, kind="plain", distance=distance)
                record(accuracy, model, distance, accuracy_of(classifier, test), "accuracy", ".1%")
    far = {model: mean(points[max(distances)]) for model, points in accuracy.items()}
    return Finding(
        tuple(far[model] > far["rnn"] + 0.1 for model in ("lstm", "gru", "gru open")),
        f"{max(distances)} words on, "
        + ", ".join(f"the {model} gets {score:.0%}" for model, score in far.items())
        + ' ("open": its update gate begins at 0.88, not 0.5)',
        [Panel("words between the opinion and the end", "accuracy on unseen reviews", accuracy)],
    )


def gates(seeds: range, size: int = 4000) -> Finding:
    """The same reviews for both: all three kinds, ten words of something else behind them."""
    train = knz.datasets.load("reviews", size=size, distance=10)
    test = knz.datasets.load("reviews", split="test", size=1000, distance=10)
    accuracy: Curves = {}
    seconds: Curves = {}
    for model in ("lstm", "gru"):
        for seed in seeds:
            classifier, epoch = classify(model, train, seed, epochs=8)
            record(accuracy, model, "accuracy", accuracy_of(classifier, test), "accuracy", ".1%")
            record(seconds, model, "an epoch", epoch, "seconds an epoch", ".2f")
    faster = mean(seconds["lstm"]["an epoch"]) / mean(seconds["gru"]["an epoch"])
    apart = mean(accuracy["gru"]["accuracy"]) - mean(accuracy["lstm"]["accuracy"])
    return Finding(
        (faster > 1.05, abs(apart) < 0.02),
        f"the GRU trains {faster:.2f} times as fast as the LSTM on {keras.backend.backend()}, its accuracy "
        f"{100 * apart:+.1f} points from the LSTM's",
        [Panel("", "seconds an epoch", seconds), Panel("", "accuracy on unseen reviews", accuracy)],
    )


def ngrams(seeds: range, gaps: tuple[int, ...] = (0, 2, 4, 8, 16), size: int = 3000) -> Finding:
    """Which of two marks comes first, with `gap` other words between them; the widest filter sees five words."""
    accuracy: Curves = {}
    seconds: Curves = {}
    for model in ("cnn", "lstm"):
        for gap in gaps:
            train, test = marks_in_order(size, gap, seed=0), marks_in_order(500, gap, seed=1)
            for seed in seeds:
                classifier, epoch = classify(model, train, seed, epochs=6, embedding_dim=100)
                record(accuracy, model, gap, accuracy_of(classifier, test), "accuracy", ".1%")
                seconds.setdefault(model, {}).setdefault("an epoch", []).append(epoch)
    near, far = min(gaps), max(gaps)
    faster = mean(seconds["lstm"]["an epoch"]) / mean(seconds["cnn"]["an epoch"])
    cnn, lstm = accuracy["cnn"], accuracy["lstm"]
    return Finding(
        (faster > 1.05, mean(cnn[near]) > 0.95, mean(cnn[far]) < 0.6 < mean(lstm[far])),
        f"the CNN gets {mean(cnn[near]):.0%} right with {near} words between and {mean(cnn[far]):.0%} with {far}, the "
        f"LSTM {mean(lstm[near]):.0%} and {mean(lstm[far]):.0%}; the CNN "
        f"trains {faster:.1f} times as fast on {keras.backend.backend()}",
        [
            Panel("words between the two marks", "accuracy on unseen texts", accuracy),
            Panel("", "seconds an epoch", seconds),
        ],
    )


def bottleneck(seeds: range, lengths: tuple[int, ...] = (4, 8, 12, 16), size: int = 15_000, epochs: int = 8) -> Finding:
    """Letters to be written backwards, by how many there are."""
    exact: Curves = {}
    train, _ = knz.datasets.load("reversal", size=size, max_length=max(lengths))
    tokenizer = knz.Tokenizer.train(train["encoder_text"], kind="word")
    for name in ("seq2seq", "attention"):
        for seed in seeds:
            keras.utils.set_random_seed(seed)
            sizes = {"embedding_dim": 32, "hidden_dim": 128, "dropout": 0.0}
            model = knz.create_model(name, tokenizer=tokenizer, sequence_length=max(lengths) + 2, **sizes)
            model.compile(knz.training.Adam(5e-3, global_clipnorm=1.0))
            model.fit(train, epochs=epochs, batch_size=64, verbose=0)
            for length in lengths:
                test, _ = knz.datasets.load("reversal", split="test", size=200, min_length=length, max_length=length)
                written = model.generate(test["encoder_text"])
                right = [ours == wanted for ours, wanted in zip(written, test["decoder_text"], strict=True)]
                record(exact, name, length, mean(right), "exact match", ".1%")
    long = max(lengths)
    before, after = mean(exact["seq2seq"][long]), mean(exact["attention"][long])
    return Finding(
        (mean(exact["seq2seq"][min(lengths)]) > before + 0.1, after > before + 0.1),
        f"of {min(lengths)} letters seq2seq turns {mean(exact['seq2seq'][min(lengths)]):.0%} round, of {long} letters "
        f"{before:.0%}; with attention {after:.0%}",
        [Panel("letters", "sequences right in every letter", exact)],
    )


def parallel(seeds: range, lengths: tuple[int, ...] = (32, 64, 128, 256, 512, 1024)) -> Finding:
    """A layer of each, 128 wide, trained on batches of 16; a process of its own for each, since memory is its."""
    seconds: Curves = {}
    megabytes: Curves = {}
    for model in ("lstm", "transformer"):
        for length in lengths:
            for _ in seeds:
                command = [sys.executable, __file__, "--measure", model, str(length)]
                done = subprocess.run(command, capture_output=True, text=True, check=False)
                if done.returncode:
                    raise SystemExit(f"measuring the {model} at length {length} failed:\n{done.stderr}")
                result = json.loads(done.stdout.splitlines()[-1])
                record(seconds, model, length, 1000 * result["seconds"], "milliseconds a batch", ".1f")
                record(megabytes, model, length, result["megabytes"], "megabytes", ".0f")
    ratio = {n: mean(seconds["lstm"][n]) / mean(seconds["transformer"][n]) for n in lengths}
    ahead = [n for n in lengths if ratio[n] > 1]
    long = max(lengths)
    heavier = mean(megabytes["transformer"][long]) / max(1.0, mean(megabytes["lstm"][long]))
    where = "at every length" if len(ahead) == len(lengths) else f"at {len(ahead)} of {len(lengths)} lengths"
    return Finding(
        (len(ahead) == len(lengths), heavier > 1),
        f"on {os.cpu_count()} cores ({keras.backend.backend()}) the Transformer is the faster {where} "
        f"({ratio[min(lengths)]:.1f} times at {min(lengths)} words, {ratio[long]:.1f} at {long}), and takes "
        f"{heavier:.1f} times the LSTM's memory at {long}",
        [Panel("words", "milliseconds to train on a batch", seconds), Panel("words", "megabytes at most", megabytes)],
    )


def sides(seeds: range, size: int = 3000, epochs: int = 30) -> Finding:
    """An animal that only the words before it tell, or only those after it."""
    texts = animal_sentences(size, seed=0)
    tokenizer = knz.Tokenizer.train([text for text, _, _ in texts], kind="word")
    sizes = {"num_layers": 2, "num_heads": 4, "hidden_dim": 64, "intermediate_dim": 256, "dropout": 0.0}
    right: Curves = {}
    for seed in seeds:
        keras.utils.set_random_seed(seed)
        bert = knz.create_model("bert", "masked_lm", tokenizer=tokenizer, sequence_length=24, **sizes)
        gpt = knz.create_model("gpt2", tokenizer=tokenizer, max_sequence_length=24, **sizes)
        for model in (bert, gpt):
            model.compile(knz.training.AdamW(2e-3))
            model.fit([text for text, _, _ in texts], epochs=epochs, verbose=0)
        for side in ("left", "right"):
            test = [(text, animal) for text, animal, told in animal_sentences(500, seed=1) if told == side]
            blanks = [text.replace(f" {animal} ", " [MASK] ") for text, animal in test]
            filled = [masks[0][0]["token"] for masks in bert.fill(blanks, top_k=1)]
            beginnings = [blank.split(" [MASK]")[0] for blank in blanks]
            written = [(text.split() or [""])[0] for text in gpt.generate(beginnings, max_length=24, strip_prompt=True)]
            for name, answers in (("bert", filled), ("gpt2", written)):
                score = mean([answer == animal for answer, (_, animal) in zip(answers, test, strict=True)])
                record(right, name, f"told on the {side}", score, "blanks right", ".1%")
    score = {(name, side): mean(values) for name, curve in right.items() for side, values in curve.items()}
    return Finding(
        (
            min(score["bert", "told on the right"], score["bert", "told on the left"]) > 0.9,
            score["gpt2", "told on the left"] > 0.9 > 0.3 > score["gpt2", "told on the right"],
        ),
        "; ".join(f"{name}, {side}: {value:.0%} right" for (name, side), value in score.items())
        + f" (one guess in {len(ANIMALS)} is {1 / len(ANIMALS):.0%})",
        [Panel("", "blanks filled right", right)],
    )


# name: the claim, the experiment, and what --quick changes of it
CLAIMS: dict[str, tuple[str, Callable[..., Finding], dict[str, Any]]] = {
    "forgetting": (
        "An RNN forgets over long distances, LSTM and GRU do not",
        forgetting,
        {"distances": (0, 40, 160), "size": 2400, "epochs": 6},
    ),
    "gates": ("A GRU trains faster than an LSTM and is about as accurate", gates, {"size": 2000}),
    "ngrams": ("A CNN is fast and sees n-grams, but not long contexts", ngrams, {"gaps": (0, 12), "size": 2000}),
    "bottleneck": (
        "One context vector fails with length, attention repairs it",
        bottleneck,
        {"lengths": (4, 8, 12), "size": 6000, "epochs": 5},
    ),
    "parallel": (
        "A Transformer works in parallel, and takes more memory",
        parallel,
        {"lengths": (32, 256)},
    ),
    "sides": ("BERT reads both sides of a blank, GPT only the left", sides, {"size": 1500, "epochs": 20}),
}


# === Training and measuring ===


def compile_once(folder: str) -> None:
    """JAX compiles a model for the first seed only: `forgetting` then takes a fifth less."""
    if keras.backend.backend() == "jax":
        import jax

        jax.config.update("jax_compilation_cache_dir", jax.config.jax_compilation_cache_dir or folder)
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)


class EpochTimes(keras.callbacks.Callback):
    """The seconds of every epoch."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds: list[float] = []

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.start = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.seconds.append(time.perf_counter() - self.start)


def classify(
    model: str, train: Any, seed: int, epochs: int, prepare: Callable[[Any], None] | None = None, **sizes: Any
) -> tuple[Any, float]:
    """A classifier trained from scratch, `prepare`d if wanted, and the seconds of an epoch after the first."""
    keras.utils.set_random_seed(seed)
    tokenizer = knz.Tokenizer.train(train[0], kind="word")
    classifier = knz.create_model(model, tokenizer=tokenizer, labels=sorted(set(train[1])), **sizes)
    if prepare is not None:
        prepare(classifier)
    times = EpochTimes()
    classifier.fit(*train, epochs=epochs, verbose=0, callbacks=[times])
    return classifier, statistics.median(times.seconds[1:])


def open_gates(classifier: Any, bias: float = 2.0) -> None:
    """Begins the update gates of a GRU at 0.88: of its state it keeps as much from word to word, and not half.

    The forget gates of an LSTM begin at 0.73 wherever one is made, in Keras as here.
    """
    for weight in classifier.backbone.weights:
        if weight.name == "bias":  # (2, 3 * units): of inputs and state, for update, reset and candidate
            value = keras.ops.convert_to_numpy(weight).copy()
            value[0, : value.shape[1] // 3] = bias
            weight.assign(value)


def accuracy_of(classifier: Any, test: Any) -> float:
    return classifier.evaluate(*test, verbose=0, return_dict=True)["accuracy"]


def seconds_and_megabytes(model: str, length: int, batches: int = 8) -> dict[str, float]:
    """Seconds to train on a batch of 16 texts of `length` words, and the memory that training took at most."""
    keras.utils.set_random_seed(0)
    draw = random.Random(0)
    texts = [" ".join(draw.choices("abcdefghijklmnop", k=length)) for _ in range(16 * batches)]
    tokenizer = knz.Tokenizer.train(texts, kind="word")
    sizes: dict[str, Any] = {"embedding_dim": 128, "hidden_dim": 128}
    if model == "transformer":
        sizes = {"num_heads": 4, "hidden_dim": 128, "intermediate_dim": 512, "max_sequence_length": length}
    task = {"task": "text_classifier", "tokenizer": tokenizer, "labels": ["no", "yes"], "sequence_length": length}
    classifier = knz.create_model(model, **task, num_layers=1, dropout=0.0, **sizes)
    before = most_megabytes()
    times = EpochTimes()
    classifier.fit(texts, [i % 2 for i in range(len(texts))], batch_size=16, epochs=4, verbose=0, callbacks=[times])
    return {"seconds": statistics.median(times.seconds[1:]) / batches, "megabytes": most_megabytes() - before}


def most_megabytes() -> float:
    """The most memory this process has held."""
    if os.path.exists("/proc/self/status"):  # Linux counts in `ru_maxrss` what the parent process has held too
        with open("/proc/self/status", encoding="utf-8") as file:
            return next(int(line.split()[1]) / 1024 for line in file if line.startswith("VmHWM"))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20)  # bytes on macOS


def record(curves: Curves, model: str, x: Any, value: float, what: str, form: str) -> None:
    values = curves.setdefault(model, {}).setdefault(x, [])
    values.append(value)
    print(f"{model:12} {x!s:>18}  seed {len(values) - 1}  {what} {value:{form}}", flush=True)


def mean(values: list[Any]) -> float:
    return sum(values) / len(values)


def draw(claim: str, finding: Finding, path: str) -> None:
    """The claim above, the verdict below, a plot for each panel between them."""
    import textwrap

    from matplotlib.figure import Figure

    panels = finding.panels
    figure = Figure(figsize=(4.6 * len(panels) + 1, 4.4), layout="constrained")
    figure.suptitle(claim, fontsize=12)
    figure.supxlabel(textwrap.fill(finding.verdict, 56 * len(panels) + 10), fontsize=9)
    for axis, panel in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
        for number, (model, points) in enumerate(panel.curves.items()):
            means = [mean(values) for values in points.values()]
            spread = [statistics.pstdev(values) for values in points.values()]
            if all(isinstance(x, str) for x in points):
                width = 0.8 / len(panel.curves)
                places = [place + width * (number - (len(panel.curves) - 1) / 2) for place in range(len(points))]
                axis.bar(places, means, 0.9 * width, yerr=spread, capsize=3, color=f"C{number}", label=model)
                axis.set_xticks(range(len(points)), list(points))
            else:
                axis.errorbar(list(points), means, yerr=spread, marker="o", capsize=3, color=f"C{number}", label=model)
        if panel.y.startswith(("accuracy", "blanks", "sequences")):
            axis.set_ylim(0, 1.05)
        axis.set_xlabel(panel.x)
        axis.set_ylabel(panel.y)
        axis.grid(alpha=0.3)
        axis.legend()
    figure.savefig(path, dpi=90)


if __name__ == "__main__":
    main()
