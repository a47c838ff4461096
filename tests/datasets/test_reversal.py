import string

import pytest

import keras_nlp_zoo as knz


def load(**options):
    x, y = knz.datasets.load("reversal", **options)
    assert y is None
    return x["encoder_text"], x["decoder_text"]


def test_targets_are_the_sources_in_reverse():
    sources, targets = load(size=500)
    assert len(sources) == 500
    for source, target in zip(sources, targets, strict=True):
        assert target == source[::-1]
        assert all(letter in string.ascii_lowercase for letter in source.split(" "))
    lengths = [len(source.split()) for source in sources]
    assert (min(lengths), max(lengths)) == (3, 10)
    assert {letter for source in sources for letter in source.split()} == set(string.ascii_lowercase)


@pytest.mark.parametrize("lengths", [(1, 1), (1, 2), (20, 20)])
def test_lengths(lengths):
    """A sequence of one letter is the worst for the splits: there are 26 of them."""
    found = {}
    for split in ("train", "validation", "test"):
        sources, _ = load(split=split, size=100, min_length=lengths[0], max_length=lengths[1])
        found[split] = set(sources)
        assert {len(source.split()) for source in sources} == set(range(lengths[0], lengths[1] + 1))
    assert not found["train"] & found["test"]
    assert not found["train"] & found["validation"]
    assert not found["test"] & found["validation"]


def test_size_and_seed():
    sources, targets = load(size=300)
    assert load(size=300) == (sources, targets)
    assert load(size=20) == (sources[:20], targets[:20])
    assert load(size=20, seed=1)[0] != sources[:20]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": 0}, "`size` must be an int of at least 1. Received: size=0"),
        ({"min_length": 0}, "`min_length` must be an int of at least 1. Received: min_length=0"),
        ({"min_length": 5, "max_length": 4}, "`max_length` must be an int of at least 5. Received: max_length=4"),
        ({"seed": 1.5}, "`seed` must be an int of at least 0. Received: seed=1.5"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(ValueError, match=message):
        load(**options)
