"""The Transformer's layers against the equations of the paper in float64 NumPy."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_nlp_zoo.layers import PositionEncoding, Transformer, TransformerDecoder, TransformerEncoder
from keras_nlp_zoo.layers.transformer_block import put
from tests.called import called, numpy

RANDOM = np.random.RandomState(0)
DIM, HEADS, WIDTH, LAYERS = 8, 2, 12, 2
BATCH, SOURCE, TARGET = 3, 6, 5
SIZES = {"num_layers": LAYERS, "num_heads": HEADS, "intermediate_dim": WIDTH}
SOURCES = RANDOM.normal(size=(BATCH, SOURCE, DIM)).astype("float32")
TARGETS = RANDOM.normal(size=(BATCH, TARGET, DIM)).astype("float32")
SOURCE_MASK = (np.arange(SOURCE) < np.array([6, 1, 4])[:, None]).astype("int32")
TARGET_MASK = (np.arange(TARGET) < np.array([2, 5, 3])[:, None]).astype("int32")


def make(layer_class, *shapes, **options):
    """A layer whose biases are not zero and whose norms are not one."""
    layer = layer_class(**{**SIZES, **options})
    layer.build(*shapes)
    for weight in layer.weights:
        if "seed" not in weight.name:
            weight.assign(RANDOM.normal(size=weight.shape, scale=0.4))
    return layer


# === The oracle ===


def dense(layer, x):
    return x @ numpy(layer.kernel).astype("float64") + numpy(layer.bias)


def norm(layer, x, used=True):
    if not used:
        return x
    centred = x - x.mean(-1, keepdims=True)
    deviation = np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-5)
    return centred / deviation * numpy(layer.gamma) + numpy(layer.beta)


def attention(query, key, value, allowed):
    """Equation 1 for each row, head and query on its own: only what is allowed takes part."""
    out, weights = np.zeros_like(query), np.zeros((BATCH, HEADS, query.shape[1], key.shape[1]))
    for row, head, place in np.ndindex(BATCH, HEADS, query.shape[1]):
        part = slice(head * DIM // HEADS, (head + 1) * DIM // HEADS)
        seen = allowed[row, place]
        scores = key[row][seen][:, part] @ query[row, place, part] / np.sqrt(DIM // HEADS)
        exponents = np.exp(scores)
        weights[row, head, place, seen] = exponents / exponents.sum()
        out[row, place, part] = weights[row, head, place] @ value[row][:, part]
    return out, weights


def expected(stack, x, allowed, memory=None, memory_allowed=None):
    """Section 3.1: the outputs, the weights over the inputs and those over the memory."""
    x, scores, memory_scores, first = x.astype("float64"), [], [], stack.normalize_first
    for block in stack.blocks:
        read = np.split(dense(block.attention.query_key_value_dense, norm(block.attention_norm, x, first)), 3, axis=-1)
        added, weights = attention(*read, allowed)
        scores.append(weights)
        x = norm(block.attention_norm, x + dense(block.attention.output_dense, added), not first)
        if memory is not None:
            query = dense(block.cross_attention.query_dense, norm(block.cross_attention_norm, x, first))
            read = np.split(dense(block.cross_attention.key_value_dense, memory), 2, axis=-1)
            added, weights = attention(query, *read, memory_allowed)
            memory_scores.append(weights)
            added = dense(block.cross_attention.output_dense, added)
            x = norm(block.cross_attention_norm, x + added, not first)
        hidden = np.maximum(dense(block.intermediate_dense, norm(block.feedforward_norm, x, first)), 0)
        x = norm(block.feedforward_norm, x + dense(block.output_dense, hidden), not first)
    stacked = [np.stack(one, axis=1) for one in (scores, memory_scores) if one]
    return norm(stack.norm, x, stack.final_norm), *stacked


OPTIONS = [{}, {"normalize_first": True}, {"final_norm": False}]


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("masked", [False, True])
def test_encoder(options, masked):
    encoder = make(TransformerEncoder, SOURCES.shape, **options)
    mask = SOURCE_MASK if masked else np.ones_like(SOURCE_MASK)
    found = called(encoder, SOURCES, mask=mask if masked else None, return_attention_scores=True)
    for one, other in zip(found, expected(encoder, SOURCES, visible(mask, SOURCE)), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)
    np.testing.assert_allclose(called(encoder, SOURCES, mask=mask), found[0], atol=1e-6)


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("cross_attention", [False, True])
def test_decoder(options, causal, cross_attention):
    shapes = (TARGETS.shape, SOURCES.shape)[: 1 + cross_attention]
    decoder = make(TransformerDecoder, *shapes, cross_attention=cross_attention, **options)
    allowed = visible(TARGET_MASK, TARGET)
    if causal:
        allowed = allowed & np.tri(TARGET, dtype=bool)
    memory = (SOURCES, visible(SOURCE_MASK, TARGET)) if cross_attention else ()
    found = called(
        decoder,
        TARGETS,
        SOURCES if cross_attention else None,
        mask=TARGET_MASK,
        memory_mask=SOURCE_MASK if cross_attention else None,
        use_causal_mask=causal,
        return_attention_scores=True,
    )
    for one, other in zip(found, expected(decoder, TARGETS, allowed, *memory), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


def visible(mask, queries):
    """`(batch, queries, keys)`: every query may look where the mask is 1."""
    return np.repeat(mask[:, None].astype(bool), queries, axis=1)


def test_transformer_is_encoder_and_decoder():
    transformer = make(Transformer, SOURCES.shape, TARGETS.shape)
    outputs, scores, target_scores, memory_scores = called(
        transformer, SOURCES, TARGETS, source_mask=SOURCE_MASK, return_attention_scores=True
    )
    memory, wanted_scores = expected(transformer.encoder, SOURCES, visible(SOURCE_MASK, SOURCE))
    causal = np.repeat(np.tri(TARGET, dtype=bool)[None], BATCH, axis=0)
    wanted = expected(transformer.decoder, TARGETS, causal, memory, visible(SOURCE_MASK, TARGET))
    found = (outputs, target_scores, memory_scores, scores)
    for one, other in zip(found, (*wanted, wanted_scores), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)
    # Another mask for the memory than for the source, and masks that come with the tensors
    shorter = SOURCE_MASK * np.array([1, 1, 0, 0, 0, 0])
    wanted = expected(transformer.decoder, TARGETS, causal, memory, visible(shorter, TARGET))[0]
    found = transformer(SOURCES, TARGETS, source_mask=SOURCE_MASK, memory_mask=shorter)
    np.testing.assert_allclose(numpy(found), wanted, atol=1e-5)
    ids = np.array([[3, 4, 0], [5, 0, 0]])
    vectors = keras.layers.Embedding(6, DIM, mask_zero=True)(ids)
    found = transformer(vectors, TARGETS[:2])
    wanted = transformer(numpy(vectors), TARGETS[:2], source_mask=ids > 0)
    np.testing.assert_allclose(numpy(found), numpy(wanted), atol=1e-6)
    assert getattr(found, "_keras_mask", None) is None  # not the source's


# === Step by step ===


@pytest.mark.parametrize("cross_attention", [False, True])
@pytest.mark.parametrize("normalize_first", [False, True])
def test_decoding_step_by_step(cross_attention, normalize_first):
    """Against the oracle, with room to spare; first several positions at once."""
    shapes = (TARGETS.shape, SOURCES.shape)[: 1 + cross_attention]
    options = {"cross_attention": cross_attention, "normalize_first": normalize_first, "dropout": 0.5}
    decoder = make(TransformerDecoder, *shapes, **options)
    memory = (SOURCES, SOURCE_MASK) if cross_attention else ()
    cache = decoder.start(BATCH, TARGET + 2, *memory)
    assert all(leaf.shape[0] == BATCH for leaf in keras.tree.flatten(cache))
    found = []
    for start, end in ((0, 2), (2, 3), (3, 4), (4, 5)):
        # a place that is an int, and one that is a tensor
        index = start if start < 3 else ops.convert_to_tensor(start, "int32")
        output, cache = decoder.step(TARGETS[:, start:end], index, cache)
        found.append(numpy(output))
    causal = np.repeat(np.tri(TARGET, dtype=bool)[None], BATCH, axis=0)
    memory = (SOURCES, visible(SOURCE_MASK, TARGET)) if cross_attention else ()
    wanted = expected(decoder, TARGETS, causal, *memory)[0]
    np.testing.assert_allclose(np.concatenate(found, axis=1), wanted, atol=1e-5)


def test_values_are_put_into_a_cache():
    """One after another, several at once, at a place that is an int or a tensor; in place on PyTorch."""
    wanted = RANDOM.normal(size=(BATCH, HEADS, 6, 4)).astype("float32")
    cache = start = ops.convert_to_tensor(wanted.copy())
    for place, length in ((0, 3), (3, 1), (4, 2), (5, 1), (1, 1)):
        values = RANDOM.normal(size=(BATCH, HEADS, length, 4)).astype("float32")
        for index in (place, ops.convert_to_tensor(place, "int32")):
            cache = put(cache, ops.convert_to_tensor(values + 1 if index is place else values), index)
        wanted[:, :, place : place + length] = values
        np.testing.assert_array_equal(numpy(cache), wanted)
    assert (cache is start) == (keras.backend.backend() == "torch")


# === Masks ===


def test_what_stands_in_the_padding_does_not_matter():
    transformer = make(Transformer, SOURCES.shape, TARGETS.shape)
    short = called(transformer, SOURCES, TARGETS, source_mask=SOURCE_MASK)
    noise = 1e3 * RANDOM.normal(size=(BATCH, 40, DIM))
    longer = np.concatenate([np.where(SOURCE_MASK[:, :, None], SOURCES, 1e3), noise], axis=1).astype("float32")
    mask = np.pad(SOURCE_MASK, ((0, 0), (0, 40)))
    np.testing.assert_allclose(called(transformer, longer, TARGETS, source_mask=mask), short, atol=1e-5)


@pytest.mark.parametrize("dtype", ["float32", "float16", "mixed_bfloat16"])
def test_a_source_that_is_all_padding(dtype):
    """Nothing can be seen of it: neither what stands in it nor how much there is."""
    transformer = make(Transformer, SOURCES.shape, TARGETS.shape, dtype=dtype, num_layers=1)
    outputs = [
        called(transformer, source, TARGETS[:1], source_mask=np.zeros(source.shape[:2], "int32"))
        for source in (SOURCES[:1], SOURCES[1:2, :3])
    ]
    assert keras.backend.standardize_dtype(outputs[0].dtype) == dtype.removeprefix("mixed_")
    outputs = [output.astype("float32") for output in outputs]
    assert np.isfinite(outputs).all()
    np.testing.assert_allclose(*outputs, atol=1e-5 if dtype == "float32" else 0.05)
    hidden = called(transformer.decoder, TARGETS, SOURCES, mask=np.zeros_like(TARGET_MASK))
    assert np.isfinite(hidden.astype("float32")).all()


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_hides_padding_too(dtype):
    encoder = make(TransformerEncoder, SOURCES.shape, dtype=f"mixed_{dtype}", num_layers=1)
    _, scores = called(encoder, SOURCES, mask=SOURCE_MASK, return_attention_scores=True)
    scores = scores.astype("float32")
    assert (scores * (1 - SOURCE_MASK[:, None, None, None]) == 0).all()
    wanted = expected(encoder, SOURCES, visible(SOURCE_MASK, SOURCE))[1]
    np.testing.assert_allclose(scores, wanted, atol=0.02)


# === Keras ===


def test_dropout_in_training_only():
    transformer = make(Transformer, SOURCES.shape, TARGETS.shape, dropout=0.5)
    one, other = (numpy(transformer(SOURCES, TARGETS, training=True)) for _ in range(2))
    assert np.abs(one - other).max() > 0
    one, other = (called(transformer, SOURCES, TARGETS) for _ in range(2))
    np.testing.assert_array_equal(one, other)
    without = make(Transformer, SOURCES.shape, TARGETS.shape, dropout=0.0)
    assert not [layer for layer in without._flatten_layers() if isinstance(layer, keras.layers.Dropout)]


def test_a_model_with_the_layers_is_saved_and_loaded(tmp_path):
    source, target = keras.Input((None, DIM), name="source"), keras.Input((None, DIM), name="target")
    options = {**SIZES, "dropout": 0.2, "activation": "gelu", "normalize_first": True, "layer_norm_epsilon": 1e-6}
    hidden = TransformerEncoder(**options)(source)
    hidden, own, other = TransformerDecoder(**options)(target, hidden, return_attention_scores=True)
    hidden = TransformerDecoder(**options, cross_attention=False)(PositionEncoding(9, "learned")(hidden))
    outputs, *scores = Transformer(**options)(source, hidden, return_attention_scores=True)
    assert len(scores) == 3
    model = keras.Model([source, target], [outputs, own, other, *scores])
    before = [numpy(x) for x in model([SOURCES, TARGETS])]
    for one, symbolic in zip(before, model.outputs, strict=True):
        assert len(one.shape) == len(symbolic.shape)
        assert all(known in (None, real) for known, real in zip(symbolic.shape, one.shape, strict=True))
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    for one, other in zip(before, again([SOURCES, TARGETS]), strict=True):
        np.testing.assert_array_equal(one, numpy(other))
    for layer, twin in zip(model.layers, again.layers, strict=True):
        assert layer.get_config() == twin.get_config()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_layers": 0}, "`num_layers` must be an int of at least 1. Received: num_layers=0"),
        ({"num_heads": 2.0}, "`num_heads` must be an int of at least 1. Received: num_heads=2.0"),
        ({"intermediate_dim": True}, "`intermediate_dim` must be an int of at least 1"),
        ({"dropout": 1}, r"`dropout` must be a number in \[0, 1\). Received: dropout=1"),
        ({"num_heads": 3}, "`num_heads` must divide the width of the inputs. Received: num_heads=3, inputs 8 wide"),
    ],
)
@pytest.mark.parametrize("layer_class", [TransformerEncoder, Transformer])
def test_bad_arguments(layer_class, arguments, message):
    inputs = (SOURCES,) if layer_class is TransformerEncoder else (SOURCES, TARGETS)
    with pytest.raises(ValueError, match=message):
        layer_class(**{**SIZES, **arguments})(*inputs)


def test_bad_calls():
    with pytest.raises(ValueError, match="`memory` must be given with cross_attention=True"):
        TransformerDecoder(**SIZES)(TARGETS)
    alone = TransformerDecoder(**SIZES, cross_attention=False)
    with pytest.raises(ValueError, match="`memory` must be left out with cross_attention=False"):
        alone(TARGETS, SOURCES)
    with pytest.raises(ValueError, match="`memory` must be left out"):
        alone(keras.Input((5, DIM)), keras.Input((6, DIM)))


# === Positions ===


def test_sinusoids_are_those_of_the_paper():
    """Section 3.5, one element after another."""
    length, dim = 300, 8
    wanted = np.zeros((length, dim))
    for position in range(length):
        for i in range(dim // 2):
            angle = position / 10_000 ** (2 * i / dim)
            wanted[position, 2 * i], wanted[position, 2 * i + 1] = np.sin(angle), np.cos(angle)
    layer = PositionEncoding(length)
    np.testing.assert_allclose(numpy(layer(np.zeros((2, length, dim), "float32"))), [wanted] * 2, atol=1e-6)
    ones = np.ones((1, 2, dim), "float32")
    for start in (7, ops.convert_to_tensor(7, "int32")):
        found = numpy(layer(ones, start_index=start))[0]
        np.testing.assert_allclose(found, dim**0.5 + wanted[7:9], atol=1e-6)
    half = PositionEncoding(length, dtype="bfloat16")
    found = numpy(half(np.zeros((1, length, dim), "float32"))).astype("float32")[0]
    np.testing.assert_allclose(found, wanted, atol=0.004)


def test_learned_positions():
    layer = PositionEncoding(7, "learned")
    inputs = RANDOM.normal(size=(2, 5, DIM)).astype("float32")
    for start in (0, 2, ops.convert_to_tensor(2, "int32")):
        found = numpy(layer(inputs, start_index=start))
        table = numpy(layer.weights[0])[int(start) : int(start) + 5]
        np.testing.assert_allclose(found, (inputs + table) * DIM**0.5, atol=1e-5)


@pytest.mark.parametrize("kind", ["sinusoidal", "learned"])
def test_positions_of_vectors_that_are_not_scaled(kind):
    layer = PositionEncoding(7, kind, scale=False)
    inputs = RANDOM.normal(size=(2, 5, DIM)).astype("float32")
    layer.build(inputs.shape)
    if kind == "learned":
        table = numpy(layer.weights[0])
    else:
        angles = np.arange(7)[:, None] / 10_000 ** (np.arange(0, DIM, 2) / DIM)
        table = np.stack([np.sin(angles), np.cos(angles)], axis=-1).reshape(7, DIM)
    for start in (0, 2, ops.convert_to_tensor(2, "int32")):
        wanted = inputs + table[int(start) : int(start) + 5]
        np.testing.assert_allclose(numpy(layer(inputs, start_index=start)), wanted, atol=1e-6)
    again = PositionEncoding.from_config(layer.get_config())
    assert again.get_config() == layer.get_config()
    again.build(inputs.shape)
    again.set_weights(layer.get_weights())
    np.testing.assert_array_equal(numpy(again(inputs)), numpy(layer(inputs)))


def test_learned_positions_begin_as_long_as_what_they_are_added_to():
    """A token's vector is one long where it is scaled by the root of its width, else GPT-2's and BERT's deviation."""
    for scale, deviation in ((True, 64**-0.5), (False, 0.02)):
        layer = PositionEncoding(500, "learned", scale)
        layer.build((None, None, 64))
        assert numpy(layer.weights[0]).std() == pytest.approx(deviation, rel=0.02)


@pytest.mark.parametrize("kind", ["sinusoidal", "learned"])
def test_too_many_positions(kind):
    layer = PositionEncoding(7, kind)
    layer(np.zeros((1, 7, DIM), "float32"))
    for length, start in ((8, 0), (1, 7)):
        with pytest.raises(ValueError, match=r"`max_sequence_length` is 7\. Received: 8 positions"):
            layer(np.zeros((1, length, DIM), "float32"), start_index=start)
    with pytest.raises(ValueError, match="`max_sequence_length` must be an int of at least 1"):
        PositionEncoding(0, kind)
    with pytest.raises(ValueError, match=r"`kind` must be one of sinusoidal, learned\. Received: kind='rotary'"):
        PositionEncoding(7, "rotary")
