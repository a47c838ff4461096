"""Beam search with finished hypotheses set aside and scored by their length."""

from collections.abc import Callable
from typing import Any

import keras
import keras_hub
from keras import ops, tree

from keras_nlp_zoo.checks import check_int, check_positive

NOTHING = float("-inf")  # the score of a place in a beam that holds no text


@keras.saving.register_keras_serializable(package="keras_nlp_zoo")
class BeamSearch(keras_hub.samplers.Sampler):
    """Keeps the `num_beams` best beginnings of a text, and apart from them the `num_beams` best finished texts.

    Papers: Sutskever et al. (2014), https://arxiv.org/abs/1409.3215, section 3.2, for the search; Wu et al. (2016),
    https://arxiv.org/abs/1609.08144, section 7, for dividing by a power of the length.

    A text that ends is set aside with its final score, `log p / length ** length_penalty`, and the search goes on with
    the best texts that did not end. `log p` is the sum over the tokens that the search chose, an end token included;
    `length` is their number. Given tokens, a decoder's start token among them, count in neither. Texts that reach the
    full length compete with those that ended, by the same score. These are the rules of `transformers`, with whose
    scores those of this class agree for decoders and for encoder-decoders. One beam is greedy search, unless
    `early_stopping="never"`.

    For `compile(sampler=...)` of any `CausalLM` or `Seq2SeqLM`.

    Args:
        num_beams: int. Beginnings that are continued at each step, and finished texts that are kept.
        length_penalty: float. 0 compares the probabilities of whole texts, which favours short ones; 1 the mean over
            the tokens; more favours long ones.
        early_stopping: bool or `"never"`. When the search for a row ends, once `num_beams` finished texts are kept.
            True: at once. False: when the best beginning, scored by its present length, is no better than the
            worst kept text; with `length_penalty > 0` it might have become better. `"never"`: when nothing better is
            possible, the beginning being scored by the full length if `length_penalty > 0`.
        return_all_beams: bool. Whether a call returns all kept texts and their scores. `generate` of KerasHub's
            models cannot use these.
        temperature: float. Divides the logits.

    Call arguments:
        next: function of `(prompt, cache, index)`, `prompt` being `(batch * num_beams, length)`, which returns the
            logits of the tokens at `index`, `(batch * num_beams, vocabulary)`, anything, and the next cache.
        prompt: int `(batch, length)`. The given tokens; whatever is written stands on a copy of this.
        cache: tree of tensors whose first axis is the batch. Every beam has its own.
        index: int. The first position to write.
        mask: bool or int `(batch, length)`; 1 = given token. A given token is never changed, ends no text and is each
            beam's only way to go on.
        stop_token_ids: list or tuple of int. The tokens that end a text. What follows in the row stays as it is in
            `prompt`. With None every text has the full length.
        hidden_states: not used.
        model: the model whose variables `next` reads, which JAX needs to know.

    Returns:
        The best text of each row, `(batch, length)`. With `return_all_beams` a tuple of the kept texts
        `(batch, num_beams, length)`, best first, and their scores `(batch, num_beams)`; where fewer texts exist,
        `prompt` itself with score `-inf`. A row with no position to write is its own only text, of score 0.

    Raises:
        ValueError: an argument out of its range.

    Example:
        probabilities = np.array([[0.0, 0.4, 0.6], [0.0, 0.0, 1.0], [0.0, 0.9, 0.1]])  # of each token, after each

        def following(prompt, cache, index):
            return keras.ops.log(keras.ops.take(probabilities, prompt[:, index - 1], axis=0) + 1e-9), None, cache

        prompt = np.array([[0, 0, 0]])
        search = knz.samplers.BeamSearch(num_beams=2, length_penalty=0.0, return_all_beams=True)
        texts, scores = search(following, prompt, index=1, stop_token_ids=[1])
        # 0 2 1 with log(0.6 * 0.9), then 0 1 0 with log(0.4)
    """

    def __init__(
        self,
        num_beams: int = 5,
        length_penalty: float = 1.0,
        early_stopping: bool | str = False,
        return_all_beams: bool = False,
        temperature: float = 1.0,
    ):
        super().__init__(temperature=temperature)
        check_int("num_beams", num_beams, 1)
        if not isinstance(length_penalty, (int, float)):
            raise ValueError(f"`length_penalty` must be a float. Received: length_penalty={length_penalty!r}")
        if not isinstance(early_stopping, bool) and early_stopping != "never":
            raise ValueError(f'`early_stopping` must be a bool or "never". Received: early_stopping={early_stopping!r}')
        check_positive(temperature=temperature)
        self.num_beams = num_beams
        self.length_penalty = length_penalty
        self.early_stopping = early_stopping
        self.return_all_beams = return_all_beams

    def __call__(
        self,
        next: Callable[[Any, Any, Any], tuple[Any, Any, Any]],
        prompt: Any,
        cache: Any = None,
        index: Any = 0,
        mask: Any = None,
        stop_token_ids: list[int] | tuple[int, ...] | None = None,
        hidden_states: Any = None,
        model: Any = None,
    ) -> Any:
        num_beams, stops = self.num_beams, () if stop_token_ids is None else tuple(stop_token_ids)
        # As in `transformers`: enough that the beams are full again even if each stop token ends every one of them.
        num_candidates = num_beams * (1 + max(1, len(stops)))
        prompt = ops.convert_to_tensor(prompt)
        max_length = prompt.shape[1] or ops.shape(prompt)[1]
        positions, index = ops.arange(max_length, dtype="int32"), ops.cast(index, "int32")
        mask = ops.zeros_like(prompt, dtype="bool") if mask is None else ops.cast(mask, "bool")
        free = ops.logical_not(mask) & (positions >= index)
        longest = ops.sum(ops.cast(free, "float32"), axis=1)  # (batch,)

        # Beams begin as copies of one text, of which all but the first are nothing.
        first = ops.convert_to_tensor([[0.0] + [NOTHING] * (num_beams - 1)], dtype="float32")
        scores = ops.zeros_like(prompt[:, :1], dtype="float32") + first  # (batch, beams)
        done = longest == 0
        final_scores = ops.where(done[:, None], scores, NOTHING)
        texts = ops.repeat(prompt[:, None], num_beams, axis=1)  # (batch, beams, length)
        cache = tree.map_structure(lambda x: ops.repeat(x, num_beams, axis=0), () if cache is None else cache)

        # The parts of the cache that `next` changes. The others, such as what an encoder made, are the same for all
        # beams of a row, and need not follow them. On PyTorch `next` might change a tensor in place.
        changing: set[int] = set()

        def cond(*state: Any) -> Any:
            return ops.logical_not(ops.all(state[-1]))

        def body(
            texts: Any, cache: Any, index: Any, scores: Any, lengths: Any, finals: Any, final_scores: Any, done: Any
        ) -> tuple[Any, ...]:
            before = tree.flatten(cache)
            logits, _, cache = next(ops.reshape(texts, (-1, max_length)), cache, index)
            given, given_tokens = mask[:, index][:, None], prompt[:, index][:, None]  # (batch, 1)
            candidate_scores, parents, tokens = self._candidates(logits, scores, num_candidates)
            # A given token is every beam's only candidate, and costs nothing.
            spare = candidate_scores.shape[1] - num_beams
            alone = ops.pad(scores, ((0, 0), (0, spare)), constant_values=NOTHING)
            alone_parents = ops.minimum(ops.arange(num_beams + spare, dtype=parents.dtype), num_beams - 1)
            candidate_scores = ops.where(given, alone, candidate_scores)
            parents = ops.where(given, alone_parents, parents)
            tokens = ops.where(given, given_tokens, ops.cast(tokens, prompt.dtype))
            lengths = lengths + ops.cast(ops.logical_not(given[:, 0]), "float32")

            ends = ops.zeros_like(tokens, dtype="bool")
            for stop in stops:
                ends = ends | (tokens == stop)
            ends = (ends & ops.logical_not(given)) | (index + 1 == max_length)
            # (batch, candidates, length)
            candidates = ops.where(positions == index, tokens[:, :, None], pick(texts, parents))

            # What ended competes with what ended before. As in `transformers` only the best `num_beams` candidates
            # can end; the others stand by to fill the beams.
            power = ops.maximum(lengths, 1.0) ** self.length_penalty  # (batch,); at least 1: given tokens do not count
            ended = ends & ops.logical_not(done[:, None])
            ended_scores = ops.where(ended, candidate_scores / power[:, None], NOTHING)[:, :num_beams]
            final_scores, kept = ops.top_k(ops.concatenate([final_scores, ended_scores], axis=1), num_beams)
            finals = pick(ops.concatenate([finals, candidates[:, :num_beams]], axis=1), kept)

            # What did not end is continued.
            scores, kept = ops.top_k(ops.where(ends, NOTHING, candidate_scores), num_beams)
            texts = pick(candidates, kept)
            if num_beams > 1:
                parents = ops.take_along_axis(parents, kept, axis=1)
                leaves, in_place = tree.flatten(cache), keras.backend.backend() == "torch"
                changing.update(i for i, x in enumerate(leaves) if in_place or x is not before[i])
                leaves = [pick_rows(x, parents, num_beams) if i in changing else x for i, x in enumerate(leaves)]
                cache = tree.pack_sequence_as(cache, leaves)

            if self.early_stopping == "never" and self.length_penalty > 0:
                power = ops.maximum(longest, 1.0) ** self.length_penalty
            worst = final_scores[:, -1]
            done = done | (scores[:, 0] / power <= worst)
            if self.early_stopping is True:
                done = done | (worst > NOTHING)
            return texts, cache, index + 1, scores, lengths, finals, final_scores, done

        *_, finals, final_scores, _ = self.run_loop(
            cond,
            body,
            model=model,
            loop_vars=(texts, cache, index, scores, ops.zeros_like(longest), texts, final_scores, done),
            maximum_iterations=max_length - index,
        )
        if not self.return_all_beams:
            return finals[:, 0]
        return ops.where(final_scores[:, :, None] > NOTHING, finals, prompt[:, None]), final_scores

    def _candidates(self, logits: Any, scores: Any, number: int) -> tuple[Any, Any, Any]:
        """The best continuations of each row.

        Args:
            logits: `(batch * num_beams, vocabulary)`.
            scores: the log-probabilities of the beams, `(batch, num_beams)`.
            number: int. How many to give, if there are so many.

        Returns:
            Log-probabilities, best first, the beams they continue, and their tokens, all `(batch, number)`.
        """
        logits = ops.cast(logits, "float32") / self.temperature
        # The best of each beam first: of the whole vocabulary only one sum is made, and no log-softmax. (A slice of
        # what this `top_k` gives would make XLA sort the vocabulary, which takes a hundred times as long.)
        each = min(number, logits.shape[-1])
        values, tokens = ops.top_k(logits, each)  # (batch * num_beams, each)
        values = values - ops.logsumexp(logits, axis=1, keepdims=True)
        values = ops.reshape(values, (-1, self.num_beams, each)) + scores[:, :, None]
        width = self.num_beams * each
        values, found = ops.top_k(ops.reshape(values, (-1, width)), min(number, width))
        return values, found // each, ops.take_along_axis(ops.reshape(tokens, (-1, width)), found, axis=1)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "num_beams": self.num_beams,
            "length_penalty": self.length_penalty,
            "early_stopping": self.early_stopping,
            "return_all_beams": self.return_all_beams,
        }


def pick_rows(x: Any, indices: Any, width: int) -> Any:
    """Of `x` `(batch * width, ...)`, which has `width` rows for each text, those at `indices` `(batch, number)`.

    Whole rows are taken: `take_along_axis` would need an index for every element of a cache.
    """
    starts = (ops.cumsum(ops.ones_like(indices[:, :1]), axis=0) - 1) * width  # (batch, 1), the batch being free
    return ops.take(x, ops.reshape(indices + starts, (-1,)), axis=0)


def pick(x: Any, indices: Any) -> Any:
    """`x[row, indices[row]]` for each row, of `x` `(batch, width, length)` and `indices` `(batch, number)`."""
    width, number = x.shape[1], indices.shape[1]
    length = x.shape[2] or ops.shape(x)[2]
    return ops.reshape(pick_rows(ops.reshape(x, (-1, length)), indices, width), (-1, number, length))
