"""Weights of GPT-2 from Hugging Face and from KerasHub, into this package's."""

from typing import Any

import keras
import keras_hub
import numpy as np

from keras_nlp_zoo.models.gpt2 import GPT2Backbone

# Settings of a checkpoint under which GPT-2 computes something else.
UNKNOWN = ("scale_attn_by_inverse_layer_idx", "add_cross_attention")


def gpt2_from_hugging_face(config: dict[str, Any], weights: Any, activation: Any, **kwargs: Any) -> GPT2Backbone:
    """A backbone as the config of a checkpoint says.

    Args:
        config: the checkpoint's `config.json`.
        weights: function of a name that gives an array, or None to keep random weights.
        activation: the name of the activation.
        **kwargs: further arguments of the backbone.
    """
    for name in UNKNOWN:
        if config.get(name):
            raise ValueError(f"its config has {name}={config[name]!r}, which is not known here")
    if not config.get("tie_word_embeddings", True):
        raise ValueError("its config has tie_word_embeddings=False: tokens are not scored by their own vectors")
    if config.get("layer_norm_epsilon", 1e-5) != 1e-5 or not config.get("scale_attn_weights", True):
        raise ValueError("its layer_norm_epsilon is not 1e-5, or its attention is not scaled")
    dim = config["n_embd"]
    backbone = GPT2Backbone(
        vocabulary_size=config["vocab_size"],
        num_layers=config["n_layer"],
        num_heads=config["n_head"],
        hidden_dim=dim,
        intermediate_dim=config.get("n_inner") or 4 * dim,
        dropout=config.get("resid_pdrop", 0.1),
        max_sequence_length=config["n_positions"],
        activation=activation,
        **kwargs,
    )
    if weights is not None:
        _assign(backbone, "wte.weight", "wpe.weight", _hugging_face_names, ("ln_f.weight", "ln_f.bias"), weights)
    return backbone


def _hugging_face_names(i: int) -> dict[str, tuple[str, str]]:
    names = {
        "attention_norm": "ln_1",
        "query_key_value": "attn.c_attn",
        "output": "attn.c_proj",
        "feedforward_norm": "ln_2",
        "intermediate": "mlp.c_fc",
        "block_output": "mlp.c_proj",
    }
    return {part: (f"h.{i}.{name}.weight", f"h.{i}.{name}.bias") for part, name in names.items()}


def gpt2_from_keras_hub(theirs: Any) -> GPT2Backbone:
    """A backbone that computes what a `keras_hub.models.GPT2Backbone` does, with the same weights."""
    if type(theirs) is not keras_hub.models.GPT2Backbone:
        raise TypeError(f"`theirs` must be KerasHub's GPT2Backbone. Received: {type(theirs).__name__}")
    names = ("vocabulary_size", "num_layers", "num_heads", "hidden_dim", "intermediate_dim", "dropout")
    sizes = {name: getattr(theirs, name) for name in (*names, "max_sequence_length")}
    backbone = GPT2Backbone(**sizes, dtype=theirs.dtype_policy)
    arrays: dict[Any, Any] = {}
    for i, layer in enumerate(theirs.transformer_layers):
        attention = layer._self_attention_layer
        dim = theirs.hidden_dim
        parts = (attention.query_dense, attention.key_dense, attention.value_dense)
        kernels, biases = zip(*([keras.ops.convert_to_numpy(w) for w in part.weights] for part in parts), strict=True)
        for part, (kernel, bias) in {
            "attention_norm": layer._self_attention_layer_norm.weights,
            "query_key_value": (
                np.concatenate([kernel.reshape(dim, dim) for kernel in kernels], axis=1),
                np.concatenate([bias.reshape(dim) for bias in biases]),
            ),
            "output": attention.output_dense.weights,
            "feedforward_norm": layer._feedforward_layer_norm.weights,
            "intermediate": layer._feedforward_intermediate_dense.weights,
            "block_output": layer._feedforward_output_dense.weights,
        }.items():
            arrays[i, part, 0], arrays[i, part, 1] = kernel, bias
    arrays["tokens"] = theirs.token_embedding.embeddings
    arrays["positions"] = theirs.position_embedding.position_embeddings
    arrays["gamma"], arrays["beta"] = theirs.layer_norm.weights

    def block(i: int) -> dict[str, Any]:
        parts = ("attention_norm", "query_key_value", "output", "feedforward_norm", "intermediate", "block_output")
        return {part: ((i, part, 0), (i, part, 1)) for part in parts}

    def weights(name: Any) -> np.ndarray:
        return keras.ops.convert_to_numpy(arrays[name])

    _assign(backbone, "tokens", "positions", block, ("gamma", "beta"), weights)
    return backbone


def _assign(backbone: Any, tokens: Any, positions: Any, block: Any, norm: Any, weights: Any) -> None:
    """Fills a backbone from arrays by name.

    Args:
        tokens, positions, norm: names of the embeddings, and of scale and shift of the last normalisation.
        block: function of a block's number that gives the names of kernel and bias (scale and shift) of each part.
        weights: function of a name that gives the array.
    """
    pairs = [
        (backbone.token_embedding.embeddings, tokens),
        (backbone.position_encoding.table, positions),
        *zip(backbone.stack.norm.weights, norm, strict=True),
    ]
    for i, layer in enumerate(backbone.stack.blocks):
        parts = {
            "attention_norm": layer.attention_norm,
            "query_key_value": layer.attention.query_key_value_dense,
            "output": layer.attention.output_dense,
            "feedforward_norm": layer.feedforward_norm,
            "intermediate": layer.intermediate_dense,
            "block_output": layer.output_dense,
        }
        for part, names in block(i).items():
            pairs += zip(parts[part].weights, names, strict=True)
    for variable, name in pairs:
        value = weights(name)
        variable.assign(value.reshape(variable.shape))
