"""The Transformer's backbones; their layers are tested in `tests/layers/test_transformer.py`."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_nlp_zoo.models import TransformerBackbone, TransformerDecoderBackbone, TransformerEncoderBackbone
from tests.called import called, numpy

RANDOM = np.random.RandomState(0)
SIZES = {"num_layers": 2, "num_heads": 2, "hidden_dim": 8, "intermediate_dim": 12, "max_sequence_length": 20}
VOCABULARY, BATCH, SOURCE, TARGET = 30, 3, 7, 5
SOURCE_LENGTHS, TARGET_LENGTHS = [7, 1, 4], [2, 5, 3]
BACKBONES = [TransformerBackbone, TransformerEncoderBackbone, TransformerDecoderBackbone]


def padded(lengths, width, fill=0):
    mask = (np.arange(width) < np.array(lengths)[:, None]).astype("int32")
    return np.where(mask, np.random.RandomState(1).randint(1, VOCABULARY, mask.shape), fill).astype("int32"), mask


def batch(backbone_class, extra=0, fill=0):
    source, source_mask = padded(SOURCE_LENGTHS, SOURCE, fill)
    target, target_mask = padded(TARGET_LENGTHS, TARGET, fill)
    sides = {"encoder": (source, source_mask), "decoder": (target, target_mask)}
    if backbone_class is not TransformerBackbone:
        sides = {"": (source, source_mask)}
    return {
        f"{side}_{name}".strip("_"): np.pad(array, ((0, 0), (0, extra)), constant_values=fill * (name == "token_ids"))
        for side, arrays in sides.items()
        for name, array in zip(("token_ids", "padding_mask"), arrays, strict=True)
    }


def make(backbone_class, **options):
    """A backbone whose biases are not zero and whose norms are not one."""
    backbone = backbone_class(VOCABULARY, **{**SIZES, **options})
    for weight in backbone.weights:
        if "seed" not in weight.name:
            weight.assign(weight + RANDOM.normal(size=weight.shape, scale=0.1))
    return backbone


def run(backbone, inputs):
    return called(backbone, inputs)


@pytest.mark.parametrize("backbone_class", BACKBONES)
def test_padding_is_zero_and_does_not_matter(backbone_class):
    backbone = make(backbone_class, positions="learned")
    inputs = batch(backbone_class)
    short, long = run(backbone, inputs), run(backbone, batch(backbone_class, 3, fill=17))
    assert np.isfinite(long["pooled_output" if "pooled_output" in long else next(iter(long))]).all()
    for name, value in short.items():
        if name == "pooled_output":
            np.testing.assert_allclose(long[name], value, atol=1e-5)
            continue
        mask = inputs[name.replace("sequence_output", "padding_mask")]
        assert (value[mask == 0] == 0).all()
        assert (np.abs(value[mask == 1]).sum(-1) > 0).all()
        np.testing.assert_allclose(long[name][:, : mask.shape[1]], value, atol=1e-5)
        assert (long[name][:, mask.shape[1] :] == 0).all()


def test_encoder_pools_the_mean_of_the_tokens():
    outputs = run(make(TransformerEncoderBackbone), batch(TransformerEncoderBackbone))
    means = [row[:length].mean(0) for row, length in zip(outputs["sequence_output"], SOURCE_LENGTHS, strict=True)]
    np.testing.assert_allclose(outputs["pooled_output"], means, atol=1e-6)


@pytest.mark.parametrize("backbone_class", [TransformerBackbone, TransformerDecoderBackbone])
def test_later_tokens_do_not_matter(backbone_class):
    backbone, inputs = make(backbone_class), batch(backbone_class)
    prefix = "decoder_" if backbone_class is TransformerBackbone else ""
    inputs[f"{prefix}padding_mask"] = np.ones_like(inputs[f"{prefix}padding_mask"])
    before = run(backbone, inputs)[f"{prefix}sequence_output"]
    inputs[f"{prefix}token_ids"][:, 2] = 29
    after = run(backbone, inputs)[f"{prefix}sequence_output"]
    np.testing.assert_array_equal(after[:, :2], before[:, :2])
    assert (np.abs(after[:, 2:] - before[:, 2:]).max(-1) > 1e-4).all()


# === Decoding ===


def decode_in_a_loop(step, cache, token_ids, dim):
    """What `step` says of each position, in a loop that the backend compiles if it compiles at all."""
    outputs = ops.zeros((*token_ids.shape, dim))

    def loop(cache, token_ids, outputs):
        def body(index, cache, outputs):
            output, cache = step(ops.take(token_ids, index, axis=1), index, cache)
            return index + 1, cache, ops.slice_update(outputs, (0, index, 0), output[:, None])

        index = ops.convert_to_tensor(0, "int32")
        length = token_ids.shape[1]
        return ops.while_loop(lambda index, *_: index < length, body, (index, cache, outputs))[2]

    if keras.backend.backend() == "jax":
        import jax

        loop = jax.jit(loop)
    elif keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        loop = tf.function(loop)
    return numpy(loop(cache, ops.convert_to_tensor(token_ids), outputs))


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"positions": "learned", "tie_embeddings": False, "normalize_first": True},
    ],
)
def test_cached_decoding_is_full_decoding(options):
    """Logits, with dropout that must not be active, and room for more tokens than there are."""
    backbone = make(TransformerBackbone, dropout=0.5, **options)
    inputs = batch(TransformerBackbone)
    cache = backbone.start_decoding(inputs["encoder_token_ids"], inputs["encoder_padding_mask"], TARGET + 3)
    assert all(leaf.shape[0] == BATCH for leaf in keras.tree.flatten(cache))
    found = decode_in_a_loop(backbone.decode_step, cache, inputs["decoder_token_ids"], SIZES["hidden_dim"])
    inputs["decoder_padding_mask"] = np.ones_like(inputs["decoder_token_ids"])
    expected = run(backbone, inputs)["decoder_sequence_output"]
    logits = [numpy(backbone.decoder_embedding(output, reverse=True)) for output in (found, expected)]
    assert logits[0].shape == (BATCH, TARGET, VOCABULARY)
    np.testing.assert_allclose(*logits, atol=1e-4)
    assert np.abs(logits[0]).max() > 0.1


def test_cached_decoding_of_the_decoder_alone():
    backbone = make(TransformerDecoderBackbone, dropout=0.5)
    ids = batch(TransformerDecoderBackbone)["token_ids"]
    expected = run(backbone, {"token_ids": ids, "padding_mask": np.ones_like(ids)})["sequence_output"]
    none = np.zeros_like(ids)
    cache = backbone.start_decoding(ids, none, SOURCE + 2)
    found = decode_in_a_loop(backbone.decode_step, cache, ids, SIZES["hidden_dim"])
    np.testing.assert_allclose(found, expected, atol=1e-5)
    several, cache = called(backbone.decode_step, ids[:, :4], 0, cache)  # a prompt, in one go
    one, _ = called(backbone.decode_step, ids[:, 4], 4, cache)
    np.testing.assert_allclose(several, expected[:, :4], atol=1e-5)
    np.testing.assert_allclose(one, expected[:, 4], atol=1e-5)


def test_the_rows_of_a_cache_can_be_reordered():
    """As a beam search does."""
    backbone, inputs = make(TransformerBackbone), batch(TransformerBackbone)
    source = inputs["encoder_token_ids"], inputs["encoder_padding_mask"]
    cache = called(backbone.start_decoding, *source, max_length=TARGET)
    ids = inputs["decoder_token_ids"]
    _, cache = called(backbone.decode_step, ids[:, 0], 0, cache)
    expected = called(backbone.decode_step, ids[:, 1], 1, cache)[0]
    order = np.array([2, 0, 0, 1])
    moved = keras.tree.map_structure(lambda leaf: np.take(leaf, order, axis=0), cache)
    np.testing.assert_allclose(called(backbone.decode_step, ids[order, 1], 1, moved)[0], expected[order], atol=1e-6)


# === Attention ===


def test_attention_scores():
    backbone, inputs = make(TransformerBackbone, dropout=0.5), batch(TransformerBackbone)
    scores = called(backbone.attention_scores, inputs)
    assert scores.shape == (BATCH, SIZES["num_layers"], SIZES["num_heads"], TARGET, SOURCE)
    np.testing.assert_allclose(scores.sum(-1), 1, atol=1e-5)
    hidden = inputs["encoder_padding_mask"][:, None, None, None] == 0
    assert (scores * hidden == 0).all()
    assert scores.std() > 0


# === Options ===


def test_embeddings_are_shared_or_not():
    tied, untied = (make(TransformerBackbone, tie_embeddings=tie) for tie in (True, False))
    assert tied.encoder_embedding is tied.decoder_embedding
    assert untied.count_params() - tied.count_params() == VOCABULARY * SIZES["hidden_dim"]
    assert (tied.tie_embeddings, untied.tie_embeddings) == (True, False)


def test_the_base_model_of_the_paper_has_its_size():
    """Table 3: 65 million parameters with a vocabulary of about 37,000; the norms at the end are not the paper's."""
    dim, width, vocabulary = 512, 2048, 500
    attention, feedforward, norm = 4 * (dim + 1) * dim, (dim + 1) * width + (width + 1) * dim, 2 * dim
    blocks = 6 * (attention + feedforward + 2 * norm) + 6 * (2 * attention + feedforward + 3 * norm)
    backbone = TransformerBackbone(vocabulary, final_norm=False, dtype="bfloat16")
    seeds = sum(int(np.prod(w.shape)) for w in backbone.weights if "seed" in w.name)
    assert backbone.count_params() - seeds == blocks + vocabulary * dim
    assert blocks + 37_000 * dim == pytest.approx(65e6, rel=0.04)


