"""The Transformer: an encoder and a decoder, each a stack of attention and feed-forward layers.

Paper: Vaswani et al. (2017), "Attention Is All You Need", https://arxiv.org/abs/1706.03762.

KerasHub's blocks do not serve here: its decoder keeps the attention's weights to itself and copies its cache of keys
and values at every step. In these, one matrix product makes all that attention reads from the same vectors.
"""

from typing import Any

import keras

from keras_nlp_zoo.layers.transformer_decoder import TransformerDecoder
from keras_nlp_zoo.layers.transformer_encoder import TransformerEncoder
from keras_nlp_zoo.layers.transformer_stack import TransformerLayer


@keras.saving.register_keras_serializable(package="keras_nlp_zoo")
class Transformer(TransformerLayer):
    """Encoder and decoder, with the numbers of `torch.nn.Transformer`, whose weights `knz.interop.load_torch` takes.

    Paper: Vaswani et al. (2017), https://arxiv.org/abs/1706.03762. The defaults are the paper's base model and, for
    `final_norm`, PyTorch's.

    Args:
        num_layers: int. Blocks of the encoder, and of the decoder.
        num_heads: int. Heads of each attention; divides the width of the inputs.
        intermediate_dim: int. Width of the feed-forward layer in each block.
        dropout: float in `[0, 1)`. Dropout on what attention and feed-forward layers add to their inputs, as in
            section 5.4; `torch.nn` has it on the attention's weights and inside the feed-forward layers too.
        activation: str or function. The activation of the feed-forward layers.
        normalize_first: bool. Whether the inputs of attention and feed-forward layers are normalised (Xiong et al.
            2020, https://arxiv.org/abs/2002.04745), or, as in the paper, the sums after them.
        final_norm: bool. Whether encoder and decoder normalise their outputs once more, as `torch.nn.Transformer`
            does; the paper does not.
        layer_norm_epsilon: float. Added to the variance by layer normalisation.

    Call arguments:
        source: float `(batch, source_length, dim)`, positions added.
        target: float `(batch, target_length, dim)`, positions added.
        source_mask: bool or int `(batch, source_length)`; 1 = token, 0 = padding. All ones if left out. PyTorch's
            `src_key_padding_mask` is the opposite: true for padding.
        target_mask: bool or int `(batch, target_length)`, likewise.
        memory_mask: bool or int `(batch, source_length)`. What the decoder sees of the encoder's output;
            `source_mask` if left out.
        use_causal_mask: bool. Whether a position of the target is kept from looking at later ones. PyTorch does so
            only if it is given a `tgt_mask`.
        return_attention_scores: bool. Whether to return the attention's weights too.
        training: bool. Whether dropout is active.

    Returns:
        float `(batch, target_length, dim)`. With `return_attention_scores` a tuple of that and the weights of each
        layer and head: source over source, target over target and target over source, each
        `(batch, num_layers, num_heads, length, length)`.

    Raises:
        ValueError: an argument out of its range, or inputs whose width is no multiple of `num_heads`.

    Example:
        transformer = Transformer(num_layers=2, num_heads=4, intermediate_dim=32)
        transformer(np.ones((2, 9, 16)), np.ones((2, 7, 16))).shape  # (2, 7, 16)
    """

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        options = {**self._options(), "activation": self.activation, "dtype": self.dtype_policy}
        self.encoder = TransformerEncoder(**options, name="encoder")
        self.decoder = TransformerDecoder(**options, name="decoder")

    def build(self, source_shape: Any, target_shape: Any) -> None:
        if not self.encoder.built:
            self.encoder.build(source_shape)
        if not self.decoder.built:
            self.decoder.build(target_shape, source_shape)

    def call(
        self,
        source: Any,
        target: Any,
        source_mask: Any = None,
        target_mask: Any = None,
        memory_mask: Any = None,
        use_causal_mask: bool = True,
        return_attention_scores: bool = False,
        training: bool = False,
    ) -> Any:
        common = {"return_attention_scores": return_attention_scores, "training": training}
        memory = self.encoder(source, mask=source_mask, **common)
        scores = ()
        if return_attention_scores:
            memory, *scores = memory
        outputs = self.decoder(
            target,
            memory,
            mask=target_mask,
            memory_mask=source_mask if memory_mask is None else memory_mask,
            use_causal_mask=use_causal_mask,
            **common,
        )
        return (outputs[0], *scores, *outputs[1:]) if return_attention_scores else outputs

    def compute_output_spec(
        self,
        source: Any,
        target: Any,
        source_mask: Any = None,
        target_mask: Any = None,
        memory_mask: Any = None,
        use_causal_mask: bool = True,
        return_attention_scores: bool = False,
        training: bool = False,
    ) -> Any:
        output = keras.KerasTensor(target.shape, dtype=self.compute_dtype)
        if not return_attention_scores:
            return output
        pairs = ((source, source), (target, target), (target, source))
        return (output, *(self._scores_spec(*pair) for pair in pairs))

    def compute_mask(self, inputs: Any, mask: Any = None) -> None:
        return None  # what Keras has here is the source's
