"""The blocks of `torch.nn.TransformerEncoder` and `TransformerDecoder`, as `torch_weights.py` reads them."""

import re
from typing import Any

import numpy as np

from keras_nlp_zoo.layers.transformer_stack import Stack

Arrays = dict[str, np.ndarray]

_ENCODER = {
    "self_attn.in_proj_": "attention.query_key_value_dense",
    "self_attn.out_proj.": "attention.output_dense",
    "norm1.": "attention_norm",
    "linear1.": "intermediate_dense",
    "linear2.": "output_dense",
    "norm2.": "feedforward_norm",
}
_DECODER = {
    **_ENCODER,
    "multihead_attn.query_": "cross_attention.query_dense",
    "multihead_attn.key_value_": "cross_attention.key_value_dense",
    "multihead_attn.out_proj.": "cross_attention.output_dense",
    "norm2.": "cross_attention_norm",
    "norm3.": "feedforward_norm",
}
# `layers.0.self_attn.out_proj.weight`: the block, and the weight's name in it
_WEIGHT = re.compile(r"(?:(.*)\.)?((?:self_attn|multihead_attn|linear\d|norm\d)\..+)")


def join_stacks(modules: dict[str, Arrays]) -> dict[str, Arrays]:
    """The modules of a stack of blocks as one, `encoder`, with weights as `layers.0.norm1.bias` and `norm.bias`."""
    stacks = [_stack_of(name) for name in modules if name.rpartition(".")[2] == "self_attn"]
    joined: dict[str, Arrays] = {}
    for name, arrays in modules.items():
        for stack, blocks, norm in stacks:
            if name == norm or name.startswith(f"{blocks}." if blocks else ""):
                inner = name[len(stack) + 1 :] if stack else name
                joined.setdefault(stack, {}).update({f"{inner}.{leaf}": array for leaf, array in arrays.items()})
                break
        else:
            joined[name] = arrays
    return joined


def _stack_of(attention: str) -> tuple[str, str, str | None]:
    """Names of the stack, of what holds its blocks, and of its norm, for `encoder.layers.0.self_attn`."""
    block = attention.rpartition(".")[0]
    blocks, _, number = block.rpartition(".")
    if not number.isdigit():
        return block, block, None  # one block alone
    stack, _, last = blocks.rpartition(".")
    if last != "layers":
        return blocks, blocks, None  # a list of blocks
    return stack, blocks, f"{stack}.norm" if stack else "norm"


def stack_values(stack: Stack, arrays: Arrays) -> Arrays | None:
    """The arrays by the variables of the stack that they go into, or None if they are not all its weights."""
    blocks: dict[int, Arrays] = {}
    values: Arrays = {}
    for name, array in arrays.items():
        match = _WEIGHT.fullmatch(name)
        if match:
            blocks.setdefault(int((match[1] or "0").rpartition(".")[2]), {})[match[2]] = array
        elif name != "norm.bias":
            if name != "norm.weight" or not stack.final_norm:
                return None
            values.update(_variables("norm", array, arrays.get("norm.bias")))
    if len(blocks) != stack.num_layers or bool(values) != stack.final_norm:
        return None
    parts = _DECODER if getattr(stack, "cross_attention", False) else _ENCODER
    for place, number in enumerate(sorted(blocks)):
        block = blocks[number]
        for leaf in ("weight", "bias"):
            read = block.pop(f"multihead_attn.in_proj_{leaf}", None)
            if read is not None:
                block[f"multihead_attn.query_{leaf}"], block[f"multihead_attn.key_value_{leaf}"] = np.split(
                    read, [len(read) // 3]
                )
        for theirs, ours in parts.items():
            if f"{theirs}weight" not in block:
                return None
            weight = block.pop(f"{theirs}weight")
            values.update(_variables(f"blocks.{place}.{ours}", weight, block.pop(f"{theirs}bias", None)))
        if block:
            return None
    return values


def _variables(name: str, weight: np.ndarray, bias: np.ndarray | None) -> Arrays:
    """Of a dense layer or a layer norm. A bias that PyTorch leaves out is zero here."""
    bias = np.zeros(len(weight), weight.dtype) if bias is None else bias
    if weight.ndim == 1:
        return {f"{name}.gamma": weight, f"{name}.beta": bias}
    return {f"{name}.kernel": weight.T, f"{name}.bias": bias}


def check_options(target: Any, source: Any) -> None:
    """Raises a `ValueError` if the blocks of a module compute what those of the target do not: no weight shows it."""
    stacks = [layer for layer in target._flatten_layers() if isinstance(layer, Stack)]
    blocks = [module for module in source.modules() if hasattr(module, "norm_first")]
    if not stacks or not blocks:
        return
    for name, theirs, ours in (
        ("num_heads", {b.self_attn.num_heads for b in blocks}, {s.num_heads for s in stacks}),
        ("normalize_first", {b.norm_first for b in blocks}, {s.normalize_first for s in stacks}),
        ("layer_norm_epsilon", {b.norm1.eps for b in blocks}, {s.layer_norm_epsilon for s in stacks}),
        ("activation", {_name_of(b.activation) for b in blocks}, {_name_of(s.activation) for s in stacks}),
    ):
        if theirs != ours:
            raise ValueError(
                f"`source` computes with {name}={_listed(theirs)}, but {type(target).__name__} '{target.name}' with "
                f"{_listed(ours)}; nothing was changed."
            )


def _name_of(activation: Any) -> str:
    return getattr(activation, "__name__", type(activation).__name__).lower()


def _listed(values: set[Any]) -> str:
    return ", ".join(sorted(map(str, values)))
