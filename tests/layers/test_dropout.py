import keras
import numpy as np
import pytest
from keras import ops

import keras_nlp_zoo as knz
from tests.gradients import gradients

SHAPE = (64, 50, 40)
SIZE = np.prod(SHAPE)


def kept(layer, shape=SHAPE):
    return ops.convert_to_numpy(layer(np.ones(shape, "float32"), training=True)) > 0


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_values_are_dropped_or_scaled(rate):
    inputs = np.random.RandomState(0).normal(size=SHAPE).astype("float32")
    outputs = ops.convert_to_numpy(knz.layers.Dropout(rate, seed=1)(inputs, training=True))
    dropped = outputs == 0
    np.testing.assert_allclose(outputs[~dropped], inputs[~dropped] / (1 - rate), rtol=1e-6)
    assert abs(dropped.mean() - rate) < 4 * np.sqrt(rate * (1 - rate) / SIZE)


def test_only_in_training():
    inputs = np.ones((2, 3), "float32")
    layer = knz.layers.Dropout(0.5)
    assert (ops.convert_to_numpy(layer(inputs)) == inputs).all()
    assert (ops.convert_to_numpy(layer(inputs, training=False)) == inputs).all()
    assert (ops.convert_to_numpy(knz.layers.Dropout(0.0)(inputs, training=True)) == inputs).all()


def test_draws_have_nothing_to_do_with_one_another():
    """Of independent draws with the probability p both are kept with p², up to four standard deviations."""
    layer = knz.layers.Dropout(0.3, seed=1)
    first, next_ = kept(layer), kept(layer)
    other = kept(knz.layers.Dropout(0.3, seed=1000))  # on PyTorch Keras adds seed and step
    deviation = 4 * np.sqrt(0.49 * 0.51 / SIZE)
    pairs = {
        "steps": (first, next_),
        "layers": (first, other),
        "steps of layers": (next_, other),
        **{f"axis {axis}, {by} on": (first, np.roll(first, by, axis)) for axis in range(3) for by in (1, 2, 7, 16, 32)},
    }
    for name, (one, two) in pairs.items():
        assert abs((one & two).mean() - 0.49) < deviation, name


def test_every_place_is_dropped_as_often():
    """Over 200 steps the counts of the 10,000 places are binomial, and so is their variance."""
    layer = knz.layers.Dropout(0.5, seed=3)
    counts = sum(kept(layer, (100, 100)).astype(int) for _ in range(200))
    assert abs(counts.var() / (200 * 0.25) - 1) < 4 * np.sqrt(2 / 10_000)
    assert abs(counts.mean() / 200 - 0.5) < 4 * np.sqrt(0.25 / (200 * 10_000))


def test_a_seed_repeats():
    first, again, other = (knz.layers.Dropout(0.5, seed=seed) for seed in (1, 1, 2))
    one = kept(first)
    assert (one == kept(again)).all()
    assert (one != kept(other)).any()
    assert (one != kept(first)).any()


def test_an_axis_shares_what_is_drawn():
    mask = kept(knz.layers.Dropout(0.5, noise_shape=(None, 1, None), seed=1))
    assert (mask == mask[:, :1]).all()
    assert 0.45 < mask.mean() < 0.55


def test_gradients_are_those_of_what_was_kept():
    mask = kept(knz.layers.Dropout(0.5, seed=1), (4, 6))
    layer = knz.layers.Dropout(0.5, seed=1)
    _, (gradient,) = gradients(lambda x: ops.sum(layer(x, training=True)), [], [np.ones((4, 6), "float32")])
    np.testing.assert_allclose(gradient, 2.0 * mask)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "mixed_bfloat16"])
def test_dtypes(dtype):
    layer = knz.layers.Dropout(0.5, dtype=dtype)
    outputs = layer(np.ones((4, 6), "float32"), training=True)
    assert keras.backend.standardize_dtype(outputs.dtype) == layer.compute_dtype
    assert set(np.unique(ops.convert_to_numpy(ops.cast(outputs, "float32")))) == {0.0, 2.0}


def test_bert_has_it_everywhere():
    backbone = knz.models.BertBackbone(100, num_layers=2, num_heads=2, hidden_dim=8, intermediate_dim=8)
    layers = [layer for layer in backbone._flatten_layers() if isinstance(layer, keras.layers.Dropout)]
    assert len(layers) == 1 + 2 * 3
    assert {type(layer) for layer in layers} == {knz.layers.Dropout}
