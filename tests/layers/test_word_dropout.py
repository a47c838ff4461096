import keras
import numpy as np
import pytest

from keras_nlp_zoo.layers import WordDropout

MASK = np.ones((200, 100), "int32")
MASK[:, 60:] = 0


def test_drops_tokens_in_training_only():
    layer = WordDropout(0.3, seed=1)
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(layer(MASK, training=False)), MASK)
    dropped = keras.ops.convert_to_numpy(layer(MASK, training=True))
    assert set(np.unique(dropped)) == {0, 1}
    assert dropped[:, 60:].sum() == 0
    # 12,000 draws: three standard deviations of the mean are 0.0126.
    assert abs(1 - dropped[:, :60].mean() - 0.3) < 0.0126
    again = keras.ops.convert_to_numpy(layer(MASK, training=True))
    assert (again != dropped).any()


def test_nothing_is_dropped_at_rate_zero():
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(WordDropout(0.0)(MASK, training=True)), MASK)


def test_config_and_errors():
    config = WordDropout(0.3, seed=2, name="words").get_config()
    assert WordDropout.from_config(config).get_config() == config
    for rate in (1.0, -0.1):
        with pytest.raises(ValueError, match=r"`rate` must be a number in \[0, 1\)"):
            WordDropout(rate)
