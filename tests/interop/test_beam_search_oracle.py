"""Beam search against that of `transformers`, over models that it wrote and KerasHub read."""

import functools
import itertools
import json

import keras_hub
import numpy as np
import pytest
from keras import ops

import keras_nlp_zoo as knz

# tests/parity runs this file on JAX and TensorFlow too, beside PyTorch.
torch = pytest.importorskip("torch", reason="torch is the oracle, and not installed: see `tox -e parity`")
transformers = pytest.importorskip("transformers", reason="transformers is the oracle, and not installed")

pytestmark = pytest.mark.usefixtures("one_thread")
VOCABULARY, LENGTH, PAD, START, BEAMS = 13, 9, 12, 2, 3
STOPS = (9, 5)  # tokens that come often, but not always
# Of several lengths, side by side; the last holds a stop token, which stops nothing where it is given.
PROMPTS = [[[1], [7], [10], [11]], [[2, 3], [8, 6]], [[3, 3, 3, 5]]]
SOURCES = np.random.RandomState(0).randint(3, VOCABULARY - 1, (6, 5)).astype("int32")
# Length penalty, early stopping, how many stop tokens, and which random weights.
STOPPING = [(1.0, False, 2, 2), (1.0, True, 2, 2), (1.0, "never", 2, 2)]
SEARCHES = [
    *STOPPING,
    (0.0, False, 1, 0),
    (2.0, False, 1, 4),
    (0.6, True, 1, 4),
    (-0.5, "never", 2, 0),
    (1.0, True, 0, 2),
]


def randomize(model, seed):
    """Weights with which the next token depends on all before it, and several tokens are likely."""
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in model.named_parameters():
        if "ln" not in name and "norm" not in name:
            scale = 0.5 if "wpe" in name or "position" in name else 0.3 if "wte" in name or "shared" in name else 1.0
            parameter.data = torch.randn(parameter.shape, generator=generator) * scale
    model.generation_config.eos_token_id = model.generation_config.bos_token_id = None
    return model.eval()


def gpt2(seed, folder):
    config = transformers.GPT2Config(
        vocab_size=VOCABULARY, n_positions=LENGTH, n_embd=16, n_layer=2, n_head=2, bos_token_id=None, eos_token_id=None
    )
    model = randomize(transformers.GPT2LMHeadModel(config), seed)
    model.save_pretrained(folder)
    backbone = keras_hub.models.GPT2Backbone.from_preset(str(folder))
    return model, keras_hub.models.GPT2CausalLM(backbone, preprocessor=None)


def bart(seed, folder):
    sizes = {"layers": 1, "ffn_dim": 32, "attention_heads": 2}
    config = transformers.BartConfig(
        vocab_size=VOCABULARY,
        max_position_embeddings=16,
        d_model=16,
        decoder_start_token_id=START,
        forced_eos_token_id=None,  # else the last token is always this
        **{f"{part}_{name}": size for part in ("encoder", "decoder") for name, size in sizes.items()},
    )
    model = randomize(transformers.BartForConditionalGeneration(config), seed)
    model.save_pretrained(folder)
    # KerasHub reads a key that `transformers` no longer writes.
    written = json.loads((folder / "config.json").read_text("utf-8"))
    (folder / "config.json").write_text(json.dumps({**written, "num_hidden_layers": 1}), "utf-8")
    backbone = keras_hub.models.BartBackbone.from_preset(str(folder))
    return model, keras_hub.models.BartSeq2SeqLM(backbone, preprocessor=None)


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """The same model of `transformers` and of KerasHub, by name and seed."""
    makers = {"gpt2": gpt2, "bart": bart}
    return functools.cache(lambda name, seed: makers[name](seed, tmp_path_factory.mktemp(name)))


def stops(search):
    return STOPS[: search[2]] or None


