"""Token by token: a batch of beginnings read, then continued, by anything that decodes step by step."""

from collections.abc import Iterator
from typing import Any

import keras
import keras_hub
import numpy as np
from keras import ops, tree

from keras_nlp_zoo.tasks.generation import GeneratingTask, mask_after_stop, reads_kernels, to_numpy
from keras_nlp_zoo.text.batching import bucket_length
from keras_nlp_zoo.text.preprocessor import special_token_id


class NextTokenTask(GeneratingTask):
    """A `GeneratingTask` over a backbone with `start_decoding` and `decode_step`, whose `_logits` say what follows."""

    def _write(
        self, prompts: list[list[int]], max_length: int, decode: Any, stop_token_ids: Any, chunk: int | None
    ) -> Iterator[dict[str, Any]]:
        """What `generate_step` returns for one batch: once, or after every `chunk` tokens, one token after another.

        Whoever gets it may set rows of `done`, which then need not be continued.
        """
        steps = chunk is not None or takes_steps(self.sampler)
        # Few shapes, so that XLA compiles few programs. A sampler with a loop of its own writes to the end of them.
        size = bucket_length(max_length, getattr(self.backbone, "max_sequence_length", None)) if steps else max_length
        lengths = np.array([len(prompt) for prompt in prompts])
        mask = np.arange(size) < lengths[:, None]
        token_ids = np.full(mask.shape, special_token_id(self._tokenizer(), "pad"), "int32")
        token_ids[mask] = np.concatenate(prompts)
        index = int(lengths.min())
        inputs = {"token_ids": token_ids, "padding_mask": mask.astype("int32")}
        beginning = token_ids[:, : bucket_length(index - 1, size)]
        state: dict[str, Any] = {"beginning": beginning, "index": np.array(index, "int32")}
        if chunk is None:
            whole = {**inputs, **state, "max_length": np.array(max_length, "int32")}
            yield to_numpy(decode(as_tensors(whole), stop_token_ids=stop_token_ids))
            return
        state |= {"cache": (), "done": np.zeros(len(prompts), "bool")}
        while index < max_length and not state["done"].all():
            until = np.array(min(index + chunk, max_length), "int32")
            outputs = decode(as_tensors({**inputs, **state, "max_length": until}), stop_token_ids=stop_token_ids)
            cache = outputs.pop("cache")
            outputs = to_numpy(outputs)
            index, done = int(outputs["index"]), outputs["done"].copy()
            yield {**outputs, "done": done}
            inputs["token_ids"] = outputs["token_ids"]
            state = {"index": outputs["index"], "cache": cache, "done": done}

    @reads_kernels
    def generate_step(self, inputs: dict[str, Any], stop_token_ids: Any = None) -> dict[str, Any]:
        """Continues the texts of one batch; what `generate` compiles.

        Args:
            inputs: `token_ids` and `padding_mask` (1 = given token) `(batch, length)`. What else may be in it:
                `index`, where to begin to write, by default the end of the shortest beginning; `max_length`, where
                to end; `beginning`, as many columns of `token_ids` as are to be read at once; and to go on later
                `cache`, `()` or what the call before returned, and `done` with it.
            stop_token_ids: list of int, or None.

        Returns:
            A dict of `token_ids` `(batch, length)` and `padding_mask`, 1 up to and with the stop token; of a beam
            search that returns all beams `(batch, num_beams, length)`, and `scores` `(batch, num_beams)`; and, if
            there was a `cache`, the next, `index` and `done` `(batch,)`.
        """
        tokens, mask = inputs["token_ids"], ops.cast(inputs["padding_mask"], "bool")
        size = tokens.shape[1]
        index = inputs.get("index")
        if index is None:
            index = ops.maximum(ops.min(ops.sum(ops.cast(mask, "int32"), axis=1)), 1)
        cache = inputs.get("cache", ())
        if not len(cache):
            beginning = inputs.get("beginning", tokens)
            read = ops.broadcast_to(ops.arange(beginning.shape[1]) < index - 1, ops.shape(beginning))
            cache = self.backbone.start_decoding(beginning, ops.cast(read, "int32"), size)
            slim = getattr(self.backbone, "caches_keys", False) and tokens.shape[0] == 1 and takes_steps(self.sampler)
            if slim and keras.backend.backend() != "torch":
                # XLA writes keys and values of one text in place if there is no axis of texts: see `put` of a block.
                cache = tree.map_structure(lambda one: one[0], cache)

        if not takes_steps(self.sampler):
            hidden = self._vectors(tokens, index)
            tokens, mask, scores = self._sample(tokens, mask, index, cache, stop_token_ids, hidden)
            return {"token_ids": tokens, "padding_mask": mask, **scores}
        until = inputs.get("max_length", size)
        done = inputs.get("done")
        done = ops.zeros_like(tokens[:, 0], dtype="bool") if done is None else done

        def cond(tokens: Any, cache: Any, index: Any, done: Any) -> Any:
            return ops.logical_not(ops.all(done))

        def body(tokens: Any, cache: Any, index: Any, done: Any) -> tuple[Any, Any, Any, Any]:
            logits, _, cache = self._following(tokens, cache, index)
            token = self.sampler.get_next_token(self.sampler.compute_probabilities(logits))
            given = ops.take(mask, index, axis=1)
            token = ops.where(given, ops.take(tokens, index, axis=1), ops.cast(token, tokens.dtype))
            tokens = ops.slice_update(tokens, [0, index], token[:, None])
            for stop in stop_token_ids or ():
                done = ops.logical_or(done, ops.logical_and(token == stop, ops.logical_not(given)))
            return tokens, cache, index + 1, done

        # As the loop of the samplers, but for its end, which need not be that of the arrays: these are as long as
        # their bucket, and a program serves all lengths in it.
        tokens, cache, index, done = self.sampler.run_loop(
            cond, body, model=self, loop_vars=(tokens, cache, index, done), maximum_iterations=until - index
        )
        kept = ops.cast(ops.arange(size) < index, "int32")
        outputs = {"token_ids": tokens, "padding_mask": mask_after_stop(tokens, mask, stop_token_ids) * kept}
        return {**outputs, "cache": cache, "index": index, "done": done} if "cache" in inputs else outputs

    def _vectors(self, tokens: Any, index: Any) -> Any:
        """Those of the beginnings, for the sampler that compares with the tokens before."""
        if not isinstance(self.sampler, keras_hub.samplers.ContrastiveSampler):
            return None
        read = ops.broadcast_to(ops.arange(tokens.shape[1]) < index, ops.shape(tokens))
        return self.backbone({"token_ids": tokens, "padding_mask": ops.cast(read, "int32")})["sequence_output"]


def takes_steps(sampler: Any) -> bool:
    """Whether a sampler chooses one token after another, and no more than that."""
    return type(sampler).__call__ is keras_hub.samplers.Sampler.__call__


def as_tensors(inputs: Any) -> Any:
    return tree.map_structure(ops.convert_to_tensor, inputs)
