"""Beam search against every text there is, scored in float64 by NumPy, and against chains solved by hand."""

import itertools
import math

import keras
import keras_hub
import numpy as np
import pytest
from keras import ops

from keras_nlp_zoo.samplers import BeamSearch

RANDOM = np.random.RandomState(0)
VOCABULARY, LENGTH, PAD, END = 4, 5, 9, 3
# One given token; two, of which the second is a stop token, which stops nothing here; and one further on.
PROMPT = np.array([[0, 9, 9, 9, 9], [1, 3, 9, 9, 9], [2, 9, 1, 9, 9]] * 4, "int32")
MASK = PROMPT != PAD
BATCH = len(PROMPT)
# Logits of the token at each position after each text before it: `(batch, length, texts, vocabulary)`.
TABLE = RANDOM.normal(size=(BATCH, LENGTH, VOCABULARY ** (LENGTH - 1), VOCABULARY)).astype("float32") * 1.5


def follow(table, dtype="float32"):
    """The function `next` of a table: it knows the text by its cache alone, `code`, and the row by another, `row`."""

    def following(prompt, cache, index):
        code = cache["code"] * VOCABULARY + ops.cast(prompt[:, index - 1], "int32")[:, None]
        logits = ops.take(ops.convert_to_tensor(table, dtype), index, axis=1)  # (batch, texts, vocabulary)
        place = (cache["row"] * table.shape[2] + code)[:, 0]
        logits = ops.take(ops.reshape(logits, (-1, VOCABULARY)), place, axis=0)
        return logits, None, {"code": code, "row": cache["row"]}

    return following


def run(sampler, following, prompt=PROMPT, mask=MASK, stops=(END,), dynamic=False, eager=False):
    """A call, compiled where the backend compiles, as NumPy arrays; `eager`: not on TensorFlow, which runs without."""

    def call(prompt, mask):
        code = ops.zeros_like(prompt[:, :1])
        cache = {"code": code, "row": ops.cumsum(code + 1, axis=0) - 1}
        return sampler(following, prompt, cache, index=1, mask=mask, stop_token_ids=stops)

    if keras.backend.backend() == "tensorflow" and not eager:
        import tensorflow as tf

        unknown = [tf.TensorSpec((None, None), "int32"), tf.TensorSpec((None, None), "bool")] if dynamic else None
        call = tf.function(call, unknown, autograph=False, jit_compile=not dynamic)
    elif keras.backend.backend() == "jax" and not dynamic:
        import jax

        call = jax.jit(call)
    found = call(ops.convert_to_tensor(prompt), ops.convert_to_tensor(mask))
    return keras.tree.map_structure(ops.convert_to_numpy, found)


def score(row, text, stops, length_penalty, table=TABLE, temperature=1.0):
    """The score of a row's text, which is written from position 1 on and ends at a stop token that is not given."""
    code, found = 0, []
    for position in range(1, LENGTH):
        code = code * VOCABULARY + text[position - 1]
        if not MASK[row, position]:
            logits = table[row, position, code].astype("float64") / temperature
            found.append(logits[text[position]] - math.log(np.exp(logits).sum()))
            if text[position] in stops:
                break
    return sum(found) / len(found) ** length_penalty


def all_texts(row, stops):
    """Every text that can stand in a row: what follows its end is as it was in the prompt."""
    free = np.flatnonzero(~MASK[row])
    found = set()
    for tokens in itertools.product(range(VOCABULARY), repeat=len(free)):
        number = next((i + 1 for i, token in enumerate(tokens) if token in stops), len(tokens))
        text = PROMPT[row].copy()
        text[free[:number]] = tokens[:number]
        found.add(tuple(text.tolist()))
    return found


@pytest.mark.parametrize(
    ("length_penalty", "stops", "beams", "dynamic"),
    [
        (0.0, (3,), 128, False),
        (0.7, (3,), 128, True),
        (1.0, (3, 1), 64, False),
        (3.0, [3], 128, False),
        (-1.0, (3,), 128, False),
        (1.0, None, 256, False),
    ],
)
def test_wide_beams_find_every_text(length_penalty, stops, beams, dynamic):
    """All texts, 121 where one token ends them, in the order of their scores: the short stand among the long."""
    sampler = BeamSearch(beams, length_penalty, return_all_beams=True)
    texts, scores = run(sampler, follow(TABLE), stops=stops, dynamic=dynamic)
    for row in range(BATCH):
        stopping = stops or ()
        found = {text: score(row, text, stopping, length_penalty) for text in all_texts(row, stopping)}
        expected = sorted(found, key=found.__getitem__, reverse=True)
        number = len(expected)
        assert [tuple(text) for text in texts[row, :number].tolist()] == expected
        np.testing.assert_allclose(scores[row, :number], [found[text] for text in expected], rtol=1e-5)
        # Places that no text fills.
        assert (scores[row, number:] == -np.inf).all()
        assert (texts[row, number:] == PROMPT[row]).all()


