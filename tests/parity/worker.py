"""One backend's part in the parity tests; run in a process of its own: `python -m tests.parity.worker PART FOLDER`."""

import json
import pathlib
import sys

import keras
import numpy as np

import keras_nlp_zoo as knz
from tests.contracts.cases import CLASSIFIERS, tiny

BACKEND = keras.backend.backend()
KERAS_FILE = "lstm"  # the model that is also saved as a `.keras` file
TEXTS = [
    "the plot was not dull .",
    "the music was superb , but the script was a mess",
    "",
    "연기는 훌륭했다 . 하지만 줄거리는 지루했다 .",
    "word " * 70,
]


def write(folder):
    """A trained preset and a `.keras` file of every model, with what they say here."""
    texts, labels = knz.datasets.load("reviews", size=200)
    tokenizer = knz.Tokenizer.train(texts + knz.datasets.load("reviews", size=200, language="ko")[0], kind="wordpiece")
    for name in CLASSIFIERS:
        model = tiny(name, tokenizer)
        model.compile(keras.optimizers.Adam(0.01))
        model.fit(texts, labels, verbose=0)
        model.save_to_preset(folder / BACKEND / name)
        if name == KERAS_FILE:
            model.save(folder / BACKEND / f"{name}.keras")
        np.save(folder / BACKEND / f"{name}.npy", model.predict(TEXTS, verbose=0))


def read(folder):
    """What every file of every backend says here."""
    for written in sorted(path for path in folder.iterdir() if path.is_dir()):
        for name in CLASSIFIERS:
            model = knz.TextClassifier.from_preset(written / name)
            np.save(written / f"{name}.preset.{BACKEND}.npy", model.predict(TEXTS, verbose=0))
        model = keras.saving.load_model(written / f"{KERAS_FILE}.keras")
        np.save(written / f"{KERAS_FILE}.keras.{BACKEND}.npy", model.predict(TEXTS, verbose=0))


def learn(folder):
    """The loss curve of a fixed seed from the weights that JAX wrote."""
    texts, labels = knz.datasets.load("reviews", size=200, seed=1)
    curves = {}
    for name in CLASSIFIERS:
        model = knz.TextClassifier.from_preset(folder / "jax" / name)
        curves[name] = model.fit(texts, labels, epochs=4, batch_size=16, seed=7, verbose=0).history["loss"]
    (folder / f"curves.{BACKEND}.json").write_text(json.dumps(curves))


if __name__ == "__main__":
    keras.utils.set_random_seed(0)
    {"write": write, "read": read, "learn": learn}[sys.argv[1]](pathlib.Path(sys.argv[2]))
