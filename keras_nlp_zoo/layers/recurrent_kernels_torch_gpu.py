"""How PyTorch reads a sequence on a GPU: cuDNN, one call for the whole sequence. See `recurrent_kernels.py`.

cuDNN is fastest on padded texts that begin at the first step, so texts that do not are moved there, the state after
the last token is picked out, and nothing is packed. What is left is the time to start kernels: there are few of them,
and the weights lie in memory as cuDNN wants them, which PyTorch would else see to at every call, and warn.
"""

from typing import Any

import torch

from keras_nlp_zoo.layers.recurrent_library_torch import as_library, call_library, shut_beyond


def run(
    kind: str, inputs: Any, weights: Any, states: Any, mask: Any, reverse: bool, cell: bool, sequence: bool
) -> tuple[Any, tuple[Any, ...]]:
    """As `recurrent`."""
    if mask is None:
        outputs, *cells = _read(kind, inputs.flip(0) if reverse else inputs, weights, states)
        return (outputs.flip(0) if reverse else outputs), (outputs[-1], *cells)
    lengths = mask.sum(0)
    order, back = _reading_order(mask, lengths, reverse)
    inputs = _steps(inputs, order)
    if kind == "lstm" and cell:
        beyond = torch.arange(len(mask), device=mask.device)[:, None] >= lengths
        inputs, kernel = shut_beyond(beyond[:, :, None], inputs, weights[0])
        weights = (kernel, *weights[1:])
    outputs, *cells = _read(kind, inputs, weights, states)
    hidden = _steps(outputs, (lengths - 1).clamp(min=0)[None])[0]
    hidden = torch.where(lengths[:, None] > 0, hidden, states[0])
    return (_steps(outputs, back) if sequence else None), (hidden, *cells)


def _reading_order(mask: Any, lengths: Any, reverse: bool) -> tuple[Any, Any]:
    """The steps of each text as they are read, masked ones last, and where each is then, `(length, batch)`.

    Whether they lie so already only the GPU knows, which is not asked: the processor would have to wait for it.
    """
    step = torch.arange(len(mask), device=mask.device)[:, None]
    so_far = mask.t().cumsum(1).t()  # tokens; along the other axis it takes ten times as long
    if reverse:
        place = torch.where(mask, lengths - so_far, len(mask) - 1 - step + so_far)
    else:
        place = torch.where(mask, so_far - 1, lengths + step - so_far)
    return torch.empty_like(place).scatter_(0, place, step.expand_as(place)), place


def _steps(sequence: Any, steps: Any) -> Any:
    """The steps of each text that are asked for, `(any number, batch)`."""
    return sequence.gather(0, steps[:, :, None].expand(-1, -1, sequence.shape[-1]))


def _read(kind: str, inputs: Any, weights: Any, states: Any) -> tuple[Any, ...]:
    """Outputs `(length, batch, units)`, and an LSTM's cell after the last step."""
    parts = as_library(kind, weights)
    flat = torch.cat([part.reshape(-1) for part in parts])
    parts = [one.view(part.shape) for one, part in zip(flat.split([p.numel() for p in parts]), parts, strict=True)]
    initial = [state[None].contiguous() for state in states]
    outputs, *final = call_library(kind, inputs, initial, parts)
    return outputs, *(state[0] for state in final[1:])