FORBIDDEN = TABLE.copy()
FORBIDDEN[..., 1] = -np.inf


@pytest.mark.parametrize(
    ("options", "table", "dtype"),
    [
        ({"length_penalty": 0.0}, TABLE, "float32"),
        ({"early_stopping": True, "temperature": 0.5}, TABLE, "float32"),
        ({"early_stopping": "never", "length_penalty": 2.0}, FORBIDDEN, "float32"),
        ({}, TABLE, "bfloat16"),
    ],
)
def test_scores_of_narrow_beams(options, table, dtype):
    texts, scores = run(BeamSearch(3, return_all_beams=True, **options), follow(table, dtype))
    rounded = ops.convert_to_numpy(ops.cast(ops.convert_to_tensor(table, dtype), "float32"))
    length_penalty, temperature = options.get("length_penalty", 1.0), options.get("temperature", 1.0)
    assert (np.diff(scores) < 0).all()
    for row in range(BATCH):
        found = [tuple(text) for text in texts[row].tolist()]
        assert len(set(found) & all_texts(row, (END,))) == 3
        expected = [score(row, text, (END,), length_penalty, rounded, temperature) for text in found]
        np.testing.assert_allclose(scores[row], expected, rtol=1e-5)
    assert len(np.unique((texts == PAD).sum(-1))) > 2  # texts of several lengths


def test_the_best_alone():
    texts, _ = run(BeamSearch(3, 0.0, return_all_beams=True), follow(TABLE))
    np.testing.assert_array_equal(run(BeamSearch(3, 0.0), follow(TABLE)), texts[:, 0])


def test_one_beam_is_greedy():
    greedy = run(keras_hub.samplers.GreedySampler(), follow(TABLE), stops=(END, 0))
    # Greedy search goes on writing until every row has ended.
    ends = ((greedy == END) | (greedy == 0)) & ~MASK
    after = (np.cumsum(ends, axis=1) - ends) > 0
    found = run(BeamSearch(1), follow(TABLE), stops=(END, 0))
    np.testing.assert_array_equal(found, np.where(after, PROMPT, greedy))
    assert after.any()


def chain(probabilities):
    """The function `next` of a Markov chain, `{token: {next token: probability}}`."""
    logits = np.full((8, 8), -30.0, "float32")
    for token, following in probabilities.items():
        for other, probability in following.items():
            logits[token, other] = math.log(probability)

    def following(prompt, cache, index):
        return ops.take(ops.convert_to_tensor(logits), prompt[:, index - 1], axis=0), None, cache

    return following


def write(following, *starts, stops=(7,), **options):
    """The best text of each start, or all that are kept."""
    prompt = np.zeros((len(starts), 6), "int32")
    prompt[:, 0] = starts
    found = run(BeamSearch(**options), following, prompt, prompt > 0, stops=stops, eager=True)
    return (found[0] if options.get("return_all_beams") else found).tolist()


def test_a_bad_early_end_loses_and_a_good_one_wins():
    following = chain({1: {7: 0.55, 2: 0.45}, 2: {7: 0.99, 2: 0.01}})
    long, short = [1, 2, 7, 0, 0, 0], [1, 7, 0, 0, 0, 0]
    assert write(following, 1, num_beams=2, length_penalty=1.0) == [long]  # log(0.45 * 0.99) / 2 > log 0.55
    assert write(following, 1, num_beams=2, length_penalty=0.0) == [short]  # 0.45 * 0.99 < 0.55
    # One beam: it is full with the short text. What follows the 2 scores log 0.45 so far, which is less; spread over
    # the five tokens that it may have, it is more.
    assert write(following, 1, num_beams=1, early_stopping=False) == [short]
    assert write(following, 1, num_beams=1, early_stopping="never") == [long]


def test_stop_tokens_do_not_crowd_out_the_beams():
    """The two likeliest tokens end the text; the third goes on, and wins by log(0.2) / 2 ** 2."""
    following = chain({1: {7: 0.5, 6: 0.3, 2: 0.2}, 2: {7: 1.0}})
    options = {"num_beams": 1, "length_penalty": 2.0, "early_stopping": "never"}
    assert write(following, 1, stops=(7, 6), **options) == [[1, 2, 7, 0, 0, 0]]


def test_early_stopping():
    """After two steps 1 7 and 1 2 7 are kept, and 1 2 4 with log(0.4 * 0.6) / 2 is better than the first of them."""
    following = chain(
        {1: {2: 0.4, 7: 0.32, 3: 0.28}, 2: {4: 0.6, 7: 0.4}, 3: {3: 0.5, 6: 0.5}, 4: {7: 1.0}, 5: {5: 1.0}}
    )
    full = [5, 5, 5, 5, 5, 5]  # never ends: the search goes on after the first row is done
    assert write(following, 1, 5, num_beams=2, early_stopping=True) == [[1, 2, 7, 0, 0, 0], full]
    assert write(following, 1, 5, num_beams=2, early_stopping=False) == [[1, 2, 4, 7, 0, 0], full]


