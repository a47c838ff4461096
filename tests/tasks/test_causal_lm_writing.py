"""CausalLM: what comes out of `generate`, sampled and searched, and what is compiled for it."""

import itertools
import logging
import re
from concurrent.futures import ThreadPoolExecutor, wait

import keras
import keras_hub
import numpy as np
import pytest

import keras_nlp_zoo as knz
from tests.called import called
from tests.tasks.language_models import (
    PROMPTS,
    TEXTS,
    beginnings,
    log_softmax,
    logits_of,
    over,
    padded,
    shaken,
    slowly,
)

RANDOM = np.random.RandomState(0)


@pytest.fixture(scope="module")
def tokenizer():
    return knz.Tokenizer.train(TEXTS, kind="char")


@pytest.fixture(scope="module")
def lstm(tokenizer):
    return shaken("lstm", tokenizer)


@pytest.fixture(scope="module")
def gpt2(tokenizer):
    return shaken("gpt2", tokenizer)


@pytest.fixture(scope="module", params=["lstm", "gpt2"])
def writer(request):
    """One that carries states and one that caches keys and values; tests/contracts asks all for the essentials."""
    return request.getfixturevalue(request.param)


# === Writing ===


def test_generate_is_greedy(writer, tokenizer):
    """Beginnings of different lengths, more than one batch of them, their order kept."""
    end = tokenizer.end_token_id
    expected = slowly(writer, PROMPTS, 14, [end])
    found = writer.generate(PROMPTS, max_length=14, batch_size=3)
    assert found == tokenizer.detokenize(expected)
    assert all(text.startswith(prompt) for text, prompt in zip(found, PROMPTS, strict=True))
    rest = writer.generate(PROMPTS, max_length=14, batch_size=3, strip_prompt=True)
    assert [prompt + new for prompt, new in zip(PROMPTS, rest, strict=True)] == found
    assert len({token for row in expected for token in row}) > 5, "it says nearly the same all the time"


def test_a_row_alone_is_the_row_in_a_batch(writer):
    together = writer.generate(PROMPTS, max_length=13, batch_size=4)
    assert [writer.generate(prompt, max_length=13) for prompt in PROMPTS] == together
    assert writer.generate(np.array(PROMPTS[::-1]), max_length=13) == together[::-1]
    assert writer.generate(PROMPTS[:1], max_length=13) == together[:1]


def test_weights_may_change_between_texts(tokenizer):
    """Of kernels this wide JAX keeps a second copy, to write one text faster."""
    writer = shaken("gpt2", tokenizer, hidden_dim=128, intermediate_dim=1024)
    said = []
    for _ in range(2):
        prompt = PROMPTS[0]
        (expected,) = slowly(writer, [prompt], 14, [tokenizer.end_token_id])
        said.append(writer.generate(prompt, max_length=14))
        assert said[-1] == tokenizer.detokenize([expected])[0] == "".join(writer.stream(prompt, max_length=14))
        assert said[-1] == writer.generate(PROMPTS, max_length=14)[0]
        for variable in writer.trainable_variables:
            variable.assign(keras.ops.flip(variable, axis=0))
    assert said[0] != said[1]


def test_a_cache_is_written_in_place():
    """No loop of XLA's holds a copy of keys or values, however many texts are written."""
    if keras.backend.backend() != "jax":
        pytest.skip("it is JAX that shows its compiled programs; TensorFlow's come from the same compiler")
    import jax

    model = knz.CausalLM(knz.models.GPT2Backbone(50, num_layers=2, num_heads=2, hidden_dim=10, intermediate_dim=12))
    model.compile()
    for texts in (1, 3):
        tokens = np.ones((texts, 29), "int32")
        inputs = {"token_ids": tokens, "padding_mask": (np.arange(29) < 4) * tokens, "beginning": tokens[:, :4]}
        program = jax.jit(model.generate_step).lower(inputs).compile().as_text()
        loops = [part for part in program.split("\n\n") if "/while/body" in part and "ENTRY" not in part]
        kept = rf"f32\[({texts},|{2 * texts},)*(2,)?29,5\]\S* "
        lines = [line for loop in loops for line in loop.splitlines() if re.search(rf"= {kept}", line)]
        assert any("update" in line for line in lines), "this test looks in the wrong place"
        assert not [line for line in lines if re.search(rf"{kept}copy\(", line)]


