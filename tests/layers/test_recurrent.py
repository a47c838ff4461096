"""The recurrent layers against the equations of their papers in float64 NumPy."""

import keras
import numpy as np
import pytest

from keras_nlp_zoo.layers import GRU, LSTM, RNN
from tests.rounding import tolerance_of_recurrent_layers

TOLERANCE = tolerance_of_recurrent_layers()
RANDOM = np.random.RandomState(0)
UNITS, DIM, LENGTH = 5, 4, 7
INPUTS = RANDOM.normal(size=(5, LENGTH, DIM)).astype("float32")
LENGTHS = [7, 1, 4, 6, 0]
MASK = (np.arange(LENGTH) < np.array(LENGTHS)[:, None]).astype("int32")


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def rnn_step(x, state, weights):
    kernel, recurrent, bias = weights
    h = np.tanh(x @ kernel + state[0] @ recurrent + bias)
    return (h,)


def lstm_step(x, state, weights):
    kernel, recurrent, bias = weights
    h, c = state
    i, f, g, o = np.split(x @ kernel + h @ recurrent + bias, 4)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(c), c


def gru_step(x, state, weights):
    kernel, recurrent, bias = weights
    (h,) = state
    z, r, n = np.split(x @ kernel + bias[0], 3)
    hz, hr, hn = np.split(h @ recurrent + bias[1], 3)
    z, r = sigmoid(z + hz), sigmoid(r + hr)
    return (z * h + (1 - z) * np.tanh(n + r * hn),)


CELLS = {RNN: (rnn_step, 1), LSTM: (lstm_step, 2), GRU: (gru_step, 1)}


def read(step, num_states, row, weights):
    state = (np.zeros(UNITS),) * num_states
    outputs = []
    for x in row:
        state = step(x, state, weights)
        outputs.append(state[0])
    return np.array(outputs).reshape(-1, UNITS), state


def expected(layer, inputs, mask):
    step, num_states = CELLS[type(layer)]
    weights = [
        [[keras.ops.convert_to_numpy(w).astype("float64") for w in one.weights] for one in direction]
        for direction in (layer.forward_readers, layer.backward_readers)
    ]
    sequences, finals = [], []
    for row, keep in zip(inputs.astype("float64"), mask.astype(bool), strict=True):
        x = row[keep]
        states = []  # of each reader
        for i in range(layer.num_layers):
            outputs, forward = read(step, num_states, x, weights[0][i])
            states.append(forward)
            if layer.bidirectional:
                backward_outputs, backward = read(step, num_states, x[::-1], weights[1][i])
                outputs = np.concatenate([outputs, backward_outputs[::-1]], axis=-1)
                states.append(backward)
            x = outputs
        full = np.zeros((len(row), x.shape[-1]))
        full[keep] = x
        sequences.append(full)
        finals.append([state[kind] for kind in range(num_states) for state in states])
    return np.stack(sequences), [np.stack(s) for s in zip(*finals, strict=True)]


OPTIONS = [(1, False), (1, True), (3, False), (3, True)]


# Only an LSTM has a cell to leave out.
@pytest.mark.parametrize(("layer_class", "return_state"), [*((layer, True) for layer in CELLS), (LSTM, "hidden")])
@pytest.mark.parametrize(("num_layers", "bidirectional"), OPTIONS)
@pytest.mark.parametrize("masked", ["right", "none", "anywhere"])
def test_against_numpy(layer_class, num_layers, bidirectional, masked, return_state):
    layer = layer_class(UNITS, num_layers, bidirectional, return_sequences=True, return_state=return_state)
    mask = {"right": MASK, "none": np.ones_like(MASK), "anywhere": RANDOM.randint(0, 2, MASK.shape)}[masked]
    layer.build(INPUTS.shape)
    for weight in layer.weights:  # biases that are not zero or one
        weight.assign(RANDOM.normal(size=weight.shape, scale=0.5))
    outputs, *states = layer(INPUTS, mask=None if masked == "none" else mask)
    sequence, final = expected(layer, INPUTS, mask)
    np.testing.assert_allclose(keras.ops.convert_to_numpy(outputs), sequence, atol=TOLERANCE)
    if return_state == "hidden":
        final = final[: num_layers * (2 if bidirectional else 1)]
    assert len(states) == len(final)
    for state, other in zip(states, final, strict=True):
        np.testing.assert_allclose(keras.ops.convert_to_numpy(state), other, atol=TOLERANCE)


@pytest.mark.parametrize("layer_class", CELLS)
@pytest.mark.parametrize("bidirectional", [False, True])
def test_predicting_against_numpy(layer_class, bidirectional):
    """Without a gradient, for which PyTorch has ways of its own."""
    inputs, mask = keras.Input((None, DIM)), keras.Input((None,), dtype="int32")
    layer = layer_class(UNITS, 2, bidirectional, return_sequences=True, return_state=True)
    model = keras.Model([inputs, mask], layer(inputs, mask=mask))
    for weight in layer.weights:
        weight.assign(RANDOM.normal(size=weight.shape, scale=0.5))
    outputs, *states = model.predict([INPUTS, MASK], verbose=0)
    sequence, final = expected(layer, INPUTS, MASK)
    for one, other in zip([outputs, *states], [sequence, *final], strict=True):
        np.testing.assert_allclose(one, other, atol=TOLERANCE)


