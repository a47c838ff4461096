"""Recurrent encoder-decoder, with and without attention.

Papers: Sutskever et al. (2014), "Sequence to Sequence Learning with Neural Networks", https://arxiv.org/abs/1409.3215;
Cho et al. (2014), https://arxiv.org/abs/1406.1078; with `attention="additive"` Bahdanau et al. (2015),
https://arxiv.org/abs/1409.0473; with `attention="dot"` Luong et al. (2015), https://arxiv.org/abs/1508.04025.
"""

from typing import Any

import keras
from keras import ops

from keras_nlp_zoo.checks import check_rates, check_sizes
from keras_nlp_zoo.layers import AttentionDecoder, TokenEmbedding
from keras_nlp_zoo.layers.dense import Dense
from keras_nlp_zoo.layers.dropout import Dropout
from keras_nlp_zoo.layers.recurrent import CELLS
from keras_nlp_zoo.layers.softmax import masked_softmax
from keras_nlp_zoo.models.encoder_decoder import EncoderDecoderBackbone
from keras_nlp_zoo.models.recurrent import RecurrentBackbone

ATTENTIONS = (None, "additive", "dot")


@keras.saving.register_keras_serializable(package="keras_nlp_zoo")
class Seq2SeqBackbone(EncoderDecoderBackbone):
    """A recurrent network reads the source, another one writes the target.

    Inputs: a dict of `encoder_token_ids` and `encoder_padding_mask` `(batch, source_length)`, and of
    `decoder_token_ids` and `decoder_padding_mask` `(batch, target_length)`, all int (1 = token, 0 = padding).
    Outputs: a dict of `encoder_sequence_output` `(batch, source_length, hidden_dim)` and `decoder_sequence_output`
    `(batch, target_length, hidden_dim)`, both zero at padding. A position of the decoder knows of the target only
    what stands up to it. The output of a bidirectional encoder is `2 * hidden_dim` wide.

    The decoder begins with the encoder's final states; those of both directions first go through a tanh layer. What
    `attention` adds:

    - None: nothing. All that is known of the source are these states (Sutskever et al., Cho et al.).
    - `"additive"`: the decoder's first layer weighs the source's vectors before each step, with its state; the
      output is a maxout of state, context and word (Bahdanau et al., appendix A.2.2, but for the state, which is the
      one after the step: above a second layer it is that of the last).
    - `"dot"`: the decoder's state s weighs the source's vectors h_j with s W h_j ("general", Luong et al., section
      3.1); the output is the attentional state tanh(W [c; s]). It is not fed back as in their section 3.3, so all
      steps are read in one go.

    Args:
        vocabulary_size: int. Number of token ids, padding included; one vocabulary for both sides.
        embedding_dim: int. Width of a word vector.
        hidden_dim: int. Width of a recurrent state.
        num_layers: int. Recurrent layers of the encoder, and of the decoder.
        cell: `"lstm"`, `"gru"` or `"rnn"`.
        attention: None, `"additive"` or `"dot"`.
        bidirectional: bool. Whether the encoder reads backwards too.
        reverse_source: bool. Whether the encoder reads the source from its end, as Sutskever et al. (section 3.3):
            the source's first words are then near the target's first ones.
        tie_embeddings: bool. Whether source, target and output share one matrix; `hidden_dim` must be
            `embedding_dim` then.
        dropout: float. Dropout on word vectors, between recurrent layers and on outputs.

    Raises:
        ValueError: an argument out of its range.

    Example:
        backbone = Seq2SeqBackbone(100, embedding_dim=8, hidden_dim=16, attention="additive", bidirectional=True)
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

    def __init__(
        self,
        vocabulary_size: int,
        embedding_dim: int = 256,
        hidden_dim: int = 512,
        num_layers: int = 1,
        cell: str = "lstm",
        attention: str | None = None,
        bidirectional: bool = False,
        reverse_source: bool = False,
        tie_embeddings: bool = False,
        dropout: float = 0.3,
        dtype: Any = None,
        **kwargs: Any,
    ):
        check_sizes(
            vocabulary_size=vocabulary_size, embedding_dim=embedding_dim, hidden_dim=hidden_dim, num_layers=num_layers
        )
        check_rates(dropout=dropout)
        for name, value, known in (("cell", cell, tuple(CELLS)), ("attention", attention, ATTENTIONS)):
            if value not in known:
                raise ValueError(f"`{name}` must be one of {', '.join(map(repr, known))}. Received: {name}={value!r}")
        if tie_embeddings and embedding_dim != hidden_dim:
            raise ValueError(
                "`tie_embeddings` needs a `hidden_dim` that equals `embedding_dim`. "
                f"Received: hidden_dim={hidden_dim!r}, embedding_dim={embedding_dim!r}"
            )

        # === Layers ===
        recurrent: Any = CELLS[cell]
        options = {"return_sequences": True, "return_state": True, "dropout": dropout, "dtype": dtype}
        self.decoder_embedding = TokenEmbedding(vocabulary_size, embedding_dim, dtype=dtype, name="decoder_embedding")
        self.encoder_embedding = self.decoder_embedding
        if not tie_embeddings:
            self.encoder_embedding = TokenEmbedding(
                vocabulary_size, embedding_dim, dtype=dtype, name="encoder_embedding"
            )
        self.encoder_dropout = Dropout(dropout, dtype=dtype, name="encoder_dropout")
        self.decoder_dropout = Dropout(dropout, dtype=dtype, name="decoder_dropout")
        self.output_dropout = Dropout(dropout, dtype=dtype, name="output_dropout")
        self.encoder = recurrent(
            hidden_dim, num_layers=num_layers, bidirectional=bidirectional, name="encoder", **options
        )
        self.bridges = [
            Dense(hidden_dim, activation="tanh", dtype=dtype, name=f"bridge_{i}")
            for i in range(recurrent.num_states * num_layers if bidirectional else 0)
        ]
        self.attending = None  # the decoder's first layer, where it is the one that attends
        upper_layers = num_layers
        if attention == "additive":
            self.attending = AttentionDecoder(hidden_dim, cell, dtype=dtype, name="attending_decoder")
            upper_layers = num_layers - 1
        self.decoder: Any = recurrent(hidden_dim, upper_layers, name="decoder", **options) if upper_layers else None
        if attention == "additive":
            self.output_dense = Dense(2 * hidden_dim, dtype=dtype, name="maxout")
        elif attention == "dot":
            source_dim = self.encoder.output_dim
            self.query_dense = Dense(source_dim, use_bias=False, dtype=dtype, name="query")
            self.output_dense = Dense(
                hidden_dim, activation="tanh", use_bias=False, dtype=dtype, name="attentional_state"
            )

        # === Config ===
        # Before the graph is made, which reads it.
        self.vocabulary_size = vocabulary_size
        self.embedding_dim = embedding_dim
        self.hidden_dim = hidden_dim
        self.num_layers = num_layers
        self.cell = cell
        self.attention = attention
        self.bidirectional = bidirectional
        self.reverse_source = reverse_source
        self.tie_embeddings = tie_embeddings
        self.dropout = dropout

        # === Functional ===
        inputs = self.text_inputs()
        source_mask = inputs["encoder_padding_mask"]
        source, states = self._encode(inputs["encoder_token_ids"], source_mask)
        outputs, _ = self._decode(inputs["decoder_token_ids"], states, source, source_mask)
        mask = ops.cast(ops.expand_dims(inputs["decoder_padding_mask"], -1), outputs.dtype)
        super().__init__(
            inputs=inputs,
            outputs={"encoder_sequence_output": source, "decoder_sequence_output": outputs * mask},
            dtype=dtype,
            **kwargs,
        )

    default_optimizer = RecurrentBackbone.default_optimizer

    # === Decoding ===

    def start_decoding(self, token_ids: Any, padding_mask: Any, max_length: int) -> Any:
        source, states = self._encode(token_ids, padding_mask)
        if self.attending is not None:
            return tuple(states), self.attending.remember(source, padding_mask)
        return tuple(states), (source, padding_mask) if self.attention else ()

    def decode_step(self, token_ids: Any, index: Any, cache: Any) -> tuple[Any, Any]:
        states, memory = cache
        words = self.decoder_embedding(token_ids)  # (batch, embedding_dim)
        if self.attending is None:
            hidden, states = self.decoder.step(words, states)
            outputs, _ = self._read_out(hidden[:, None], memory)
            return outputs[:, 0], (tuple(states), memory)
        first = states[:: self.num_layers]
        *first, context, _ = self.attending.step(words, first, memory)
        hidden, upper = first[0], self._upper(states)
        if self.decoder is not None:
            hidden, upper = self.decoder.step(hidden, upper)
        return self._maxout(hidden, context, words), (self._merge(first, upper), memory)

    def attention_scores(self, inputs: dict[str, Any]) -> Any:
        source_mask = inputs["encoder_padding_mask"]
        source, states = self._encode(inputs["encoder_token_ids"], source_mask)
        return self._decode(inputs["decoder_token_ids"], states, source, source_mask)[1]

    # === Parts ===

    def _encode(self, token_ids: Any, padding_mask: Any) -> tuple[Any, list[Any]]:
        """The source's vectors `(batch, source_length, dim)`, and the states that the decoder begins with."""
        if self.reverse_source:
            token_ids, padding_mask = (ops.flip(x, axis=1) for x in (token_ids, padding_mask))
        words = self.encoder_dropout(self.encoder_embedding(token_ids))
        source, *states = self.encoder(words, mask=padding_mask)
        if self.reverse_source:
            source = ops.flip(source, axis=1)
        if self.bridges:
            pairs = zip(states[::2], states[1::2], strict=True)  # forward and backward
            states = [bridge(ops.concatenate(pair, axis=-1)) for bridge, pair in zip(self.bridges, pairs, strict=True)]
        return source, states

    def _decode(self, token_ids: Any, states: Any, source: Any, source_mask: Any) -> tuple[Any, Any]:
        """Outputs `(batch, length, hidden_dim)` and attention `(batch, length, source_length)`, or None."""
        words = self.decoder_dropout(self.decoder_embedding(token_ids))
        if self.attending is None:
            hidden, *_ = self.decoder(words, initial_state=states)
            outputs, scores = self._read_out(hidden, (source, source_mask) if self.attention else ())
            return self.output_dropout(outputs), scores
        hidden, context, scores = self.attending(
            words, source, source_mask=source_mask, initial_state=states[:: self.num_layers]
        )
        if self.decoder is not None:
            hidden, *_ = self.decoder(hidden, initial_state=self._upper(states))
        return self.output_dropout(self._maxout(hidden, context, words)), scores

    def _upper(self, states: Any) -> list[Any]:
        """The states of the layers above the one that attends."""
        return [state for i, state in enumerate(states) if i % self.num_layers]

    def _merge(self, first: Any, upper: Any) -> tuple[Any, ...]:
        above = self.num_layers - 1
        return tuple(state for i, one in enumerate(first) for state in (one, *upper[i * above : (i + 1) * above]))

    def _read_out(self, hidden: Any, memory: Any) -> tuple[Any, Any]:
        """What the state says without attention, and with that of Luong et al."""
        if not memory:
            return hidden, None
        source, mask = memory
        scores = ops.matmul(
            self.query_dense(hidden), ops.transpose(source, (0, 2, 1))
        )  # (batch, length, source_length)
        scores = masked_softmax(scores, ops.cast(mask, "bool")[:, None])
        return self.output_dense(ops.concatenate([ops.matmul(scores, source), hidden], axis=-1)), scores

    def _maxout(self, hidden: Any, context: Any, words: Any) -> Any:
        pairs = self.output_dense(ops.concatenate([hidden, context, words], axis=-1))
        one, other = ops.split(pairs, 2, axis=-1)
        return ops.maximum(one, other)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        config.update(
            {
                "vocabulary_size": self.vocabulary_size,
                "embedding_dim": self.embedding_dim,
                "hidden_dim": self.hidden_dim,
                "num_layers": self.num_layers,
                "cell": self.cell,
                "attention": self.attention,
                "bidirectional": self.bidirectional,
                "reverse_source": self.reverse_source,
                "tie_embeddings": self.tie_embeddings,
                "dropout": self.dropout,
            }
        )
        return config
