"""The Transformer: encoder and decoder.

Paper: Vaswani et al. (2017), "Attention Is All You Need", https://arxiv.org/abs/1706.03762. One departure: encoder and
decoder normalise their outputs once more, as in `torch.nn.Transformer`; `final_norm=False` is the paper's model.
"""

from typing import Any

import keras
from keras import ops

from keras_nlp_zoo.layers import PositionEncoding, TokenEmbedding, TransformerDecoder, TransformerEncoder
from keras_nlp_zoo.layers.activations import activation_name, get_activation
from keras_nlp_zoo.layers.dropout import Dropout
from keras_nlp_zoo.models.encoder_decoder import EncoderDecoderBackbone
from keras_nlp_zoo.models.transformer_parts import (
    LORA_LAYER_NAMES,
    check_decoding_length,
    check_transformer,
    drop_padding,
    embedding_initializer,
)
from keras_nlp_zoo.training import Adam


@keras.saving.register_keras_serializable(package="keras_nlp_zoo")
class TransformerBackbone(EncoderDecoderBackbone):
    """Encoder and decoder of the Transformer. The defaults are the paper's base model.

    Inputs: a dict of `encoder_token_ids` and `encoder_padding_mask` `(batch, source_length)`, and of
    `decoder_token_ids` and `decoder_padding_mask` `(batch, target_length)`, all int (1 = token, 0 = padding).
    Outputs: a dict of `encoder_sequence_output` `(batch, source_length, hidden_dim)` and `decoder_sequence_output`
    `(batch, target_length, hidden_dim)`, both zero at padding. A position of the decoder knows of the target only
    what stands up to it.

    Args:
        vocabulary_size: int. Number of token ids, padding included; one vocabulary for both sides.
        num_layers: int. Blocks of the encoder, and of the decoder.
        num_heads: int. Heads of each attention; divides `hidden_dim`.
        hidden_dim: int. Width of all vectors.
        intermediate_dim: int. Width of the feed-forward layer in each block.
        dropout: float. Dropout on the embeddings with their positions and on what attention and feed-forward layers
            add, as in section 5.4.
        max_sequence_length: int. The most tokens of a source or a target.
        normalize_first: bool. Whether attention and feed-forward layers read normalised vectors (Xiong et al. 2020,
            https://arxiv.org/abs/2002.04745: trains without warm-up), or, as in the paper, their sums are normalised.
        positions: `"sinusoidal"`, as in the paper, or `"learned"`.
        tie_embeddings: bool. Whether source, target and output share one matrix, as in section 3.4.
        activation: str or function. The activation of the feed-forward layers.
        final_norm: bool. Whether encoder and decoder normalise their outputs once more.

    Raises:
        ValueError: an argument out of its range; called with more than `max_sequence_length` tokens.

    Example:
        backbone = TransformerBackbone(100, num_layers=2, num_heads=4, hidden_dim=16, intermediate_dim=32)
        source, target = np.ones((2, 9)), np.ones((2, 7))
        outputs = backbone(
            {
                "encoder_token_ids": source,
                "encoder_padding_mask": source,
                "decoder_token_ids": target,
                "decoder_padding_mask": target,
            }
        )
        outputs["decoder_sequence_output"].shape  # (2, 7, 16)
    """

    # What is kept of a token while a target is written is its keys and values, not a state.
    caches_keys = True

    def __init__(
        self,
        vocabulary_size: int,
        num_layers: int = 6,
        num_heads: int = 8,
        hidden_dim: int = 512,
        intermediate_dim: int = 2048,
        dropout: float = 0.1,
        max_sequence_length: int = 512,
        normalize_first: bool = False,
        positions: str = "sinusoidal",
        tie_embeddings: bool = True,
        activation: Any = "relu",
        final_norm: bool = True,
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
        self.decoder_embedding = self._make_embedding(vocabulary_size, hidden_dim, dtype, "decoder_embedding")
        self.encoder_embedding = self.decoder_embedding
        if not tie_embeddings:
            self.encoder_embedding = self._make_embedding(vocabulary_size, hidden_dim, dtype, "encoder_embedding")
        self.encoder_positions = PositionEncoding(max_sequence_length, positions, dtype=dtype, name="encoder_positions")
        self.decoder_positions = PositionEncoding(max_sequence_length, positions, dtype=dtype, name="decoder_positions")
        self.encoder_dropout = Dropout(dropout, dtype=dtype, name="encoder_dropout")
        self.decoder_dropout = Dropout(dropout, dtype=dtype, name="decoder_dropout")
        options = {
            "num_layers": num_layers,
            "num_heads": num_heads,
            "intermediate_dim": intermediate_dim,
            "dropout": dropout,
            "activation": activation,
            "normalize_first": normalize_first,
            "final_norm": final_norm,
            "dtype": dtype,
        }
        self.encoder = TransformerEncoder(**options, name="encoder")
        self.decoder = TransformerDecoder(**options, name="decoder")

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
        self.tie_embeddings = tie_embeddings
        self.activation = get_activation(activation)
        self.final_norm = final_norm

        # === Functional ===
        inputs = self.text_inputs()
        source_mask, target_mask = inputs["encoder_padding_mask"], inputs["decoder_padding_mask"]
        source = self._encode(inputs["encoder_token_ids"], source_mask)
        target = self._embed_target(inputs["decoder_token_ids"])
        target = self.decoder(target, source, mask=target_mask, memory_mask=source_mask)
        super().__init__(
            inputs=inputs,
            outputs={
                "encoder_sequence_output": source,
                "decoder_sequence_output": drop_padding(target, target_mask),
            },
            dtype=dtype,
            **kwargs,
        )

    @staticmethod
    def _make_embedding(vocabulary_size: int, hidden_dim: int, dtype: Any, name: str) -> TokenEmbedding:
        return TokenEmbedding(
            vocabulary_size,
            hidden_dim,
            embeddings_initializer=embedding_initializer(hidden_dim),
            dtype=dtype,
            name=name,
        )

    def default_optimizer(self) -> keras.optimizers.Optimizer:
        """Adam as in section 5.3, at a constant rate."""
        return Adam(5e-4, beta_2=0.98, epsilon=1e-9)

    def default_lora_layer_names(self) -> list[str]:
        return LORA_LAYER_NAMES

    # === Decoding ===

    def start_decoding(self, token_ids: Any, padding_mask: Any, max_length: int) -> Any:
        check_decoding_length(max_length, self.max_sequence_length)
        source = self._encode(token_ids, padding_mask)
        return self.decoder.start(ops.shape(source)[0], max_length, source, padding_mask)

    def decode_step(self, token_ids: Any, index: Any, cache: Any) -> tuple[Any, Any]:
        words = self._embed_target(ops.expand_dims(token_ids, 1), index)  # (batch, 1, hidden_dim)
        outputs, cache = self.decoder.step(words, index, cache)
        return outputs[:, 0], cache

    def attention_scores(self, inputs: dict[str, Any]) -> Any:
        source_mask = inputs["encoder_padding_mask"]
        source = self._encode(inputs["encoder_token_ids"], source_mask)
        target = self._embed_target(inputs["decoder_token_ids"])
        _, _, scores = self.decoder(
            target,
            source,
            mask=inputs["decoder_padding_mask"],
            memory_mask=source_mask,
            return_attention_scores=True,
        )
        return scores

    # === Parts ===

    def _encode(self, token_ids: Any, padding_mask: Any) -> Any:
        x = self.encoder_positions(self.encoder_embedding(token_ids))
        if self.dropout:
            x = self.encoder_dropout(x)
        return drop_padding(self.encoder(x, mask=padding_mask), padding_mask)

    def _embed_target(self, token_ids: Any, start_index: Any = 0) -> Any:
        x = self.decoder_positions(self.decoder_embedding(token_ids), start_index=start_index)
        return self.decoder_dropout(x) if self.dropout else x

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
                "tie_embeddings": self.tie_embeddings,
                "activation": activation_name(self.activation),
                "final_norm": self.final_norm,
            }
        )
        return config
