"""`CausalLM.stream`: what `generate` gives, piece by piece, in whole characters and without what is to end it."""

import itertools

import keras
import keras_hub
import numpy as np
import pytest
from keras import ops

import keras_nlp_zoo as knz
from keras_nlp_zoo.tasks.streaming import TextStream, stop_strings
from tests.contracts.cases import tiny_writer

RANDOM = np.random.RandomState(0)
TEXTS = ["the cat sat on the mat", "a dog ran", "birds sing at dawn"]
WIDE = "한국어 문장 🙂 e\u0301tudes 👩‍👩‍👧‍👦 값을 끝"


@pytest.fixture(scope="module")
def tokenizer():
    return knz.Tokenizer.train(TEXTS, kind="char")


@pytest.fixture(scope="module")
def byte_tokenizer():
    """With few merges, so that most characters are several tokens."""
    return knz.Tokenizer.train(["한국어 🙂", "a e"], kind="byte_bpe", vocabulary_size=266)


def shaken(name, tokenizer, **options):
    """A model whose weights are so large that it does not say the same all the time; the same on every backend."""
    keras.utils.set_random_seed(0)
    random, model = np.random.RandomState(3), tiny_writer(name, tokenizer, sequence_length=48, **options)
    for weight in model.trainable_weights:
        begun = keras.ops.convert_to_numpy(weight)
        constant = begun if np.ptp(begun) == 0 else 0  # zeros of biases and ones of norms
        weight.assign(constant + random.normal(size=weight.shape, scale=0.4))
    return model


@pytest.fixture(scope="module")
def gru(tokenizer):
    return shaken("gru", tokenizer)


@pytest.fixture(scope="module", params=["gru", "gpt2"])
def writer(request, tokenizer):
    """One that carries states and one that caches keys and values; tests/contracts asks all for the essentials."""
    return request.getfixturevalue("gru") if request.param == "gru" else shaken("gpt2", tokenizer)


class Recites(keras_hub.samplers.Sampler):
    """Says given tokens one after another, whatever the model thinks, if its seed is 0."""

    def __init__(self, tokens, **kwargs):
        super().__init__(**kwargs)
        self.tokens = list(tokens)
        self.seed_generator = keras.random.SeedGenerator(0)  # counts, and is kept as a sampler's numbers are

    def get_next_token(self, probabilities):
        place = ops.cast(self.seed_generator.next()[1], "int32")
        return ops.take(ops.convert_to_tensor(self.tokens, "int32"), place) + ops.zeros_like(
            probabilities[:, 0], "int32"
        )

    def get_config(self):
        return {**super().get_config(), "tokens": self.tokens}


def recited(model, tokens, prompt="a", **options):
    """The pieces, and the text that `generate` gives."""
    options = {"sampler": Recites(tokens), "seed": 0, "stop_token_ids": None, **options}
    (beginning,) = model.preprocessor.encode_prompts([prompt])
    options.setdefault("max_length", len(beginning) + len(tokens))
    return list(model.stream(prompt, **options)), model.generate(prompt, **options)


# === The same text ===


def test_pieces_are_what_generate_gives(writer):
    for strip_prompt in (False, True):
        pieces = list(writer.stream("the c", max_length=40, strip_prompt=strip_prompt))
        text = writer.generate("the c", max_length=40, strip_prompt=strip_prompt)
        assert "".join(pieces) == text
        assert all(pieces)
        assert len(pieces) > 1
    endless = writer.generate("the c", 40, None, strip_prompt=True)
    pieces = list(writer.stream("the c", 40, None, strip_prompt=True))
    assert "".join(pieces) == endless
    assert len(pieces) > 15, "a piece for every token that is text"


def test_with_everything_at_once(gru):
    """Stop tokens and strings, a seeded sampler, and none of them."""
    random = keras_hub.samplers.TopKSampler(k=5, temperature=2.0)
    text = gru.generate("a dog", sampler=random, seed=4, stop_token_ids=None, strip_prompt=True)
    letter = gru.preprocessor.tokenizer.tokenize(text)[9:10]
    number = 0
    for stop, strip_prompt, (sampler, seed, stop_token_ids) in itertools.product(
        (None, text[6:8], [text[20:23], "~"]),
        (False, True),
        ((None, None, "auto"), (random, 4, letter), (random, 5, letter)),
    ):
        options = {"stop": stop, "stop_token_ids": stop_token_ids, "strip_prompt": strip_prompt}
        found = "".join(gru.stream("a dog", sampler=sampler, seed=seed, **options))
        expected = gru.generate("a dog", sampler=sampler, seed=seed, **options)
        assert found == expected, options
        number += len(expected) < len(text)
    assert number > 9, "most should have ended early"
    assert gru.generate("a dog", sampler=random, seed=5) != gru.generate("a dog", sampler=random, seed=4)


