"""The deep averaging network against float64 NumPy."""

import keras
import numpy as np
import pytest

from keras_nlp_zoo.models import DNNBackbone

RANDOM = np.random.RandomState(0)


def test_against_numpy():
    backbone = DNNBackbone(30, embedding_dim=6, hidden_dim=(5, 4), word_dropout=0.5)
    weights = [keras.ops.convert_to_numpy(w).astype("float64") for w in backbone.weights if w.dtype != "uint32"]
    embeddings, *dense = weights
    for length in (1, 3, 8):
        ids = RANDOM.randint(0, 30, length)
        x = embeddings[ids].mean(axis=0)
        for kernel, bias in zip(dense[::2], dense[1::2], strict=True):
            x = np.maximum(x @ kernel + bias, 0)
        inputs = {"token_ids": ids[None], "padding_mask": np.ones((1, length), "int32")}
        outputs = backbone(inputs)
        np.testing.assert_allclose(keras.ops.convert_to_numpy(outputs["pooled_output"])[0], x, atol=1e-6)
        np.testing.assert_allclose(
            keras.ops.convert_to_numpy(outputs["sequence_output"])[0], embeddings[ids], atol=1e-6
        )


def test_order_plays_no_part():
    backbone = DNNBackbone(30, embedding_dim=6, hidden_dim=5)
    ids = RANDOM.randint(0, 30, (1, 8))
    one, other = (
        keras.ops.convert_to_numpy(backbone({"token_ids": i, "padding_mask": np.ones_like(i)})["pooled_output"])
        for i in (ids, ids[:, ::-1].copy())
    )
    np.testing.assert_allclose(one, other, atol=1e-6)


def test_word_dropout_is_active_in_training_only():
    backbone = DNNBackbone(30, embedding_dim=6, hidden_dim=50, word_dropout=0.5)
    inputs = {"token_ids": RANDOM.randint(0, 30, (1, 20)), "padding_mask": np.ones((1, 20), "int32")}

    def run(training):
        return keras.ops.convert_to_numpy(backbone(inputs, training=training)["pooled_output"])

    assert np.abs(run(True) - run(True)).max() > 0
    np.testing.assert_array_equal(run(False), run(False))


def test_defaults_are_those_of_the_paper():
    config = DNNBackbone(10).get_config()
    assert (config["embedding_dim"], config["hidden_dim"], config["num_layers"], config["word_dropout"]) == (
        300,
        300,
        3,
        0.3,
    )


def test_widths_of_their_own():
    backbone = DNNBackbone(10, hidden_dim=(64, 32))
    assert backbone.output["pooled_output"].shape == (None, 32)
    assert backbone.num_layers == 2
    with pytest.raises(ValueError, match="`hidden_dim` must be an int of at least 1"):
        DNNBackbone(10, hidden_dim=(64, 0))
