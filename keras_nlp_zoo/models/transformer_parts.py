"""The Transformer's encoder alone, as a reader of text, and its decoder alone, as a language model.

Paper: Vaswani et al. (2017), "Attention Is All You Need", https://arxiv.org/abs/1706.03762. Without the other half they
are as BERT's (Devlin et al. 2019, https://arxiv.org/abs/1810.04805) and GPT's (Radford et al. 2018). The defaults are
for training from scratch on small corpora, and blocks normalise first (Xiong et al. 2020,
https://arxiv.org/abs/2002.04745), which needs no warm-up.
"""

from typing import Any

import keras
from keras import ops

from keras_nlp_zoo.checks import check_rates, check_sizes
from keras_nlp_zoo.layers import (
    PositionEncoding,
    SequencePooling,
    TokenEmbedding,
    TransformerDecoder,
    TransformerEncoder,
)
from keras_nlp_zoo.layers.activations import activation_name, get_activation
from keras_nlp_zoo.layers.dropout import Dropout
from keras_nlp_zoo.layers.positions import KINDS, UNSCALED_DEVIATION
from keras_nlp_zoo.models.backbone import Backbone
from keras_nlp_zoo.training import AdamW


class TransformerPart(Backbone):
    """What encoder and decoder share; `TransformerEncoderBackbone` says what arguments they have."""

    def __init__(
        self,
        vocabulary_size: int,
        num_layers: int = 4,
        num_heads: int = 4,
        hidden_dim: int = 256,
        intermediate_dim: int = 1024,
        dropout: float = 0.1,
        max_sequence_length: int = 512,
        normalize_first: bool = True,
        positions: str = "sinusoidal",
        activation: Any = "relu",
        final_norm: bool = True,
        scale_embeddings: bool = True,
        dtype: Any = None,
        **kwargs: Any,
    ):
        check_transformer(
            vocabulary_size,
            num_layers,
            num_heads,
            hidden_dim,
            intermediate_dim,
            dropout,
            max_sequence_length,
            positions,
        )

        # === Layers ===
        self.token_embedding = TokenEmbedding(
            vocabulary_size,
            hidden_dim,
            embeddings_initializer=embedding_initializer(hidden_dim, scale_embeddings),
            dtype=dtype,
            name="embedding",
        )
        self.position_encoding = PositionEncoding(
            max_sequence_length, positions, scale_embeddings, dtype=dtype, name="positions"
        )
        self.dropout_layer = Dropout(dropout, dtype=dtype, name="dropout")
        self.stack = self.make_stack(
            num_layers=num_layers,
            num_heads=num_heads,
            intermediate_dim=intermediate_dim,
            dropout=dropout,
            activation=activation,
            normalize_first=normalize_first,
            final_norm=final_norm,
            dtype=dtype,
        )

        # === Config ===
        # Before the graph is made, which reads it.
        self.vocabulary_size = vocabulary_size
        self.num_layers = num_layers
        self.num_heads = num_heads
        self.hidden_dim = hidden_dim
        self.intermediate_dim = intermediate_dim
        self.dropout = dropout
        self.max_sequence_length = max_sequence_length
        self.normalize_first = normalize_first
        self.positions = positions
        self.activation = get_activation(activation)
        self.final_norm = final_norm
        self.scale_embeddings = scale_embeddings

        # === Functional ===
        inputs = self.text_inputs()
        mask = inputs["padding_mask"]
        sequence = drop_padding(self.stack(self._embed(inputs["token_ids"]), mask=mask), mask)
        super().__init__(inputs=inputs, outputs=self.make_outputs(sequence, mask), dtype=dtype, **kwargs)

    def _embed(self, token_ids: Any, start_index: Any = 0) -> Any:
        x = self.position_encoding(self.token_embedding(token_ids), start_index=start_index)
        return self.dropout_layer(x) if self.dropout else x

    def make_stack(self, **options: Any) -> Any:
        """The blocks."""
        raise NotImplementedError(f"{type(self).__name__} must say which.")  # those of an encoder, or of a decoder

    def make_outputs(self, sequence: Any, mask: Any) -> dict[str, Any]:
        """What the backbone returns."""
        return {"sequence_output": sequence}

    def default_optimizer(self) -> keras.optimizers.Optimizer:
        """Adam with weight decay, and the gradient's norm kept below 1."""
        return AdamW(5e-4, weight_decay=0.01, global_clipnorm=1.0)

    def default_lora_layer_names(self) -> list[str]:
        return LORA_LAYER_NAMES

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        config.update(
            {
                "vocabulary_size": self.vocabulary_size,
                "num_layers": self.num_layers,
                "num_heads": self.num_heads,
                "hidden_dim": self.hidden_dim,
                "intermediate_dim": self.intermediate_dim,
                "dropout": self.dropout,
                "max_sequence_length": self.max_sequence_length,
                "normalize_first": self.normalize_first,
                "positions": self.positions,
                "activation": activation_name(self.activation),
                "final_norm": self.final_norm,
                "scale_embeddings": self.scale_embeddings,
            }
        )
        return config


