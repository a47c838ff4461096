"""PyTorch's own recurrent networks: oneDNN's on CPU, cuDNN's on a GPU. What both kernels for PyTorch share."""

from typing import Any

import torch


def as_library(kind: str, weights: Any) -> list[Any]:
    """`(kernel, recurrent_kernel, bias)` of `recurrent` as the library has them.

    Returns:
        Weights of the inputs `(gates * units, dim)` and of the state `(gates * units, units)`, and two biases
        `(gates * units,)`, one for each.
    """
    kernel, recurrent_kernel, bias = weights
    if kind == "gru":  # z, r, n here; r, z, n there
        kernel, recurrent_kernel, bias = (
            torch.cat([r, z, n], dim=-1) for z, r, n in (w.chunk(3, dim=-1) for w in weights)
        )
        biases = bias.unbind(0)
    else:
        biases = (bias, torch.zeros_like(bias))
    return [kernel.t(), recurrent_kernel.t(), *biases]


def call_library(kind: str, inputs: Any, states: Any, weights: Any) -> Any:
    """One layer in one direction.

    Args:
        kind: "rnn", "lstm" or "gru".
        inputs: float `(length, batch, dim)`.
        states: list of the initial states, each `(1, batch, units)`.
        weights: as `as_library` gives them.

    Returns:
        Outputs `(length, batch, units)`, and each state after the last step, `(1, batch, units)`.
    """
    network: Any = {"rnn": torch.rnn_tanh, "lstm": torch.lstm, "gru": torch.gru}[kind]
    return network(
        inputs,
        states if kind == "lstm" else states[0],
        weights,
        True,  # biases
        1,  # layers
        0.0,  # dropout
        torch.is_grad_enabled(),
        False,  # bidirectional
        False,  # batch first
    )


def shut_beyond(beyond: Any, inputs: Any, kernel: Any) -> tuple[Any, Any]:
    """Inputs and kernel with which an LSTM keeps its cell beyond a text: the library hands out the last cell only.

    One more input, 1 beyond the text, shuts the input gate and opens the forget gate there. A network of one layer is
    trained a tenth faster without.

    Args:
        beyond: bool, shaped like the inputs, with a last dimension of 1.
        inputs: float `(..., dim)`.
        kernel: float `(dim, 4 * units)`.
    """
    units = kernel.shape[-1] // 4
    shut = torch.zeros_like(kernel[:1])
    shut[:, :units], shut[:, units : 2 * units] = -1e4, 1e4
    inputs = torch.cat([inputs.masked_fill(beyond, 0), beyond.to(inputs.dtype)], dim=-1)
    return inputs, torch.cat([kernel, shut])
