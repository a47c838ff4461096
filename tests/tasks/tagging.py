"""A tiny corpus of names and places, and taggers of it."""

import itertools

import keras

import keras_nlp_zoo as knz

NAMES, PLACES = ["Ada", "Bob", "Cleo"], ["Paris", "New York", "Rome"]
SENTENCES = [
    [name, "met", other, "in", *place.split(), "."]
    for name, other, place in itertools.product(NAMES, NAMES, PLACES)
    if name != other
]
PLACE_WORDS = {word for place in PLACES for word in place.split()}


def tags_of(words):
    """BIO tags by the list of names, and the places that follow "in"."""
    tags = []
    for before, word in itertools.pairwise(["", *words]):
        if word in NAMES:
            tags.append("B-PER")
        elif word in PLACE_WORDS:
            tags.append("I-LOC" if before in PLACE_WORDS else "B-LOC")
        else:
            tags.append("O")
    return tags


def spans_of(text):
    """The same as `(start, end, label)` in a text."""
    return sorted(
        (start, start + len(entity), label)
        for label, entities in (("PER", NAMES), ("LOC", PLACES))
        for entity in entities
        for start in [text.find(entity)]
        if start >= 0
    )


TAGS = [tags_of(words) for words in SENTENCES]
TEXTS = [" ".join(words) for words in SENTENCES]
SPANS = [spans_of(text) for text in TEXTS]
OTHERS = ["Nobody came.", "Bob, Cleo and Ada (of New York) left!"]


def make(tokenizer, name="lstm", labels=("PER", "LOC"), sequence_length=16, **options):
    sizes = {"cnn": {"filters": 16}, "lstm": {"hidden_dim": 16, "bidirectional": True}}[name]
    options = {"embedding_dim": 16, "dropout": 0.0, **sizes, **options}
    model = knz.create_model(
        name, "token_classifier", tokenizer=tokenizer, labels=labels, sequence_length=sequence_length, **options
    )
    model.compile(keras.optimizers.Adam(0.02))
    return model


def train(model, x=SENTENCES, y=TAGS, epochs=8, **options):
    return model.fit(x, y, **{"epochs": epochs, "batch_size": 6, "verbose": 0, "seed": 1, **options}).history


def found(model, text):
    return [(entity["start"], entity["end"], entity["label"]) for entity in model.tag(text)]
