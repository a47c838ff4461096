"""The loop over steps against a loop in NumPy, also where a model does not know how many steps there will be."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_nlp_zoo.layers.scan import scan


class Total(keras.layers.Layer):
    """Running totals of `(batch, length, dim)` over unmasked steps, from either end."""

    def __init__(self, reverse):
        super().__init__()
        self.reverse = reverse

    def call(self, inputs, mask):
        def body(states, row, real):
            total = ops.where(real, states[0] + row, states[0])
            return (total,), (total,)

        inputs = ops.transpose(inputs, (1, 0, 2))
        mask = ops.cast(ops.transpose(mask), "bool")
        (last,), (totals,) = scan(body, (ops.zeros_like(inputs[0]),), inputs, mask, self.reverse)
        return ops.transpose(totals, (1, 0, 2)), last


def expected(inputs, mask, reverse):
    order = slice(None, None, -1 if reverse else 1)
    totals = np.cumsum((inputs * mask[:, :, None])[:, order], axis=1)[:, order]
    return totals, totals[:, 0 if reverse else -1]


class Batches(keras.utils.PyDataset):
    """Every batch of another length."""

    lengths = (3, 5, 1, 7, 4)

    def __len__(self):
        return len(self.lengths)

    def __getitem__(self, index):
        random = np.random.default_rng(index)
        length = self.lengths[index]
        return (random.normal(size=(2, length, 3)).astype("float32"), random.integers(2, size=(2, length)))


class OnlyInputs(Batches):
    """For `predict`, whose batches are tuples of inputs."""

    def __getitem__(self, index):
        return (super().__getitem__(index),)


@pytest.mark.parametrize("reverse", [False, True])
def test_equals_a_loop_at_lengths_that_vary(reverse):
    inputs = (keras.Input((None, 3)), keras.Input((None,), dtype="int32"))
    model = keras.Model(inputs, Total(reverse)(*inputs)[1])
    said = model.predict(OnlyInputs(), verbose=0)
    for index in range(len(Batches())):
        batch = Batches()[index]
        totals, last = expected(*batch, reverse)
        np.testing.assert_allclose(said[2 * index : 2 * index + 2], last, atol=1e-5)
        every, _ = Total(reverse)(*batch)
        np.testing.assert_allclose(ops.convert_to_numpy(every), totals, atol=1e-5)


def test_no_mask_and_no_steps():
    def body(states, row, real):
        assert real is None
        return (states[0] + row,), (states[0],)

    start = ops.ones((2, 3))
    (last,), (before,) = scan(body, (start,), ops.ones((4, 2, 3)))
    assert np.all(ops.convert_to_numpy(last) == 5)
    assert np.all(ops.convert_to_numpy(before)[:, 0, 0] == [1, 2, 3, 4])
    (last,), (none,) = scan(body, (start,), ops.ones((0, 2, 3)))
    assert np.all(ops.convert_to_numpy(last) == 1)
    assert tuple(none.shape) == (0, 2, 3)
