"""Weights of `torch.nn` modules in the layers of this package and of Keras, on any backend.

A state dict is cut into modules by the names of its weights; each is paired with the first layer of its kind whose
shapes fit, in the order in which both sides define them. Nothing is assigned before everything has found its place.
"""

import os
import pathlib
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import keras
import numpy as np
from safetensors.numpy import load_file

from keras_nlp_zoo.interop.torch_transformer import check_options, join_stacks, stack_values
from keras_nlp_zoo.layers.recurrent import Recurrent
from keras_nlp_zoo.layers.transformer_stack import Stack

Arrays = dict[str, np.ndarray]


class Found(NamedTuple):
    """A layer, the input shape to build it with, and the array for each of its variables by attribute."""

    layer: Any
    input_shape: Any
    values: Arrays


def load_torch(target: Any, source: Any) -> None:
    """Copies the weights of a PyTorch module into a layer or a model.

    Pairs: `torch.nn.RNN`, `LSTM`, `GRU` (stacked, bidirectional, both biases) with `knz.layers.RNN`, `LSTM`, `GRU`;
    `Transformer`, `TransformerEncoder`, `TransformerDecoder` and their layers, one or a list, with those of
    `knz.layers`; `Linear` with `keras.layers.Dense`, `Conv1d` with `Conv1D`, `Embedding` with `Embedding`,
    `LayerNorm` with `LayerNormalization`, `MultiheadAttention` with `MultiHeadAttention`. A bias that PyTorch leaves
    out is zero here.

    Args:
        target: a Keras layer, or a model (a backbone, say) made of such layers. A layer that is not built yet is
            built, but for attention.
        source: a `torch.nn.Module`; its state dict, with tensors or NumPy arrays (then torch is not needed); or the
            path of a saved one, `.safetensors` or a file of `torch.save`, of which only weights are read.

    Raises:
        FileNotFoundError: no file at that path.
        TypeError: the source is none of these.
        ValueError: a weight of the source would not be used, or one of the target not be set; both are listed. Or
            a module's options say that it computes something else. Nothing has been assigned.

    Example:
        layer = knz.layers.RNN(4)
        state_dict = {"weight_ih_l0": np.ones((4, 6)), "weight_hh_l0": np.eye(4)}  # or torch.nn.RNN(6, 4)
        knz.interop.load_torch(layer, state_dict)
        layer(np.ones((2, 9, 6))).shape  # (2, 4)
    """
    if callable(getattr(source, "modules", None)):
        check_options(target, source)
    modules = _modules(_state_dict(source))
    found: list[Found] = []
    homeless: list[Any] = []
    for layer in _layers_with_weights(target):
        for name, arrays in modules.items():
            one = _fit(layer, arrays)
            if one is not None:
                found.append(one)
                del modules[name]
                break
        else:
            homeless.append(layer)
    if modules or homeless:
        raise ValueError(_mismatch(target, modules, homeless))
    for layer, input_shape, values in found:
        if not layer.built:
            layer.build(input_shape)
        for attribute, array in values.items():
            _variable(layer, attribute).assign(array)


def _mismatch(target: Any, modules: dict[str, Arrays], layers: list[Any]) -> str:
    unused = [
        f"{name + '.' if name else ''}{leaf} {array.shape}"
        for name, arrays in modules.items()
        for leaf, array in arrays.items()
    ]
    unset = [f"{variable.path} {tuple(variable.shape)}" for layer in layers for variable in _weights(layer)]
    unset += [f"{layer.path or layer.name} (not built: call it once)" for layer in layers if not layer.built]
    return (
        f"The weights do not fit {type(target).__name__} '{target.name}'; nothing was changed.\n"
        f"Weights of `source` that no layer takes: {', '.join(unused) or 'none'}\n"
        f"Weights of `target` that nothing fills: {', '.join(unset) or 'none'}"
    )


# === Source ===


def _state_dict(source: Any) -> Arrays:
    if isinstance(source, (str, os.PathLike)):
        source = _read(pathlib.Path(source))
    elif callable(getattr(source, "state_dict", None)):
        if any(getattr(module, "nonlinearity", "tanh") == "relu" for module in source.modules()):
            raise ValueError("`source` has a torch.nn.RNN with nonlinearity='relu'; knz.layers.RNN is a tanh network.")
        source = source.state_dict()
    if not isinstance(source, Mapping) or not source:
        raise TypeError(
            "`source` must be a torch.nn.Module, its state dict or the path of a saved one. "
            f"Received: {type(source).__name__}{'' if source else ', empty'}"
        )
    return {str(name): _array(name, value) for name, value in source.items()}


