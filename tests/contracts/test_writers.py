"""Properties 1 and 3 to 6 for what learns to say the next token."""

import keras
import keras_hub
import numpy as np
import pytest

import keras_nlp_zoo as knz
from tests.called import called
from tests.conftest import ODD_TEXTS
from tests.contracts.cases import WRITERS, every_weight_moved, tiny_writer

TEXTS = ["ada reads old books", "bob eats ripe plums", "cleo plays", "dan sings loud songs at dawn"]


@pytest.fixture(scope="module")
def tokenizer():
    return knz.Tokenizer.train(TEXTS, kind="word")


def batch(extra=0, fill=0, lengths=(4, 1, 7, 2)):
    """Rows of ragged lengths; `extra` more columns, `fill` standing at padding."""
    mask = (np.arange(7 + extra) < np.array(lengths)[:, None]).astype("int32")
    ids = np.pad(np.random.RandomState(0).randint(5, 50, (len(lengths), 7)), ((0, 0), (0, extra)))
    return {"token_ids": np.where(mask, ids, fill).astype("int32"), "padding_mask": mask}


@pytest.fixture(scope="module", params=WRITERS)
def model(request):
    """One for all that is asked of it, so that its programs are compiled once."""
    keras.utils.set_random_seed(0)
    return tiny_writer(request.param)


def test_padding_changes_nothing(model):
    inputs = batch()
    expected, padded = called(model, inputs), called(model, batch(extra=9, fill=17))
    real = inputs["padding_mask"] == 1
    np.testing.assert_allclose(padded[:, :7][real], expected[real], atol=1e-5)
    assert np.isfinite(padded).all()
    for row, length in ((1, 1), (2, 7)):
        alone = called(model, {key: value[row : row + 1, :length] for key, value in inputs.items()})
        np.testing.assert_allclose(alone[0], expected[row, :length], atol=1e-5)


def test_a_token_is_said_from_those_before_alone(model):
    inputs = batch(lengths=(7, 1, 7, 2))
    expected = called(model, inputs)
    for position in range(7):
        changed = {key: value.copy() for key, value in inputs.items()}
        changed["token_ids"][0, position] = 49 if inputs["token_ids"][0, position] != 49 else 48
        moved = np.abs(called(model, changed) - expected).max(axis=-1)
        assert moved[0, position:].min() > 1e-8, f"token {position} is not read"
        assert moved[0, :position].max(initial=0) < 1e-6, f"token {position} is read too early"
        assert moved[1:].max() < 1e-6


@pytest.fixture(scope="module", params=WRITERS)
def learner(request, tokenizer):
    """A model that knows its texts by heart: trained once, for all that is asked of one."""
    keras.utils.set_random_seed(0)
    size = {} if request.param in ("transformer", "gpt2") else {"hidden_dim": 16}
    model = tiny_writer(request.param, tokenizer, sequence_length=12, **size)
    model.compile(keras.optimizers.Adam(0.02), sampler=keras_hub.samplers.TopKSampler(k=4, temperature=0.7, seed=5))
    before = model.get_weights()
    model.fit(TEXTS * 8, epochs=25, batch_size=8, verbose=0, seed=0)
    every_weight_moved(model, before)
    return model


def test_a_few_texts_are_learnt_by_heart(learner):
    answers = learner.generate([text.split()[0] for text in TEXTS], max_length=12, sampler="greedy")
    assert answers == TEXTS
    assert "".join(learner.stream("dan sings", max_length=12, sampler="greedy")) == TEXTS[3]
    # The first of four texts can only be guessed; all that follows is certain.
    assert learner.perplexity(TEXTS) < 1.25 * 4 ** (4 / sum(len(text.split()) for text in TEXTS))
    assert learner.perplexity("books old reads ada") > 10


@pytest.mark.parametrize("name", WRITERS)
def test_default_optimizer_learns(name, tokenizer):
    model = tiny_writer(name, tokenizer)
    history = model.fit(TEXTS * 4, epochs=4, batch_size=4, verbose=0).history
    assert history["loss"][-1] < history["loss"][0]
    assert history["perplexity"][-1] < history["perplexity"][0]


