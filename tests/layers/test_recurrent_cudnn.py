"""What is handed to cuDNN on JAX and made of its answer, with JAX's own reference in the place of cuDNN."""

import inspect
import types

import keras
import numpy as np
import pytest

from keras_nlp_zoo.layers import LSTM
from keras_nlp_zoo.layers.recurrent_kernels import recurrent, reference
from tests.gradients import gradients
from tests.layers.test_recurrent import INPUTS, MASK, UNITS, expected
from tests.layers.test_recurrent_kernels import case, loss_of, masks

if keras.backend.backend() != "jax":
    pytest.skip("only JAX reaches cuDNN by this code", allow_module_level=True)

import jax
from jax.experimental import rnn

from keras_nlp_zoo.layers import recurrent_kernels_cudnn as cudnn


@pytest.fixture
def calls(monkeypatch):
    """The arguments of each call of `jax.experimental.rnn.lstm`, which the reference answers."""
    calls = []
    signature = inspect.signature(rnn.lstm)

    def stand_in(*arguments):
        given = signature.bind(*arguments).arguments
        calls.append(given)
        sizes = [given[name] for name in ("input_size", "hidden_size", "num_layers", "bidirectional")]
        unpacked = rnn.unpack_lstm_weights(given["weights"], *sizes)
        lengths = given["seq_lengths"]
        assert given["weights"].shape == (rnn.get_num_params_in_lstm(*sizes),)
        return rnn.lstm_ref(
            given["x"], given["h_0"], given["c_0"], *unpacked, lengths, *sizes[:3], given["dropout"], sizes[3]
        )

    monkeypatch.setattr(rnn, "lstm", stand_in)
    monkeypatch.setattr(cudnn, "_on_cuda", lambda: True)
    return calls


@pytest.mark.parametrize("mask", masks(7))
@pytest.mark.parametrize("reverse", [False, True])
def test_outputs_states_and_gradients_are_those_of_the_reference(calls, mask, reverse):
    arrays, mask = case("lstm", 7), masks(7)[mask]
    value, found = gradients(loss_of(recurrent, "lstm", mask, reverse), [], arrays)
    assert len(calls) == 1
    assert (np.asarray(calls[0]["seq_lengths"]) >= 1).all()  # cuDNN fails on 0
    wanted_value, wanted = gradients(loss_of(reference, "lstm", mask, reverse), [], arrays)
    assert value == pytest.approx(wanted_value, abs=1e-5)
    for one, other in zip(found, wanted, strict=True):
        assert np.abs(other).max() > 1e-3
        np.testing.assert_allclose(one, other, atol=1e-5)


@pytest.mark.parametrize("mask", ["right", "anywhere"])
def test_nothing_of_the_padding_reaches_the_gradients(calls, mask):
    arrays, mask = case("lstm", 7), masks(7)[mask]
    _, wanted = gradients(loss_of(recurrent, "lstm", mask, False), [], arrays)
    arrays[0][~mask] = np.nan
    _, found = gradients(loss_of(recurrent, "lstm", mask, False), [], arrays)
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(one, other)
    assert (found[0][~mask] == 0).all()


def test_a_layer_in_a_compiled_function(calls):
    layer = LSTM(UNITS, num_layers=2, bidirectional=True, return_sequences=True, return_state=True)
    layer.build(INPUTS.shape)
    outputs, *states = jax.jit(lambda inputs, mask: layer(inputs, mask=mask))(INPUTS, MASK)
    assert len(calls) == 4  # compiled, so it cannot see that this mask is on the right
    sequence, final = expected(layer, INPUTS, MASK)
    for one, other in zip((outputs, *states), (sequence, *final), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


def test_when_it_is_chosen(monkeypatch):
    def can_read(kind="lstm", length=7, dtype="float32", version="PJRT C API\ncuda 12090"):
        device = types.SimpleNamespace(client=types.SimpleNamespace(platform_version=version))
        with monkeypatch.context() as patch:
            patch.setattr(jax, "devices", lambda platform=None: [device])
            return cudnn.can_read(kind, [jax.ShapeDtypeStruct((length, 3, 4), dtype)])

    assert can_read()
    assert not can_read(kind="gru")
    assert not can_read(dtype="bfloat16")
    assert not can_read(length=0)
    assert not can_read(length=jax.export.symbolic_shape("length")[0])
    assert not can_read(version="PJRT C API\nrocm 60300")
    with jax.default_device(jax.devices("cpu")[0]):
        assert not can_read()
