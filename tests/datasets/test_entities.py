"""What is tagged is checked against the sentences themselves, by rules of the test's own."""

import collections
import unicodedata

import pytest

import keras_nlp_zoo as knz

LANGUAGES = ["en", "ko"]
SPLITS = ("train", "validation", "test")
PARTICLES = {"은": "는", "이": "가", "을": "를", "과": "와", "으로": "로", "이다": "다"}  # after a consonant, a vowel


def load(**options):
    return knz.datasets.load("entities", **options)


def names(texts, spans):
    """(text of the span, label) of every span."""
    return [(text[s["start"] : s["end"]], s["label"]) for text, found in zip(texts, spans, strict=True) for s in found]


def without_names(text, spans):
    """The sentence with a blank for every name: `_ was born in _.`"""
    for span in reversed(spans):
        text = text[: span["start"]] + "_" + text[span["end"] :]
    return text


@pytest.mark.parametrize("language", LANGUAGES)
def test_spans_are_in_order_and_whole(language):
    texts, spans = load(size=2000, language=language)
    assert len(texts) == len(spans) == 2000
    for text, found in zip(texts, spans, strict=True):
        assert text == " ".join(text.split())
        end = 0
        for span in found:
            assert set(span) == {"start", "end", "label"}
            assert end <= span["start"] < span["end"] <= len(text)
            end = span["end"] + 1  # no two names touch
            # A name begins with a word, and in English it ends with one; particles come after it in Korean.
            assert span["start"] == 0 or not text[span["start"] - 1].isalnum()
            assert language == "ko" or not text[span["end"]].isalnum()
    assert {label for _, label in names(texts, spans)} == {"date", "organisation", "person", "place"}
    assert any(not found for found in spans)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_sentence_tells_the_kind_whatever_the_name(language):
    """Sentences that are alike but for their names have the same tags."""
    kinds = collections.defaultdict(set)
    for split in SPLITS:
        for text, spans in zip(*load(size=2000, language=language, split=split), strict=True):
            digitless = "".join("0" if letter.isdigit() else letter for letter in without_names(text, spans))
            kinds[digitless].add(tuple(span["label"] for span in spans))
    assert max(map(len, kinds.values())) == 1
    assert len(kinds) > 100


KNOWN = {  # labelled by hand
    "It rained in _ from _ to _.": ("place", "date", "date"),
    "_ was born in _ in _.": ("person", "place", "date"),
    "_ was founded in _ by _.": ("organisation", "place", "person"),
    "The share price of _ rose on _.": ("organisation", "date"),
    "_'s mayor, _, sleeps until noon.": ("place", "person"),
    "Mrs _ and Mr _ are cousins.": ("person", "person"),
    "_ studied medicine at the _ until _.": ("person", "organisation", "date"),
    "_은 _에서 태어났다.": ("person", "place"),
    "_가 _ 사장이 되었다.": ("person", "organisation"),
    "_의 주가가 _에 올랐다.": ("organisation", "date"),
    "_ 씨와 _ 씨는 사촌이다.": ("person", "person"),
    "_행 열차가 _에 늦게 도착했다.": ("place", "date"),
    "_은 휴일이다.": ("date",),
}


def test_sentences_labelled_by_hand():
    found = {}
    for language in LANGUAGES:
        for text, spans in zip(*load(size=4000, language=language), strict=True):
            found[without_names(text, spans)] = tuple(span["label"] for span in spans)
    assert {sentence: found[sentence] for sentence in KNOWN} == KNOWN


def test_korean_particles_agree_and_are_no_part_of_a_name():
    seen = collections.Counter()
    for text, spans in zip(*load(size=4000, language="ko"), strict=True):
        for span in spans:
            name, rest = text[span["start"] : span["end"]], text[span["end"] :].split(" ")[0].rstrip(".")
            closed = len(unicodedata.normalize("NFD", name[-1])) == 3
            if rest in ("으로", "로"):
                closed = closed and unicodedata.normalize("NFD", name[-1])[-1] != "\u11af"  # ㄹ
            if rest in {*PARTICLES, *PARTICLES.values()}:
                assert (rest in PARTICLES) == closed, text
            seen[rest] += 1
            if span["label"] == "person":  # a family name of one syllable and a given one of two, or that one alone
                assert len(name) == (2 if text[span["end"] :].startswith(" 씨") else 3)
    assert {*PARTICLES, *PARTICLES.values()} <= {*seen}
    assert seen[""] > 100


