"""Weights of attention."""

from typing import Any

from keras import ops

# The score of what must not be seen. Finite in float16 and, unlike minus infinity, harmless where nothing can be seen.
HIDDEN_SCORE = -3e4


def softmax(scores: Any) -> Any:
    """Along the last axis. Keras's warns where there is one place only."""
    return ops.ones_like(scores) if scores.shape[-1] == 1 else ops.softmax(scores, axis=-1)


def masked_softmax(scores: Any, mask: Any) -> Any:
    """Along the last axis, with no weight where the bool `mask` is false."""
    return softmax(ops.where(mask, scores, HIDDEN_SCORE))
