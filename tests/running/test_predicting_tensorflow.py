"""Predictions on TensorFlow: when the model is not traced."""

import keras
import numpy as np
import pytest

if keras.backend.backend() != "tensorflow":
    pytest.skip("what TensorFlow alone does", allow_module_level=True)

import tensorflow as tf

from keras_nlp_zoo.running import predicting


class AsksNumPy(keras.Model):
    """Cannot be traced."""

    def call(self, inputs):
        return tf.constant(inputs.numpy() * 2)


def test_functions_run_eagerly_are_not_traced():
    batch = np.ones((2, 3), "float32")
    tf.config.run_functions_eagerly(True)
    try:
        np.testing.assert_array_equal(predicting.predictions(AsksNumPy(), [batch], 2), batch * 2)
    finally:
        tf.config.run_functions_eagerly(False)
