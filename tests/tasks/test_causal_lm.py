"""CausalLM: what goes into `fit`, what `perplexity` says; `test_causal_lm_writing.py` and `test_streaming.py` go on."""

import itertools

import keras
import keras_hub
import numpy as np
import pytest

import keras_nlp_zoo as knz
from tests.conftest import ODD_TEXTS
from tests.contracts.cases import tiny_writer
from tests.rewind import rewinder
from tests.tasks.batches import Batches
from tests.tasks.language_models import (
    TEXTS,
    beginnings,
    log_softmax,
    logits_of,
    losses_of,
    over,
    shaken,
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


def test_perplexity_is_that_of_the_layers_as_they_are(tokenizer):
    """TensorFlow keeps the program that it traced before."""
    model = shaken("gpt2", tokenizer)
    before = model.perplexity(SCORED)
    model.backbone.enable_lora(2)
    model.compile()
    for weight in model.backbone.trainable_weights:
        if "lora" in weight.path:
            weight.assign(np.random.RandomState(0).normal(size=weight.shape))
    losses = [losses_of(model, ids, 8) for ids in beginnings(model, SCORED)]
    expected = np.exp(np.mean(np.concatenate(losses)))
    assert expected != pytest.approx(before, rel=1e-2)
    assert model.perplexity(SCORED) == pytest.approx(expected, rel=1e-4)


def test_predictions_for_datasets(writer):
    batches = ((TEXTS[i : i + 2],) for i in range(0, len(TEXTS), 2))
    np.testing.assert_allclose(writer.predict(batches, verbose=0), writer.predict(TEXTS, verbose=0), atol=1e-6)
    with pytest.raises(ValueError, match="`x` never ends"):
        writer.predict(Batches(TEXTS, batch_size=2, endless=True))
    with pytest.raises(ValueError, match="`x` is empty: the dataset yields no batches"):
        writer.predict(iter(()))


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
    model, results = shaken("gru", tokenizer), []
    rewind = rewinder(model)
    for data in (TEXTS, Batches(TEXTS, batch_size=4), (batch for batch in Batches(TEXTS, batch_size=4))):
        rewind()
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
    for data in (TEXTS[:2], (TEXTS[:2],), (TEXTS[:2], None), Batches(TEXTS[:2], batch_size=4)):
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
    model = shaken("lstm", tokenizer, pack=pack)
    model.compile(keras.optimizers.Adam(0.02))
    rewind = rewinder(model)
    for data in (text, [text]):
        rewind()
        history = model.fit(data, batch_size=4, epochs=3, validation_split=0.3, seed=1, verbose=0).history
        results.append(history["loss"] + history["val_loss"])
        assert history["val_loss"][-1] < history["val_loss"][0]
    np.testing.assert_allclose(*results, rtol=1e-5)


def test_sample_weight_takes_texts_out(tokenizer):
    """A text of weight 0 might as well not be there, long as it may be."""
    texts = [TEXTS[0] * 2, TEXTS[1], TEXTS[2], TEXTS[3] * 3]
    weights, results = np.array([1.0, 0.0, 1.0, 0.0]), []
    model = shaken("gru", tokenizer)
    model.compile(keras.optimizers.SGD(0.5))
    rewind = rewinder(model)
    for data, weight in ((texts, weights), (texts[::2], None), (Batches(texts, None, weights, batch_size=2), None)):
        rewind()
        model.fit(data, batch_size=32, shuffle=False, sample_weight=weight, verbose=0)
        results.append(model.output_dense.get_weights()[1])
    moved = np.abs(results[0] - shaken("gru", tokenizer).output_dense.get_weights()[1]).max()
    assert moved > 1e-3
    np.testing.assert_allclose(results[0], results[1], atol=1e-6)
    np.testing.assert_allclose(results[0], results[2], atol=1e-6)


def test_a_text_twice_as_heavy_is_there_twice(tokenizer):
    model, results = shaken("gru", tokenizer), []
    model.compile(keras.optimizers.SGD(0.5))
    rewind = rewinder(model)
    for texts, weight in ((TEXTS[:3], [2.0, 1.0, 1.0]), ([TEXTS[0], *TEXTS[:3]], None)):
        rewind()
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
    "nothing to validate": (
        lambda m: m.fit(["a"], validation_data=["a", None]),
        TypeError,
        "`validation_data` must hold strings. Item 1 is None",
    ),
    "not compiled": (
        lambda m: knz.CausalLM(m.backbone, m.preprocessor, compile=False).generate("a"),
        ValueError,
        "This task has not been compiled",
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
        "but the backbone was made for vocabulary_size=9",
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