@keras.saving.register_keras_serializable(package="keras_nlp_zoo")
class TransformerEncoderBackbone(TransformerPart):
    """The encoder: every token looks at all tokens.

    Inputs: a dict of `token_ids` and `padding_mask` (1 = token, 0 = padding), int `(batch, length)`.
    Outputs: a dict of `sequence_output` `(batch, length, hidden_dim)`, zero at padding, and `pooled_output`
    `(batch, hidden_dim)`, its mean over the tokens: there is no first token that stands for the text, as BERT's does,
    which it learns in pretraining.

    Args:
        vocabulary_size: int. Number of token ids, padding included.
        num_layers: int. Number of blocks.
        num_heads: int. Heads of each attention; divides `hidden_dim`.
        hidden_dim: int. Width of all vectors.
        intermediate_dim: int. Width of the feed-forward layer in each block.
        dropout: float. Dropout on the embeddings with their positions and on what attention and feed-forward layers
            add.
        max_sequence_length: int. The most tokens of a text.
        normalize_first: bool. Whether attention and feed-forward layers read normalised vectors, or, as in the
            paper, their sums are normalised.
        positions: `"sinusoidal"`, as in the paper, or `"learned"`.
        activation: str or function. The activation of the feed-forward layers.
        final_norm: bool. Whether the output of the last block is normalised once more.
        scale_embeddings: bool. Whether the tokens' vectors are multiplied by the root of their width, section 3.4.

    Raises:
        ValueError: an argument out of its range; called with more than `max_sequence_length` tokens.

    Example:
        backbone = TransformerEncoderBackbone(100, num_layers=2, num_heads=4, hidden_dim=16, intermediate_dim=32)
        outputs = backbone({"token_ids": np.ones((2, 9)), "padding_mask": np.ones((2, 9))})
        outputs["pooled_output"].shape  # (2, 16)
    """

    def make_stack(self, **options: Any) -> Any:
        return TransformerEncoder(**options, name="encoder")

    def make_outputs(self, sequence: Any, mask: Any) -> dict[str, Any]:
        pooled = SequencePooling("mean", dtype=self.stack.dtype_policy, name="mean")(sequence, mask)
        return {"sequence_output": sequence, "pooled_output": pooled}


