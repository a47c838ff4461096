"""CausalLM: what goes into `fit`, and what comes out of `generate` and `perplexity`; see also `test_streaming.py`."""

import itertools

import keras
import keras_hub
import numpy as np
import pytest

import keras_nlp_zoo as knz
from tests.conftest import ODD_TEXTS
from tests.contracts.cases import WRITERS, tiny_writer

RANDOM = np.random.RandomState(0)
TEXTS = ["the cat sat on the mat", "a dog ran", "birds sing at dawn", "we read old books"] * 4
PROMPTS = ["the c", "a", "birds sing", "we", "dogs", "old books", "s"]


@pytest.fixture(scope="module")
def tokenizer():
    return knz.Tokenizer.train(TEXTS, kind="char")


def shaken(name, tokenizer, scale=0.4, **options):
    """A model whose weights are so large that it does not say the same all the time; the same on every backend."""
    keras.utils.set_random_seed(0)
    random, model = np.random.RandomState(3), tiny_writer(name, tokenizer, **options)
    for weight in model.trainable_weights:
        begun = keras.ops.convert_to_numpy(weight)
        constant = begun if np.ptp(begun) == 0 else 0  # zeros of biases and ones of norms
        weight.assign(constant + random.normal(size=weight.shape, scale=scale))
    return model


def over(model, preprocessor):
    """The same network with another preprocessor."""
    other = knz.CausalLM(model.backbone, preprocessor)
    if model.output_dense is not None:
        other.output_dense.set_weights(model.output_dense.get_weights())
    other.compile()
    return other


@pytest.fixture(scope="module", params=WRITERS)
def writer(request, tokenizer):
    return shaken(request.param, tokenizer)


@pytest.fixture(scope="module")
def lstm(tokenizer):
    return shaken("lstm", tokenizer)


@pytest.fixture(scope="module")
def gpt2(tokenizer):
    return shaken("gpt2", tokenizer)


# === Oracles ===


def padded(rows, length):
    mask = (np.arange(length) < np.array([len(row) for row in rows])[:, None]).astype("int32")
    ids = np.zeros(mask.shape, "int32")
    ids[mask == 1] = [token for row in rows for token in row]
    return {"token_ids": ids, "padding_mask": mask}


def logits_of(model, rows, length=16):
    """What the whole model says after every token of rows, all read at once; a row at a time in float64."""
    logits = model.predict_on_batch(padded(rows, length)).astype("float64")
    return [one[: len(row)] for one, row in zip(logits, rows, strict=True)]


def log_softmax(logits):
    logits = logits - logits.max(axis=-1, keepdims=True)
    return logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))


def beginnings(model, texts):
    tokenizer = model.preprocessor.tokenizer
    start = [tokenizer.start_token_id] if model.preprocessor.add_start_token else []
    return [[*start, *tokenizer.tokenize(text)] for text in texts]


def slowly(model, texts, max_length, stops=()):
    """Greedy writing by reading everything anew for every token."""
    rows = beginnings(model, texts)
    given = [len(row) for row in rows]
    for _ in range(max_length - min(given)):
        for row, before, logits in zip(rows, given, logits_of(model, rows), strict=True):
            if len(row) < max_length and not (len(row) > before and row[-1] in stops):
                row.append(int(logits[-1].argmax()))
    return rows


def losses_of(model, ids, length):
    """Of every token of one text but the first, by windows: see `perplexity`."""
    longest, stride = model.preprocessor.sequence_length, length
    found, begun = [], 1
    while begun < len(ids):
        end = min(len(ids), begun + (longest if begun == 1 else stride))
        # The last token in view is not read, and there is room for `longest` that are; windows beside each other
        # share nothing but the token that says the first of the next.
        first = begun - 1 if stride == longest else max(0, end - 1 - longest)
        logits = log_softmax(logits_of(model, [ids[first : end - 1]], longest)[0])
        found += [-logits[place - first - 1, ids[place]] for place in range(begun, end)]
        begun = end
    return found


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


