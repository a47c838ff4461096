"""The decoder of Bahdanau et al. (2015) against their equations in float64 NumPy."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_nlp_zoo.layers import AttentionDecoder
from tests.gradients import gradients
from tests.layers.test_recurrent import gru_step, lstm_step, rnn_step

CELLS = {"rnn": (rnn_step, 1), "gru": (gru_step, 1), "lstm": (lstm_step, 2)}
BATCH, LENGTH, DIM, SOURCE_LENGTH, SOURCE_DIM, UNITS = 3, 4, 2, 6, 3, 5
RANDOM = np.random.RandomState(0)
INPUTS = RANDOM.normal(size=(BATCH, LENGTH, DIM)).astype("float32")
SOURCE = RANDOM.normal(size=(BATCH, SOURCE_LENGTH, SOURCE_DIM)).astype("float32")
STATES = [RANDOM.normal(size=(BATCH, UNITS)).astype("float32") for _ in range(2)]
SOURCE_LENGTHS = np.array([6, 1, 4])
MASK = (np.arange(SOURCE_LENGTH) < SOURCE_LENGTHS[:, None]).astype("int32")


def built(cell):
    layer = AttentionDecoder(UNITS, cell)
    layer.build(INPUTS.shape, SOURCE.shape)
    random = np.random.RandomState(1)
    for weight in layer.weights:  # biases too
        weight.assign(random.normal(size=weight.shape, scale=0.7))
    return layer


def weights_of(layer):
    return {weight.name: ops.convert_to_numpy(weight).astype("float64") for weight in layer.weights}


def expected(cell, w, inputs, source, states):
    """Outputs, contexts and weights of each row, without padding."""
    step, num_states = CELLS[cell]
    results = []
    for row in range(BATCH):
        vectors = source[row, : SOURCE_LENGTHS[row]]
        state, steps = tuple(s[row] for s in states[:num_states]), []
        for x in inputs[row]:
            energies = np.tanh(state[0] @ w["query_kernel"] + vectors @ w["key_kernel"] + w["key_bias"])
            scores = np.exp(energies @ w["score_vector"][:, 0])
            scores /= scores.sum()
            context = scores @ vectors
            kernel = np.concatenate([w["kernel"], w["context_kernel"]])
            state = step(np.concatenate([x, context]), state, (kernel, w["recurrent_kernel"], w["bias"]))
            steps.append((state[0], context, np.pad(scores, (0, SOURCE_LENGTH - len(scores)))))
        results.append([np.stack(column) for column in zip(*steps, strict=True)])
    return [np.stack(column) for column in zip(*results, strict=True)]


def as_float64(arrays):
    return [array.astype("float64") for array in arrays]


@pytest.mark.parametrize("cell", CELLS)
def test_equations(cell):
    layer = built(cell)
    found = layer(INPUTS, SOURCE, source_mask=MASK, initial_state=STATES[: CELLS[cell][1]])
    wanted = expected(cell, weights_of(layer), *as_float64([INPUTS, SOURCE]), as_float64(STATES))
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_allclose(ops.convert_to_numpy(one), other, atol=1e-5)


@pytest.mark.parametrize("cell", CELLS)
def test_gradients(cell):
    """Along one direction for each weight and input, against differences of the equations in float64."""
    layer, random = built(cell), np.random.RandomState(2)
    num_states = CELLS[cell][1]
    factors = [random.normal(size=(BATCH, LENGTH, n)) for n in (UNITS, SOURCE_DIM, SOURCE_LENGTH)]

    def loss(inputs, source, *states):
        found = layer(inputs, source, source_mask=MASK, initial_state=list(states))
        return sum(ops.sum(a * ops.convert_to_tensor(b.astype("float32"))) for a, b in zip(found, factors, strict=True))

    def exact(arrays):
        values = dict(zip(names, arrays, strict=False))
        inputs, source, *states = arrays[len(names) :]
        return sum(np.sum(a * b) for a, b in zip(expected(cell, values, inputs, source, states), factors, strict=True))

    arrays = [INPUTS, SOURCE, *STATES[:num_states]]
    _, found = gradients(loss, layer.trainable_variables, arrays)
    names = [weight.name for weight in layer.trainable_variables]
    point = [*(weights_of(layer)[name] for name in names), *as_float64(arrays)]
    for i, gradient in enumerate(found):
        direction = random.normal(size=point[i].shape)
        ends = [exact([a + sign * 1e-5 * direction if k == i else a for k, a in enumerate(point)]) for sign in (1, -1)]
        slope = (ends[0] - ends[1]) / 2e-5
        assert np.sum(gradient * direction) == pytest.approx(slope, rel=1e-4, abs=1e-4), [*names, "input"][i]
    source = found[len(names) + 1]
    assert np.abs(source[MASK == 0]).max() == 0


def test_a_source_that_is_all_padding_is_finite():
    outputs = built("gru")(INPUTS, SOURCE, source_mask=np.zeros_like(MASK))
    assert all(np.isfinite(ops.convert_to_numpy(one)).all() for one in outputs)


def test_step_and_config():
    layer = built("lstm")
    outputs, contexts, scores = (ops.convert_to_numpy(x) for x in layer(INPUTS, SOURCE, MASK, STATES))
    memory = layer.remember(ops.convert_to_tensor(SOURCE), ops.convert_to_tensor(MASK))
    states = [ops.convert_to_tensor(state) for state in STATES]
    for t in range(LENGTH):
        *states, context, weights = layer.step(ops.convert_to_tensor(INPUTS[:, t]), states, memory)
        for one, other in ((states[0], outputs), (context, contexts), (weights, scores)):
            np.testing.assert_allclose(ops.convert_to_numpy(one), other[:, t], atol=1e-6)
    assert AttentionDecoder.from_config(layer.get_config()).get_config() == layer.get_config()
    with pytest.raises(ValueError, match=r"`cell` must be one of rnn, lstm, gru. Received: cell='lstn'"):
        AttentionDecoder(4, "lstn")
    with pytest.raises(ValueError, match=r"`units` must be an int of at least 1. Received: units=0"):
        AttentionDecoder(0)


def test_lengths_are_free():
    inputs, source = keras.Input((None, DIM)), keras.Input((None, SOURCE_DIM))
    model = keras.Model([inputs, source], AttentionDecoder(UNITS)(inputs, source))
    assert [x.shape for x in model([INPUTS, SOURCE])] == [
        (BATCH, LENGTH, UNITS),
        (BATCH, LENGTH, SOURCE_DIM),
        (BATCH, LENGTH, SOURCE_LENGTH),
    ]
