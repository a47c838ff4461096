"""How PyTorch reads a sequence: its own kernels, and loops of ours where it has none. See `recurrent_kernels.py`.

Why this is fast:

- The LSTM on CPU, and on CUDA every kind, is the library's own kernel, one call for the whole sequence. It knows no
  mask, so tokens are moved to the left and the state after the last one is picked out.
- The library's RNN and GRU for CPU record every operation of every step for autograd; the loops here do not, and
  train 1.4 times faster. The gradient of the weights is one product after the loop.
"""

from typing import Any

import torch
from keras import ops


def run(
    kind: str, inputs: Any, weights: Any, states: Any, mask: Any, reverse: bool, cell: bool
) -> tuple[Any, tuple[Any, ...]]:
    """As `recurrent`."""
    inputs, *weights = (ops.convert_to_tensor(a) for a in (inputs, *weights))
    states = tuple(ops.convert_to_tensor(state) for state in states)
    if mask is None:
        outputs, final = _unmasked(kind, inputs.flip(0) if reverse else inputs, weights, states)
        return (outputs.flip(0) if reverse else outputs), final

    order = _reading_order(mask, reverse)
    if order is not None:
        inputs = _Reordered.apply(inputs, order)
    lengths = mask.sum(0)  # (batch,)
    if kind == "lstm" and cell:
        inputs, weights[0] = _shut_beyond(lengths, inputs, weights[0])
    outputs, final = _unmasked(kind, inputs, weights, states)
    last = outputs[(lengths - 1).clamp(min=0), torch.arange(len(lengths), device=lengths.device)]
    final = (torch.where(lengths[:, None] > 0, last, states[0]), *final[1:])
    if order is not None:
        outputs = _Reordered.apply(outputs, order.argsort(0))
    return outputs, final


def _shut_beyond(lengths: Any, inputs: Any, kernel: Any) -> tuple[Any, Any]:
    """Inputs and kernel with which an LSTM keeps its cell beyond a text: the library hands out the last cell only.

    One more input, 1 beyond the text, shuts the input gate and opens the forget gate there. A network of one layer is
    trained a tenth faster without.
    """
    beyond = (torch.arange(len(inputs), device=lengths.device)[:, None] >= lengths)[:, :, None]  # (length, batch, 1)
    units = kernel.shape[-1] // 4
    shut = torch.zeros_like(kernel[:1])
    shut[:, :units], shut[:, units : 2 * units] = -1e4, 1e4
    inputs = torch.cat([inputs.masked_fill(beyond, 0), beyond.to(inputs.dtype)], dim=-1)
    return inputs, torch.cat([kernel, shut])


def _reading_order(mask: Any, reverse: bool) -> Any:
    """The steps of each text as they are read, masked ones last, `(length, batch)`; None if that is how they lie."""
    # On a GPU the question would cost more than the sort: the processor would have to wait for the answer.
    if not reverse and mask.device.type == "cpu" and not (mask[1:] & ~mask[:-1]).any():
        return None
    order = torch.argsort((~(mask.flip(0) if reverse else mask)).to(torch.int8), dim=0, stable=True)
    return len(mask) - 1 - order if reverse else order


class _Reordered(torch.autograd.Function):
    """Steps in another order, each text its own; the gradient of a permutation needs no sums."""

    @staticmethod
    def forward(context: Any, inputs: Any, order: Any) -> Any:
        context.save_for_backward(order)
        return _take_steps(inputs, order)

    @staticmethod
    def backward(context: Any, gradient: Any) -> Any:
        (order,) = context.saved_tensors
        return _take_steps(gradient, order.argsort(0)), None


def _take_steps(sequence: Any, order: Any) -> Any:
    length, batch, dim = sequence.shape
    rows = (order * batch + torch.arange(batch, device=order.device)).reshape(-1)
    return sequence.reshape(-1, dim).index_select(0, rows).reshape(length, batch, dim)


def _unmasked(kind: str, inputs: Any, weights: Any, states: Any) -> tuple[Any, tuple[Any, ...]]:
    if kind == "lstm" or inputs.device.type != "cpu":
        return _library(kind, inputs, weights, states)
    length, batch, dim = inputs.shape
    kernel, recurrent_kernel, bias = weights
    input_bias, *state_bias = bias.unbind(0) if kind == "gru" else (bias,)
    projected = torch.addmm(input_bias, inputs.reshape(-1, dim), kernel).view(length, batch, -1)
    loop = _GRU.apply if kind == "gru" else _RNN.apply
    if kind == "gru" and not torch.is_grad_enabled():
        loop = _read_gru
    outputs = loop(projected, recurrent_kernel, *state_bias, *states)
    return outputs, (outputs[-1],)


def _library(kind: str, inputs: Any, weights: Any, states: Any) -> tuple[Any, tuple[Any, ...]]:
    """PyTorch's own kernels: oneDNN's LSTM on CPU, cuDNN's networks on CUDA."""
    kernel, recurrent_kernel, bias = weights
    if kind == "gru":  # z, r, n here; r, z, n there
        kernel, recurrent_kernel, bias = (
            torch.cat([r, z, n], dim=-1) for z, r, n in (w.chunk(3, dim=-1) for w in weights)
        )
        biases = bias.unbind(0)
    else:
        biases = (bias, torch.zeros_like(bias))
    run: Any = {"rnn": torch.rnn_tanh, "lstm": torch.lstm, "gru": torch.gru}[kind]
    initial = [state[None].contiguous() for state in states]
    outputs, *final = run(
        inputs,
        initial if kind == "lstm" else initial[0],
        [kernel.t().contiguous(), recurrent_kernel.t().contiguous(), *biases],
        True,  # biases
        1,  # layers
        0.0,  # dropout
        torch.is_grad_enabled(),
        False,  # bidirectional
        False,  # batch first
    )
    return outputs, tuple(state[0] for state in final)