def test_the_samplers_numbers_go_on_from_stream_to_stream(gru):
    one, other = (keras_hub.samplers.RandomSampler(seed=3, temperature=2.0) for _ in range(2))
    streamed = ["".join(gru.stream("a", sampler=one)) for _ in range(2)]
    assert streamed == [gru.generate("a", sampler=other) for _ in range(2)]
    assert streamed[0] != streamed[1]


def test_streams_with_seeds_do_not_disturb_one_another(tokenizer):
    """Nor does what is written between two pieces, with the sampler that the task was compiled with."""
    model = shaken("gru", tokenizer)
    model.compile(sampler=keras_hub.samplers.RandomSampler(temperature=2.0))
    expected = [model.generate("a", seed=seed) for seed in (1, 2)]
    one, other = (model.stream("a", seed=seed) for seed in (1, 2))
    written = [next(one), next(other)]
    model.generate("the")
    for pieces in itertools.zip_longest(one, other, fillvalue=""):
        written = [text + piece for text, piece in zip(written, pieces, strict=True)]
    assert written == expected


def test_nothing_is_kept_of_a_stream_that_was_left(gru):
    expected = gru.generate("the")
    pieces = gru.stream("the", sampler=keras_hub.samplers.RandomSampler(temperature=5.0))
    next(pieces)
    pieces.close()
    assert type(gru.sampler) is keras_hub.samplers.GreedySampler
    assert gru.generate("the") == expected


# === Whole characters ===


@pytest.mark.parametrize("name", ["gru", "gpt2"])
def test_no_piece_has_half_a_character(name, byte_tokenizer):
    model = shaken(name, byte_tokenizer)
    tokens = byte_tokenizer.tokenize(WIDE)
    assert len(tokens) > 1.5 * len(WIDE)
    for prompt, strip_prompt in (("a", True), ("한", False), ("", True)):
        pieces, text = recited(model, tokens, prompt, strip_prompt=strip_prompt)
        assert text == (WIDE if strip_prompt else prompt + WIDE)
        assert "".join(pieces) == text
        assert not any("\ufffd" in piece for piece in pieces)
        assert len(pieces) >= len(WIDE) - 5, "characters are not given as soon as they are whole"


@pytest.mark.parametrize("end", [1, 2, 3])
def test_a_text_that_ends_inside_a_character(end, byte_tokenizer):
    """What is left is given at the end, as `generate` gives it."""
    model = shaken("gru", byte_tokenizer)
    tokens = byte_tokenizer.tokenize("e𝄞")
    assert len(tokens) == 5
    pieces, text = recited(model, tokens[: 1 + end])
    assert "".join(pieces) == text == "ae" + "𝄞".encode()[:end].decode("utf-8", "replace")
    assert pieces[0] == "ae"


def test_bytes_that_are_no_characters(byte_tokenizer):
    """They stay what `generate` makes of them, and hold back only what comes before the next character."""
    model = shaken("gru", byte_tokenizer)
    wide, smile = byte_tokenizer.tokenize("값"), byte_tokenizer.tokenize("𝄞")
    (letter,) = byte_tokenizer.tokenize("e")
    tokens = [smile[1], letter, *smile[:3], letter, wide[1], wide[2], *wide, smile[0], smile[0], letter, wide[0]]
    pieces, text = recited(model, tokens)
    assert "".join(pieces) == text
    assert text.count("e") == 3
    assert "값" in text
    assert text.endswith("\ufffd")
    assert len(pieces) >= 5


def test_stop_strings_of_wide_characters(byte_tokenizer):
    model = shaken("gru", byte_tokenizer)
    tokens = byte_tokenizer.tokenize(WIDE)
    for stop, end in (
        ("문장", "문장"),
        (["끝", "🙂"], "🙂"),
        ("👩\u200d👦", "~"),
        ("👩\u200d👧", "👩\u200d👧"),
        ("값을 끗", "~"),
    ):
        expected = WIDE.split(end)[0]
        pieces, text = recited(model, tokens, stop=stop, strip_prompt=True)
        assert "".join(pieces) == text == expected, stop
        assert not any("\ufffd" in piece for piece in pieces)


# === Stop strings ===


