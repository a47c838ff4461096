"""What models and layers give, as NumPy arrays."""

import keras


def numpy(tensors):
    return keras.tree.map_structure(keras.ops.convert_to_numpy, tensors)


def tensor(value):
    return keras.ops.convert_to_tensor(value) if hasattr(value, "shape") else value


def called(call, *inputs, **options):
    """`numpy(call(*inputs, **options))` of a model, a layer that is built, or a method of one.

    JAX compiles each operation of a call by itself, for some 50 ms, so there the call is one program, as it is in
    `fit` and `predict`.
    """
    if keras.backend.backend() != "jax":
        inputs = keras.tree.map_structure(
            lambda x: keras.ops.convert_to_tensor(x) if hasattr(x, "shape") else x, inputs
        )
        return numpy(call(*inputs, **options))
    import jax

    owner = getattr(call, "__self__", call)
    arrays = {name: value for name, value in options.items() if hasattr(value, "shape")}
    settings = {name: value for name, value in options.items() if name not in arrays}

    def pure(values, inputs, arrays):
        with keras.StatelessScope(list(zip(owner.variables, values, strict=True))):
            return call(*inputs, **arrays, **settings)

    programs = owner.__dict__.setdefault("_programs_of_tests", {})
    program = programs.setdefault((getattr(call, "__name__", None), *settings.items()), jax.jit(pure))
    return numpy(program([variable.value for variable in owner.variables], inputs, arrays))