def test_round_trips(request, learner, tokenizer, tmp_path):
    """Its config, a `.keras` file with the optimizer's state, and a preset with the compile arguments."""
    model, name = learner, request.node.callspec.params["learner"]
    again = type(model.backbone).from_config(model.backbone.get_config())
    assert again.get_config() == model.backbone.get_config()
    model.save_to_preset(tmp_path / "preset")
    model.save(tmp_path / "model.keras")
    assert model.get_compile_config()["jit_compile"] == "auto", "what one backend compiles another may not"
    prompts = ["ada reads", "dan", "plums"]
    expected, perplexity = model.generate(prompts, max_length=8, seed=3), model.perplexity(TEXTS)
    for again in (
        knz.CausalLM.from_preset(tmp_path / "preset"),
        knz.create_model(name, preset=tmp_path / "preset"),
        keras.saving.load_model(tmp_path / "model.keras"),
    ):
        assert type(again) is knz.CausalLM
        for one, other in zip(model.weights, again.weights, strict=True):
            np.testing.assert_array_equal(keras.ops.convert_to_numpy(one), keras.ops.convert_to_numpy(other))
        assert again.preprocessor.get_config() == model.preprocessor.get_config()
        assert again.preprocessor.tokenizer.get_vocabulary() == tokenizer.get_vocabulary()
        assert type(again.sampler) is keras_hub.samplers.TopKSampler
        assert again.sampler.get_config() == model.sampler.get_config()
        assert float(again.optimizer.learning_rate) == pytest.approx(0.02)
    assert again.perplexity(TEXTS) == pytest.approx(perplexity, rel=1e-5)
    assert int(again.optimizer.iterations) == int(model.optimizer.iterations) == 100
    assert again.generate(prompts, max_length=8, seed=3) == expected


# The cell of the rnn, and float16, are asked for as classifiers.
@pytest.mark.parametrize(
    ("name", "dtype"),
    [*((name, "bfloat16") for name in ("lstm", "gru", "transformer", "gpt2")), ("transformer", "mixed_float16")],
)
def test_runs_in_every_precision(name, dtype, tokenizer):
    model = tiny_writer(name, tokenizer, dtype=dtype)
    assert np.isfinite(model.fit(TEXTS, batch_size=4, verbose=0).history["loss"]).all()
    assert keras.backend.standardize_dtype(model.output.dtype) == dtype.removeprefix("mixed_")
    if dtype == "bfloat16":  # compiled once is enough
        assert np.isfinite(model.perplexity(TEXTS))
        assert len(model.generate(["ada", "bob eats", ""], max_length=5)) == 3


@pytest.mark.parametrize("name", WRITERS)
def test_half_precision_agrees_with_float32(name, tokenizer):
    full, half = (tiny_writer(name, tokenizer, dtype=dtype) for dtype in (None, "mixed_bfloat16"))
    half.set_weights(full.get_weights())
    inputs = batch()
    inputs["token_ids"] %= tokenizer.vocabulary_size()
    np.testing.assert_allclose(called(half, inputs).astype("float32"), called(full, inputs), atol=0.05)
    if name in ("lstm", "transformer"):  # the same code for all
        assert half.perplexity(TEXTS) == pytest.approx(full.perplexity(TEXTS), rel=0.02)


@pytest.mark.parametrize("name", WRITERS)
def test_odd_texts_are_continued(name, tokenizer):
    model = tiny_writer(name, tokenizer)
    texts = ODD_TEXTS[:13]
    answers = model.generate(texts, max_length=64)
    assert len(answers) == len(texts)
    assert all(isinstance(answer, str) for answer in answers)


@pytest.mark.parametrize("name", WRITERS)
def test_what_is_wrong_is_named(name, tokenizer):
    model = tiny_writer(name, tokenizer)
    before = model.get_weights()
    for call, error, argument in (
        (lambda: model.fit([]), ValueError, "`x`"),
        (lambda: model.fit(["a", None]), TypeError, "`x`"),
        (lambda: model.fit(["a"], ["b"]), ValueError, "`y`"),
        (lambda: model.generate([]), ValueError, "`inputs`"),
        (lambda: model.generate("ada", max_length=1), ValueError, "`max_length`"),
        (lambda: model.stream(["ada"]), TypeError, "`prompt`"),
        (lambda: model.perplexity(["ada", 3]), TypeError, "`texts`"),
    ):
        with pytest.raises(error, match=argument):
            call()
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
