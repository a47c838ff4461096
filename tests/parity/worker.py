"""One backend's part in the parity tests; run in a process of its own: `python -m tests.parity.worker PART FOLDER`."""

import json
import pathlib
import sys

import keras
import numpy as np

import keras_nlp_zoo as knz
from tests.contracts.cases import CLASSIFIERS, TINY, TRANSLATORS, WRITERS, tiny, tiny_translator, tiny_writer

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
ENTITIES = knz.datasets.load("entities", size=120)
LABELS = knz.datasets.info("entities").labels
FACTS = knz.datasets.load("facts", size=60)
REVIEWS = knz.datasets.load("reviews", size=200)[0]
TASKS = {
    "lm": knz.Seq2SeqLM,
    "next": knz.CausalLM,
    "tags": knz.TokenClassifier,
    "answers": knz.QuestionAnswering,
    "words": knz.MaskedLM,
}
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


def readers():
    """A tagger with a CRF, a reader that answers questions and one that guesses words."""
    tokenizer = knz.Tokenizer.train(ENTITIES[0] + FACTS[0]["context"] + FACTS[0]["question"], kind="wordpiece")
    tagger = knz.create_model(
        "lstm", "token_classifier", tokenizer=tokenizer, labels=LABELS, crf=True, sequence_length=64, **TINY["lstm"]
    )
    yield "lstm-tags", tagger, ENTITIES, {"epochs": 25, "batch_size": 16}
    yield (
        "bert-answers",
        knz.create_model("bert", "question_answering", tokenizer=tokenizer, sequence_length=128, **TINY["bert"]),
        FACTS,
        {},
    )
    yield (
        "bert-words",
        knz.create_model("bert", "masked_lm", tokenizer=tokenizer, **TINY["bert"]),
        (ENTITIES[0],),
        {"epochs": 40, "batch_size": 16},
    )


def writers():
    """Language models."""
    tokenizer = knz.Tokenizer.train(REVIEWS, kind="word")
    for name in WRITERS:
        yield f"{name}-next", tiny_writer(name, tokenizer, 32), (REVIEWS,), {"epochs": 4, "batch_size": 16}


def answers(model):
    """Logits, and what else the model says: translations, entities, answers, texts."""
    if isinstance(model, knz.CausalLM):
        beginnings = [" ".join(text.split()[: 1 + i % 5]) for i, text in enumerate(REVIEWS[:30])]
        return model.predict(REVIEWS[:20], verbose=0), model.generate(beginnings, max_length=20)
    if isinstance(model, knz.TokenClassifier):
        found = [[[e["start"], e["end"], e["label"]] for e in entities] for entities in model.tag(ENTITIES[0])]
        return model.predict(ENTITIES[0][:20], verbose=0), found
    if isinstance(model, knz.QuestionAnswering):
        part = {key: value[:20] for key, value in FACTS[0].items()}
        return model.predict(part, verbose=0), [answer["text"] for answer in model.answer(**part)]
    if isinstance(model, knz.MaskedLM):
        guesses = model.fill(hide(ENTITIES[0][:20], model.preprocessor.tokenizer.mask_token), top_k=1)
        return np.array([guess[0][0]["score"] for guess in guesses]), [guess[0][0]["token"] for guess in guesses]
    if not isinstance(model, knz.Seq2SeqLM):
        return model.predict(TEXTS, verbose=0), []
    part = {key: value[:30] for key, value in PAIRS.items()}
    return model.predict(part, verbose=0), model.generate(SOURCES, max_length=9)


def hide(texts, mask):
    """The texts, a word of each hidden: of the first its first, of the second its second and so on."""
    hidden = []
    for i, text in enumerate(texts):
        words = text.split()
        words[i % len(words)] = mask
        hidden.append(" ".join(words))
    return hidden


def write_answers(model, path):
    logits, texts = answers(model)
    np.save(path.with_suffix(".npy"), logits)
    path.with_suffix(".json").write_text(json.dumps(texts))


def write(folder):
    """A trained preset of every model, and a `.keras` file of one, with what they say here."""
    for name, model, data, options in (*classifiers(), *translators(), *writers(), *readers()):
        model.compile(keras.optimizers.Adam(0.01))
        model.fit(*data, verbose=0, **options)
        model.save_to_preset(folder / BACKEND / name)
        if name == KERAS_FILE:
            model.save(folder / BACKEND / f"{name}.keras")
        write_answers(model, folder / BACKEND / name)


def load(path):
    return TASKS.get(path.name.partition("-")[2], knz.TextClassifier).from_preset(path)


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
    data |= {f"{name}-next": (knz.datasets.load("reviews", size=200, seed=1)[0],) for name in WRITERS}
    curves = {}
    for name, corpus in data.items():
        model = load(folder / "jax" / name)
        if name == "bert":
            # KerasHub's embeddings: with Keras's own Adam they take other steps on TensorFlow.
            model.compile(knz.training.AdamW(0.01))
        history = model.fit(*corpus, epochs=4, batch_size=16, seed=7, verbose=0).history
        curves[name] = history["loss"]
    (folder / f"curves.{BACKEND}.json").write_text(json.dumps(curves))


if __name__ == "__main__":
    keras.utils.set_random_seed(0)
    {"write": write, "read": read, "learn": learn}[sys.argv[1]](pathlib.Path(sys.argv[2]))
