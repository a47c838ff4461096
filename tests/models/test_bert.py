"""BERT against its formulas in float64 NumPy, and against KerasHub's own."""

import math

import keras
import keras_hub
import numpy as np
import pytest

import keras_nlp_zoo as knz
from keras_nlp_zoo.layers.dense import Dense, EinsumDense
from keras_nlp_zoo.layers.dropout import Dropout
from tests.called import called

SIZES = {"num_layers": 2, "num_heads": 2, "hidden_dim": 8, "intermediate_dim": 12, "max_sequence_length": 10}
LENGTHS = np.array([6, 1, 4])
MASK = (np.arange(6) < LENGTHS[:, None]).astype("int32")
INPUTS = {
    "token_ids": np.random.RandomState(0).randint(0, 20, (3, 6)).astype("int32"),
    "segment_ids": (np.arange(6) >= np.array([3, 6, 2])[:, None]).astype("int32"),
    "padding_mask": MASK,
}
ERF = np.vectorize(math.erf)
ACTIVATIONS = {
    "gelu": lambda x: x * (1 + ERF(x / np.sqrt(2))) / 2,
    "gelu_approximate": lambda x: x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))) / 2,
    "relu": lambda x: np.maximum(x, 0),
}


def make(**options):
    """A tiny BERT with weights that are far from zero, biases too."""
    backbone = knz.models.BertBackbone(20, **{**SIZES, **options})
    random = np.random.RandomState(1)
    backbone.set_weights([random.normal(size=weight.shape, scale=0.4) for weight in backbone.weights])
    return backbone


def reference(backbone, inputs, activation, epsilon):
    """Devlin et al. (2019), section 3, over Vaswani et al. (2017), section 3: one row at a time, without padding."""
    weight = {w.path: keras.ops.convert_to_numpy(w).astype("float64") for w in backbone.weights}

    def norm(x, name):
        centred = x - x.mean(-1, keepdims=True)
        return centred / np.sqrt(x.var(-1, keepdims=True) + epsilon) * weight[f"{name}/gamma"] + weight[f"{name}/beta"]

    def dense(x, name):
        return np.tensordot(x, weight[f"{name}/kernel"], 1) + weight[f"{name}/bias"]

    outputs = []
    for ids, segments, mask in zip(inputs["token_ids"], inputs["segment_ids"], inputs["padding_mask"], strict=True):
        size = mask.sum()
        x = weight["token_embedding/embeddings"][ids[:size]] + weight["segment_embedding/embeddings"][segments[:size]]
        x = norm(x + weight["position_embedding/embeddings"][:size], "embeddings_layer_norm")
        for i in range(backbone.num_layers):
            layer = f"transformer_layer_{i}"
            q, k, v = (dense(x, f"{layer}/self_attention_layer/{name}") for name in ("query", "key", "value"))
            scores = np.einsum("qhd,khd->hqk", q, k) / np.sqrt(q.shape[-1])
            attention = np.exp(scores - scores.max(-1, keepdims=True))
            attention /= attention.sum(-1, keepdims=True)
            mixed = np.einsum("hqk,khd->qhd", attention, v)
            output = weight[f"{layer}/self_attention_layer/attention_output/kernel"]
            mixed = (
                np.einsum("qhd,hdo->qo", mixed, output) + weight[f"{layer}/self_attention_layer/attention_output/bias"]
            )
            x = norm(x + mixed, f"{layer}/self_attention_layer_norm")
            wide = activation(dense(x, f"{layer}/feedforward_intermediate_dense"))
            x = norm(x + dense(wide, f"{layer}/feedforward_output_dense"), f"{layer}/feedforward_layer_norm")
        outputs.append((x, np.tanh(dense(x[0], "pooled_dense"))))
    return outputs


@pytest.mark.parametrize(("name", "epsilon"), [("gelu", 1e-12), ("gelu_approximate", 1e-3), ("relu", 0.1)])
def test_outputs_are_those_of_the_formulas(name, epsilon):
    backbone = make(activation=name, layer_norm_epsilon=epsilon)
    found = called(backbone, INPUTS)
    for row, (sequence, pooled) in enumerate(reference(backbone, INPUTS, ACTIVATIONS[name], epsilon)):
        np.testing.assert_allclose(found["sequence_output"][row, : len(sequence)], sequence, atol=2e-5)
        np.testing.assert_allclose(found["pooled_output"][row], pooled, atol=2e-5)


def test_keras_hubs_own_is_the_approximate_one():
    """By default it is not: the two differ by more than rounding."""
    theirs = keras_hub.models.BertBackbone(20, **SIZES)
    expected = None
    for activation, same in (("gelu_approximate", True), ("gelu", False)):
        ours = make(activation=activation)
        theirs.set_weights(ours.get_weights())
        expected = called(theirs, INPUTS)["sequence_output"][MASK == 1]
        found = called(ours, INPUTS)["sequence_output"][MASK == 1]
        assert (np.abs(found - expected).max() < 1e-6) == same
    assert knz.models.BertBackbone(20, **SIZES).activation is keras.activations.gelu


@pytest.mark.parametrize("activation", ["gelu", "gelu_approximate", "relu"])
def test_it_is_saved_with_its_activation(activation, tmp_path):
    backbone = make(activation=activation, layer_norm_epsilon=1e-3, dropout=0.3, num_segments=3)
    expected = called(backbone, INPUTS)["sequence_output"]
    backbone.save(tmp_path / "model.keras")
    backbone.save_to_preset(str(tmp_path / "preset"))
    for again in (
        keras.saving.load_model(tmp_path / "model.keras"),
        knz.models.BertBackbone.from_preset(str(tmp_path / "preset")),
    ):
        assert again.get_config() == backbone.get_config()
        assert (again.get_config()["activation"], again.dropout, again.num_segments) == (activation, 0.3, 3)
        np.testing.assert_allclose(called(again, INPUTS)["sequence_output"], expected, atol=1e-6)


def test_its_layers_are_those_of_this_package():
    """KerasHub's constructor makes Keras's own, which multiply rows of padding too and draw dropout slowly."""
    kinds = {type(layer) for layer in make(dropout=0.1)._flatten_layers()}
    assert {Dense, EinsumDense, Dropout} <= kinds
    assert not {keras.layers.Dense, keras.layers.EinsumDense, keras.layers.Dropout} & kinds


def test_an_activation_that_is_none():
    with pytest.raises(ValueError, match="swash"):
        knz.models.BertBackbone(20, **SIZES, activation="swash")