def test_cached_logits_are_those_of_reading_it_all(writer, tokenizer):
    ids = tokenizer.tokenize("birds sing at")
    arrays = padded([ids, ids[::-1]], len(ids))
    expected = called(writer, arrays)
    tokens = arrays["token_ids"]
    mask = np.broadcast_to(np.arange(8) < 5, (2, 8)).astype("int32")
    cache = called(writer.backbone.start_decoding, tokens[:, :8], mask, max_length=16)
    for index in range(5, len(ids)):
        hidden, cache = called(writer.backbone.decode_step, tokens[:, index], index, cache)
        table = writer.backbone.token_embedding
        logits = (
            called(table, hidden, reverse=True) if writer.output_dense is None else called(writer.output_dense, hidden)
        )
        np.testing.assert_allclose(logits, expected[:, index], atol=1e-4)
    assert np.ptp(expected) > 1


def test_ready_arrays(writer, tokenizer):
    """Tokens and mask, which ends with the first stop token that was written and not given."""
    endless = slowly(writer, PROMPTS[:4], 12)
    rows = beginnings(writer, PROMPTS[:4])
    stops = [endless[0][len(rows[0]) + 2], rows[2][-1]]  # one of them is given
    expected = slowly(writer, PROMPTS[:4], 12, stops)
    assert len(expected[0]) < 12
    outputs = writer.generate(padded(rows, 12), stop_token_ids=stops)
    assert set(outputs) == {"token_ids", "padding_mask"}
    for tokens, mask, row in zip(outputs["token_ids"], outputs["padding_mask"], expected, strict=True):
        assert mask.tolist() == [1] * len(row) + [0] * (12 - len(row))
        assert tokens[mask == 1].tolist() == row
    again = over(writer, None).generate(padded(rows, 12), stop_token_ids=None)
    assert again["token_ids"].tolist() == endless
    assert again["padding_mask"].all()


def test_less_than_all_of_ready_arrays(writer):
    """With an end of its own: what stands after it is no text."""
    texts = ["the c", "a", "we"]
    rows = beginnings(writer, texts)
    outputs = writer.generate({**padded(rows, 12), "max_length": np.array(9, "int32")}, stop_token_ids=None)
    assert outputs["padding_mask"].tolist() == [[1] * 9 + [0] * 3] * 3
    assert outputs["token_ids"][:, :9].tolist() == slowly(writer, texts, 9)


def test_stop_tokens_of_texts(lstm, tokenizer):
    endless = lstm.generate(PROMPTS, max_length=14, stop_token_ids=None)
    assert endless == tokenizer.detokenize(slowly(lstm, PROMPTS, 14))
    stops = [row[9] for row in slowly(lstm, PROMPTS[:2], 14)]
    expected = slowly(lstm, PROMPTS, 14, stops)
    assert min(map(len, expected)) < 14
    assert lstm.generate(PROMPTS, max_length=14, stop_token_ids=stops) == tokenizer.detokenize(expected)


def cut(text, stop):
    """Before the string that is complete first, and if several are, before the one that begins first."""
    ends = [(size, size - len(one)) for size in range(len(text) + 1) for one in stop if text[:size].endswith(one)]
    return text[: min(ends)[1]] if ends else text


def test_stop_strings(writer):
    """One of several tokens, many of them, and none that is in the beginning; chunks of tokens do not show."""
    options = {"max_length": 50, "stop_token_ids": None, "strip_prompt": True}
    long = reading_more(writer)
    whole = long.generate(PROMPTS, **options)
    last, first = sorted(whole, key=len)[-2:]
    assert len(last) >= 24
    cases = [
        first[3:6],  # three tokens
        [last[20:24], first[17:19]],
        [last[2:4], last[3], "zebra"],  # the second is complete when the first is
        [first[:1]],
        ["nothing like it"],
        [first[14:18], first[16]],  # the shorter is complete before the longer, which begins before it
    ]
    for stop in cases:
        expected = [cut(text, [stop] if isinstance(stop, str) else stop) for text in whole]
        assert long.generate(PROMPTS, stop=stop, **options) == expected, stop
        found = long.generate(PROMPTS, stop=stop, **{**options, "strip_prompt": False})
        assert found == [prompt + new for prompt, new in zip(PROMPTS, expected, strict=True)]
    assert long.generate(PROMPTS, stop=PROMPTS[2], **options)[2] != ""
    assert [long.generate(one, stop=cases[1], **options) for one in PROMPTS] == [cut(one, cases[1]) for one in whole]