def _read(path: pathlib.Path) -> Any:
    if not path.is_file():
        raise FileNotFoundError(f"`source`: there is no file {path}")
    if path.suffix == ".safetensors":
        return load_file(path)
    try:
        import torch
    except ImportError as error:
        raise ImportError("Reading a file of torch.save needs torch; a .safetensors file does not.") from error
    return torch.load(path, map_location="cpu", weights_only=True)


def _array(name: str, value: Any) -> np.ndarray:
    if hasattr(value, "detach"):  # a torch tensor; NumPy knows no bfloat16
        value = value.detach().cpu()
        value = value.float() if "bfloat16" in str(value.dtype) else value
    array = np.asarray(value)
    if array.dtype == object or not np.issubdtype(array.dtype, np.number):
        raise TypeError(f"`source` must map names to arrays. Received: {name}={type(value).__name__}")
    return array


def _modules(weights: Arrays) -> dict[str, Arrays]:
    """Weights by module, in the order of the state dict."""
    modules: dict[str, Arrays] = {}
    for name, array in weights.items():
        module, _, leaf = name.rpartition(".")
        modules.setdefault(module, {})[leaf] = array
    for name in [name for name in modules if name.rpartition(".")[2] == "out_proj"]:
        attention = name.rpartition(".")[0]
        if any(leaf.endswith("proj_weight") for leaf in modules.get(attention, {})):
            modules[attention].update({f"out_proj.{leaf}": array for leaf, array in modules.pop(name).items()})
    return join_stacks(modules)


# === Target ===


def _layers_with_weights(layer: Any) -> Any:
    """The layers that hold weights, in the order of the model; one that is converted is not looked into."""
    if isinstance(layer, tuple(_CONVERTERS)):
        yield layer
        return
    held = 0
    for inner in layer.layers if isinstance(layer, keras.Model) else layer._flatten_layers(False, False):
        leaves = list(_layers_with_weights(inner))
        held += sum(len(_weights(leaf)) for leaf in leaves)
        yield from leaves
    if len(_weights(layer)) > held:  # some that no module of PyTorch stands for
        yield layer


def _weights(layer: Any) -> list[Any]:
    """What training sets; random seeds are no weights."""
    return [w for w in layer.weights if "seed" not in w.name] if layer.built else []


def _fit(layer: Any, arrays: Arrays) -> Found | None:
    """How the arrays of a module go into the layer, or None if kind or shapes differ."""
    convert = next((convert for kind, convert in _CONVERTERS.items() if isinstance(layer, kind)), None)
    found = convert(layer, arrays) if convert else None
    if found is None:
        return None
    built = layer
    if not layer.built:
        built = type(layer).from_config(layer.get_config())
        built.build(found.input_shape)
    fits = all(tuple(_variable(built, name).shape) == array.shape for name, array in found.values.items())
    return found if fits and len(found.values) == len(_weights(built)) else None


def _variable(layer: Any, attribute: str) -> Any:
    """`kernel`, or `forward_readers.0.kernel`."""
    for part in attribute.split("."):
        layer = layer[int(part)] if part.isdigit() else getattr(layer, part)
    return layer


def _linear(layer: Any, arrays: Arrays) -> Found | None:
    if not {"weight"} <= set(arrays) <= {"weight", "bias"} or arrays["weight"].ndim != 2:
        return None
    values = {"kernel": arrays["weight"].T, **_bias(layer, arrays)}
    return Found(layer, (None, values["kernel"].shape[0]), values)


def _convolution(layer: Any, arrays: Arrays) -> Found | None:
    if not {"weight"} <= set(arrays) <= {"weight", "bias"} or arrays["weight"].ndim != 3:
        return None
    values = {"kernel": arrays["weight"].transpose(2, 1, 0), **_bias(layer, arrays)}
    return Found(layer, (None, None, values["kernel"].shape[1] * layer.groups), values)


def _bias(layer: Any, arrays: Arrays) -> Arrays:
    if "bias" in arrays or layer.use_bias:
        return {"bias": arrays.get("bias", np.zeros(len(arrays["weight"]), arrays["weight"].dtype))}
    return {}