def test_cached_logits_are_those_of_reading_it_all(writer, tokenizer):
    ids = tokenizer.tokenize("birds sing at")
    arrays = padded([ids, ids[::-1]], len(ids))
    expected = keras.ops.convert_to_numpy(writer(arrays))
    tokens = keras.ops.convert_to_tensor(arrays["token_ids"])
    mask = np.broadcast_to(np.arange(8) < 5, (2, 8)).astype("int32")
    cache = writer.backbone.start_decoding(tokens[:, :8], keras.ops.convert_to_tensor(mask), 16)
    for index in range(5, len(ids)):
        hidden, cache = writer.backbone.decode_step(tokens[:, index], index, cache)
        table = writer.backbone.token_embedding
        logits = table(hidden, reverse=True) if writer.output_dense is None else writer.output_dense(hidden)
        np.testing.assert_allclose(keras.ops.convert_to_numpy(logits), expected[:, index], atol=1e-4)
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
    """All of KerasHub's; those that have no choice are greedy."""
    model = request.getfixturevalue(name)
    greedy = model.generate(PROMPTS, max_length=12)
    samplers = keras_hub.samplers
    for sampler in ("greedy", "top_k", "top_p", "random", "beam", samplers.ContrastiveSampler(k=3, alpha=0.3)):
        texts = model.generate(PROMPTS, max_length=12, sampler=sampler)
        assert all(text.startswith(prompt) for text, prompt in zip(texts, PROMPTS, strict=True))
        if isinstance(sampler, str) and sampler not in ("beam", "top_p"):  # which may well find the same
            assert (texts == greedy) == (sampler == "greedy"), sampler
    simple = [samplers.TopKSampler(k=1), samplers.TopPSampler(p=1e-6), samplers.RandomSampler(temperature=1e-3)]
    for sampler in (
        *(simple if name == "gpt2" else ()),  # they do nothing to the cache
        samplers.BeamSampler(num_beams=1),
        samplers.ContrastiveSampler(k=1),
        knz.samplers.BeamSearch(1),
    ):
        assert model.generate(PROMPTS, max_length=12, sampler=sampler) == greedy, type(sampler).__name__
    assert type(model.sampler) is samplers.GreedySampler
    assert model.generate(PROMPTS, max_length=12) == greedy


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


# === Scoring ===


SCORED = ["the cat sat", "a", "birds sing at d", "we read o"]


def test_perplexity_is_the_mean_over_tokens(writer, tokenizer):
    """In float64, by one call for each text."""
    losses = [losses_of(writer, ids, 8) for ids in beginnings(writer, SCORED)]
    expected = np.exp(np.mean(np.concatenate(losses)))
    each = [np.exp(np.mean(one)) for one in losses]
    for batch_size in (1, 3, 8):
        assert writer.perplexity(SCORED, batch_size=batch_size) == pytest.approx(expected, rel=1e-4)
        found = writer.perplexity(SCORED, batch_size=batch_size, per_text=True)
        assert isinstance(found, list)
        np.testing.assert_allclose(found, each, rtol=1e-4)
    for text, one in zip(SCORED, each, strict=True):
        assert writer.perplexity(text) == pytest.approx(one, rel=1e-4)
    assert expected != pytest.approx(np.mean(each), rel=1e-2)
    one = tokenizer.tokenize("a")[0]
    first = log_softmax(logits_of(writer, [[tokenizer.start_token_id]])[0])[0, one]
    assert writer.perplexity("a") == pytest.approx(np.exp(-first), rel=1e-4)


@pytest.mark.parametrize("stride", [None, 1, 3, 15, 16])
@pytest.mark.parametrize("name", ["lstm", "gpt2"])
def test_perplexity_of_long_texts(name, stride, request):
    """Longer than the 16 tokens that are read at once."""
    model = request.getfixturevalue(name)
    texts = [" ".join(TEXTS[:3]), "a dog", "mat on the cat sat the", "the cat sat on th"]
    assert {len(text) for text in texts} >= {5, 17}
    losses = [losses_of(model, ids, 8 if stride is None else stride) for ids in beginnings(model, texts)]
    assert [len(one) for one in losses] == [len(text) for text in texts]
    for batch_size in (2, 5):
        found = model.perplexity(texts, stride=stride, batch_size=batch_size)
        assert found == pytest.approx(np.exp(np.mean(np.concatenate(losses))), rel=1e-4)
    found = model.perplexity(texts, stride=stride, per_text=True)
    np.testing.assert_allclose(found, [np.exp(np.mean(one)) for one in losses], rtol=1e-4)


