"""Seq2SeqLM: what goes into `fit` and comes out of `generate`."""

import keras
import keras_hub
import numpy as np
import pytest

import keras_nlp_zoo as knz
from tests.called import called
from tests.contracts.cases import tiny_translator
from tests.rewind import rewinder


@pytest.fixture(scope="module")
def pairs():
    """Of several lengths, but padded to 8 tokens, so that a model of them is compiled once."""
    return knz.datasets.load("reversal", size=48, min_length=1, max_length=7)[0]


@pytest.fixture(scope="module")
def tokenizer(pairs):
    return knz.Tokenizer.train(pairs["encoder_text"], kind="word")


@pytest.fixture(scope="module")
def trained(pairs, tokenizer):
    keras.utils.set_random_seed(0)
    model = tiny_translator("attention", tokenizer)
    model.compile(keras.optimizers.Adam(0.02))
    model.fit(pairs, epochs=12, batch_size=16, verbose=0)
    return model


def first(pairs, number):
    return {key: value[:number] for key, value in pairs.items()}


class Pairs(keras.utils.PyDataset):
    def __init__(self, pairs):
        super().__init__()
        self.pairs = pairs

    def __len__(self):
        return 3

    def __getitem__(self, index):
        return ({key: value[16 * index : 16 * (index + 1)] for key, value in self.pairs.items()},)


def test_one_loss_for_a_list_and_a_dataset(pairs, trained):
    """And it is the mean over all real tokens, whatever the batches: checked on ready arrays in one batch."""
    x, y, weight = trained.preprocessor(pairs)
    logits = called(trained, x).astype("float64")
    log_p = logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))
    expected = -(np.take_along_axis(log_p, y[:, :, None], -1)[:, :, 0] * weight).sum() / weight.sum()
    right = (logits.argmax(-1) == y)[weight == 1].mean()
    whole = trained.evaluate(pairs, batch_size=48, verbose=0, return_dict=True)
    assert whole["loss"] == pytest.approx(expected, rel=1e-5)
    assert whole["accuracy"] == pytest.approx(right, rel=1e-5)
    for data in (pairs, Pairs(pairs)):
        assert trained.evaluate(data, batch_size=16, verbose=0, return_dict=True)["accuracy"] == pytest.approx(right)
    ready = trained.evaluate(x, y, sample_weight=weight, batch_size=48, verbose=0)
    assert ready == pytest.approx([expected, right], rel=1e-5)


def test_fit_on_lists_datasets_and_generators(pairs, tokenizer):
    few = first(pairs, 12)
    model, losses = tiny_translator("seq2seq", tokenizer), []
    rewind = rewinder(model)
    for data, options in (
        (pairs, {"validation_split": 0.25}),
        (Pairs(pairs), {"validation_data": few}),
        ((pair for pair in [(few,)] * 2), {"validation_data": (few, None), "steps_per_epoch": 2}),
    ):
        rewind()
        history = model.fit(data, batch_size=12, seed=0, verbose=0, **options).history
        assert np.isfinite(history["val_loss"]).all()
        losses.append(history["loss"][0])
    assert len({round(loss, 6) for loss in losses}) == 3
    assert all(loss < np.log(tokenizer.vocabulary_size()) + 0.1 for loss in losses)


def test_sample_weight_takes_pairs_out(pairs, tokenizer):
    """A pair of weight 0 might as well not be there."""
    weights = np.array([1.0] * 24 + [0.0] * 24)
    model, results = tiny_translator("seq2seq", tokenizer), []
    model.compile(keras.optimizers.SGD(0.5))
    rewind = rewinder(model)
    for data, weight in ((pairs, weights), (first(pairs, 24), None)):
        rewind()
        model.fit(data, batch_size=48, shuffle=False, sample_weight=weight, verbose=0)
        results.append(np.array(keras.ops.convert_to_numpy(model.output_dense.bias)))
    assert np.abs(results[0]).max() > 1e-3
    np.testing.assert_allclose(results[0], results[1], atol=1e-6)


def test_generate_takes_strings_lists_and_beginnings(pairs, trained):
    sources = pairs["encoder_text"][:4]
    answers = trained.generate(sources, max_length=7)
    assert trained.generate(sources[3], max_length=7) == answers[3]
    assert trained.generate(np.array(sources), max_length=7) == answers
    beginnings = ["q", "x y", "", "z z z"]
    longer = trained.generate({"encoder_text": sources, "decoder_text": beginnings}, max_length=7)
    rest = trained.generate({"encoder_text": sources, "decoder_text": beginnings}, max_length=7, strip_prompt=True)
    for text, beginning, end in zip(longer, beginnings, rest, strict=True):
        assert text.split()[: len(beginning.split())] == beginning.split()
        assert text.split() == beginning.split() + end.split()
    assert longer[2] == answers[2]
    assert all(len(text.split()) <= 6 for text in (*answers, *longer))


def test_a_row_is_the_same_alone_and_in_a_batch(pairs, trained):
    sources = [*pairs["encoder_text"][:7], "a b c d e f g h i"]  # the second batch is padded to 16
    together = trained.generate(sources, max_length=7, batch_size=4)
    assert [trained.generate([source], max_length=7)[0] for source in sources] == together


def test_samplers(pairs, trained):
    sources = pairs["encoder_text"][:4]
    greedy = trained.generate(sources, max_length=7)
    assert trained.generate(sources, max_length=7, sampler="greedy") == greedy
    random = [
        trained.generate(sources, max_length=7, sampler=keras_hub.samplers.RandomSampler(seed=seed, temperature=3.0))
        for seed in (1, 1, 2)
    ]
    assert random[0] == random[1] != random[2]
    seeded = [trained.generate(sources, max_length=7, sampler="random", seed=seed) for seed in (5, 5, 6)]
    assert seeded[0] == seeded[1] != seeded[2]
    one = keras_hub.samplers.RandomSampler(seed=1, temperature=3.0)
    again = [trained.generate(sources, max_length=7, sampler=one) for _ in range(2)]
    assert random[0] == again[0] != again[1]
    assert trained.generate(sources, max_length=7) == greedy