def test_embeddings_begin_at_unit_variance_after_scaling():
    for backbone in (
        TransformerBackbone(2000, **{**SIZES, "hidden_dim": 64}),
        TransformerEncoderBackbone(2000, **{**SIZES, "hidden_dim": 64}),
    ):
        table = numpy(getattr(backbone, "decoder_embedding", getattr(backbone, "token_embedding", None)).embeddings)
        assert table.std() * 8 == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("backbone_class", BACKBONES)
def test_config(backbone_class):
    options = {**SIZES, "positions": "learned", "activation": "gelu", "final_norm": False, "normalize_first": False}
    backbone = make(backbone_class, **options)
    again = backbone_class.from_config(backbone.get_config())
    assert again.get_config() == backbone.get_config()
    assert {name: again.get_config()[name] for name in options} == options
    again.set_weights(backbone.get_weights())
    inputs = batch(backbone_class)
    for name, value in run(backbone, inputs).items():
        np.testing.assert_array_equal(value, run(again, inputs)[name])


@pytest.mark.parametrize("backbone_class", BACKBONES)
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"vocabulary_size": 0}, "`vocabulary_size` must be an int of at least 1"),
        ({"max_sequence_length": 0}, "`max_sequence_length` must be an int of at least 1"),
        ({"num_heads": 3}, "`num_heads` must divide `hidden_dim`. Received: num_heads=3, hidden_dim=8"),
        ({"dropout": 1}, r"`dropout` must be a number in \[0, 1\)"),
        ({"positions": "rotary"}, "`positions` must be one of sinusoidal, learned. Received: positions='rotary'"),
    ],
)
def test_bad_arguments(backbone_class, arguments, message):
    with pytest.raises(ValueError, match=message):
        backbone_class(**{"vocabulary_size": VOCABULARY, **SIZES, **arguments})