class _RNN(torch.autograd.Function):
    """`(projected inputs (length, batch, units), recurrent_kernel, state) -> outputs`, without a mask."""

    @staticmethod
    def forward(context: Any, projected: Any, recurrent_kernel: Any, state: Any) -> Any:
        outputs = torch.empty_like(projected)
        h = state
        for x, out in zip(projected.unbind(0), outputs.unbind(0), strict=True):
            h = torch.addmm(x, h, recurrent_kernel, out=out).tanh_()
        context.save_for_backward(outputs, recurrent_kernel, state)
        return outputs

    @staticmethod
    def backward(context: Any, d_outputs: Any) -> Any:
        outputs, recurrent_kernel, state = context.saved_tensors
        factors = (1 - outputs * outputs).unbind(0)
        transposed = recurrent_kernel.t().contiguous()
        d_gates = torch.empty_like(outputs)
        d_outputs, at_step = d_outputs.unbind(0), d_gates.unbind(0)
        dh = d_outputs[-1]
        for t in reversed(range(len(factors))):
            torch.mul(dh, factors[t], out=at_step[t])
            dh = torch.addmm(d_outputs[t - 1], at_step[t], transposed) if t else at_step[0] @ transposed
        before = torch.cat([state[None], outputs[:-1]])
        return d_gates, before.flatten(0, 1).t() @ d_gates.flatten(0, 1), dh


def _read_gru(projected: Any, recurrent_kernel: Any, state_bias: Any, state: Any) -> Any:
    """As `_GRU`, without a gradient: all steps share the memory of one step's gates, which is a third faster."""
    length, batch, _ = projected.shape
    units = state.shape[-1]
    outputs, gates = projected.new_empty(length, batch, units), torch.empty_like(projected[0])
    gate, recalled = gates.split([2 * units, units], dim=-1)
    z, r = gate.chunk(2, dim=-1)
    h = state
    for x, n, out in zip(*(part.unbind(0) for part in projected.split([2 * units, units], -1)), outputs, strict=True):
        torch.addmm(state_bias, h, recurrent_kernel, out=gates)
        gate.add_(x).sigmoid_()
        h = torch.addcmul(n, r, recalled, out=out).tanh_().lerp_(h, z)
    return outputs


class _GRU(torch.autograd.Function):
    """`(projected inputs (length, batch, 3 * units), recurrent_kernel, state bias, state) -> outputs`."""

    @staticmethod
    def forward(context: Any, projected: Any, recurrent_kernel: Any, state_bias: Any, state: Any) -> Any:
        length, batch, _ = projected.shape
        units = state.shape[-1]
        outputs, candidates = (projected.new_empty(length, batch, units) for _ in range(2))
        gates = torch.empty_like(projected)  # z, r and the state's part of the candidate
        h = state
        steps = (sequence.unbind(0) for sequence in (projected, gates, candidates, outputs))
        for x, gate, n, out in zip(*steps, strict=True):
            torch.addmm(state_bias, h, recurrent_kernel, out=gate)
            gate[:, : 2 * units].add_(x[:, : 2 * units]).sigmoid_()
            z, r, recalled = gate.chunk(3, dim=-1)
            torch.addcmul(x[:, 2 * units :], r, recalled, out=n).tanh_()
            h = torch.lerp(n, h, z, out=out)
        context.save_for_backward(outputs, candidates, gates, recurrent_kernel, state)
        return outputs

    @staticmethod
    def backward(context: Any, d_outputs: Any) -> Any:
        outputs, n, gates, recurrent_kernel, state = context.saved_tensors
        length, batch, _ = outputs.shape
        z, r, recalled = gates.chunk(3, dim=-1)
        before = torch.cat([state[None], outputs[:-1]])
        d_n = (1 - z) * (1 - n * n)
        # What a step's dh is multiplied with, for each gate.
        factors = torch.stack([(before - n) * z * (1 - z), d_n * recalled * r * (1 - r), d_n * r], dim=2)
        transposed = recurrent_kernel.t().contiguous()
        d_hidden, d_gates = torch.empty_like(outputs), torch.empty_like(factors)
        d_outputs, hiddens, passed = d_outputs.unbind(0), d_hidden.unbind(0), z.unbind(0)
        hiddens[-1].copy_(d_outputs[-1])
        for t in reversed(range(length)):
            torch.mul(hiddens[t][:, None], factors[t], out=d_gates[t])
            at_step = d_gates[t].view(batch, -1)
            if t:
                torch.addcmul(d_outputs[t - 1], hiddens[t], passed[t], out=hiddens[t - 1]).addmm_(at_step, transposed)
        d_state = (hiddens[0] * passed[0]).addmm_(at_step, transposed)
        d_projected = torch.cat([d_gates[:, :, :2].flatten(2), d_hidden * d_n], dim=-1)
        d_gates = d_gates.view(length * batch, -1)
        return d_projected, before.flatten(0, 1).t() @ d_gates, d_gates.sum(0), d_state
