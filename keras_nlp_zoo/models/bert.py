"""BERT."""

from typing import Any

import keras
import keras_hub

from keras_nlp_zoo.layers.activations import activation_name, get_activation
from keras_nlp_zoo.layers.calling import RunsItsLayers
from keras_nlp_zoo.layers.dense import Dense, EinsumDense
from keras_nlp_zoo.layers.dropout import Dropout

OURS = {keras.layers.Dropout: Dropout, keras.layers.Dense: Dense, keras.layers.EinsumDense: EinsumDense}


@keras.saving.register_keras_serializable(package="keras_nlp_zoo")
class BertBackbone(RunsItsLayers, keras_hub.models.BertBackbone):
    """KerasHub's BERT with what checkpoints differ in, the activation above all, as arguments.

    KerasHub computes GELU by its approximation with tanh. BERTs of Hugging Face were trained with the exact one, and
    differ by about 2e-3 in their last hidden state.

    Paper: Devlin et al. (2019), https://arxiv.org/abs/1810.04805.

    Args:
        vocabulary_size: int. Number of token ids.
        num_layers, num_heads, hidden_dim, intermediate_dim: int. The sizes of bert-base by default.
        dropout: float. Dropout in and after every layer.
        max_sequence_length: int. The most tokens that it reads.
        num_segments: int. Number of segment ids.
        activation: str or function. The activation of the feed-forward layers; `"gelu"` is the exact one,
            `"gelu_approximate"` KerasHub's.
        layer_norm_epsilon: float. What is added to the variance in layer normalisation.

    Call arguments:
        a dict of `token_ids`, `segment_ids` and `padding_mask` (1 = token), int32 `(batch, length)`.

    Returns:
        A dict of `sequence_output` `(batch, length, hidden_dim)` and `pooled_output` `(batch, hidden_dim)`.

    Example:
        backbone = knz.models.BertBackbone(1000, num_layers=2, num_heads=2, hidden_dim=32, intermediate_dim=64)
    """

    def __init__(
        self,
        vocabulary_size: int,
        num_layers: int = 12,
        num_heads: int = 12,
        hidden_dim: int = 768,
        intermediate_dim: int = 3072,
        dropout: float = 0.1,
        max_sequence_length: int = 512,
        num_segments: int = 2,
        activation: Any = "gelu",
        layer_norm_epsilon: float = 1e-12,
        **kwargs: Any,
    ):
        super().__init__(
            vocabulary_size=vocabulary_size,
            num_layers=num_layers,
            num_heads=num_heads,
            hidden_dim=hidden_dim,
            intermediate_dim=intermediate_dim,
            dropout=dropout,
            max_sequence_length=max_sequence_length,
            num_segments=num_segments,
            **kwargs,
        )
        self.activation = get_activation(activation)
        self.layer_norm_epsilon = layer_norm_epsilon
        # KerasHub's constructor leaves no choice in what follows.
        for layer in self._flatten_layers():
            layer.__class__ = OURS.get(type(layer), type(layer))  # the graph holds these: others would not be called
        self.embeddings_layer_norm.epsilon = layer_norm_epsilon
        # A layer's own attribute too, so that config and computation agree.
        for layer in self.transformer_layers:
            layer.activation = layer._feedforward_intermediate_dense.activation = self.activation
            layer.layer_norm_epsilon = layer_norm_epsilon
            layer._self_attention_layer_norm.epsilon = layer._feedforward_layer_norm.epsilon = layer_norm_epsilon

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "activation": activation_name(self.activation),
            "layer_norm_epsilon": self.layer_norm_epsilon,
        }
