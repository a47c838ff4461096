"""GPT-2.

Paper: Radford et al. (2019), "Language Models are Unsupervised Multitask Learners". One departure: dropout is on the
embeddings and on what attention and feed-forward layers add, and not on the weights of attention as well.
"""

from typing import Any

import keras

from keras_nlp_zoo.models.transformer_parts import TransformerDecoderBackbone

# What makes a decoder a GPT-2.
FIXED: dict[str, Any] = {"normalize_first": True, "positions": "learned", "final_norm": True, "scale_embeddings": False}


@keras.saving.register_keras_serializable(package="keras_nlp_zoo")
class GPT2Backbone(TransformerDecoderBackbone):
    """A decoder that normalises first, with learned positions; the defaults are the smallest of the paper, 124M.

    Presets of KerasHub's `GPT2Backbone` and checkpoints of Hugging Face load into it. It computes what these do, with
    queries, keys and values in one product and caches that are read as they lie.

    Inputs: a dict of `token_ids` and `padding_mask` (1 = token, 0 = padding), int `(batch, length)`.
    Outputs: a dict of `sequence_output` `(batch, length, hidden_dim)`, zero at padding.

    Args:
        vocabulary_size: int. Number of token ids.
        num_layers: int. Number of blocks.
        num_heads: int. Heads of each attention; divides `hidden_dim`.
        hidden_dim: int. Width of all vectors.
        intermediate_dim: int. Width of the feed-forward layer in each block.
        dropout: float. Dropout on the embeddings and on what attention and feed-forward layers add.
        max_sequence_length: int. The most tokens of a text.
        activation: str or function. The activation of the feed-forward layers; by default GELU by its approximation
            with tanh, as GPT-2 was trained; `"gelu"` is the exact one.

    Raises:
        ValueError: an argument out of its range; called with more than `max_sequence_length` tokens.

    Example:
        backbone = GPT2Backbone(100, num_layers=2, num_heads=4, hidden_dim=16, intermediate_dim=64)
        outputs = backbone({"token_ids": np.ones((2, 9)), "padding_mask": np.ones((2, 9))})
        outputs["sequence_output"].shape  # (2, 9, 16)
    """

    # It comes trained: tasks fine-tune it, as they do backbones of KerasHub.
    default_optimizer: Any = None

    def __init__(
        self,
        vocabulary_size: int,
        num_layers: int = 12,
        num_heads: int = 12,
        hidden_dim: int = 768,
        intermediate_dim: int = 3072,
        dropout: float = 0.1,
        max_sequence_length: int = 1024,
        activation: Any = "gelu_approximate",
        **kwargs: Any,
    ):
        super().__init__(
            vocabulary_size,
            num_layers,
            num_heads,
            hidden_dim,
            intermediate_dim,
            dropout,
            max_sequence_length,
            activation=activation,
            **FIXED,
            **kwargs,
        )

    def get_config(self) -> dict[str, Any]:
        return {key: value for key, value in super().get_config().items() if key not in FIXED}
