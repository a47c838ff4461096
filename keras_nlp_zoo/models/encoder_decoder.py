"""What the encoder-decoder backbones share: four inputs, and how a task decodes one token at a time."""

from typing import Any

import keras

from keras_nlp_zoo.models.backbone import Backbone


class EncoderDecoderBackbone(Backbone):
    """Base of the backbones that read one text and write another; they say what their inputs and outputs are.

    A subclass has a layer `decoder_embedding`, a `TokenEmbedding`, which makes vectors of target tokens, and an
    attribute `tie_embeddings`: if it is true, the scores of the next token are products with these vectors.
    """

    tie_embeddings = False
    decoder_embedding: Any = None

    @staticmethod
    def text_inputs() -> dict[str, Any]:
        """Ids and mask of source and target, int32 `(batch, length)`, everything free."""
        return {
            name: keras.Input((None,), dtype="int32", name=name)
            for name in ("encoder_token_ids", "encoder_padding_mask", "decoder_token_ids", "decoder_padding_mask")
        }

    def start_decoding(self, token_ids: Any, padding_mask: Any, max_length: int) -> Any:
        """Reads the sources.

        Args:
            token_ids: int `(batch, source_length)`.
            padding_mask: int `(batch, source_length)`.
            max_length: int. The most target tokens that will be decoded.

        Returns:
            What `decode_step` needs to know: a tree of tensors whose first axis is the batch, so that a beam search
            can repeat and reorder them.
        """
        raise NotImplementedError(f"{type(self).__name__} must say how it reads a source.")  # every model its own way

    def decode_step(self, token_ids: Any, index: Any, cache: Any) -> tuple[Any, Any]:
        """Reads one target token of each row.

        Args:
            token_ids: int `(batch,)`. The tokens at position `index` of the targets.
            index: int scalar, or a tensor of one.
            cache: what `start_decoding` or the step before returned.

        Returns:
            This position of `decoder_sequence_output`, `(batch, hidden_dim)`, and the cache for the next step.
        """
        raise NotImplementedError(f"{type(self).__name__} must say how it reads one token.")  # every model its own way

    def attention_scores(self, inputs: dict[str, Any]) -> Any:
        """Where the decoder looks: weights over the source's tokens, summing to one.

        Args:
            inputs: the four inputs of the backbone.

        Returns:
            float `(batch, target_length, source_length)`; of several layers and heads
            `(batch, num_layers, num_heads, target_length, source_length)`. None if the decoder does not attend.
        """
        return None
