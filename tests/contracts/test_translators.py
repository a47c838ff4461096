"""Properties 1 and 3 to 6 for what reads one text and writes another."""

import itertools

import keras
import numpy as np
import pytest

import keras_nlp_zoo as knz
from tests.called import called
from tests.conftest import ODD_TEXTS
from tests.contracts.cases import TRANSLATORS, every_weight_moved, tiny_backbone, tiny_translator

LENGTHS = np.array([[1, 4], [7, 2], [3, 7], [0, 1]])  # of source and target


@pytest.fixture(scope="module")
def pairs():
    return knz.datasets.load("reversal", size=48, min_length=1, max_length=4)[0]


@pytest.fixture(scope="module")
def tokenizer(pairs):
    return knz.Tokenizer.train(pairs["encoder_text"], kind="word")


def batch(extra=0, fill=0):
    """Four rows of ragged lengths; `extra` more columns on both sides, `fill` standing at padding."""
    random, inputs = np.random.RandomState(0), {}
    for side, lengths in zip(("encoder", "decoder"), LENGTHS.T, strict=True):
        ids = random.randint(5, 50, (len(lengths), 7))
        mask = (np.arange(7 + extra) < lengths[:, None]).astype("int32")
        ids = np.pad(ids, ((0, 0), (0, extra)))
        inputs[f"{side}_token_ids"] = np.where(mask, ids, fill).astype("int32")
        inputs[f"{side}_padding_mask"] = mask
    return inputs


@pytest.fixture(scope="module", params=TRANSLATORS)
def backbone(request):
    """One for all that is asked of it, so that its programs are compiled once."""
    keras.utils.set_random_seed(0)
    return tiny_backbone(request.param, "seq2seq_lm")


def test_padding_changes_nothing(backbone):
    expected, padded = called(backbone, batch()), called(backbone, batch(extra=9, fill=17))
    for key, value in expected.items():
        np.testing.assert_allclose(padded[key][:, :7], value, atol=1e-5)
        assert np.abs(padded[key][:, 7:]).max(initial=0) == 0
        assert np.isfinite(padded[key]).all()
        mask = batch()[key.split("_")[0] + "_padding_mask"] == 1
        assert np.abs(value[~mask]).max() == 0
        assert np.abs(value[mask]).min() > 0


def test_a_pair_alone_and_in_a_batch(backbone):
    whole = called(backbone, batch())["decoder_sequence_output"]
    for i in (2, 3):  # one of several tokens, and one of the fewest there can be
        source, target = LENGTHS[i]
        sizes = {"encoder": max(source, 1), "decoder": target}
        alone = {key: value[i : i + 1, : sizes[key.split("_")[0]]] for key, value in batch().items()}
        found = called(backbone, alone)["decoder_sequence_output"][0]
        np.testing.assert_allclose(found, whole[i, :target], atol=1e-5)


def test_the_decoder_knows_the_whole_source_and_the_target_so_far(backbone):
    inputs = batch()
    row, expected = 2, called(backbone, inputs)["decoder_sequence_output"]
    for side, length in zip(("encoder", "decoder"), LENGTHS[row], strict=True):
        for position in range(length):
            changed = {key: value.copy() for key, value in inputs.items()}
            ids = changed[f"{side}_token_ids"]
            ids[row, position] = 49 if ids[row, position] != 49 else 48
            moved = np.abs(called(backbone, changed)["decoder_sequence_output"] - expected).max(axis=-1)
            first = position if side == "decoder" else 0
            assert moved[row, first : LENGTHS[row, 1]].min() > 1e-7, f"{side} token {position} is not read"
            assert moved[row, :first].max(initial=0) == 0, f"token {position} of the target is read too early"
            assert moved[[i for i in range(4) if i != row]].max() == 0


def test_decoding_step_by_step_is_decoding_at_once(backbone):
    inputs = batch()
    expected = called(backbone, inputs)["decoder_sequence_output"]
    cache = called(backbone.start_decoding, inputs["encoder_token_ids"], inputs["encoder_padding_mask"], max_length=7)
    assert all(leaf.shape[0] == 4 for leaf in keras.tree.flatten(cache)), "a beam search could not reorder the cache"
    for index in range(7):
        output, cache = called(backbone.decode_step, inputs["decoder_token_ids"][:, index], index, cache)
        real = LENGTHS[:, 1] > index
        np.testing.assert_allclose(output[real], expected[real, index], atol=1e-5)


@pytest.fixture(scope="module", params=TRANSLATORS)
def learner(request, pairs, tokenizer):
    """(model, weights after three epochs, weights after ninety): trained once, for all that is asked of one."""
    keras.utils.set_random_seed(0)
    # At twice the rate a Transformer's loss still leaps after ninety epochs, differently for each rounding.
    size, rate = ({}, 0.005) if request.param == "transformer" else ({"embedding_dim": 16}, 0.02)
    model = tiny_translator(request.param, tokenizer, sequence_length=12, **size)
    model.compile(keras.optimizers.Adam(rate), sampler=knz.samplers.BeamSearch(2, length_penalty=0.7))
    stages = [model.get_weights()]
    for epochs in (3, 87):
        model.fit(pairs, epochs=epochs, batch_size=16, verbose=0, seed=0)
        stages.append(model.get_weights())
    every_weight_moved(model, stages[0])
    return model, *stages[1:]