def _embedding(layer: Any, arrays: Arrays) -> Found | None:
    return Found(layer, (None, None), {"_embeddings": arrays["weight"]}) if set(arrays) == {"weight"} else None


def _recurrent(layer: Any, arrays: Arrays) -> Found | None:
    values: Arrays = {}
    used: set[str] = set()
    for i in range(layer.num_layers):
        for readers, suffix in (("forward_readers", ""), ("backward_readers", "_reverse"))[: len(layer.readers[0])]:
            names = [f"{kind}_l{i}{suffix}" for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]
            if names[0] not in arrays or names[1] not in arrays:
                return None
            kernel, recurrent_kernel = arrays[names[0]].T, arrays[names[1]].T
            none = np.zeros(kernel.shape[-1:], kernel.dtype)
            biases = [arrays.get(name, none) for name in names[2:]]
            if layer.kind == "gru":  # two biases, and z, r, n where PyTorch has r, z, n
                bias = np.stack(biases)
                kernel, recurrent_kernel, bias = (_update_gate_first(w) for w in (kernel, recurrent_kernel, bias))
            else:
                bias = biases[0] + biases[1]
            for name, array in (("kernel", kernel), ("recurrent_kernel", recurrent_kernel), ("bias", bias)):
                values[f"{readers}.{i}.{name}"] = array
            used |= set(names)
    # Another layer, a projection (weight_hr): not this network.
    if set(arrays) - used:
        return None
    return Found(layer, (None, None, values["forward_readers.0.kernel"].shape[0]), values)


def _stack(layer: Any, arrays: Arrays) -> Found | None:
    values = stack_values(layer, arrays)
    return Found(layer, (None, None, len(values["blocks.0.output_dense.bias"])), values) if values else None


def _layer_norm(layer: Any, arrays: Arrays) -> Found | None:
    if not {"weight"} <= set(arrays) <= {"weight", "bias"} or arrays["weight"].ndim != 1:
        return None
    values = {"gamma": arrays["weight"]}
    if "bias" in arrays or layer.center:
        values["beta"] = arrays.get("bias", np.zeros_like(arrays["weight"]))
    return Found(layer, (None, *arrays["weight"].shape), values)


def _update_gate_first(weights: np.ndarray) -> np.ndarray:
    reset, update, candidate = np.array_split(weights, 3, axis=-1)
    return np.concatenate([update, reset, candidate], axis=-1)


def _attention(layer: Any, arrays: Arrays) -> Found | None:
    arrays = dict(arrays)
    if "in_proj_weight" in arrays:
        parts = np.split(arrays.pop("in_proj_weight"), 3)
        arrays.update({f"{part}_proj_weight": array for part, array in zip("qkv", parts, strict=True)})
    names = ("q_proj_weight", "k_proj_weight", "v_proj_weight", "out_proj.weight")
    if not layer.built or not set(names) <= set(arrays):
        return None
    weights = [arrays.pop(name) for name in names]
    biases: list[Any] = np.split(arrays.pop("in_proj_bias"), 3) if "in_proj_bias" in arrays else [None] * 3
    biases.append(arrays.pop("out_proj.bias") if "out_proj.bias" in arrays else None)
    heads = layer.num_heads
    if arrays or len(weights[0]) % heads:  # bias_k and bias_v have no place here
        return None
    values: Arrays = {}
    for name, weight, bias in zip(("query", "key", "value", "output"), weights, biases, strict=True):
        # (out, in) there; (in, heads, head_dim) here, and (heads, head_dim, out) for the output
        shape: Any = (heads, -1, len(weight)) if name == "output" else (weight.shape[1], heads, len(weight) // heads)
        values[f"_{name}_dense.kernel"] = weight.T.reshape(shape)
        if bias is not None or layer._use_bias:
            bias = np.zeros(len(weight), weight.dtype) if bias is None else bias
            values[f"_{name}_dense.bias"] = bias if name == "output" else bias.reshape(heads, -1)
    return Found(layer, None, values)


_CONVERTERS: dict[type, Callable[[Any, Arrays], Found | None]] = {
    Recurrent: _recurrent,
    Stack: _stack,
    keras.layers.Dense: _linear,
    keras.layers.Conv1D: _convolution,
    keras.layers.Embedding: _embedding,
    keras.layers.LayerNormalization: _layer_norm,
    keras.layers.MultiHeadAttention: _attention,
}
