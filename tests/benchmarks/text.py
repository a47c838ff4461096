"""How fast texts become batches: `KERAS_NLP_ZOO_DATA=... python -m tests.benchmarks.text`.

Prints the tokenizers' speed on MR, then what an epoch of the cnn costs from strings, from the same batches ready
made, and from arrays padded to 128. Medians; run it on a machine that does nothing else.
"""

import statistics
import time

import keras
import numpy as np

import keras_nlp_zoo as knz

LABELS = ["negative", "positive"]


def tokenizer_speed(texts):
    for kind in ("word", "wordpiece", "bpe", "byte_bpe", "unigram", "char"):
        tokenizer = knz.Tokenizer.train(texts, kind=kind, vocabulary_size=20_000)
        seconds = []
        for _ in range(7):
            start = time.perf_counter()
            tokenizer.tokenize(texts)
            seconds.append(time.perf_counter() - start)
        print(f"tokenize {kind:10} {len(texts) / statistics.median(seconds):10,.0f} sentences/s", flush=True)


class Clock(keras.callbacks.Callback):
    """Seconds of each epoch."""

    def __init__(self):
        super().__init__()
        self.seconds = []

    def on_epoch_begin(self, epoch, logs=None):
        self.start = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        self.seconds.append(time.perf_counter() - self.start)


class Ready(keras.utils.PyDataset):
    """Batches that were made before the clock started."""

    def __init__(self, batches):
        super().__init__()
        self.batches = batches

    def __len__(self):
        return len(self.batches)

    def __getitem__(self, index):
        return self.batches[index]


def epoch_seconds(texts, labels, tokenizer, how, epochs=4):
    keras.utils.set_random_seed(0)
    model = knz.create_model("cnn", tokenizer=tokenizer, labels=LABELS, sequence_length=128)
    clock = Clock()
    options = {"epochs": epochs, "callbacks": [clock], "verbose": 0}
    y = model.encode_targets(labels)
    rows = model.preprocessor.encode(texts)
    if how == "strings":
        model.fit(texts, labels, batch_size=50, **options)
    elif how == "ready":
        bucketed = model._bucket(rows, y, None, 50, 0)
        ready = Ready([bucketed[i] for i in range(bucketed.batches_per_pass)])
        keras.Model.fit(model, ready, shuffle=False, **options)
    else:
        arrays = model.preprocessor.pad(rows, np.arange(len(rows)), 128)
        model.fit(arrays, y, batch_size=50, **options)
    return statistics.median(clock.seconds[1:]), clock.seconds[0]


def main():
    texts, labels = knz.datasets.load("mr")
    tokenizer_speed(texts)
    tokenizer = knz.Tokenizer.train(texts, lowercase=True)
    found = {how: epoch_seconds(texts, labels, tokenizer, how) for how in ("strings", "ready", "padded to 128")}
    for how, (seconds, first) in found.items():
        print(f"cnn, MR, from {how:13} {seconds:6.2f} s an epoch (the first {first:.2f} s)")
    strings = found["strings"][0]
    print(f"strings / the same ids ready: {strings / found['ready'][0]:.3f}")
    print(f"padded to 128 / bucketed:     {found['padded to 128'][0] / strings:.2f}  ({keras.backend.backend()})")


if __name__ == "__main__":
    main()
