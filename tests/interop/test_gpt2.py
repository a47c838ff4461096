"""GPT-2 as `transformers` and KerasHub write it: the same tokens, the same logits, the same texts, on every backend."""

import functools
import json
import shutil

import keras
import keras_hub
import numpy as np
import pytest
import safetensors.numpy

import keras_nlp_zoo as knz

# tests/parity runs this file on JAX and TensorFlow too, beside PyTorch.
torch = pytest.importorskip("torch", reason="torch is the oracle, and not installed: see `tox -e parity`")
transformers = pytest.importorskip("transformers", reason="transformers is the oracle, and not installed")

from tests.interop.gpt2_checkpoints import (  # noqa: E402 - asks for torch
    ARTICLE,
    HARD,
    POSITIONS,
    PROMPTS,
    assert_same_logits,
    greedy,
    ids_of,
    logits_of,
    open_both,
    padded,
    text_of,
    vocabulary,
    write,
    written,
)

pytestmark = pytest.mark.usefixtures("one_thread")
RANDOM = np.random.RandomState(0)
BEAMS = 3


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory):
    @functools.cache
    def found(real):
        folder = tmp_path_factory.mktemp("gpt2")
        return open_both(folder, write(folder, real=real))

    return found


@pytest.fixture(params=["trained vocabulary", "real vocabulary"])
def either(request, checkpoints):
    return checkpoints(request.param == "real vocabulary")


@pytest.fixture
def checkpoint(checkpoints):
    return checkpoints(False)


# === Tokens ===


def test_token_ids_are_those_of_transformers(either):
    ours = either.model.preprocessor.tokenizer
    for text in [*HARD, *PROMPTS]:
        expected = either.tokenizer(text)["input_ids"]
        assert ours.tokenize(text) == expected, text[:50]
        assert ours.detokenize(expected) == text
    text = "one<|endoftext|>two"
    assert ours.tokenize(text, special_tokens=True) == either.tokenizer(text)["input_ids"]
    assert ours.tokenize(text) == either.tokenizer(text, split_special_tokens=True)["input_ids"]
    assert ours.vocabulary_size() == len(either.tokenizer)
    assert ours.end_token_id == either.tokenizer.eos_token_id


# === Logits ===


CHECKPOINTS = {
    "with a head": ("GPT2LMHeadModel", {}),
    "without a head": ("GPT2Model", {}),
    "narrow blocks": ("GPT2LMHeadModel", {"n_inner": 24}),
    "eleven blocks": ("GPT2Model", {"n_layer": 11, "n_embd": 8, "n_head": 2}),  # h.1 and h.10
    "exact GELU": ("GPT2LMHeadModel", {"activation_function": "gelu"}),
    "another name of GELU": ("GPT2LMHeadModel", {"activation_function": "gelu_pytorch_tanh"}),
    "ReLU": ("GPT2LMHeadModel", {"activation_function": "relu"}),
    "SiLU": ("GPT2LMHeadModel", {"activation_function": "silu"}),
}


@pytest.mark.parametrize("kind", CHECKPOINTS)
def test_logits(kind, tmp_path):
    name, config = CHECKPOINTS[kind]
    module = write(tmp_path, name, resid_pdrop=0.25, **config)
    model = knz.create_model("gpt2", preset=tmp_path)
    rows = ids_of(transformers.GPT2Tokenizer.from_pretrained(tmp_path), PROMPTS)
    # All places, the last too.
    rows.append(RANDOM.randint(0, module.config.vocab_size, POSITIONS).tolist())
    if name == "GPT2Model":
        head = transformers.GPT2LMHeadModel(module.config).eval()
        head.transformer.load_state_dict(module.state_dict())
        module = head
    expected = [logits_of(module, row) for row in rows]
    assert np.std(expected[-1]) > 0.1
    assert_same_logits(model, rows, expected, 1e-4)
    assert model.backbone.dropout == 0.25
    assert model.preprocessor.sequence_length == model.backbone.max_sequence_length == POSITIONS


