import keras
import numpy as np
import pytest

from keras_nlp_zoo.layers import TokenEmbedding

IDS = np.array([[1, 1, 1, 2], [3, 1, 2, 0]], "int32")


def test_is_a_lookup():
    layer = TokenEmbedding(5, 3)
    outputs = keras.ops.convert_to_numpy(layer(IDS))
    table = keras.ops.convert_to_numpy(layer.embeddings)
    np.testing.assert_array_equal(outputs, table[IDS])
    assert np.abs(table).max() <= 0.25
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(layer(IDS.astype("float32"))), table[IDS])
    assert TokenEmbedding.from_config(layer.get_config()).get_config() == layer.get_config()


@pytest.mark.parametrize("clipnorm", [None, 0.01])
def test_adam_takes_the_same_step_for_a_repeated_token(clipnorm):
    """Against Adam (Kingma and Ba 2015, algorithm 1) in float64; Keras's own layer fails this on TensorFlow."""
    layer = TokenEmbedding(5, 3)
    inputs = keras.Input((None,), dtype="int32")
    model = keras.Model(inputs, layer(inputs))
    model.compile(keras.optimizers.Adam(0.1, epsilon=1e-7, clipnorm=clipnorm), loss="mse")
    target = np.random.RandomState(0).normal(size=(2, 4, 3)).astype("float32")
    table = keras.ops.convert_to_numpy(layer.embeddings).astype("float64")
    m = v = np.zeros_like(table)
    for step in (1, 2, 3):
        model.train_on_batch(IDS, target)
        gradient = np.zeros_like(table)
        np.add.at(gradient, IDS, 2 * (table[IDS] - target) / target.size)
        if clipnorm is not None:
            gradient *= min(1, clipnorm / np.linalg.norm(gradient))
        m, v = 0.9 * m + 0.1 * gradient, 0.999 * v + 0.001 * gradient**2
        rate = 0.1 * np.sqrt(1 - 0.999**step) / (1 - 0.9**step)  # the order of computation at the end of section 2
        table = table - rate * m / (np.sqrt(v) + 1e-7)
        np.testing.assert_allclose(keras.ops.convert_to_numpy(layer.embeddings), table, atol=1e-5)


def test_lora_and_int8():
    layer = TokenEmbedding(16, 8)
    before = keras.ops.convert_to_numpy(layer(IDS))
    layer.enable_lora(2)
    np.testing.assert_allclose(keras.ops.convert_to_numpy(layer(IDS)), before, atol=1e-6)
    other = TokenEmbedding(16, 8)
    other.build((None, None))
    before = keras.ops.convert_to_numpy(other(IDS))
    other.quantize("int8")
    np.testing.assert_allclose(keras.ops.convert_to_numpy(other(IDS)), before, atol=0.01)