def test_never_stopping_early_with_a_negative_penalty():
    """Scores can only fall, and a bound on what a beginning may reach is its score by its present length."""
    following = chain({1: {2: 0.6, 7: 0.3, 3: 0.1}, 2: {4: 0.68, 7: 0.32}, 3: {3: 0.5, 6: 0.5}, 4: {7: 1.0}})
    # When 1 7 and 1 2 7, 2 * log(0.6 * 0.32), are kept, 1 2 4 can still be better than the latter: 3 * log(0.6 * 0.68).
    options = {"num_beams": 2, "length_penalty": -1.0, "early_stopping": "never", "return_all_beams": True}
    assert write(following, 1, **options) == [[[1, 7, 0, 0, 0, 0], [1, 2, 4, 7, 0, 0]]]


def test_rows_with_nothing_to_write():
    full = np.array([[1, 7, 2, 2], [1, 0, 0, 0]])
    sampler = BeamSearch(2, return_all_beams=True)
    texts, scores = run(sampler, chain({1: {7: 0.75, 2: 0.25}, 2: {2: 1.0}}), full, full > 0, stops=(7,))
    np.testing.assert_array_equal(texts, [[[1, 7, 2, 2]] * 2, [[1, 7, 0, 0], [1, 2, 2, 2]]])
    np.testing.assert_allclose(scores, [[0, -np.inf], [math.log(0.75), math.log(0.25) / 3]], rtol=1e-6)
    texts, scores = sampler(chain({}), full, index=4)
    np.testing.assert_array_equal(ops.convert_to_numpy(texts)[:, 0], full)
    np.testing.assert_array_equal(ops.convert_to_numpy(scores), [[0, -np.inf]] * 2)


def test_generate_of_keras_hub():
    """The best of all texts, scored by the model without its cache."""
    backbone = keras_hub.models.GPT2Backbone(5, 1, 2, 8, 16, max_sequence_length=5)
    for weight in backbone.weights:
        weight.assign(RANDOM.normal(size=weight.shape))
    model = keras_hub.models.GPT2CausalLM(backbone, preprocessor=None)
    model.compile(sampler=BeamSearch(128, length_penalty=2.0))
    starts = ([1], [2, 4])
    prompt = np.array([[1, 0, 0, 0, 0], [2, 4, 0, 0, 0]], "int32")
    written = model.generate({"token_ids": prompt, "padding_mask": prompt > 0}, stop_token_ids=[4])
    texts = [np.array([(*start, *x) for x in itertools.product(range(5), repeat=5 - len(start))]) for start in starts]
    inputs = np.concatenate(texts).astype("int32")  # one batch, for JAX compiles each shape
    predicted = model.predict({"token_ids": inputs, "padding_mask": inputs >= 0}, batch_size=len(inputs), verbose=0)
    for row, start in enumerate(starts):
        tokens = texts[row][:, len(start) :]
        logits = np.split(predicted.astype("float64"), [len(texts[0])])[row]
        logits = logits[:, len(start) - 1 : -1]  # those of a token stand one before it
        found = np.take_along_axis(logits, tokens[:, :, None], axis=2)[:, :, 0] - np.log(np.exp(logits).sum(-1))
        after = np.cumsum(tokens == 4, axis=1) - (tokens == 4) > 0
        winner = (np.where(after, 0, found).sum(1) / (~after).sum(1) ** 2.0).argmax()
        np.testing.assert_array_equal(written["token_ids"][row], [*start, *np.where(after, 0, tokens)[winner]])
        np.testing.assert_array_equal(written["padding_mask"][row], [*(token >= 0 for token in start), *~after[winner]])


def test_config_and_errors():
    sampler = BeamSearch(3, length_penalty=0.6, early_stopping="never", return_all_beams=True, temperature=0.5)
    for copy in (
        BeamSearch.from_config(sampler.get_config()),
        keras_hub.samplers.deserialize(keras_hub.samplers.serialize(sampler)),
    ):
        assert isinstance(copy, BeamSearch)
        assert vars(copy) == vars(sampler)
    for options in (
        {"num_beams": 0},
        {"num_beams": 2.0},
        {"length_penalty": "long"},
        {"early_stopping": "always"},
        {"early_stopping": 1},
        {"temperature": 0},
    ):
        (name, value), *_ = options.items()
        with pytest.raises(ValueError, match=f"`{name}` must be .* Received: {name}={value!r}"):
            BeamSearch(**options)