def test_other_activations_give_other_logits(tmp_path):
    """Of the oracle: what `test_logits` tells apart."""
    module = write(tmp_path)
    row, found = list(range(40)), []
    for name in ("gelu_new", "gelu", "relu", "silu"):
        module.config.activation_function = name
        other = transformers.GPT2LMHeadModel(module.config).eval()
        other.load_state_dict(module.state_dict())
        found.append(logits_of(other, row))
    for i, one in enumerate(found):
        assert all(np.abs(one - other).max() > 2e-4 for other in found[:i])


def test_a_checkpoint_in_parts(tmp_path):
    module = write(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    module.save_pretrained(tmp_path, max_shard_size="10KB")
    assert len(list(tmp_path.glob("*.safetensors"))) > 2
    rows = [[1, 2, 3], [4]]
    model = knz.create_model("gpt2", preset=tmp_path)
    assert_same_logits(model, rows, [logits_of(module, row) for row in rows], 1e-4)


def test_the_first_checkpoints(tmp_path):
    """Names without a prefix though there is a head, causal masks among the weights, and few settings."""
    module = write(tmp_path)
    file = tmp_path / "model.safetensors"
    weights = safetensors.numpy.load_file(file)
    weights = {name.removeprefix("transformer."): weight for name, weight in weights.items()}
    for i in range(2):
        weights[f"h.{i}.attn.bias"] = np.tri(POSITIONS, dtype="float32")[None, None]
    safetensors.numpy.save_file(weights, file)
    config = json.loads((tmp_path / "config.json").read_text("utf-8"))
    kept = ["architectures", "model_type", "n_embd", "n_head", "n_layer", "n_positions", "vocab_size"]
    kept = {**{key: config[key] for key in kept}, "n_ctx": POSITIONS, "layer_norm_epsilon": 1e-05}
    (tmp_path / "config.json").write_text(json.dumps(kept), "utf-8")
    assert kept["architectures"] == ["GPT2LMHeadModel"]
    rows = [[1, 2, 3], [4]]
    model = knz.create_model("gpt2", preset=tmp_path)
    assert_same_logits(model, rows, [logits_of(module, row) for row in rows], 1e-4)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"scale_attn_by_inverse_layer_idx": True}, "its config has scale_attn_by_inverse_layer_idx=True, which is"),
        ({"add_cross_attention": True}, "its config has add_cross_attention=True, which is not known here"),
        ({"tie_word_embeddings": False}, "its config has tie_word_embeddings=False"),
        ({"scale_attn_weights": False}, "or its attention is not scaled"),
        ({"layer_norm_epsilon": 1e-6}, "its layer_norm_epsilon is not 1e-5"),
        ({"activation_function": "swash"}, "swash"),
        ({"n_head": 3}, "`num_heads` must divide `hidden_dim`"),
        ({"n_embd": 32}, "cannot be loaded"),
    ],
)
def test_what_is_not_known_is_an_error(settings, message, checkpoint, tmp_path):
    folder = shutil.copytree(checkpoint.folder, tmp_path / "wrong")
    config = json.loads((folder / "config.json").read_text("utf-8"))
    (folder / "config.json").write_text(json.dumps({**config, **settings}), "utf-8")
    with pytest.raises(ValueError, match=message) as error:
        knz.create_model("gpt2", preset=folder)
    assert str(error.value).startswith(f"The preset {str(folder)!r} cannot be loaded: ")


# === Texts ===


def test_greedy_texts_are_those_of_transformers(either):
    """One prompt, and eight of several lengths side by side; by their ids too, which texts of odd bytes blur."""
    length = 80
    expected = [greedy(either, prompt, length) for prompt in PROMPTS]
    assert sum(len(row) == length for row in expected) >= 6
    assert len({row[-1] for row in expected}) > 2
    texts = [text_of(either, row) for row in expected]
    assert either.model.generate(PROMPTS[0], max_length=length) == texts[0]
    assert either.model.generate(PROMPTS, max_length=length) == texts
    rows = ids_of(either.tokenizer, PROMPTS)
    assert {*map(len, rows)} > {1, 2}
    inputs = {name: np.pad(x, ((0, 0), (0, length - x.shape[1]))) for name, x in padded(rows).items()}
    found = either.model.generate(inputs)
    assert [ids[mask == 1].tolist() for ids, mask in zip(*found.values(), strict=True)] == expected