@pytest.fixture(scope="module")
def theirs(models):
    """Sequences `(batch, beams, length)`, filled up with `PAD`, and scores `(batch, beams)` of `transformers`."""

    @functools.cache
    def found(name, search):
        sequences, scores = [], []
        # Prompts of one length together: it wants padding on the left, which would count in `max_length`.
        for inputs in PROMPTS if name == "gpt2" else [SOURCES]:
            result = models(name, search[3])[0].generate(
                torch.tensor(inputs, dtype=torch.int64),
                attention_mask=torch.ones(np.shape(inputs), dtype=torch.int64),
                num_beams=BEAMS,
                num_return_sequences=BEAMS,
                length_penalty=search[0],
                early_stopping=search[1],
                max_length=LENGTH,
                eos_token_id=stops(search) and list(stops(search)),
                pad_token_id=PAD,
                do_sample=False,
                output_scores=True,
                return_dict_in_generate=True,
            )
            missing = LENGTH - result.sequences.shape[1]
            sequences.append(np.pad(result.sequences, ((0, 0), (0, missing)), constant_values=PAD))
            scores.append(result.sequences_scores)
        return np.concatenate(sequences).reshape(-1, BEAMS, LENGTH), np.concatenate(scores).reshape(-1, BEAMS)

    return found


def prompts(starts):
    tokens = np.full((len(starts), LENGTH), PAD, "int32")
    mask = np.zeros((len(starts), LENGTH), "int32")
    for row, start in enumerate(starts):
        tokens[row, : len(start)], mask[row, : len(start)] = start, 1
    return tokens, mask


GPT2_PROMPT = prompts([start for group in PROMPTS for start in group])
BART_PROMPT = prompts([[START]] * len(SOURCES))


def sampler(search, **options):
    return knz.samplers.BeamSearch(BEAMS, length_penalty=search[0], early_stopping=search[1], **options)


def check(following, prompt, cache, search, model, expected):
    call = sampler(search, return_all_beams=True)
    with torch.no_grad():
        texts, scores = call(following, prompt[0], cache, 1, prompt[1], stops(search), model=model)
    np.testing.assert_array_equal(ops.convert_to_numpy(texts), expected[0])
    np.testing.assert_allclose(ops.convert_to_numpy(scores), expected[1], atol=1e-4)


@pytest.mark.parametrize("search", SEARCHES)
def test_gpt2(search, models, theirs):
    """All kept texts and scores, from prompts of several lengths in one batch and KerasHub's cache."""
    model = models("gpt2", search[3])[1]
    with torch.no_grad():
        _, cache = model._build_cache(ops.convert_to_tensor(GPT2_PROMPT[0]))

    def following(prompt, cache, index):
        last = ops.slice(prompt, [0, index - 1], [prompt.shape[0], 1])
        logits, _, cache = model.call_with_cache(last, cache, index - 1)
        return logits[:, 0], None, cache

    check(following, GPT2_PROMPT, cache, search, model, theirs("gpt2", search))


@pytest.mark.parametrize("search", SEARCHES[:4])
def test_bart(search, models, theirs):
    """An encoder-decoder. Its start token, which is given, counts in no length, there as here."""
    model = models("bart", search[3])[1]

    def following(prompt, cache, index):
        inputs = {"encoder_token_ids": cache, "decoder_token_ids": prompt}
        masks = {name.replace("token_ids", "padding_mask"): ops.ones_like(x) for name, x in inputs.items()}
        return ops.take(model({**inputs, **masks}), index - 1, axis=1), None, cache

    check(following, BART_PROMPT, ops.convert_to_tensor(SOURCES), search, model, theirs("bart", search))


@pytest.mark.parametrize("name", ["gpt2", "bart"])
def test_generate(name, models, theirs):
    """The compiled `generate` of KerasHub, with the caches it makes."""
    model = models(name, 2)[1]
    model.compile(sampler=sampler(STOPPING[1]))
    if name == "gpt2":
        inputs = {"token_ids": GPT2_PROMPT[0], "padding_mask": GPT2_PROMPT[1] > 0}
    else:
        inputs = {
            "encoder_token_ids": SOURCES,
            "encoder_padding_mask": SOURCES >= 0,
            "decoder_token_ids": BART_PROMPT[0],
            "decoder_padding_mask": BART_PROMPT[1] > 0,
        }
    found = model.generate(inputs, stop_token_ids=STOPS)
    tokens = found["token_ids" if name == "gpt2" else "decoder_token_ids"]
    np.testing.assert_array_equal(tokens, theirs(name, STOPPING[1])[0][:, 0])


@pytest.mark.parametrize("name", ["gpt2", "bart"])
def test_the_searches_differ(name, theirs):
    """Of the oracle: its texts have many lengths, and each way of stopping finds others."""
    found = [theirs(name, search)[0] for search in STOPPING]
    assert all(len(np.unique((texts != PAD).sum(-1))) > 3 for texts in found)
    for one, other in itertools.combinations(found, 2):
        assert (one != other).any()