def test_short_and_long_texts():
    """One model, to which TensorFlow says their length only when it runs: short ones are read otherwise there."""
    inputs, mask = keras.Input((None, DIM)), keras.Input((None,), dtype="int32")
    layer = LSTM(UNITS, bidirectional=True, return_sequences=True, return_state=True)
    model = keras.Model([inputs, mask], layer(inputs, mask=mask))
    for length in (5, 40):
        rows = RANDOM.normal(size=(9, length, DIM)).astype("float32")
        keep = (np.arange(length) < RANDOM.randint(0, length + 1, 9)[:, None]).astype("int32")
        keep[0] = 1
        outputs, *states = model.predict([rows, keep], verbose=0)
        sequence, final = expected(layer, rows, keep)
        for one, other in zip([outputs, *states], [sequence, *final], strict=True):
            np.testing.assert_allclose(one, other, atol=TOLERANCE)


@pytest.mark.parametrize("layer_class", CELLS)
@pytest.mark.parametrize("bidirectional", [False, True])
def test_last_output_is_the_final_state(layer_class, bidirectional):
    layer = layer_class(UNITS, bidirectional=bidirectional, return_state=True)
    output, *states = layer(INPUTS, mask=MASK)
    hidden = states[: 2 if bidirectional else 1]
    np.testing.assert_array_equal(
        keras.ops.convert_to_numpy(output), np.concatenate([keras.ops.convert_to_numpy(h) for h in hidden], -1)
    )
    assert tuple(output.shape) == (5, layer.output_dim)


@pytest.mark.parametrize("layer_class", CELLS)
@pytest.mark.parametrize("return_sequences", [False, True])
@pytest.mark.parametrize("return_state", [False, True, "hidden"])
def test_symbolic_shapes_are_the_real_ones(layer_class, return_sequences, return_state):
    layer = layer_class(UNITS, 2, True, return_sequences=return_sequences, return_state=return_state)
    symbolic = layer(keras.Input((LENGTH, DIM)), mask=keras.Input((LENGTH,)))
    real = layer(INPUTS, mask=MASK)
    for one, other in zip(keras.tree.flatten(symbolic), keras.tree.flatten(real), strict=True):
        assert tuple(one.shape)[1:] == tuple(other.shape)[1:]


@pytest.mark.parametrize("layer_class", CELLS)
def test_dropout_between_layers_in_training_only(layer_class):
    layer = layer_class(UNITS, num_layers=2, dropout=0.5, return_sequences=True)
    one, other = (keras.ops.convert_to_numpy(layer(INPUTS, mask=MASK, training=True)) for _ in range(2))
    assert np.abs(one - other).max() > 0
    one, other = (keras.ops.convert_to_numpy(layer(INPUTS, mask=MASK, training=False)) for _ in range(2))
    np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("layer_class", CELLS)
def test_config_and_errors(layer_class):
    config = layer_class(UNITS, 2, True, True, True, 0.1).get_config()
    assert layer_class.from_config(config).get_config() == config
    for arguments, message in (
        ({"units": 0}, "`units` must be an int of at least 1"),
        ({"units": 3, "num_layers": 0}, "`num_layers` must be an int of at least 1"),
        ({"units": 3, "dropout": 1.0}, r"`dropout` must be a number in \[0, 1\)"),
        (
            {"units": 3, "return_state": "cell"},
            r'`return_state` must be a bool or "hidden". Received: return_state=.cell',
        ),
    ):
        with pytest.raises(ValueError, match=message):
            layer_class(**arguments)


@pytest.mark.parametrize("layer_class", CELLS)
def test_reading_in_two_parts_is_reading_at_once(layer_class):
    layer = layer_class(UNITS, num_layers=2, return_sequences=True, return_state=True)
    whole, *final = (keras.ops.convert_to_numpy(x) for x in layer(INPUTS))
    first, *states = layer(INPUTS[:, :3])
    second, *states = layer(INPUTS[:, 3:], initial_state=states)
    parts = np.concatenate([keras.ops.convert_to_numpy(x) for x in (first, second)], axis=1)
    np.testing.assert_allclose(parts, whole, atol=1e-6)
    for one, other in zip(states, final, strict=True):
        np.testing.assert_allclose(keras.ops.convert_to_numpy(one), other, atol=1e-6)
    with pytest.raises(ValueError, match=rf"`initial_state` must hold {len(states)} tensors"):
        layer(INPUTS, initial_state=states[1:])


@pytest.mark.parametrize("layer_class", CELLS)
def test_final_states_are_what_a_call_returns(layer_class):
    layer = layer_class(UNITS, num_layers=2, return_state=True)
    _, *wanted = layer(INPUTS, mask=MASK)
    layer.return_state = "hidden"
    found = layer.final_states(keras.ops.convert_to_tensor(INPUTS), MASK)
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(one), keras.ops.convert_to_numpy(other))


@pytest.mark.parametrize("layer_class", CELLS)
@pytest.mark.parametrize("return_state", [True, "hidden"])
def test_what_stands_in_the_padding_does_not_matter(layer_class, return_state):
    layer = layer_class(UNITS, 2, True, return_sequences=True, return_state=return_state)
    short = [keras.ops.convert_to_numpy(x) for x in layer(INPUTS, mask=MASK)]
    noise = 1e6 * RANDOM.normal(size=(len(LENGTHS), 30, DIM)).astype("float32")
    longer = np.concatenate([np.where(MASK[:, :, None], INPUTS, 1e6), noise], axis=1).astype("float32")
    long = [keras.ops.convert_to_numpy(x) for x in layer(longer, mask=np.pad(MASK, ((0, 0), (0, 30))))]
    np.testing.assert_allclose(long[0][:, :LENGTH], short[0], atol=1e-6)
    assert (long[0][:, LENGTH:] == 0).all()
    for one, other in zip(long[1:], short[1:], strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)
    assert all((state[LENGTHS.index(0)] == 0).all() for state in long[1:])
