"""The encoder of the Transformer.

Paper: Vaswani et al. (2017), "Attention Is All You Need", https://arxiv.org/abs/1706.03762.
"""

from typing import Any

import keras
from keras import ops

from keras_nlp_zoo.layers.calling import run
from keras_nlp_zoo.layers.transformer_block import hide
from keras_nlp_zoo.layers.transformer_stack import Stack


@keras.saving.register_keras_serializable(package="keras_nlp_zoo")
class TransformerEncoder(Stack):
    """The whole encoder: every position looks at all positions. KerasHub's layer of this name is one block of it.

    Paper: Vaswani et al. (2017), https://arxiv.org/abs/1706.03762, section 3.1. Arguments and errors are those of
    `knz.layers.Transformer`.

    Call arguments:
        inputs: float `(batch, length, dim)`, positions added.
        mask: bool or int `(batch, length)`; 1 = token, 0 = padding. All ones if left out. Nothing looks at padding;
            what comes out there has no meaning, but is finite.
        return_attention_scores: bool. Whether to return the attention's weights too.
        training: bool. Whether dropout is active.

    Returns:
        float `(batch, length, dim)`. With `return_attention_scores` a tuple of that and the weights of each layer
        and head, `(batch, num_layers, num_heads, length, length)`; those over the last axis sum to one.

    Example:
        encoder = TransformerEncoder(num_layers=2, num_heads=4, intermediate_dim=32)
        outputs, scores = encoder(np.ones((2, 9, 16)), return_attention_scores=True)
        outputs.shape, scores.shape  # (2, 9, 16), (2, 2, 4, 9, 9)
    """

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self._make_blocks(cross_attention=False)

    def build(self, inputs_shape: Any) -> None:
        self._build_blocks(inputs_shape)

    def call(self, inputs: Any, mask: Any = None, return_attention_scores: bool = False, training: bool = False) -> Any:
        x, bias, scores = inputs, hide(mask), []
        for block in self.blocks:
            x, _, (weights, _) = run(block, x, bias=bias, training=training)
            scores.append(weights)
        x = self._finish(x)
        return (x, ops.stack(scores, axis=1)) if return_attention_scores else x

    def compute_output_spec(
        self, inputs: Any, mask: Any = None, return_attention_scores: bool = False, training: bool = False
    ) -> Any:
        output = keras.KerasTensor(inputs.shape, dtype=self.compute_dtype)
        return (output, self._scores_spec(inputs, inputs)) if return_attention_scores else output