def reading_more(model):
    """The same network with room for longer texts."""
    return over(model, knz.text.CausalLMPreprocessor(model.preprocessor.tokenizer, 64))


def test_max_length_counts_the_beginning(writer, tokenizer):
    for max_length in (7, 11, 16):
        for prompt, text in zip(PROMPTS[:2], writer.generate(PROMPTS[:2], max_length, None), strict=True):
            row = slowly(writer, [prompt], max_length)[0]
            assert len(row) == max_length
            assert text == tokenizer.detokenize(row)
    assert writer.generate("a", stop_token_ids=None) == writer.generate("a", 16, None)


def test_nothing_to_begin_with(writer, tokenizer):
    start = writer.preprocessor.add_start_token
    assert start
    assert writer.generate("", 9) == tokenizer.detokenize(slowly(writer, [""], 9, [tokenizer.end_token_id])[0])


# === Samplers ===


def test_seeds(tokenizer):
    model = shaken("gru", tokenizer, scale=0.1)
    prompts, random = ["a", "the", "dog"], keras_hub.samplers.RandomSampler(temperature=2.0)
    texts = [model.generate(prompts, sampler=random, seed=seed) for seed in (1, 1, 2)]
    assert texts[0] == texts[1] != texts[2]
    assert model.generate(prompts, sampler=random) != texts[2], "without a seed the numbers go on"
    assert model.generate(prompts, sampler=random, seed=1) == texts[0]
    other = keras_hub.samplers.RandomSampler(temperature=2.0, seed=9)
    assert model.generate(prompts, sampler=other, seed=1) == texts[0]
    greedy = model.generate(prompts)
    assert model.generate(prompts, seed=3) == greedy
    model.compile(sampler=keras_hub.samplers.RandomSampler(temperature=2.0))
    assert [model.generate(prompts, seed=seed) for seed in (1, 1, 2)] == texts
    assert model.generate(prompts, seed=1, stop="~") == texts[0], "or in chunks"


@pytest.mark.parametrize("name", ["lstm", "gpt2"])
def test_samplers(name, request):
    """Those that move the rows of a cache: what they do to it depends on the model."""
    model, samplers = request.getfixturevalue(name), keras_hub.samplers
    greedy, beams = (
        model.generate(PROMPTS, max_length=12, stop_token_ids=None, sampler=sampler)
        for sampler in (None, samplers.BeamSampler(num_beams=3))
    )
    assert beams != greedy or name == "lstm"
    for sampler, expected in (
        (samplers.ContrastiveSampler(k=3, alpha=0.0), greedy),  # the likeliest of three
        (knz.samplers.BeamSearch(3, length_penalty=0.0), beams),
    ):
        found = model.generate(PROMPTS, max_length=12, stop_token_ids=None, sampler=sampler)
        assert found == expected, type(sampler).__name__
    assert type(model.sampler) is samplers.GreedySampler
    assert model.generate(PROMPTS, max_length=12, stop_token_ids=None) == greedy


def test_samplers_of_threads(lstm):
    """Each gets what its own sampler writes, whoever else uses the task meanwhile."""
    samplers = [None, keras_hub.samplers.TopKSampler(3), keras_hub.samplers.RandomSampler()]

    def write(i):
        return lstm.generate(PROMPTS, max_length=12, stop_token_ids=None, sampler=samplers[i % 3], seed=i % 3)

    alone = [write(i) for i in range(3)]
    assert len({str(texts) for texts in alone}) == 3
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(write, range(30))) == alone * 10
    assert type(lstm.sampler) is keras_hub.samplers.GreedySampler