@pytest.mark.parametrize("backbone_class", BACKBONES)
@pytest.mark.parametrize("positions", ["sinusoidal", "learned"])
def test_too_long(backbone_class, positions):
    backbone = make(backbone_class, positions=positions)
    with pytest.raises(ValueError, match=r"`max_sequence_length` is 20\. Received: 2[47] positions"):
        backbone(batch(backbone_class, extra=20))
    if backbone_class is not TransformerEncoderBackbone:
        inputs = list(batch(backbone_class).values())[:2]
        with pytest.raises(ValueError, match=r"`max_length` must not exceed max_sequence_length=20\. Received: 21"):
            backbone.start_decoding(*inputs, 21)


# Keras says so of every layer that has no int8 form, such as norms; they are meant to stay as they are.
@pytest.mark.filterwarnings("ignore:Layer .* does not have a `quantize` method:UserWarning")
def test_lora_and_int8():
    backbone, inputs = make(TransformerBackbone, num_layers=1), batch(TransformerBackbone)
    before = run(backbone, inputs)
    backbone.enable_lora(2)
    names = {layer.name for layer in backbone._flatten_layers() if getattr(layer, "lora_enabled", False)}
    assert names == {"query_key_value", "query", "key_value"}
    for name, value in run(backbone, inputs).items():
        np.testing.assert_allclose(value, before[name], atol=1e-6)  # until it is trained
    backbone.quantize("int8", filters="query_key_value")  # not all: each layer takes Keras half a second
    kinds = {layer.quantization_mode for layer in backbone._flatten_layers() if layer.name == "query_key_value"}
    assert kinds == {"int8"}
    for name, value in run(backbone, inputs).items():
        np.testing.assert_allclose(value, before[name], atol=0.1)