def test_the_call_of_the_article(either):
    text = either.model.generate(ARTICLE, max_length=30)
    expected = greedy(either, ARTICLE, 30)
    assert len(expected) <= 30
    assert text.startswith(ARTICLE)
    assert text == text_of(either, expected)


def test_tokens_that_end_a_text(checkpoint):
    end = checkpoint.module.config.eos_token_id
    stop = greedy(checkpoint, ARTICLE, 40)[20]
    expected = [greedy(checkpoint, prompt, 40, eos_token_id=[end, stop]) for prompt in PROMPTS]
    assert len(expected[0]) <= 21
    assert len({*map(len, expected)}) > 1
    found = checkpoint.model.generate(PROMPTS, max_length=40, stop_token_ids=[end, stop])
    assert found == [text_of(checkpoint, row) for row in expected]
    rest = checkpoint.model.generate(PROMPTS, max_length=40, stop_token_ids=[end, stop], strip_prompt=True)
    starts = ids_of(checkpoint.tokenizer, PROMPTS)
    new = [row[len(start) :] for row, start in zip(expected, starts, strict=True)]
    assert rest == [text_of(checkpoint, row) for row in new]


@pytest.mark.parametrize(("length_penalty", "early_stopping"), [(1.0, True), (0.0, False), (2.0, "never")])
def test_beam_search_is_that_of_transformers(length_penalty, early_stopping, checkpoint):
    """All beams and their scores, each prompt there on its own, here side by side."""
    prompts = PROMPTS[:3]
    stops = [checkpoint.module.config.eos_token_id, *greedy(checkpoint, ARTICLE, 24)[20:22]]
    options = {"length_penalty": length_penalty, "early_stopping": early_stopping}
    sampler = knz.samplers.BeamSearch(BEAMS, return_all_beams=True, **options)
    found = checkpoint.model.generate(prompts, max_length=24, stop_token_ids=stops, sampler=sampler)
    for prompt, beams in zip(prompts, found, strict=True):
        theirs = written(
            checkpoint, prompt, 24, num_beams=BEAMS, num_return_sequences=BEAMS, eos_token_id=stops, **options
        )
        assert [beam["text"] for beam in beams] == [text_of(checkpoint, row) for row in theirs.sequences]
        np.testing.assert_allclose([beam["score"] for beam in beams], theirs.sequences_scores, atol=1e-4)
    best = knz.samplers.BeamSearch(BEAMS, **options)
    texts = checkpoint.model.generate(prompts, max_length=24, stop_token_ids=stops, sampler=best)
    assert texts == [beams[0]["text"] for beams in found]


# === Scores ===


def mean_loss(checkpoint, ids):
    with torch.no_grad():
        return float(checkpoint.module(torch.tensor([ids]), labels=torch.tensor([ids])).loss)


def test_perplexity_is_exp_of_the_mean_loss(checkpoint):
    rows = ids_of(checkpoint.tokenizer, PROMPTS)
    several = [i for i, row in enumerate(rows) if len(row) > 1]  # of a single token the loss is nan
    assert several != [*range(len(PROMPTS))]
    losses = np.array([mean_loss(checkpoint, rows[i]) for i in several])
    said = np.array([len(rows[i]) - 1 for i in several])
    assert losses.std() > 0.1
    model = checkpoint.model
    assert model.perplexity(ARTICLE) == pytest.approx(np.exp(losses[0]), rel=1e-5)
    expected = np.exp((losses * said).sum() / said.sum())
    for batch_size in (1, 3, 8):
        assert model.perplexity(PROMPTS, batch_size=batch_size) == pytest.approx(expected, rel=1e-5)
    one_by_one = np.array(model.perplexity(PROMPTS, per_text=True))
    np.testing.assert_allclose(one_by_one[several], np.exp(losses), rtol=1e-5)
    assert np.isnan(np.delete(one_by_one, several)).all()


