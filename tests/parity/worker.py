"""One backend's part in the parity tests; run in a process of its own: `python -m tests.parity.worker PART FOLDER`."""

import json
import pathlib
import sys

import keras
import numpy as np

import keras_nlp_zoo as knz
from tests.contracts.cases import CLASSIFIERS, TRANSLATORS, tiny, tiny_translator

BACKEND = keras.backend.backend()
KERAS_FILE = "lstm"  # the model that is also saved as a `.keras` file
TEXTS = [
    "the plot was not dull .",
    "the music was superb , but the script was a mess",
    "",
    "연기는 훌륭했다 . 하지만 줄거리는 지루했다 .",
    "word " * 70,
]
PAIRS = knz.datasets.load("reversal", size=160, min_length=1, max_length=7)[0]
SOURCES = [*PAIRS["encoder_text"][:30], ""]


def classifiers():
    """Tiny classifiers, and what they learn from."""
    texts, labels = knz.datasets.load("reviews", size=200)
    tokenizer = knz.Tokenizer.train(texts + knz.datasets.load("reviews", size=200, language="ko")[0], kind="wordpiece")
    for name in CLASSIFIERS:
        yield name, tiny(name, tokenizer), (texts, labels), {}


def translators():
    tokenizer = knz.Tokenizer.train(PAIRS["encoder_text"], kind="word")
    for name in TRANSLATORS:
        yield f"{name}-lm", tiny_translator(name, tokenizer), (PAIRS,), {"epochs": 8, "batch_size": 16}


def answers(model):
    """Logits, and what is written greedily where the model writes."""
    if not isinstance(model, knz.Seq2SeqLM):
        return model.predict(TEXTS, verbose=0), []
    part = {key: value[:30] for key, value in PAIRS.items()}
    return model.predict(part, verbose=0), model.generate(SOURCES, max_length=9)


def write_answers(model, path):
    logits, texts = answers(model)
    np.save(path.with_suffix(".npy"), logits)
    path.with_suffix(".json").write_text(json.dumps(texts))


def write(folder):
    """A trained preset of every model, and a `.keras` file of one, with what they say here."""
    for name, model, data, options in (*classifiers(), *translators()):
        model.compile(keras.optimizers.Adam(0.01))
        model.fit(*data, verbose=0, **options)
        model.save_to_preset(folder / BACKEND / name)
        if name == KERAS_FILE:
            model.save(folder / BACKEND / f"{name}.keras")
        write_answers(model, folder / BACKEND / name)


def load(path):
    return (knz.Seq2SeqLM if path.name.endswith("-lm") else knz.TextClassifier).from_preset(path)


def read(folder):
    """What every file of every backend says here."""
    for written in sorted(path for path in folder.iterdir() if path.is_dir()):
        for preset in sorted(path for path in written.iterdir() if path.is_dir()):
            write_answers(load(preset), written / f"{preset.name}-preset-{BACKEND}")
        model = keras.saving.load_model(written / f"{KERAS_FILE}.keras")
        write_answers(model, written / f"{KERAS_FILE}-keras-{BACKEND}")


def learn(folder):
    """The loss curve of a fixed seed from the weights that JAX wrote."""
    data = {name: knz.datasets.load("reviews", size=200, seed=1) for name in CLASSIFIERS}
    data |= {f"{name}-lm": (knz.datasets.load("reversal", size=200, seed=1, max_length=7)[0],) for name in TRANSLATORS}
    curves = {}
    for name, corpus in data.items():
        history = load(folder / "jax" / name).fit(*corpus, epochs=4, batch_size=16, seed=7, verbose=0).history
        curves[name] = history["loss"]
    (folder / f"curves.{BACKEND}.json").write_text(json.dumps(curves))


if __name__ == "__main__":
    keras.utils.set_random_seed(0)
    {"write": write, "read": read, "learn": learn}[sys.argv[1]](pathlib.Path(sys.argv[2]))
