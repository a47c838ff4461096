"""GPT-2's backbone; `tests/interop` compares it with that of `transformers`."""

import inspect
import math

import keras
import numpy as np
import pytest
from keras import ops

from keras_nlp_zoo.models import GPT2Backbone, TransformerDecoderBackbone
from tests.called import called, numpy

RANDOM = np.random.RandomState(0)
SIZES = {"num_layers": 2, "num_heads": 2, "hidden_dim": 8, "intermediate_dim": 12, "max_sequence_length": 20}
VOCABULARY = 30
IDS = np.random.RandomState(1).randint(0, VOCABULARY, (3, 7)).astype("int32")


def make(**options):
    """A backbone whose biases are not zero and whose norms are not one."""
    backbone = GPT2Backbone(VOCABULARY, **{**SIZES, **options})
    for weight in backbone.weights:
        if "seed" not in weight.name:
            weight.assign(weight + RANDOM.normal(size=weight.shape, scale=0.2))
    return backbone


def run(backbone, ids=IDS, lengths=None):
    mask = np.ones_like(ids) if lengths is None else (np.arange(ids.shape[1]) < np.array(lengths)[:, None])
    return called(backbone, {"token_ids": ids, "padding_mask": mask.astype("int32")})["sequence_output"]


def gelu(x):
    return 0.5 * x * (1 + math.erf(x / math.sqrt(2)))


def gelu_with_tanh(x):
    return 0.5 * x * (1 + math.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


ACTIVATIONS = {"gelu_approximate": gelu_with_tanh, "gelu": gelu, "relu": lambda x: max(x, 0.0)}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_by_name(name):
    backbone = make(activation=name, num_layers=1)
    x = np.linspace(-4, 4, 81)
    found = numpy(backbone.activation(ops.convert_to_tensor(x, "float32")))
    np.testing.assert_allclose(found, [ACTIVATIONS[name](one) for one in x], atol=2e-6)
    assert backbone.get_config()["activation"] == name
    again = GPT2Backbone.from_config(backbone.get_config())
    again.set_weights(backbone.get_weights())
    np.testing.assert_array_equal(run(again), run(backbone))
    other = make(activation="relu" if name != "relu" else "gelu", num_layers=1)
    other.set_weights(backbone.get_weights())
    assert np.abs(run(other) - run(backbone)).max() > 1e-3


def test_the_activation_is_the_one_with_tanh_unless_said_otherwise():
    assert make().get_config()["activation"] == "gelu_approximate"
    x = ops.convert_to_tensor([2.0])
    assert float(numpy(make().activation(x))[0]) == pytest.approx(gelu_with_tanh(2.0), abs=1e-6)
    assert abs(gelu_with_tanh(2.0) - gelu(2.0)) > 5e-5


def test_config():
    backbone = make(dropout=0.25)
    config = backbone.get_config()
    assert {key: config[key] for key in SIZES} == SIZES
    assert (config["vocabulary_size"], config["dropout"]) == (VOCABULARY, 0.25)
    assert not {"normalize_first", "positions", "final_norm", "scale_embeddings"} & set(config)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(backbone))
    assert type(again) is GPT2Backbone
    assert again.get_config() == config
    again.set_weights(backbone.get_weights())
    np.testing.assert_array_equal(run(again), run(backbone))


def test_a_decoder_told_to_be_a_gpt2_is_one():
    backbone = make()
    options = {"normalize_first": True, "positions": "learned", "final_norm": True, "scale_embeddings": False}
    decoder = TransformerDecoderBackbone(VOCABULARY, **SIZES, activation=backbone.activation, **options)
    decoder.set_weights(backbone.get_weights())
    np.testing.assert_array_equal(run(decoder), run(backbone))


def test_vectors_of_tokens_and_positions_are_added_as_they_are():
    backbone = make()
    words, places = numpy(backbone.token_embedding.embeddings), numpy(backbone.position_encoding.table)
    expected = words[IDS] + places[:7]
    np.testing.assert_allclose(numpy(backbone.position_encoding(words[IDS])), expected, atol=1e-6)
    late = numpy(backbone.position_encoding(words[IDS], start_index=ops.convert_to_tensor(4)))
    np.testing.assert_allclose(late, words[IDS] + places[4:11], atol=1e-6)


