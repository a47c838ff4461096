"""What `claims.py` tries models on, besides the generated corpora of the package."""

import random

ANIMALS = {
    "dog": "barked",
    "cat": "meowed",
    "cow": "mooed",
    "lion": "roared",
    "horse": "neighed",
    "duck": "quacked",
    "bee": "buzzed",
    "snake": "hissed",
}
PLACES = "in the garden|behind the house|by the river|near the barn|on the hill".split("|")
TIMES = "all night|twice|for a while|in the morning|as we came".split("|")


def animal_sentences(size: int, seed: int) -> list[tuple[str, str, str]]:
    """Sentences, the animal in each, and the side of it on which its sound stands."""
    draw = random.Random(seed)
    sentences = []
    for _ in range(size):
        animal, side = draw.choice(list(ANIMALS)), draw.choice(("left", "right"))
        sound, place, when = ANIMALS[animal], draw.choice(PLACES), draw.choice(TIMES)
        left = f"something {place} {sound} {when} , so the {animal} must have been there ."
        right = f"{place} we met a {animal} which {sound} {when} ."
        sentences.append((left if side == "left" else right, animal, side))
    return sentences


def marks_in_order(size: int, gap: int, seed: int, length: int = 40) -> tuple[list[str], list[str]]:
    """Texts of letters with two marks in them, none near an edge, labelled by which of the two comes first."""
    draw = random.Random(f"{gap} {seed}")
    texts, labels = [], []
    for _ in range(size):
        words = draw.choices("abcdefghijklmnop", k=length)
        first = draw.randint(6, length - gap - 8)
        marks = draw.sample(["X", "Y"], 2)
        words[first], words[first + gap + 1] = marks
        texts.append(" ".join(words))
        labels.append(marks[0])
    return texts, labels