def test_texts_with_nothing_to_score(gpt2, tokenizer):
    found = gpt2.perplexity(["", "a dog", ""], per_text=True)
    assert np.isnan(found).tolist() == [True, False, True]
    assert gpt2.perplexity(["", "a dog", ""]) == pytest.approx(found[1], rel=1e-5)
    plain = over(gpt2, knz.text.CausalLMPreprocessor(tokenizer, 16, add_start_token=False))
    found = plain.perplexity(["a", "dog"], per_text=True)
    assert np.isnan(found).tolist() == [True, False]
    expected = np.exp(np.mean(losses_of(plain, tokenizer.tokenize("dog"), 8)))
    assert found[1] == pytest.approx(expected, rel=1e-4)
    for model, texts in ((gpt2, [""]), (gpt2, ""), (gpt2, []), (plain, ["a", "b"])):
        with pytest.raises(ValueError, match="`texts` must hold a text of at least two tokens"):
            model.perplexity(texts)


def test_scores_follow_the_weights(tokenizer):
    model = shaken("gru", tokenizer, scale=0.1)
    model.compile(keras.optimizers.Adam(0.02))
    before = model.perplexity(TEXTS[:4])
    model.fit(TEXTS, epochs=12, verbose=0)
    assert model.perplexity(TEXTS[:4]) < 0.75 * before
    expected = np.exp(np.mean(np.concatenate([losses_of(model, ids, 8) for ids in beginnings(model, TEXTS[:4])])))
    assert model.perplexity(TEXTS[:4]) == pytest.approx(expected, rel=1e-4)


# === Learning ===