def test_perplexity_of_a_text_longer_than_the_window(checkpoint):
    """Each token from the eight before it: the window moves by one."""
    ids = checkpoint.tokenizer(" ".join(PROMPTS))["input_ids"]
    model = knz.create_model("gpt2", preset=checkpoint.folder, sequence_length=8)
    losses = []
    for place in range(1, len(ids)):
        scores = logits_of(checkpoint.module, ids[max(0, place - 8) : place])[-1].astype("float64")
        losses.append(np.log(np.exp(scores).sum()) - scores[ids[place]])
    assert model.perplexity(" ".join(PROMPTS), stride=1) == pytest.approx(np.exp(np.mean(losses)), rel=1e-5)


def test_text_classifier_reads_the_last_real_token(checkpoint):
    model = knz.create_model("gpt2", "text_classifier", preset=checkpoint.folder, labels=["a", "b", "c"])
    kernel, bias = map(keras.ops.convert_to_numpy, model.output_dense.weights)
    bias = RANDOM.normal(size=3)
    model.output_dense.bias.assign(bias)
    expected = []
    for ids in ids_of(checkpoint.tokenizer, PROMPTS):
        with torch.no_grad():
            expected.append(checkpoint.module.transformer(torch.tensor([ids])).last_hidden_state[0, -1].numpy())
    found = model.predict(PROMPTS, verbose=0)
    assert np.abs(found - found[0]).max() > 0.1
    np.testing.assert_allclose(found, np.array(expected) @ kernel + bias, atol=1e-5)


# === KerasHub ===


@pytest.fixture(scope="module")
def keras_hub_preset(tmp_path_factory):
    """A model of KerasHub, and the preset that it writes."""
    tokens, merges = vocabulary()
    backbone = keras_hub.models.GPT2Backbone(len(tokens), 2, 4, 16, 24, max_sequence_length=48)
    random = np.random.RandomState(0)
    for weight in backbone.weights:
        if "seed" not in weight.path:
            weight.assign(random.normal(size=weight.shape, scale=0.5))
    tokenizer = keras_hub.tokenizers.GPT2Tokenizer(tokens, merges)
    preprocessor = keras_hub.models.GPT2CausalLMPreprocessor(tokenizer, sequence_length=40)
    folder = tmp_path_factory.mktemp("keras_hub")
    keras_hub.models.GPT2CausalLM(backbone, preprocessor).save_to_preset(folder)
    return keras_hub.models.GPT2CausalLM(backbone, preprocessor=None), folder  # takes ready arrays


def test_a_preset_of_keras_hub(keras_hub_preset, checkpoint):
    theirs, folder = keras_hub_preset
    model = knz.create_model("gpt2", preset=folder)
    assert type(model) is knz.CausalLM
    assert model.preprocessor.sequence_length == 40
    rows = model.preprocessor.tokenizer.tokenize(PROMPTS)
    # KerasHub's own tokenizer splits runs of spaces in other places than GPT-2's.
    assert rows == ids_of(checkpoint.tokenizer, PROMPTS)
    x = padded(rows)
    expected = theirs.predict(x, verbose=0)
    assert expected.std() > 0.1
    assert_same_logits(model, rows, [one[: len(row)] for row, one in zip(rows, expected, strict=True)], 1e-5)
    # What the model says when it is called on all that has been written so far
    tokens = np.zeros((len(rows), 40), "int32")
    for row, ids in zip(tokens, rows, strict=True):
        row[: len(ids)] = ids
    lengths = np.array([len(row) for row in rows])
    for index in range(1, 40):
        mask = (np.arange(40) < index)[None].repeat(len(rows), 0).astype("int32")
        last = theirs.predict_on_batch({"token_ids": tokens, "padding_mask": mask})[:, index - 1]
        best = np.sort(last, axis=-1)[:, -2:]
        writing = lengths <= index
        assert (best[:, 1] - best[:, 0])[writing].min(initial=1) > 1e-5
        tokens[writing, index] = last.argmax(-1)[writing]
    found = model.generate(PROMPTS, max_length=40, stop_token_ids=None)
    assert found == model.preprocessor.tokenizer.detokenize(tokens)
    ready = {"token_ids": tokens, "padding_mask": (np.arange(40) < lengths[:, None]).astype("int32")}
    np.testing.assert_array_equal(model.generate(ready, stop_token_ids=None)["token_ids"], tokens)


# === What is made of a checkpoint ===