class Joined:
    """A tokenizer whose tokens are strings."""

    def detokenize(self, rows):
        return ["".join(row) for row in rows]


def cut(text, stop):
    """Before the string that is complete first, and if several are, before the one that begins first."""
    ends = [(size, size - len(one)) for size in range(len(text) + 1) for one in stop if text[:size].endswith(one)]
    return text[: min(ends)[1]] if ends else text


def test_any_stop_strings_in_any_pieces():
    """Against a search through every prefix; what has been given is never taken back."""
    ended = 0
    for _ in range(500):
        tokens = ["".join(RANDOM.choice(list("abc"), RANDOM.randint(0, 4))) for _ in range(8)]
        stop = ["".join(RANDOM.choice(list("abc"), RANDOM.randint(2, 5))) for _ in range(RANDOM.randint(1, 4))]
        prompt = list("cab")[: RANDOM.randint(4)]
        strip_prompt = bool(RANDOM.randint(2))
        expected = ("" if strip_prompt else "".join(prompt)) + cut("".join(tokens), stop)
        stream, pieces = TextStream(Joined(), prompt, strip_prompt, stop_strings(stop)), []
        for number in range(1, 9):
            pieces.append(stream.add(tokens[:number]))
            assert expected.startswith("".join(pieces))
            if stream.ended:
                break
        ended += stream.ended
        pieces.append(stream.finish())
        assert "".join(pieces) == expected, (tokens, stop)
        assert stream.ended == (cut("".join(tokens), stop) != "".join(tokens))
    assert 100 < ended < 450


def test_a_piece_waits_only_while_it_may_belong_to_a_stop_string():
    stream = TextStream(Joined(), [], False, ("xyz",))
    given = [stream.add(list("axbxyc")[:number]) for number in range(1, 7)]
    assert given == ["a", "", "xb", "", "", "xyc"]
    assert (stream.finish(), stream.ended) == ("", False)


def test_a_stop_string_is_one_that_was_written(gru):
    """Not one that begins in, or is, the beginning of the text."""
    tokens = gru.preprocessor.tokenizer.tokenize("at dawn")
    for stop in ("ca", "the", ["c", "e ca"]):
        pieces, text = recited(gru, tokens, "the c", stop=stop)
        assert "".join(pieces) == text == "the cat dawn"
    assert recited(gru, tokens, "the c", stop=["ca", "t d"])[1] == "the ca"


def test_the_loop_ends_with_the_stop_string(gru):
    """And does not go on to `max_length`."""
    tokens = gru.preprocessor.tokenizer.tokenize("sing at dawn")
    sampler = Recites(tokens)
    pieces = list(gru.stream("a", max_length=14, sampler=sampler, seed=0, stop="at", stop_token_ids=None))
    assert "".join(pieces) == "asing "
    (seed,) = sampler.variables
    assert int(ops.convert_to_numpy(seed)[1]) == len("sing at"), "one number a token"


# === What is wrong ===


BAD = {
    "a list": (lambda m: m.stream(["a"]), TypeError, "`prompt` must be a string. Received:"),
    "None": (lambda m: m.stream(None), TypeError, "`prompt` must be a string. Received: None"),
    "no room": (
        lambda m: m.stream("the cat", max_length=8),
        ValueError,
        "`max_length` must be more than the 8 tokens of the longest text in `inputs`",
    ),
    "max_length": (lambda m: m.stream("a", max_length=0), ValueError, "`max_length` must be an int of at least 1"),
    "empty stop": (lambda m: m.stream("a", stop=""), ValueError, "`stop` must hold no empty string"),
    "stop of numbers": (lambda m: m.stream("a", stop=[1]), TypeError, "`stop` must hold strings. Item 0 is 1"),
    "beams": (
        lambda m: next(m.stream("a", sampler=knz.samplers.BeamSearch(2))),
        ValueError,
        "`sampler` writes no text from left to right: BeamSearch",
    ),
    "KerasHub's beams": (
        lambda m: next(m.stream("a", sampler="beam")),
        ValueError,
        "`sampler` writes no text from left to right: BeamSampler",
    ),
    "no preprocessor": (
        lambda m: knz.CausalLM(m.backbone).stream("a"),
        ValueError,
        "This task has no preprocessor",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input(case, gru):
    """At once, not when the first piece is asked for; but for the sampler."""
    call, error, message = BAD[case]
    with pytest.raises(error, match=message):
        call(gru)
    assert type(gru.sampler) is keras_hub.samplers.GreedySampler