def test_it_begins_as_in_the_paper():
    """Section 2.3 of the first GPT's paper, for both tables."""
    backbone = GPT2Backbone(2000, **{**SIZES, "hidden_dim": 64, "max_sequence_length": 500})
    for table in (backbone.token_embedding.embeddings, backbone.position_encoding.table):
        assert numpy(table).std() == pytest.approx(0.02, rel=0.05)


def test_later_tokens_and_padding_do_not_matter():
    backbone = make()
    before = run(backbone)
    changed = IDS.copy()
    changed[:, 4] = (changed[:, 4] + 1) % VOCABULARY
    after = run(backbone, changed)
    np.testing.assert_array_equal(after[:, :4], before[:, :4])
    assert np.abs(after[:, 4:] - before[:, 4:]).max(-1).min() > 1e-4
    short = run(backbone, lengths=[7, 1, 4])
    for row, length in enumerate([7, 1, 4]):
        np.testing.assert_allclose(short[row, :length], before[row, :length], atol=1e-5)
        assert not short[row, length:].any()


@pytest.mark.parametrize("begun", [0, 1, 4])
def test_decoding_step_by_step_is_reading_at_once(begun):
    backbone = make(dropout=0.5)
    expected = run(backbone)
    beginning = IDS[:, : begun + 2]  # what is not to be read is written over
    mask = np.broadcast_to(np.arange(begun + 2) < begun, (3, begun + 2)).astype("int32")
    cache = called(backbone.start_decoding, beginning, mask, max_length=12)
    assert all(leaf.shape[0] == 3 for leaf in keras.tree.flatten(cache))
    for index in range(begun, 7):
        output, cache = called(backbone.decode_step, IDS[:, index], index, cache)
        np.testing.assert_allclose(output, expected[:, index], atol=1e-5)


def test_several_tokens_in_one_step():
    backbone = make()
    expected = run(backbone)
    cache = called(backbone.start_decoding, IDS[:, :1], np.ones((3, 1), "int32"), max_length=7)
    several, cache = called(backbone.decode_step, IDS[:, 1:5], 1, cache)
    one, _ = called(backbone.decode_step, IDS[:, 5], 5, cache)
    np.testing.assert_allclose(several, expected[:, 1:5], atol=1e-5)
    np.testing.assert_allclose(one, expected[:, 5], atol=1e-5)


def number_of_weights(vocabulary_size, num_layers, hidden_dim, intermediate_dim, max_sequence_length):
    dim, width = hidden_dim, intermediate_dim
    block = 4 * (dim + 1) * dim + (dim + 1) * width + (width + 1) * dim + 2 * 2 * dim
    return (vocabulary_size + max_sequence_length) * dim + num_layers * block + 2 * dim


def test_the_defaults_are_the_smallest_of_the_paper():
    """124 million parameters with 50,257 tokens; counted for a smaller one."""
    backbone = make()
    seeds = sum(int(np.prod(weight.shape)) for weight in backbone.weights if "seed" in weight.name)
    tiny = {key: value for key, value in SIZES.items() if key != "num_heads"}
    assert backbone.count_params() - seeds == number_of_weights(VOCABULARY, **tiny)
    arguments = inspect.signature(GPT2Backbone.__init__).parameters
    assert number_of_weights(50_257, **{key: arguments[key].default for key in tiny}) == 124_439_808
    assert arguments["num_heads"].default == 12
    assert backbone.default_optimizer is None


def test_too_long():
    backbone = make()
    with pytest.raises(ValueError, match=r"`max_sequence_length` is 20\. Received: 21 positions"):
        run(backbone, np.ones((1, 21), "int32"))
    with pytest.raises(ValueError, match=r"`max_length` must not exceed max_sequence_length=20\. Received: 21"):
        called(backbone.start_decoding, IDS, np.ones_like(IDS), max_length=21)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"vocabulary_size": 0}, "`vocabulary_size` must be an int of at least 1"),
        ({"num_heads": 3}, "`num_heads` must divide `hidden_dim`. Received: num_heads=3, hidden_dim=8"),
        ({"dropout": 1}, r"`dropout` must be a number in \[0, 1\)"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        GPT2Backbone(**{"vocabulary_size": VOCABULARY, **SIZES, **arguments})