def test_generate_is_greedy(learner, pairs, tokenizer):
    """Each token that is written is the likeliest one after those before, by a model that is not yet sure of any."""
    model, weights, _ = learner
    model.set_weights(weights)
    inputs = {
        **model.preprocessor.pad_sources(model.preprocessor.encode_sources(pairs["encoder_text"]), np.arange(16), 8),
        "decoder_token_ids": np.full((16, 8), tokenizer.start_token_id, "int32"),
        "decoder_padding_mask": (np.arange(8) < np.ones((16, 1))).astype("int32"),
    }
    outputs = model.generate(inputs, sampler="greedy")
    tokens, mask = outputs["decoder_token_ids"], outputs["decoder_padding_mask"]
    logits = called(model, {**inputs, "decoder_token_ids": tokens, "decoder_padding_mask": mask})
    written = mask[:, 1:] == 1
    assert written.sum() >= 16
    np.testing.assert_array_equal(tokens[:, 1:][written], logits[:, :-1].argmax(-1)[written])
    ended = (tokens == tokenizer.end_token_id) & (mask == 1)
    assert (ended.sum(axis=1) <= 1).all()
    lengths = mask.sum(axis=1)
    assert all(ended[i, lengths[i] - 1] or lengths[i] == 8 for i in range(16))
    texts = model.generate(pairs["encoder_text"][:16], max_length=8, sampler="greedy")
    assert texts == tokenizer.detokenize([row[kept == 1].tolist() for row, kept in zip(tokens, mask, strict=True)])
    beam = model.generate(pairs["encoder_text"][:16], max_length=8, sampler=knz.samplers.BeamSearch(1))
    assert beam == texts
    options = {"max_length": 8, "sampler": knz.samplers.BeamSearch(3, return_all_beams=True)}
    best = model.generate(pairs["encoder_text"][:3], **options)
    assert [len(answers) for answers in best] == [3, 3, 3]
    alone = model.generate(pairs["encoder_text"][0], **options)
    assert [answer["text"] for answer in alone] == [answer["text"] for answer in best[0]]
    assert all(a["score"] >= b["score"] for answers in best for a, b in itertools.pairwise(answers))
    assert model.sampler.get_config()["num_beams"] == 2, "a sampler for one call stayed"


def test_a_few_dozen_pairs_are_learnt(learner, pairs):
    model, _, weights = learner
    model.set_weights(weights)
    answers = model.generate(pairs["encoder_text"], max_length=8, batch_size=16, sampler="greedy")
    assert knz.metrics.exact_match(answers, pairs["decoder_text"]) >= 0.9


def test_round_trips(request, learner, pairs, tokenizer, tmp_path):
    """Its config, a `.keras` file with the optimizer's state, and a preset with the compile arguments."""
    model, weights, _ = learner
    model.set_weights(weights)
    name = request.node.callspec.params["learner"]
    again = type(model.backbone).from_config(model.backbone.get_config())
    assert again.get_config() == model.backbone.get_config()
    model.save_to_preset(tmp_path / "preset")
    model.save(tmp_path / "model.keras")
    assert model.get_compile_config()["jit_compile"] == "auto", "what one backend compiles another may not"
    expected = model.generate(pairs["encoder_text"][:5], max_length=6)
    for again in (
        knz.Seq2SeqLM.from_preset(tmp_path / "preset"),
        knz.create_model(name, preset=tmp_path / "preset"),
        keras.saving.load_model(tmp_path / "model.keras"),
    ):
        assert isinstance(again, knz.Seq2SeqLM)
        for one, other in zip(model.weights, again.weights, strict=True):
            np.testing.assert_array_equal(keras.ops.convert_to_numpy(one), keras.ops.convert_to_numpy(other))
        assert again.preprocessor.get_config() == model.preprocessor.get_config()
        assert again.preprocessor.tokenizer.get_vocabulary() == tokenizer.get_vocabulary()
        assert again.sampler.get_config() == model.sampler.get_config()
        assert float(again.optimizer.learning_rate) == float(model.optimizer.learning_rate)
    assert int(again.optimizer.iterations) == int(model.optimizer.iterations) == 270
    assert again.generate(pairs["encoder_text"][:5], max_length=6) == expected


@pytest.mark.parametrize(
    ("name", "dtype"),
    [*((name, "bfloat16") for name in TRANSLATORS), ("attention", "mixed_float16"), ("transformer", "mixed_float16")],
)
def test_runs_in_every_precision(name, dtype, pairs, tokenizer):
    model = tiny_translator(name, tokenizer, dtype=dtype)
    assert np.isfinite(model.fit(pairs, batch_size=48, verbose=0).history["loss"]).all()
    assert keras.backend.standardize_dtype(model.output.dtype) == dtype.removeprefix("mixed_")
    if dtype == "bfloat16":  # compiled once is enough
        assert len(model.generate([*pairs["encoder_text"][:3], ""], max_length=5)) == 4


@pytest.mark.parametrize("name", TRANSLATORS)
def test_half_precision_agrees_with_float32(name):
    full, half = (tiny_translator(name, dtype=dtype) for dtype in (None, "mixed_bfloat16"))
    half.set_weights(full.get_weights())
    np.testing.assert_allclose(called(half, batch()).astype("float32"), called(full, batch()), atol=0.05)


@pytest.mark.parametrize("name", TRANSLATORS)
def test_odd_texts_are_translated(name, tokenizer):
    model = tiny_translator(name, tokenizer)
    with pytest.warns(UserWarning, match=r"\d of 15 texts in `inputs` are longer than sequence_length=16 tokens"):
        answers = model.generate(ODD_TEXTS, max_length=4)
    assert len(answers) == len(ODD_TEXTS)
    assert all(isinstance(answer, str) for answer in answers)