@pytest.mark.parametrize("language", LANGUAGES)
def test_names_are_new_in_the_other_splits(language):
    found = {split: load(size=3000, language=language, split=split) for split in SPLITS}
    texts = [set(texts) for texts, _ in found.values()]
    assert not texts[0] & texts[1] | texts[0] & texts[2] | texts[1] & texts[2]
    known = dict(names(*found["train"]))
    for split in ("validation", "test"):
        others = [name for name, label in names(*found[split]) if label != "date"]
        assert sum(name not in known for name in others) > 0.6 * len(others)


def test_made_up_names_belong_to_one_split():
    """Names of two English syllables end in one of these; every word that does is in one split alone."""
    ends = ("bury", "field", "ford", "ham", "ley", "mere", "stead", "wick", "wood", "worth")
    found = []
    for split in SPLITS:
        words = {word for text, _ in names(*load(size=4000, split=split)) for word in text.split()}
        found.append({word for word in words if word.endswith(ends) and word != "Adelaide"})
        assert len(found[-1]) > 15
    assert not found[0] & found[1] | found[0] & found[2] | found[1] & found[2]


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_list_of_names_is_not_enough(language):
    """The most frequent kind of every name of the training split: what a tagger without a sentence can know."""
    counts = collections.defaultdict(collections.Counter)
    for name, label in names(*load(size=4000, language=language)):
        counts[name][label] += 1
    assert sum(len(kinds) > 1 for kinds in counts.values()) > 100
    test = [
        (name, label) for name, label in names(*load(size=1000, language=language, split="test")) if label != "date"
    ]
    right = sum(bool(counts[name]) and counts[name].most_common(1)[0][0] == label for name, label in test)
    assert right < 0.35 * len(test)


def test_numbers_of_things_are_no_dates():
    texts, spans = load(size=2000)
    numbers = [word for t, s in zip(texts, spans, strict=True) for word in without_names(t, s).split()]
    assert sum(word.isdigit() and 1950 <= int(word) < 2050 for word in numbers) > 100
    assert any(name.isdigit() and label == "date" for name, label in names(texts, spans))


def test_words_are_those_of_the_texts():
    texts, spans = load(size=1000, split="test")
    words, tags = load(size=1000, split="test", format="words")
    for text, found, one, other in zip(texts, spans, words, tags, strict=True):
        assert "".join(one) == text.replace(" ", "")
        assert len(one) == len(other)
        entities = [("".join(one[start:end]), label) for label, start, end in knz.metrics.spans(other)]
        assert entities == [(text[s["start"] : s["end"]].replace(" ", ""), s["label"]) for s in found]
    assert {tag for one in tags for tag in one} == set(knz.datasets.info("entities").labels)
    assert ["Bank", "of"] in [one[:2] for one in words]
    assert any("'s" in one for one in words)


def test_both_languages():
    texts, _ = load(size=400, language=None)
    korean = sum(any("가" <= letter <= "힣" for letter in text) for text in texts)
    assert 150 < korean < 250


def test_size_and_seed():
    texts, spans = load(size=300)
    assert load(size=300) == (texts, spans)
    assert load(size=20) == (texts[:20], spans[:20])
    assert load(size=20, seed=1)[0] != texts[:20]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": 0}, "`size` must be an int of at least 1. Received: size=0"),
        ({"seed": -1}, "`seed` must be an int of at least 0. Received: seed=-1"),
        ({"language": "kr"}, "There is no language 'kr'. Did you mean 'ko'?"),
        ({"format": "word"}, "There is no format 'word'. Did you mean 'words'?"),
        ({"format": "words", "language": "ko"}, "`format='words'` needs language='en'.*Received: language='ko'"),
        ({"format": "words", "language": None}, "Received: language=None"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(ValueError, match=message):
        load(**options)
