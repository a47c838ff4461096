"""The LSTM of cuDNN, for JAX on a CUDA device: one call for the whole sequence. See `recurrent_kernels.py`.

Why this should be fast: a step of the loop of `recurrent_kernels_xla.py` starts several kernels, each too small to
fill a GPU. cuDNN takes lengths and no mask, so tokens are moved to the left, as on PyTorch.

Tested on CPU against `jax.experimental.rnn.lstm_ref`, JAX's own reference of the call; not run on a GPU yet.
"""

from typing import Any

import jax
from jax import numpy as jnp


def can_read(kind: str, arrays: Any) -> bool:
    """Whether cuDNN takes these arrays. It is asked for memory while JAX traces, so the sizes must be known then."""
    fixed = all(isinstance(size, int) and size for size in arrays[0].shape)
    return kind == "lstm" and fixed and all(a.dtype == "float32" for a in arrays) and _on_cuda()


def _on_cuda() -> bool:
    """AMD's library, behind the same call, has its gates in another order."""
    config: Any = jax.config
    chosen = config.jax_default_device  # None, a device or a platform
    device = chosen if isinstance(chosen, jax.Device) else jax.devices(chosen)[0]
    return "cuda" in device.client.platform_version


def run(inputs: Any, weights: Any, states: Any, mask: Any, reverse: bool) -> tuple[Any, tuple[Any, ...]]:
    """As `recurrent`, for an LSTM."""
    if reverse:
        outputs, final = run(inputs[::-1], weights, states, None if mask is None else mask[::-1], False)
        return outputs[::-1], final
    length, batch, _ = inputs.shape
    if mask is None:
        return _read(inputs, weights, states, jnp.full(batch, length, "int32"))
    lengths = mask.sum(0, dtype="int32")
    order = jnp.argsort(~mask, axis=0, stable=True)[:, :, None]  # masked steps last
    # Zeros, so that nothing in the padding reaches a gradient, nor cuDNN's gradient there the inputs.
    real = (jnp.arange(length)[:, None] < lengths)[:, :, None]
    inputs = jnp.where(real, jnp.take_along_axis(inputs, order, axis=0), 0)
    outputs, final = _read(inputs, weights, states, lengths)
    return jnp.take_along_axis(outputs, jnp.argsort(order, axis=0), axis=0), final


def _read(inputs: Any, weights: Any, states: Any, lengths: Any) -> tuple[Any, tuple[Any, ...]]:
    """Texts that begin at the first step."""
    from jax.experimental import rnn  # not above: whoever has no GPU should not depend on what is experimental

    kernel, recurrent_kernel, bias = weights
    outputs, *final = rnn.lstm(
        inputs.transpose(1, 0, 2),
        *(state[None] for state in states),
        # The gates are i, f, g, o there too; it has a second bias.
        jnp.concatenate([kernel.T.ravel(), recurrent_kernel.T.ravel(), bias, jnp.zeros_like(bias)]),
        jnp.maximum(lengths, 1),  # cuDNN fails on a text of length 0: github.com/jax-ml/jax/issues/17966
        kernel.shape[0],
        recurrent_kernel.shape[0],
        1,  # layers
        0.0,  # dropout
        False,  # bidirectional
    )
    pairs = zip(final, states, strict=True)
    return outputs.transpose(1, 0, 2), tuple(jnp.where(lengths[:, None] > 0, last[0], first) for last, first in pairs)