@keras.saving.register_keras_serializable(package="keras_nlp_zoo")
class TransformerDecoderBackbone(TransformerPart):
    """The decoder without an encoder: a token looks at what stands up to it. Arguments and errors are those of
    `knz.models.TransformerEncoderBackbone`.

    Inputs: a dict of `token_ids` and `padding_mask` (1 = token, 0 = padding), int `(batch, length)`.
    Outputs: a dict of `sequence_output` `(batch, length, hidden_dim)`, zero at padding. The products of a token's
    vector with those of `token_embedding` (called with `reverse=True`) are the scores of the next token.

    Example:
        backbone = TransformerDecoderBackbone(100, num_layers=2, num_heads=4, hidden_dim=16, intermediate_dim=32)
        outputs = backbone({"token_ids": np.ones((2, 9)), "padding_mask": np.ones((2, 9))})
        outputs["sequence_output"].shape  # (2, 9, 16)
    """

    # Tokens are scored by their own vectors.
    tie_embeddings = True
    # What is kept of a token while a text is written is its keys and values, not a state.
    caches_keys = True

    def make_stack(self, **options: Any) -> Any:
        return TransformerDecoder(**options, cross_attention=False, name="decoder")

    # === Decoding ===

    def start_decoding(self, token_ids: Any, padding_mask: Any, max_length: int) -> Any:
        """Reads the beginning of a text, all of it at once.

        Args:
            token_ids: int `(batch, length)`.
            padding_mask: int `(batch, length)`; 1 = a token to be read, in all rows the same number of them.
            max_length: int. The most tokens that will be read.

        Returns:
            The cache for `decode_step`: a tree of tensors whose first axis is the batch.
        """
        check_decoding_length(max_length, self.max_sequence_length)
        cache = self.stack.start(ops.shape(token_ids)[0], max_length)
        # What stands after the beginning is read too, and written over before anything looks at it.
        return self.decode_step(token_ids, 0, cache)[1]

    def decode_step(self, token_ids: Any, index: Any, cache: Any) -> tuple[Any, Any]:
        """Reads the next token of each row, or the next few.

        Args:
            token_ids: int `(batch,)`, the tokens at position `index`; or `(batch, length)`, those from there on.
            index: int scalar, or a tensor of one. All tokens before it have been read.
            cache: what `start_decoding` or the step before returned.

        Returns:
            Their `sequence_output`, `(batch, hidden_dim)` or `(batch, length, hidden_dim)`, and the next cache.
        """
        one = len(token_ids.shape) == 1
        words = self._embed(ops.expand_dims(token_ids, 1) if one else token_ids, index)
        outputs, cache = self.stack.step(words, index, cache)
        return outputs[:, 0] if one else outputs, cache


# === What all Transformers need ===

LORA_LAYER_NAMES = ["query_key_value", "query", "key_value"]


def check_transformer(
    vocabulary_size: Any,
    num_layers: Any,
    num_heads: Any,
    hidden_dim: Any,
    intermediate_dim: Any,
    dropout: Any,
    max_sequence_length: Any,
    positions: Any,
) -> None:
    """Raises a `ValueError` that names the first argument which is out of its range."""
    check_sizes(
        vocabulary_size=vocabulary_size,
        num_layers=num_layers,
        num_heads=num_heads,
        hidden_dim=hidden_dim,
        intermediate_dim=intermediate_dim,
        max_sequence_length=max_sequence_length,
    )
    check_rates(dropout=dropout)
    if hidden_dim % num_heads:
        raise ValueError(
            f"`num_heads` must divide `hidden_dim`. Received: num_heads={num_heads!r}, hidden_dim={hidden_dim!r}"
        )
    if positions not in KINDS:
        raise ValueError(f"`positions` must be one of {', '.join(KINDS)}. Received: positions={positions!r}")


def check_decoding_length(max_length: int, max_sequence_length: int) -> None:
    """Positions that are looked up one by one would not notice."""
    if max_length > max_sequence_length:
        raise ValueError(
            f"`max_length` must not exceed max_sequence_length={max_sequence_length}. Received: {max_length!r}"
        )


def embedding_initializer(hidden_dim: int, scale: bool = True) -> keras.initializers.Initializer:
    """Vectors that are one long: multiplied by the root of their width, section 3.4, their elements have variance 1."""
    return keras.initializers.RandomNormal(stddev=hidden_dim**-0.5 if scale else UNSCALED_DEVIATION)


def drop_padding(sequence: Any, mask: Any) -> Any:
    """The sequence, zero where the mask is."""
    return sequence * ops.cast(ops.expand_dims(mask, -1), sequence.dtype)