class Batches(keras.utils.PyDataset):
    def __init__(self, texts, batch_size=4, weights=None):
        super().__init__()
        self.texts, self.batch_size, self.weights = texts, batch_size, weights

    def __len__(self):
        return -(-len(self.texts) // self.batch_size)

    def __getitem__(self, index):
        part = slice(self.batch_size * index, self.batch_size * (index + 1))
        if self.weights is None:
            return (self.texts[part],)
        return self.texts[part], None, self.weights[part]


@pytest.mark.parametrize("pack", [False, True])
def test_the_loss_is_the_mean_over_real_tokens(pack, tokenizer):
    """In float64; the perplexity is so whatever the batches."""
    model = shaken("lstm", tokenizer, pack=pack)
    end = [tokenizer.end_token_id]
    rows = [[*ids, *end] for ids in beginnings(model, TEXTS[:3])]
    rows = [[token for row in rows for token in row]] if pack else rows
    losses = [losses_of(model, row, 16) for row in rows]
    expected = np.mean(np.concatenate(losses))
    found = model.evaluate(TEXTS[:3], batch_size=32, verbose=0, return_dict=True)
    assert found["loss"] == pytest.approx(expected, rel=1e-5)
    for batch_size in (1, 2, 32):
        found = model.evaluate(TEXTS[:3], batch_size=batch_size, verbose=0, return_dict=True)
        assert found["perplexity"] == pytest.approx(np.exp(expected), rel=1e-4)
    assert model.test_on_batch(TEXTS[:3])[0] == pytest.approx(expected, rel=1e-4)
    logits = model.predict(TEXTS[:3], verbose=0)
    assert logits.shape == (*model.preprocessor(TEXTS[:3])[1].shape, tokenizer.vocabulary_size())


def test_datasets_train_as_lists_do(tokenizer):
    results = []
    for data in (TEXTS, Batches(TEXTS), (batch for batch in Batches(TEXTS))):
        model = shaken("gru", tokenizer)
        history = model.fit(data, batch_size=4, epochs=2, validation_split=0.25, seed=1, verbose=0).history
        results.append(history["loss"] + history["val_loss"] + history["val_perplexity"])
        assert history["loss"][1] < history["loss"][0]
    for other in results[1:]:
        np.testing.assert_allclose(other, results[0], rtol=1e-4)


def test_validation_data(tokenizer):
    """A list, a string, or a dataset: no targets beside them."""
    model = shaken("gru", tokenizer)
    expected = model.perplexity(TEXTS[:1])
    model.compile(keras.optimizers.SGD(0.0))
    for data in (TEXTS[:2], (TEXTS[:2],), (TEXTS[:2], None), Batches(TEXTS[:2])):
        history = model.fit(TEXTS[:8], validation_data=data, verbose=0).history
        end = history["val_perplexity"][0]
        assert end == pytest.approx(model.evaluate(TEXTS[:2], verbose=0)[1], rel=1e-5)
    history = model.fit(TEXTS[:8], validation_data=TEXTS[0], verbose=0).history
    assert history["val_perplexity"][0] == pytest.approx(model.evaluate(TEXTS[0], verbose=0)[1], rel=1e-5)
    assert model.perplexity(TEXTS[:1]) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("pack", [False, True])
def test_one_long_text(pack, tokenizer):
    """As one string; in rows, of which the last are held out."""
    text, results = " ".join(TEXTS), []
    for data in (text, [text]):
        model = shaken("lstm", tokenizer, pack=pack)
        model.compile(keras.optimizers.Adam(0.02))
        history = model.fit(data, batch_size=4, epochs=3, validation_split=0.3, seed=1, verbose=0).history
        results.append(history["loss"] + history["val_loss"])
        assert history["val_loss"][-1] < history["val_loss"][0]
    np.testing.assert_allclose(*results, rtol=1e-5)


def test_sample_weight_takes_texts_out(tokenizer):
    """A text of weight 0 might as well not be there, long as it may be."""
    texts = [TEXTS[0] * 2, TEXTS[1], TEXTS[2], TEXTS[3] * 3]
    weights, results = np.array([1.0, 0.0, 1.0, 0.0]), []
    for data, weight in ((texts, weights), (texts[::2], None), (Batches(texts, 2, weights), None)):
        model = shaken("gru", tokenizer)
        model.compile(keras.optimizers.SGD(0.5))
        model.fit(data, batch_size=32, shuffle=False, sample_weight=weight, verbose=0)
        results.append(model.output_dense.get_weights()[1])
    moved = np.abs(results[0] - shaken("gru", tokenizer).output_dense.get_weights()[1]).max()
    assert moved > 1e-3
    np.testing.assert_allclose(results[0], results[1], atol=1e-6)
    np.testing.assert_allclose(results[0], results[2], atol=1e-6)


def test_a_text_twice_as_heavy_is_there_twice(tokenizer):
    results = []
    for texts, weight in ((TEXTS[:3], [2.0, 1.0, 1.0]), ([TEXTS[0], *TEXTS[:3]], None)):
        model = shaken("gru", tokenizer)
        model.compile(keras.optimizers.SGD(0.5))
        model.fit(texts, batch_size=32, shuffle=False, sample_weight=weight, verbose=0)
        results.append(model.output_dense.get_weights()[1])
    np.testing.assert_allclose(*results, atol=1e-6)


def test_endless_data(tokenizer):
    model = shaken("gru", tokenizer)
    model.compile(keras.optimizers.Adam(0.02))
    endless = ((TEXTS[i % 4 : i % 4 + 4],) for i in itertools.count())
    history = model.fit(endless, steps_per_epoch=4, epochs=4, verbose=0).history
    assert history["loss"][-1] < history["loss"][0]


def test_odd_texts(tokenizer):
    model = tiny_writer("gru", tokenizer, sequence_length=64)
    texts = ODD_TEXTS[:13]
    assert np.isfinite(model.fit(texts, verbose=0).history["loss"]).all()
    assert len(model.generate(texts, max_length=48)) == 13
    found = model.perplexity(texts, per_text=True)
    assert [np.isnan(one) for one in found] == [not text for text in texts]


def test_texts_that_begin_with_what_ends_them(tokenizer):
    """As GPT-2's: nothing is put before them, unless it is asked for, or there is nothing else."""
    same = knz.Tokenizer.train(TEXTS, kind="char", start_token="[END]")
    backbone = tiny_writer("gpt2").backbone
    reader = knz.CausalLM.preprocessor_for(backbone, same)
    assert (reader.add_start_token, reader.add_end_token) == (False, True)
    assert knz.CausalLM.preprocessor_for(backbone, same, add_start_token=True).add_start_token
    assert knz.CausalLM.preprocessor_for(backbone, tokenizer).add_start_token
    assert reader.encode_prompts(["a", ""]) == [same.tokenize("a"), [same.end_token_id]]


def test_sequence_length_is_no_more_than_there_are_positions(tokenizer):
    short = knz.create_model("gpt2", tokenizer=tokenizer, max_sequence_length=24, num_layers=1, num_heads=1,
                             hidden_dim=8, intermediate_dim=8)  # fmt: skip
    assert short.preprocessor.sequence_length == 24
    assert knz.create_model("lstm", "causal_lm", tokenizer=tokenizer, hidden_dim=8).preprocessor.sequence_length == 512
    assert knz.create_model("gpt2", vocabulary_size=9, num_layers=1).preprocessor is None


# === What is wrong ===


def short(model):
    """With fewer positions than its preprocessor reads."""
    backbone = knz.models.GPT2Backbone(60, num_layers=1, num_heads=1, hidden_dim=4, intermediate_dim=4,
                                       max_sequence_length=12)  # fmt: skip
    made = knz.CausalLM(backbone, model.preprocessor)
    made.compile()
    return made


def packed(model):
    return over(model, knz.text.CausalLMPreprocessor(model.preprocessor.tokenizer, 16, pack=True))


def bare(model):
    return over(model, None)


BAD = {
    "empty": (lambda m: m.generate([]), ValueError, "`inputs` is empty: there are no texts in it"),
    "number": (lambda m: m.generate(["a", 3]), TypeError, "`inputs` must hold strings. Item 1 is 3"),
    "None": (lambda m: m.generate(None), TypeError, "`inputs` must be a list of strings. Received: None"),
    "no room": (
        lambda m: m.generate(["a", "the cat"], max_length=8),
        ValueError,
        "`max_length` must be more than the 8 tokens of the longest text in `inputs`. Received: max_length=8",
    ),
    "no room by default": (lambda m: m.generate("the cat " * 3), ValueError, "`max_length` must be more than the 25"),
    "max_length": (
        lambda m: m.generate("a", max_length=0),
        ValueError,
        "`max_length` must be an int of at least 1. Received: max_length=0",
    ),
    "half a token": (lambda m: m.generate("a", max_length=8.5), ValueError, "`max_length` must be an int"),
    "more than there are positions": (
        lambda m: short(m).generate("a", max_length=13),
        ValueError,
        "`max_length` must not exceed max_sequence_length=12. Received: 13",
    ),
    "more positions by default": (lambda m: short(m).generate("a"), ValueError, "`max_length` must not exceed"),
    "batch_size": (lambda m: m.generate("a", batch_size=0), ValueError, "`batch_size` must be an int of at least 1"),
    "stop": (lambda m: m.generate("a", stop=["b", ""]), ValueError, "`stop` must hold no empty string"),
    "empty stop": (lambda m: m.generate("a", stop=""), ValueError, "`stop` must hold no empty string"),
    "stop of numbers": (lambda m: m.generate("a", stop=[3]), TypeError, "`stop` must hold strings. Item 0 is 3"),
    "no preprocessor": (lambda m: bare(m).generate("a"), ValueError, "This task has no preprocessor"),
    "no preprocessor to stop": (
        lambda m: bare(m).generate({"token_ids": np.ones((1, 4)), "padding_mask": np.ones((1, 4))}),
        ValueError,
        "This task has no preprocessor: pass ready arrays and `stop_token_ids`",
    ),
    "no preprocessor to score": (lambda m: bare(m).perplexity("a"), ValueError, "This task has no preprocessor"),
    "no preprocessor to fit": (
        lambda m: bare(m).fit(["a"]),
        ValueError,
        "`x` holds texts, but this task has no preprocessor",
    ),
    "stride": (lambda m: m.perplexity("ab", stride=0), ValueError, "`stride` must be an int of at least 1"),
    "long stride": (
        lambda m: m.perplexity("ab", stride=17),
        ValueError,
        "`stride` must not exceed sequence_length=16. Received: stride=17",
    ),
    "scored by zeros": (lambda m: m.perplexity("ab", batch_size=0), ValueError, "`batch_size` must be an int"),
    "number to score": (lambda m: m.perplexity(["ab", 3]), TypeError, "`texts` must hold strings. Item 1 is 3"),
    "y": (lambda m: m.fit(["a"], ["b"]), ValueError, "`y` must be left out: the texts in `x` say what is to be"),
    "y of one batch": (lambda m: m.train_on_batch(["a"], ["b"]), ValueError, "`y` must be left out"),
    "y to evaluate": (lambda m: m.evaluate(["a"], ["b"]), ValueError, "`y` must be left out"),
    "y to validate": (
        lambda m: m.fit(["a"], validation_data=(["a"], ["b"])),
        ValueError,
        "`validation_data` must be left out",
    ),
    "nothing to fit": (lambda m: m.fit([]), ValueError, "`x` is empty"),
    "number to fit": (lambda m: m.fit(["a", 3]), TypeError, "`x` must hold strings. Item 1 is 3"),
    "weights": (
        lambda m: m.fit(["a", "b"], sample_weight=[1.0]),
        ValueError,
        "`x` has 2 texts, but `sample_weight` has 1 values",
    ),
    "weights of one": (
        lambda m: packed(m).fit(["a", "b"], sample_weight=[1.0, 2.0]),
        ValueError,
        "`sample_weight` does not go with `pack`",
    ),
    "class weight": (lambda m: m.fit(["a"], class_weight={0: 1.0}), ValueError, "`class_weight` needs classes"),
    "bidirectional": (
        lambda m: knz.CausalLM(knz.models.LSTMBackbone(10, 4, 4, bidirectional=True)),
        ValueError,
        "`backbone` is bidirectional",
    ),
    "an encoder-decoder": (
        lambda m: knz.CausalLM(knz.models.Seq2SeqBackbone(10, 4, 4)),
        TypeError,
        "`backbone` must be a recurrent network, a TransformerDecoderBackbone or a GPT2Backbone of keras_nlp_zoo",
    ),
    "an encoder": (lambda m: knz.CausalLM(knz.models.CNNBackbone(10)), TypeError, "`backbone` must be a recurrent"),
    "no backbone": (lambda m: knz.CausalLM("gpt2"), TypeError, "`backbone` must be a recurrent network"),
    "preprocessor": (
        lambda m: knz.CausalLM(m.backbone, knz.text.TextPreprocessor(m.preprocessor.tokenizer)),
        TypeError,
        "`preprocessor` must be a knz.text.CausalLMPreprocessor",
    ),
    "vocabulary": (
        lambda m: knz.CausalLM(knz.models.GRUBackbone(9, 4, 4), m.preprocessor),
        ValueError,
        "tokens, but the backbone was made for vocabulary_size=9",
    ),
    "labels": (
        lambda m: knz.create_model("gpt2", "causal_lm", vocabulary_size=9, labels=["a", "b"]),
        ValueError,
        "`labels` does not go with 'causal_lm', which has no classes",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input(case, lstm):
    call, error, message = BAD[case]
    with pytest.raises(error, match=message):
        call(lstm)
    assert type(lstm.sampler) is keras_hub.samplers.GreedySampler


def test_streams_do_not_disturb_one_another(tokenizer):
    """Nor what is generated between their pieces, nor the model afterwards."""
    writer = shaken("gru", tokenizer, sequence_length=24)
    random = [keras_hub.samplers.RandomSampler(temperature=temperature) for temperature in (3.0, 3.0, 1.0)]
    alone = ["".join(writer.stream("the c", sampler=one, seed=i)) for i, one in enumerate(random)]
    greedy = writer.generate("the c")
    streams = [writer.stream("the c", sampler=one, seed=i) for i, one in enumerate(random)]
    together = ["", "", ""]
    for pieces in itertools.zip_longest(*streams, fillvalue=""):
        together = [text + piece for text, piece in zip(together, pieces, strict=True)]
        assert writer.generate("the c") == greedy
    assert together == alone
    assert alone[0] != alone[1]
    assert isinstance(writer.sampler, keras_hub.samplers.GreedySampler)


@pytest.mark.parametrize("sampler", ["best", "contrastive", 3])
def test_unknown_samplers(sampler, tokenizer):
    writer = tiny_writer("gru", tokenizer)
    for use in (lambda: writer.generate("a", sampler=sampler), lambda: writer.compile(sampler=sampler)):
        with pytest.raises((TypeError, ValueError), match="sampler"):
            use()