def test_stop_tokens(pairs, trained, tokenizer):
    """Without one every answer is as long as allowed; any token can be one."""
    sources = pairs["encoder_text"][:4]
    endless = trained.generate(sources, max_length=7, stop_token_ids=None)
    greedy = trained.generate(sources, max_length=7)
    assert all(long.startswith(short) for long, short in zip(endless, greedy, strict=True))
    letter = endless[1].split()[0]
    stopped = trained.generate(sources, max_length=7, stop_token_ids=[tokenizer.token_to_id(letter)])
    assert stopped[1] == letter


def test_attention_names_tokens(pairs, trained):
    source, target = "a b c", "c b"
    tokens, said, scores = trained.attention(source, target)
    assert tokens == ["a", "b", "c", "[END]"]
    assert said == ["c", "b", "[END]"]
    assert scores.shape == (3, 4)
    np.testing.assert_allclose(scores.sum(axis=-1), 1, atol=1e-5)
    written = trained.attention(source)
    assert " ".join(written.target_tokens).removesuffix(" [END]") == trained.generate(source)
    with pytest.raises(ValueError, match="This Seq2SeqBackbone has no attention to show"):
        tiny_translator("seq2seq", trained.preprocessor.tokenizer).attention("a")


def test_a_tied_model_has_no_layer_for_the_logits(tokenizer):
    model = tiny_translator("seq2seq", tokenizer, tie_embeddings=True, embedding_dim=16)
    inputs = model.preprocessor({"encoder_text": ["a b"], "decoder_text": ["b a"]})[0]
    hidden = called(model.backbone, inputs)["decoder_sequence_output"]
    table = keras.ops.convert_to_numpy(model.backbone.decoder_embedding.embeddings)
    assert model.output_dense is None
    np.testing.assert_allclose(called(model, inputs), hidden @ table.T, atol=1e-5)


BAD = {
    "y": (lambda m: m.fit({"encoder_text": ["a"], "decoder_text": ["b"]}, ["b"]), ValueError, "`y` must be left out"),
    "list": (lambda m: m.fit(["a"]), TypeError, "`x` must be a dict of 'encoder_text' and 'decoder_text'"),
    "empty": (lambda m: m.fit({"encoder_text": [], "decoder_text": []}), ValueError, "`x` is empty"),
    "class_weight": (
        lambda m: m.fit({"encoder_text": ["a"], "decoder_text": ["b"]}, class_weight={0: 1.0}),
        ValueError,
        "`class_weight` needs classes",
    ),
    "unequal": (
        lambda m: m.fit({"encoder_text": ["a", "b"], "decoder_text": ["b"]}),
        ValueError,
        "`x` has 2 sources, but 1 targets",
    ),
    "nothing to write for": (lambda m: m.generate([]), ValueError, "`inputs` is empty"),
    "number": (lambda m: m.generate(["a", 3]), TypeError, "`inputs` must hold strings. Item 1 is 3"),
    "key": (lambda m: m.generate({"text": ["a"]}), TypeError, "`inputs` must have 'encoder_text'"),
    "prompts": (
        lambda m: m.generate({"encoder_text": ["a", "b"], "decoder_text": ["b"]}),
        ValueError,
        "`inputs` has 2 sources, but 1 beginnings of targets",
    ),
    "max_length": (lambda m: m.generate(["a"], max_length=1), ValueError, "`max_length` must be an int of at least 2"),
    "batch_size": (lambda m: m.generate(["a"], batch_size=0), ValueError, "`batch_size` must be an int of at least 1"),
    "stop_token_ids": (
        lambda m: m.generate(["a"], stop_token_ids="end"),
        ValueError,
        '`stop_token_ids` must be "auto", a list of ids, or None',
    ),
    "preprocessor": (
        lambda m: knz.Seq2SeqLM(m.backbone, knz.text.TextPreprocessor(m.preprocessor.tokenizer)),
        TypeError,
        "`preprocessor` must be a knz.text.Seq2SeqPreprocessor",
    ),
    "source": (lambda m: m.attention(["a"]), TypeError, "`source` must be a string"),
    "backbone": (
        lambda m: knz.Seq2SeqLM(knz.models.LSTMBackbone(10)),
        TypeError,
        "`backbone` must be an encoder-decoder of keras_nlp_zoo",
    ),
    "vocabulary": (
        lambda m: knz.Seq2SeqLM(knz.models.Seq2SeqBackbone(10, 4, 4), m.preprocessor),
        ValueError,
        "but the backbone was made for vocabulary_size=10",
    ),
    "labels": (
        lambda m: knz.create_model("seq2seq", tokenizer=m.preprocessor.tokenizer, labels=["a", "b"]),
        ValueError,
        "`labels` does not go with 'seq2seq_lm', which has no classes",
    ),
    "no preprocessor": (
        lambda m: knz.Seq2SeqLM(knz.models.Seq2SeqBackbone(10, 4, 4)).generate(["a"]),
        ValueError,
        "This task has no preprocessor",
    ),
    "no preprocessor to fit": (
        lambda m: knz.Seq2SeqLM(knz.models.Seq2SeqBackbone(10, 4, 4)).fit(
            {"encoder_text": ["a"], "decoder_text": ["b"]}
        ),
        ValueError,
        "`x` holds texts, but this task has no preprocessor",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input(case, trained):
    call, error, message = BAD[case]
    with pytest.raises(error, match=message):
        call(trained)
