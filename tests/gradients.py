"""Gradients of a loss on whichever backend runs, as NumPy arrays."""

import keras
from keras import ops


def gradients(loss, variables, arrays):
    """The loss and its gradients by `variables` of Keras and by `arrays`, the tensors that `loss(*arrays)` takes."""
    backend = keras.backend.backend()
    if backend == "jax":
        import jax

        def pure(values, arrays):
            with keras.StatelessScope(list(zip(variables, values, strict=True))):
                return loss(*arrays)

        values = [variable.value for variable in variables]
        # As one program: JAX would compile each operation by itself.
        both = jax.jit(jax.value_and_grad(pure, argnums=(0, 1)))
        value, found = both(values, [ops.convert_to_tensor(a) for a in arrays])
        found = [*found[0], *found[1]]
    elif backend == "tensorflow":
        import tensorflow as tf

        tensors = [tf.convert_to_tensor(a) for a in arrays]
        with tf.GradientTape() as tape:
            tape.watch(tensors)
            value = loss(*tensors)
        found = tape.gradient(value, [*(variable.value for variable in variables), *tensors])
    else:
        import torch

        tensors = [ops.convert_to_tensor(a).requires_grad_() for a in arrays]
        value = loss(*tensors)
        found = torch.autograd.grad(value, [*(variable.value for variable in variables), *tensors])
    return float(ops.convert_to_numpy(value)), [ops.convert_to_numpy(one) for one in found]