def test_a_saved_preset_writes_the_same(checkpoint, tmp_path):
    checkpoint.model.save_to_preset(tmp_path / "preset")
    again = knz.create_model("gpt2", preset=tmp_path / "preset")
    assert type(again) is knz.CausalLM
    expected = [text_of(checkpoint, greedy(checkpoint, prompt, 40)) for prompt in PROMPTS]
    assert again.generate(PROMPTS, max_length=40) == expected
    assert again.perplexity(PROMPTS) == checkpoint.model.perplexity(PROMPTS)


def test_lora_trains_little_and_begins_where_the_checkpoint_is(tmp_path):
    module = write(tmp_path, n_embd=64, resid_pdrop=0.0)
    model = knz.create_model("gpt2", preset=tmp_path)
    rows = ids_of(transformers.GPT2Tokenizer.from_pretrained(tmp_path), PROMPTS)
    model.backbone.enable_lora(4)
    expected = [logits_of(module, row) for row in rows]
    assert_same_logits(model, rows, expected, 1e-4)
    trained = sum(np.prod(weight.shape) for weight in model.trainable_weights)
    assert 0 < trained < 0.03 * model.count_params()
    numpy = keras.ops.convert_to_numpy
    before = {weight.path: numpy(weight) for weight in model.backbone.weights}
    model.compile(keras.optimizers.Adam(1e-3))
    losses = model.fit(PROMPTS, batch_size=8, epochs=4, verbose=0).history["loss"]
    assert losses[-1] < losses[0] - 0.05
    moved = {weight.path for weight in model.backbone.weights if (numpy(weight) != before[weight.path]).any()}
    assert {path.split("/")[-1] for path in moved if "seed" not in path} >= {"lora_kernel_a", "lora_kernel_b"}
    assert all("query_key_value" in path or "seed" in path for path in moved)
    changed = model.predict(padded(rows), verbose=0)[0][: len(rows[0])]
    assert np.abs(changed - expected[0]).max() > 1e-3


# Keras says so of every layer that has no int8 form, such as norms; they are meant to stay as they are.
@pytest.mark.filterwarnings("ignore:Layer .* does not have a `quantize` method:UserWarning")
# Keras transposes the vector of an embedding's scales, which PyTorch leaves as it is.
@pytest.mark.filterwarnings(r"ignore:(.|\n)*The use of `x.T` on tensors of dimension other than 2:UserWarning")
def test_int8_is_close_and_writes(tmp_path):
    module = write(tmp_path, n_layer=1)  # each layer takes Keras half a second
    model = knz.create_model("gpt2", preset=tmp_path)
    model.quantize("int8")
    rows = ids_of(transformers.GPT2Tokenizer.from_pretrained(tmp_path), PROMPTS)
    expected = [logits_of(module, row) for row in rows]
    found = model.predict(padded(rows), verbose=0)
    errors = np.concatenate([one[: len(row)] - other for row, one, other in zip(rows, found, expected, strict=True)])
    # A weight is rounded to one of 255 steps: it is not what it was, and not far from it.
    assert 1e-4 < errors.std() < 0.05 * np.concatenate(expected).std()
    for text, prompt in zip(model.generate(PROMPTS, max_length=40), PROMPTS, strict=True):
        assert text.startswith(prompt)
        assert len(text) > len(prompt)


def test_bfloat16_is_close_and_writes(checkpoint):
    model = knz.create_model("gpt2", preset=checkpoint.folder, dtype="bfloat16")
    assert {weight.dtype for weight in model.backbone.trainable_weights} == {"bfloat16"}
    rows = ids_of(checkpoint.tokenizer, PROMPTS)
    expected = np.concatenate([logits_of(checkpoint.module, row) for row in rows])
    found = model.predict(padded(rows), verbose=0)
    found = np.concatenate([one[: len(row)] for row, one in zip(rows, found, strict=True)]).astype("float32")
    assert (found - expected).std() < 0.05 * expected.std()  # 8 bits, after some ten layers
    for text, prompt in zip(model.generate(PROMPTS, max_length=40), PROMPTS, strict=True):
        assert text.startswith(prompt)
        assert len(text) > len(prompt)
