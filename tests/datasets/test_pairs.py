import csv
import gzip

import pytest

import keras_nlp_zoo as knz
from tests.conftest import real_corpora

CAPTIONS = {
    "train": (["Ein Hund läuft. ", "Zwei Männer\u2028reden."], ["A dog runs.", "Two men\u2028talk."]),
    "val": (["Eine Katze."], ["A cat."]),
    "test_2016_flickr": (["Ein Kind.", "Grün!"], ["A child.", "Green!"]),
}


def load_captions(small_corpus):
    contents = {}
    for stem, texts in CAPTIONS.items():
        for language, lines in zip(("de", "en"), texts, strict=True):
            contents[f"{stem}.{language}.gz"] = gzip.compress("".join(f"{line}\n" for line in lines).encode())
    small_corpus("multi30k", contents)


def test_captions(small_corpus):
    load_captions(small_corpus)
    # Only a line feed ends a caption: one more line on one side would shift every pair after it.
    assert knz.datasets.load("multi30k") == (
        {
            "encoder_text": ["Ein Hund läuft.", "Zwei Männer\u2028reden."],
            "decoder_text": ["A dog runs.", "Two men\u2028talk."],
        },
        None,
    )
    x, _ = knz.datasets.load("multi30k", split="validation", source="en", target="de")
    assert x == {"encoder_text": ["A cat."], "decoder_text": ["Eine Katze."]}
    assert knz.datasets.load("multi30k", split="test")[0]["encoder_text"] == ["Ein Kind.", "Grün!"]


def test_bad_languages_of_captions(small_corpus):
    load_captions(small_corpus)
    with pytest.raises(ValueError, match="There is no `target` language of 'multi30k' 'fr'"):
        knz.datasets.load("multi30k", target="fr")
    with pytest.raises(ValueError, match=r"`source` and `target` must be two languages. Received: 'en' for both"):
        knz.datasets.load("multi30k", source="en")


def load_answers(small_corpus, rows):
    text = "Q,A,label\r\n" + "".join(f'"{question}","{answer}",{label}\r\n' for question, answer, label in rows)
    small_corpus("korean_chatbot", {"ChatbotData.csv": text.encode()})


def test_answers(small_corpus):
    load_answers(small_corpus, [(f"질문, {i} ", f"답 {i}", f"{i % 3}  ") for i in range(200)])
    splits = {s: knz.datasets.load("korean_chatbot", split=s) for s in knz.datasets.info("korean_chatbot").splits}
    assert {split: len(x["encoder_text"]) for split, (x, _) in splits.items()} == {
        "train": 180,
        "validation": 10,
        "test": 10,
    }
    pairs = [(q, a) for x, _ in splits.values() for q, a in zip(x["encoder_text"], x["decoder_text"], strict=True)]
    assert sorted(pairs) == sorted((f"질문, {i}", f"답 {i}") for i in range(200))
    assert splits["test"] == knz.datasets.load("korean_chatbot", split="test")
    assert all(y is None for _, y in splits.values())


def test_topics_of_answers(small_corpus):
    load_answers(small_corpus, [(f"질문 {i}", f"답 {i % 3}", i % 3) for i in range(60)])
    for index, topic in enumerate(("everyday", "parting", "love")):
        x, _ = knz.datasets.load("korean_chatbot", topic=topic)
        everything = knz.datasets.load("korean_chatbot")[0]
        assert x["encoder_text"] == [q for q in everything["encoder_text"] if int(q.split()[1]) % 3 == index]
        assert set(x["decoder_text"]) == {f"답 {index}"}
    with pytest.raises(ValueError, match=r"There is no topic 'loev'\. Did you mean 'love'\?"):
        knz.datasets.load("korean_chatbot", topic="loev")


def bare(question):
    return "".join(letter for letter in question if letter not in " .,!?~;'\"")


def test_no_question_is_in_two_splits(small_corpus):
    # Every question three times, in two spellings.
    load_answers(small_corpus, [(f"질문 {i}{end}", "답", 0) for end in ("", "?", "") for i in range(100)])
    found = [
        {bare(q) for q in knz.datasets.load("korean_chatbot", split=split)[0]["encoder_text"]}
        for split in ("train", "validation", "test")
    ]
    assert [len(questions) for questions in found] == [90, 5, 5]
    assert len(set.union(*found)) == 100


def test_real_captions():
    real_corpora()
    for split, size in (("train", 29_000), ("validation", 1014), ("test", 1000)):
        german, english = knz.datasets.load("multi30k", split=split)[0].values()
        assert len(german) == len(english) == size
        assert all(text and text == text.strip() for text in german + english)
    # The last pair of all: nothing has shifted on the way.
    assert german[-1] == "Ein Mädchen an einer Küste mit einem Berg im Hintergrund."
    assert english[-1] == "A girl at the shore of a beach with a mountain in the distance."
    swapped = knz.datasets.load("multi30k", split="test", source="en", target="de")[0]
    assert swapped == {"encoder_text": english, "decoder_text": german}


def test_real_answers():
    folder = real_corpora()
    with open(f"{folder}/korean_chatbot/ChatbotData.csv", encoding="utf-8", newline="") as file:
        rows = [(row["Q"], row["A"]) for row in csv.DictReader(file)]
    splits = [knz.datasets.load("korean_chatbot", split=split)[0] for split in ("train", "validation", "test")]
    pairs = [[*zip(x["encoder_text"], x["decoder_text"], strict=True)] for x in splits]
    assert sorted([pair for part in pairs for pair in part]) == sorted(rows)
    assert [round(len(part) / len(rows), 2) for part in pairs] == [0.90, 0.05, 0.05]
    train, validation, test = ({bare(question) for question, _ in part} for part in pairs)
    assert not train & validation
    assert not train & test
    assert not validation & test
    topics = [len(knz.datasets.load("korean_chatbot", topic=t)[0]["encoder_text"]) for t in ("everyday", "love")]
    assert topics[0] > topics[1] > 2000
