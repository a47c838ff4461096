import keras
import numpy as np
import pytest

from keras_nlp_zoo.layers import SequencePooling

RANDOM = np.random.RandomState(0)
INPUTS = RANDOM.normal(size=(4, 6, 3)).astype("float32")
LENGTHS = [6, 1, 3, 0]
MASK = (np.arange(6) < np.array(LENGTHS)[:, None]).astype("int32")


def expected(mode):
    rows = []
    for row, length in zip(INPUTS.astype("float64"), LENGTHS, strict=True):
        text = row[:length]
        pick = {
            "mean": lambda t: t.mean(0),
            "max": lambda t: t.max(0),
            "first": lambda t: t[0],
            "last": lambda t: t[-1],
        }
        rows.append(pick[mode](text) if length else np.zeros(3))
    return np.stack(rows)


@pytest.mark.parametrize("mode", ["mean", "max", "first", "last"])
@pytest.mark.parametrize("dtype", ["int32", "bool"])
def test_against_numpy(mode, dtype):
    outputs = SequencePooling(mode)(INPUTS, MASK.astype(dtype))
    np.testing.assert_allclose(keras.ops.convert_to_numpy(outputs), expected(mode), atol=1e-6)


@pytest.mark.parametrize("mode", ["mean", "max", "first", "last"])
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision(mode, dtype):
    layer = SequencePooling(mode, dtype=dtype)
    outputs = keras.ops.convert_to_numpy(keras.ops.cast(layer(INPUTS, MASK), "float32"))
    np.testing.assert_allclose(outputs, expected(mode), atol=0.03)


def test_long_mean_in_half_precision():
    """2,500 ones average to 1 even where half precision cannot count so far."""
    layer = SequencePooling("mean", dtype="float16")
    outputs = layer(np.full((1, 2500, 2), 0.5, "float16"), np.ones((1, 2500), "int32"))
    np.testing.assert_allclose(keras.ops.convert_to_numpy(outputs), 0.5, atol=0.002)


def test_mask_in_any_place():
    mask = np.array([[0, 1, 0, 1, 0, 0]] * 4)
    np.testing.assert_allclose(
        keras.ops.convert_to_numpy(SequencePooling("mean")(INPUTS, mask)), INPUTS[:, [1, 3]].mean(1), atol=1e-6
    )


def test_config_and_errors():
    layer = SequencePooling("max")
    assert SequencePooling.from_config(layer.get_config()).mode == "max"
    assert layer.compute_output_shape((2, 9, 4), (2, 9)) == (2, 4)
    with pytest.raises(ValueError, match="`mode` must be one of mean, max, first, last"):
        SequencePooling("sum")