def test_compiling_waits_for_who_writes(tokenizer):
    """Else the one who writes puts back, when it is done, what the task was compiled with before."""
    model = shaken("lstm", tokenizer)
    with ThreadPoolExecutor(1) as pool:
        with model._decoding_with("top_k"):
            compiling = pool.submit(model.compile, sampler="random")
            assert not wait([compiling], timeout=0.2).done
        compiling.result(timeout=60)
    assert type(model.sampler) is keras_hub.samplers.RandomSampler
    assert model.generate_function is None


@pytest.mark.parametrize(
    "sampler",
    [keras_hub.samplers.BeamSampler(3), keras_hub.samplers.ContrastiveSampler(3, 0.5), knz.samplers.BeamSearch(3)],
    ids=lambda sampler: type(sampler).__name__,
)
def test_samplers_of_one_prompt(sampler, gpt2):
    """What PyTorch repeats of a cache of one row is one row of memory, in which one beam would overwrite another."""
    options = {"max_length": 12, "stop_token_ids": None, "sampler": sampler}
    assert gpt2.generate(PROMPTS[0], **options) == gpt2.generate([PROMPTS[0]] * 2, **options)[1]


def test_samplers_by_name(lstm):
    greedy = lstm.generate(PROMPTS, max_length=12, sampler="greedy")
    assert greedy == lstm.generate(PROMPTS, max_length=12)
    for sampler in ("top_k", "top_p", "random"):
        texts = lstm.generate(PROMPTS, max_length=12, sampler=sampler, seed=1)
        assert all(text.startswith(prompt) for text, prompt in zip(texts, PROMPTS, strict=True))
        assert texts != greedy or sampler == "top_p"  # whose tenth of the probability may well be one token


@pytest.mark.parametrize("name", ["gru", "transformer"])
def test_beams_and_their_scores(name, tokenizer):
    """Each score is the mean log-probability of what was written, an end included, by the model without a cache."""
    model = shaken(name, tokenizer, scale=0.2)
    end = tokenizer.end_token_id
    search = knz.samplers.BeamSearch(3, return_all_beams=True)
    rows = beginnings(model, PROMPTS[:4])
    outputs = model.generate(padded(rows, 12), sampler=search)
    assert outputs["token_ids"].shape == outputs["padding_mask"].shape == (4, 3, 12)
    for i, j in itertools.product(range(4), range(3)):
        ids = outputs["token_ids"][i, j][outputs["padding_mask"][i, j] == 1].tolist()
        assert ids[: len(rows[i])] == rows[i]
        assert ids[-1] == end or len(ids) == 12
        says = log_softmax(logits_of(model, [ids])[0])
        scores = [says[place - 1, ids[place]] for place in range(len(rows[i]), len(ids))]
        assert outputs["scores"][i, j] == pytest.approx(np.mean(scores), abs=1e-4)
    texts = model.generate(PROMPTS[:4], max_length=12, sampler=search)
    assert [len(answers) for answers in texts] == [3] * 4
    for answers, scores, tokens, mask in zip(texts, *(outputs[k] for k in ("scores", "token_ids", "padding_mask")),
                                             strict=True):  # fmt: skip
        np.testing.assert_allclose([answer["score"] for answer in answers], scores, atol=1e-5)
        assert scores.tolist() == sorted(scores.tolist(), reverse=True)
        rows = [row[kept == 1].tolist() for row, kept in zip(tokens, mask, strict=True)]
        assert [answer["text"] for answer in answers] == tokenizer.detokenize(rows)
    best = model.generate(PROMPTS[:4], max_length=12, sampler=knz.samplers.BeamSearch(3))
    assert best == [answers[0]["text"] for answers in texts]


# What chi-square exceeds once in a thousand times, by degrees of freedom.
CHI_SQUARE = [10.83, 13.82, 16.27, 18.47, 20.52, 22.46, 24.32, 26.12, 27.88, 29.59, 31.26]


def chi_square(tokens, expected):
    """The statistic, and what it may be; classes of which fewer than five are expected count as one."""
    counts = np.bincount(tokens, minlength=len(expected)).astype("float64")
    wanted = expected * len(tokens)
    assert not counts[wanted == 0].any(), "a token that must not be written"
    rare = (wanted < 5) & (wanted > 0)
    classes = [(counts[i], wanted[i]) for i in np.flatnonzero(wanted >= 5)]
    if rare.any():
        classes.append((counts[rare].sum(), wanted[rare].sum()))
    statistic = sum((count - want) ** 2 / want for count, want in classes)
    return statistic, CHI_SQUARE[len(classes) - 2]


