"""Linear-chain conditional random field."""

from typing import Any

import keras
from keras import ops

from keras_nlp_zoo.layers.scan import scan


@keras.saving.register_keras_serializable(package="keras_nlp_zoo")
class CRF(keras.layers.Layer):
    """Scores whole sequences of tags: an emission for each tag of each token, and how well tags follow one another.

    As a layer it hands emissions on and owns the scores of the transitions. `log_likelihood` is what to train with,
    `decode` gives the best tags. Any mask will do: masked positions are passed over, so that a transition leads
    from one real token to the next, whatever stands between them.

    Papers: Lafferty et al. (2001); over a network's emissions Collobert et al. (2011),
    https://arxiv.org/abs/1103.0398, section 3.3, and Huang et al. (2015), https://arxiv.org/abs/1508.01991.

    Call arguments:
        emissions: float `(batch, length, num_tags)`.

    Returns:
        The emissions.

    Example:
        crf = CRF()
        emissions = crf(np.random.normal(size=(2, 5, 3)))
        tags, probabilities = crf.decode(emissions)
        crf.log_likelihood(emissions, tags)  # (2,)
    """

    def __init__(self, **kwargs: Any):
        super().__init__(**kwargs)
        self.supports_masking = True

    def build(self, emissions_shape: Any) -> None:
        tags = emissions_shape[-1]
        # From row to column; and of the tags that come first and last.
        self.transitions = self.add_weight((tags, tags), "glorot_uniform", name="transitions")
        self.start = self.add_weight((tags,), "zeros", name="start")
        self.end = self.add_weight((tags,), "zeros", name="end")

    def call(self, emissions: Any) -> Any:
        return emissions

    def decode(self, emissions: Any, mask: Any = None) -> tuple[Any, Any]:
        """The best tags, and how probable each is.

        Args:
            emissions: float `(batch, length, num_tags)`.
            mask: bool or int `(batch, length)`, 1 = token. All ones if left out.

        Returns:
            The tags of the best sequence (Viterbi), int32 `(batch, length)`, and the probability of each tag of each
            token given all emissions, `(batch, length, num_tags)`; both 0 where masked.
        """
        sequence = _Tokens(emissions, mask)
        alphas, _ = self._forward(sequence)
        probabilities = ops.softmax(alphas + self._backward(sequence), axis=-1)
        return sequence.spread(self._best(sequence)), sequence.spread(probabilities)

    def log_likelihood(self, emissions: Any, tags: Any, mask: Any = None) -> Any:
        """log p(tags | emissions), `(batch,)`; 0 for a row without tokens.

        Args:
            emissions: float `(batch, length, num_tags)`.
            tags: int `(batch, length)`.
            mask: bool or int `(batch, length)`, 1 = token. All ones if left out.
        """
        sequence = _Tokens(emissions, mask)
        tags = sequence.gather(ops.cast(tags, "int32"))
        total = self._forward(sequence)[1]
        number = sequence.emissions.shape[-1]
        emitted = ops.take_along_axis(sequence.emissions, tags[:, :, None], axis=-1)[:, :, 0]
        followed = ops.take(ops.reshape(self._scores()[0], (-1,)), tags[:, :-1] * number + tags[:, 1:])
        mask = ops.cast(sequence.mask, "float32")
        last = ops.maximum(sequence.lengths - 1, 0)[:, None]
        score = ops.sum(emitted * mask, axis=1) + ops.sum(followed * mask[:, 1:], axis=1)
        score += ops.take(self._scores()[1], tags[:, 0])
        score += ops.take(self._scores()[2], ops.take_along_axis(tags, last, axis=1)[:, 0])
        return ops.where(sequence.lengths > 0, score - total, 0.0)

    def _scores(self) -> tuple[Any, Any, Any]:
        return tuple(ops.cast(variable, "float32") for variable in (self.transitions, self.start, self.end))

    def _forward(self, sequence: "_Tokens") -> tuple[Any, Any]:
        """Of all ways to reach a tag, the logarithm of their summed weights, at every token but for a constant; and
        that of all ways there are, `(batch,)`.

        The best tag of a token is given 0: sums over a text grow until float32 rounds what sets tags apart.
        """
        transitions, start, end = self._scores()

        def step(states: Any, emission: Any, real: Any) -> tuple[Any, Any]:
            alpha, total = states
            reached = ops.logsumexp(alpha[:, :, None] + transitions[None], axis=1) + emission
            best = ops.stop_gradient(ops.max(reached, axis=-1, keepdims=True))
            states = ops.where(real, reached - best, alpha), ops.where(real, total + best, total)
            return states, states

        first = start + sequence.emissions[:, 0]
        (last, total), (alphas, _) = scan(step, (first, ops.zeros_like(first[:, :1])), *sequence.later_steps())
        alphas = ops.concatenate([first[:, None], ops.transpose(alphas, (1, 0, 2))], axis=1)
        return alphas, total[:, 0] + ops.logsumexp(last + end, axis=-1)

    def _backward(self, sequence: "_Tokens") -> Any:
        """Of all ways to go on from a tag, the logarithm of their summed weights, but for a constant."""
        transitions, _, end = self._scores()

        def step(states: Any, emission: Any, real: Any) -> tuple[Any, Any]:
            (beta,) = states
            left = ops.logsumexp(transitions[None] + (emission + beta)[:, None, :], axis=2)
            beta = ops.where(real, left - ops.max(left, axis=-1, keepdims=True), beta)
            return (beta,), (beta,)

        last = ops.broadcast_to(end, ops.shape(sequence.emissions[:, 0]))
        _, (betas,) = scan(step, (last,), *sequence.later_steps(), reverse=True)
        return ops.concatenate([ops.transpose(betas, (1, 0, 2)), last[:, None]], axis=1)

    def _best(self, sequence: "_Tokens") -> Any:
        """Viterbi: the tags of the sequence with the highest score."""
        transitions, start, end = self._scores()
        number = sequence.emissions.shape[-1]
        same = ops.arange(number, dtype="float32")[None]

        def step(states: Any, emission: Any, real: Any) -> tuple[Any, Any]:
            (score,) = states
            candidates = score[:, :, None] + transitions[None]
            # In the type of the score: TensorFlow's scan keeps both in arrays of one type.
            came_from = ops.where(real, ops.cast(ops.argmax(candidates, axis=1), "float32"), same)
            score = ops.where(real, ops.max(candidates, axis=1) + emission, score)
            return (score,), (came_from,)

        def back(states: Any, came_from: Any, _: Any) -> tuple[Any, Any]:
            (tag,) = states
            tag = ops.take_along_axis(came_from, tag[:, None], axis=1)[:, 0]
            return (tag,), (tag,)

        first = start + sequence.emissions[:, 0]
        (score,), (came_from,) = scan(step, (first,), *sequence.later_steps())
        last = ops.cast(ops.argmax(score + end, axis=-1), "int32")
        _, (tags,) = scan(back, (last,), ops.cast(came_from, "int32"), reverse=True)
        return ops.concatenate([ops.transpose(tags, (1, 0)), last[:, None]], axis=1)


