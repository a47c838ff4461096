import keras
import numpy as np


def rewinder(model):
    """A function that makes a compiled model what it is now, weights, optimizer and all.

    What is to be trained several times from one start is then compiled once.
    """
    if not model.optimizer.built:
        model.optimizer.build(model.trainable_variables)
    variables = [*model.variables, *model.optimizer.variables]
    values = [np.array(keras.ops.convert_to_numpy(variable)) for variable in variables]

    def rewind():
        keras.utils.set_random_seed(0)
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)

    return rewind