def test_random_tokens_have_the_models_probabilities():
    """2000 times one next token, in batches, against the distributions in NumPy."""
    tokenizer = knz.Tokenizer.train(["abcdef"], kind="char")
    model = shaken("gpt2", tokenizer)
    (ids,) = beginnings(model, ["abe"])
    logits = logits_of(model, [ids])[0][-1]
    samplers = keras_hub.samplers
    size = len(logits)

    def softmax(temperature):
        return np.exp(log_softmax(logits / temperature))

    def best(p, kept):
        chosen = np.zeros(size)
        chosen[np.argsort(-p)[:kept]] = 1
        return p * chosen / (p * chosen).sum()

    warm = softmax(3.0)
    nucleus = int((np.cumsum(np.sort(warm)[::-1]) <= 0.7).sum()) + 1
    assert 2 < nucleus < size
    cases = [
        (samplers.RandomSampler(temperature=3.0), warm),
        (samplers.RandomSampler(temperature=1.5), softmax(1.5)),
        (samplers.TopKSampler(k=4, temperature=3.0), best(warm, 4)),
        (samplers.TopPSampler(p=0.7, temperature=3.0), best(warm, nucleus)),
    ]
    inputs = padded([ids] * 500, len(ids) + 1)
    for sampler, expected in cases:
        keywords = [{"seed": 5}, {}, {}, {}]
        batches = [
            model.generate(inputs, sampler=sampler, stop_token_ids=None, **one)["token_ids"][:, -1] for one in keywords
        ]
        assert not any(np.array_equal(*two) for two in itertools.combinations(batches, 2))
        statistic, limit = chi_square(np.concatenate(batches), expected)
        assert statistic < limit, type(sampler).__name__
        if expected is warm:
            statistic, limit = chi_square(np.concatenate(batches), softmax(1.5))
            assert statistic > 2 * limit, "another temperature would not have been noticed"


# === Compiling ===


def test_tracing_for_each_bucket_is_not_warned_of(tokenizer):
    """TensorFlow would, to its logger; what else it has to say goes through."""
    model, said = shaken("gru", tokenizer), []
    handler, logger = logging.Handler(), logging.getLogger("tensorflow")
    handler.emit = lambda record: said.append(record.getMessage())
    logger.addHandler(handler)
    try:
        with model._decoding_with("greedy"):
            logger.warning("5 out of the last 5 calls to %s triggered tf.function retracing.", "generate_step")
            logger.warning("something else")
        logger.warning("afterwards: tf.function retracing")
    finally:
        logger.removeHandler(handler)
    assert said == ["something else", "afterwards: tf.function retracing"]


def test_what_is_compiled_serves_other_lengths(tokenizer):
    """Beginnings and `max_length` of other lengths in the same bucket, and fewer texts of the same power of two."""
    if keras.backend.backend() == "torch":
        pytest.skip("PyTorch compiles nothing here: `generate_step` runs for every batch")
    traces = []

    class Counted(knz.CausalLM):
        def generate_step(self, inputs, stop_token_ids=None):
            traces.append(inputs["token_ids"].shape)
            return super().generate_step(inputs, stop_token_ids)

    plain = shaken("gpt2", tokenizer)
    model = Counted(plain.backbone, plain.preprocessor)
    model.compile()
    assert model.generate(PROMPTS[0], max_length=16) == plain.generate(PROMPTS[0], max_length=16)
    assert len(traces) == 1
    for prompt, max_length in (("a", 16), ("old", 14), ("birds", 13)):
        assert model.generate(prompt, max_length) == plain.generate(prompt, max_length)
    assert len(traces) == 1
    for number in (3, 4):
        model.generate(PROMPTS[:number], max_length=15)
    assert len(traces) == 2
    "".join(model.stream("a", max_length=15, stop_token_ids=None))
    after = len(traces)
    assert after == 4, "one program to begin, one to go on"
    "".join(model.stream("dog", max_length=14, stop_token_ids=None))
    assert len(traces) == after
    model.generate("the cat sat", max_length=16)
    assert len(traces) == after + 1, "a longer beginning is read by another program"