class CRFDecoder(keras.layers.Layer):
    """`CRF.decode` as a layer, to be compiled in a model."""

    def __init__(self, crf: CRF, **kwargs: Any):
        super().__init__(**kwargs)
        self.crf = crf
        self.supports_masking = True

    def call(self, emissions: Any, mask: Any) -> Any:
        return self.crf.decode(emissions, mask)

    def compute_output_spec(self, emissions: Any, mask: Any) -> Any:
        return keras.KerasTensor(mask.shape, dtype="int32"), keras.KerasTensor(emissions.shape, dtype="float32")


class _Tokens:
    """Emissions with the real tokens moved to the front, so that what follows one is the next."""

    def __init__(self, emissions: Any, mask: Any):
        emissions = ops.cast(emissions, "float32")
        batch, length = ops.shape(emissions)[:2]
        mask = ops.ones((batch, length), "bool") if mask is None else ops.cast(mask, "bool")
        places = ops.arange(length, dtype="int32")[None]
        self.order = ops.argsort(ops.where(mask, places, places + length), axis=1)
        self.original = mask
        self.lengths = ops.sum(ops.cast(mask, "int32"), axis=1)
        self.mask = places < self.lengths[:, None]
        self.emissions = self.gather(emissions)

    def gather(self, values: Any) -> Any:
        order = self.order if len(values.shape) == 2 else self.order[:, :, None]
        return ops.take_along_axis(values, order, axis=1)

    def spread(self, values: Any) -> Any:
        """The reverse of `gather`; 0 where masked."""
        rank = ops.maximum(ops.cumsum(ops.cast(self.original, "int32"), axis=1) - 1, 0)
        mask = ops.cast(self.original, values.dtype)
        if len(values.shape) == 3:
            rank, mask = rank[:, :, None], mask[:, :, None]
        return ops.take_along_axis(values, rank, axis=1) * mask

    def later_steps(self) -> tuple[Any, Any]:
        """Emissions and mask of all tokens but the first, the length first."""
        return ops.transpose(self.emissions, (1, 0, 2))[1:], ops.transpose(self.mask, (1, 0))[1:]
