"""The CNN backbone against float64 NumPy."""

import keras
import numpy as np

from keras_nlp_zoo.models import CNNBackbone

RANDOM = np.random.RandomState(0)


def expected(backbone, ids):
    """Windows centred on each token, zeros beyond both ends; ReLU; the maximum over the text."""
    words = keras.ops.convert_to_numpy(backbone.token_embedding.embeddings).astype("float64")[ids]
    maps = []
    for convolution in backbone.convolutions:
        kernel, bias = (keras.ops.convert_to_numpy(w).astype("float64") for w in convolution.weights)
        width = len(kernel)
        left = (width - 1) // 2
        padded = np.pad(words, ((left, width - 1 - left), (0, 0)))
        windows = [padded[i : i + width] for i in range(len(words))]
        maps.append(np.array([np.einsum("wd,wdf->f", window, kernel) + bias for window in windows]))
    features = np.maximum(np.concatenate(maps, axis=-1), 0)
    return features, features.max(axis=0)


def test_against_numpy_for_every_length():
    """Also for texts shorter than the widest window."""
    backbone = CNNBackbone(30, embedding_dim=6, filters=5, kernel_sizes=(2, 3, 4, 5))
    for convolution in backbone.convolutions:
        convolution.bias.assign(RANDOM.normal(size=5))
    for length in range(1, 9):
        ids = RANDOM.randint(0, 30, length)
        inputs = {"token_ids": np.zeros((1, 9), "int32") + 7, "padding_mask": np.zeros((1, 9), "int32")}
        inputs["token_ids"][0, :length] = ids
        inputs["padding_mask"][0, :length] = 1
        outputs = backbone(inputs)
        features, pooled = expected(backbone, ids)
        np.testing.assert_allclose(
            keras.ops.convert_to_numpy(outputs["sequence_output"])[0, :length], features, atol=1e-5
        )
        np.testing.assert_allclose(keras.ops.convert_to_numpy(outputs["pooled_output"])[0], pooled, atol=1e-5)


def test_defaults_are_those_of_the_paper():
    config = CNNBackbone(10).get_config()
    assert (config["embedding_dim"], config["filters"], tuple(config["kernel_sizes"])) == (300, 100, (3, 4, 5))
    assert CNNBackbone(10).output["pooled_output"].shape == (None, 300)


def test_one_width():
    assert CNNBackbone(10, filters=7, kernel_sizes=[3]).output["pooled_output"].shape == (None, 7)
