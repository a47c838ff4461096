import pytest

import keras_nlp_zoo as knz
from tests.conftest import real_corpora


def load_sentences(small_corpus, number=100):
    """Sentences `w<i> #`, each of them twice."""
    train = "\n".join(f"w{i}\tB-person\n#\tI-person\n" for i in [*range(number), *range(number)])
    small_corpus("gum_ner", {"gum-train.conll": train.encode(), "gum-test.conll": b"\nw0\tO\n#\tB-time\n"})


def test_splits(small_corpus):
    load_sentences(small_corpus)
    splits = {split: knz.datasets.load("gum_ner", split=split) for split in ("train", "validation", "test")}
    assert splits["test"] == ([["w0", "#"]], [["O", "B-time"]])
    train, validation = ([words[0] for words in splits[split][0]] for split in ("train", "validation"))
    assert [len(train), len(validation)] == [180, 20]
    assert not set(train) & set(validation)  # sentences of the same words count as one
    assert {*train, *validation} == {f"w{i}" for i in range(100)}
    assert train != sorted(train, key=lambda word: int(word[1:]))
    assert splits["train"] == knz.datasets.load("gum_ner")
    assert all(tags == ["B-person", "I-person"] for tags in splits["train"][1])


def test_all_of_train(small_corpus):
    load_sentences(small_corpus, number=10)
    words, tags = knz.datasets.load("gum_ner", validation=False)
    assert sorted(word for word, _ in words) == sorted([f"w{i}" for i in range(10)] * 2)
    assert len(tags) == 20
    assert knz.datasets.load("gum_ner", split="test", validation=False)[0] == [["w0", "#"]]
    with pytest.raises(ValueError, match="With `validation=False` all of it is in the split 'train'"):
        knz.datasets.load("gum_ner", split="validation", validation=False)
    with pytest.raises(ValueError, match=r"`validation` must be True or False. Received: validation=0.2"):
        knz.datasets.load("gum_ner", validation=0.2)


def lines(folder, name):
    with open(f"{folder}/gum_ner/gum-{name}.conll", encoding="utf-8") as file:
        return [line.rstrip("\n").split("\t") for line in file if line.strip()]


def test_real_sentences():
    folder = real_corpora()
    splits = {split: knz.datasets.load("gum_ner", split=split) for split in ("train", "validation", "test")}
    assert [len(words) for words, _ in splits.values()] == [2229, 266, 1000]
    pairs = {
        split: [[word, tag] for one in zip(*parts, strict=True) for word, tag in zip(*one, strict=True)]
        for split, parts in splits.items()
    }
    assert pairs["test"] == lines(folder, "test")
    assert sorted(pairs["train"] + pairs["validation"]) == sorted(lines(folder, "train"))
    everything = [tag for parts in pairs.values() for _, tag in parts]
    assert set(everything) == set(knz.datasets.info("gum_ner").labels)
    assert knz.datasets.info("gum_ner").labels[:3] == ("O", "B-abstract", "I-abstract")
    texts = {split: {" ".join(one) for one in words} for split, (words, _) in splits.items()}
    assert not texts["train"] & texts["validation"]
    assert len(texts["validation"]) == len(texts["train"] | texts["validation"]) // 10
    # BIO as it should be: every span begins with a B.
    tags = [one for _, found in splits.values() for one in found]
    assert sum(len(knz.metrics.spans(one)) for one in tags) == sum(tag[0] == "B" for tag in everything)
