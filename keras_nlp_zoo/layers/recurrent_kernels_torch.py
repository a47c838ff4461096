"""How PyTorch reads a sequence: its own kernels, and loops of ours where it has none. See `recurrent_kernels.py`.

Why this is fast:

- The LSTM is the library's own kernel. It knows no mask, so tokens are moved to the left and the state after the
  last one is picked out. A GPU reads every kind so, by `recurrent_kernels_torch_gpu.py`.
- The library's RNN and GRU for CPU record every operation of every step for autograd; the loops here do not, and
  train 1.4 times faster. The gradient of the weights is one product after the loop.
- Padding is left out. Sequences are packed, as `torch.nn.utils.rnn` has it: texts are sorted, the longest
  first, and a step's rows are those of the texts that reach it. The LSTM reads packed texts in stages, each as many
  steps of as many texts, since the library knows no packing that is fast.
"""

import itertools
from typing import Any, NamedTuple

import numpy as np
import torch
from keras import ops

from keras_nlp_zoo.layers import recurrent_kernels_torch_gpu as gpu
from keras_nlp_zoo.layers.recurrent_library_torch import as_library, call_library, shut_beyond

STAGES = 4


def run(
    kind: str,
    inputs: Any,
    weights: Any,
    states: Any,
    mask: Any,
    reverse: bool,
    *,
    cell: bool,
    sequence: bool,
    **_: bool,
) -> tuple[Any, tuple[Any, ...]]:
    """As `recurrent`; whether there will be a gradient PyTorch knows."""
    inputs, *weights = (ops.convert_to_tensor(a) for a in (inputs, *weights))
    states = tuple(ops.convert_to_tensor(state) for state in states)
    if inputs.device.type != "cpu":
        return gpu.run(kind, inputs, weights, states, mask, reverse, cell, sequence)
    length, batch, dim = inputs.shape
    if mask is None:
        inputs = inputs.flip(0) if reverse else inputs
        outputs, *cells = _read(kind, inputs.reshape(-1, dim), weights, states, [batch] * length)
        outputs = outputs.view(length, batch, -1)
        return (outputs.flip(0) if reverse else outputs), (outputs[-1], *cells)

    packing = _packing(kind, mask.numpy(), reverse)
    rows, order, counts = torch.from_numpy(packing.rows), torch.from_numpy(packing.order), packing.counts
    packed = _Packed.apply(inputs, rows)
    states = tuple(state.index_select(0, order) for state in states)
    if kind == "lstm" and cell:
        packed, weights[0] = shut_beyond(torch.from_numpy(packing.beyond[:, None]), packed, weights[0])
    outputs, *cells = _read(kind, packed, weights, states, counts)
    final = [outputs.index_select(0, torch.from_numpy(packing.last)), *cells]
    if not packing.lengths[-1]:  # of a text without a token the states are those before
        final[0] = torch.where(torch.from_numpy(packing.lengths[:, None] > 0), final[0], states[0])
    restored = torch.from_numpy(np.argsort(packing.order))
    final = [state.index_select(0, restored) for state in final]
    return (_unpacked(outputs, rows, length, batch) if sequence else None), tuple(final)


class _Packing(NamedTuple):
    """How padded texts are read. In NumPy, whose operations on what is as small as this take a third of the time."""

    rows: np.ndarray  # (rows,): which of the inputs, one text after the other, each packed row is
    beyond: np.ndarray  # (rows,): whether it lies beyond its text
    counts: list[int]  # how many texts are read at each step
    order: np.ndarray  # (batch,): the texts, the longest first
    lengths: np.ndarray  # (batch,): theirs, in that order
    last: np.ndarray  # (batch,): the row of the last token of each, in that order


def _packing(kind: str, mask: np.ndarray, reverse: bool) -> _Packing:
    length, batch = mask.shape
    reading_order = _reading_order(mask, reverse)
    lengths = mask.sum(axis=0)
    order = np.argsort(-lengths, kind="stable")
    lengths = lengths[order]
    read = np.arange(length)[:, None] < lengths  # (length, batch)
    read[0, 0] = True  # something is read where there are no tokens at all
    if kind == "lstm":
        # As many texts as the stage has that this number belongs to.
        sizes = np.unique([-(-batch * k // STAGES) for k in range(STAGES + 1)])
        read = np.arange(batch) < sizes[np.searchsorted(sizes, read.sum(axis=1))][:, None]
    counts = read.sum(axis=1)
    steps, places = np.nonzero(read)
    texts = order[places]
    first = np.cumsum(counts) - counts  # row of every step
    return _Packing(
        rows=texts * length + (steps if reading_order is None else reading_order[steps, texts]),
        beyond=lengths[places] <= steps,
        counts=counts[counts > 0].tolist(),
        order=order,
        lengths=lengths,
        last=np.where(lengths > 0, first[lengths - 1] + np.arange(batch), 0),
    )


def _reading_order(mask: np.ndarray, reverse: bool) -> np.ndarray | None:
    """The steps of each text as they are read, masked ones last, `(length, batch)`; None if that is how they lie."""
    if not reverse and not (mask[1:] > mask[:-1]).any():
        return None
    order = np.argsort(~(mask[::-1] if reverse else mask), axis=0, kind="stable")
    return len(mask) - 1 - order if reverse else order


class _Packed(torch.autograd.Function):
    """Rows of `(length, batch, dim)`, numbered text by text. None is taken twice, so that a gradient needs no sums."""

    @staticmethod
    def forward(context: Any, sequence: Any, rows: Any) -> Any:
        # Often one text lies after the other in memory, though the steps come first.
        length, batch, dim = sequence.shape
        context.by_text = sequence.transpose(0, 1).is_contiguous()
        context.shape = (batch, length, dim) if context.by_text else (length, batch, dim)
        if not context.by_text:
            rows = rows % length * batch + rows // length
        context.save_for_backward(rows)
        flat = (sequence.transpose(0, 1) if context.by_text else sequence).reshape(-1, dim)
        return flat.index_select(0, rows)

    @staticmethod
    def backward(context: Any, gradient: Any) -> Any:
        (rows,) = context.saved_tensors
        flat = gradient.new_zeros(context.shape)
        flat.view(-1, gradient.shape[-1]).index_copy_(0, rows, gradient)
        return (flat.transpose(0, 1) if context.by_text else flat), None


def _unpacked(packed: Any, rows: Any, length: int, batch: int) -> Any:
    """`(length, batch, dim)`, one text after the other in memory, zeros where no row goes."""
    empty = packed.new_zeros(batch * length, packed.shape[-1])
    return empty.index_copy(0, rows, packed).view(batch, length, -1).transpose(0, 1)


def _read(kind: str, inputs: Any, weights: Any, states: Any, counts: list[int]) -> tuple[Any, ...]:
    """Outputs `(rows, units)` of packed inputs `(rows, dim)`, and an LSTM's cells after the last step of each text."""
    if kind == "lstm":
        return _read_lstm(inputs, weights, states, counts)
    kernel, recurrent_kernel, bias = weights
    input_bias, *state_bias = bias.unbind(0) if kind == "gru" else (bias,)
    projected = torch.addmm(input_bias, inputs, kernel)
    loop = _GRU.apply if kind == "gru" else _RNN.apply
    if kind == "gru" and not torch.is_grad_enabled():
        loop = _read_gru
    return (loop(projected, recurrent_kernel, *state_bias, *states, counts),)


def _read_lstm(inputs: Any, weights: Any, states: Any, counts: list[int]) -> tuple[Any, ...]:
    """oneDNN's LSTM, called for each stage."""
    weights = [weight.contiguous() for weight in as_library("lstm", weights)]
    stages = [(count, len(list(steps))) for count, steps in itertools.groupby(counts)]
    outputs: list[Any] = []
    ended: list[list[Any]] = [[] for _ in states]
    for (count, _), part in zip(stages, inputs.split([count * steps for count, steps in stages]), strict=True):
        for rows, state in zip(ended, states, strict=True):
            rows.append(state[count:])
        initial = [state[None, :count].contiguous() for state in states]
        read, *final = call_library("lstm", part.view(-1, count, part.shape[-1]), initial, weights)
        states = tuple(state[0] for state in final)
        outputs.append(read.flatten(0, 1))
    cells = [torch.cat([state, *reversed(rows)]) for state, rows in zip(states[1:], ended[1:], strict=True)]
    return (torch.cat(outputs) if len(outputs) != 1 else outputs[0]), *cells


def _each_before(outputs: Any, state: Any, counts: list[int]) -> Any:
    """The state before each row, from the outputs, which are the states after it."""
    parts = [state, *outputs.split(counts)]
    return torch.cat([part[:count] for part, count in zip(parts, counts, strict=False)])


class _RNN(torch.autograd.Function):
    """`(packed and projected inputs (rows, units), recurrent_kernel, state, counts) -> outputs (rows, units)`."""

    @staticmethod
    def forward(context: Any, projected: Any, recurrent_kernel: Any, state: Any, counts: Any) -> Any:
        outputs = torch.empty_like(projected)
        h, parts = state, zip(counts, projected.split(counts), outputs.split(counts), strict=True)
        for count, steps in itertools.groupby(parts, _count):
            h = h[:count]
            for _, x, out in steps:
                h = torch.addmm(x, h, recurrent_kernel, out=out).tanh_()
        context.save_for_backward(outputs, recurrent_kernel, state)
        context.counts = counts
        return outputs

    @staticmethod
    def backward(context: Any, d_outputs: Any) -> Any:
        outputs, recurrent_kernel, state = context.saved_tensors
        counts = context.counts
        transposed = recurrent_kernel.t().contiguous()
        factors, d_gates = (1 - outputs * outputs).split(counts), torch.empty_like(outputs)
        # What reaches the state after each step: from its output, and from the step after, which adds its part.
        d_state, d_hidden = torch.zeros_like(state), d_outputs.clone(memory_format=torch.contiguous_format)
        hidden, at_step = (d_state, *d_hidden.split(counts)), d_gates.split(counts)
        for t in reversed(range(len(counts))):
            torch.mul(hidden[t + 1], factors[t], out=at_step[t])
            hidden[t][: counts[t]].addmm_(at_step[t], transposed)
        return d_gates, _each_before(outputs, state, counts).t() @ d_gates, d_state, None


def _read_gru(projected: Any, recurrent_kernel: Any, state_bias: Any, state: Any, counts: list[int]) -> Any:
    """As `_GRU`, without a gradient: all steps share the memory of one step's gates, which is a third faster."""
    units = state.shape[-1]
    outputs, gates = projected.new_empty(len(projected), units), projected.new_empty(len(state), 3 * units)
    h = state
    parts = zip(counts, projected.split(counts), outputs.split(counts), strict=True)
    for count, steps in itertools.groupby(parts, _count):
        h, gates = h[:count], gates[:count]
        gate, recalled = gates.split([2 * units, units], dim=-1)
        z, r = gate.chunk(2, dim=-1)
        for _, x, out in steps:
            torch.addmm(state_bias, h, recurrent_kernel, out=gates)
            gate.add_(x[:, : 2 * units]).sigmoid_()
            h = torch.addcmul(x[:, 2 * units :], r, recalled, out=out).tanh_().lerp_(h, z)
    return outputs


def _count(step: Any) -> int:
    return step[0]


class _GRU(torch.autograd.Function):
    """`(packed and projected inputs (rows, 3 * units), recurrent_kernel, state bias, state, counts) -> outputs`."""

    @staticmethod
    def forward(context: Any, projected: Any, recurrent_kernel: Any, state_bias: Any, state: Any, counts: Any) -> Any:
        units = state.shape[-1]
        outputs, candidates = (projected.new_empty(len(projected), units) for _ in range(2))
        gates = torch.empty_like(projected)  # z, r and the state's part of the candidate
        h = state
        parts = (sequence.split(counts) for sequence in (projected, gates, candidates, outputs))
        for x, gate, n, out in zip(*parts, strict=True):
            h = h[: len(x)]
            torch.addmm(state_bias, h, recurrent_kernel, out=gate)
            gate[:, : 2 * units].add_(x[:, : 2 * units]).sigmoid_()
            z, r, recalled = gate.chunk(3, dim=-1)
            torch.addcmul(x[:, 2 * units :], r, recalled, out=n).tanh_()
            h = torch.lerp(n, h, z, out=out)
        context.save_for_backward(outputs, candidates, gates, recurrent_kernel, state)
        context.counts = counts
        return outputs

    @staticmethod
    def backward(context: Any, d_outputs: Any) -> Any:
        outputs, n, gates, recurrent_kernel, state = context.saved_tensors
        counts = context.counts
        z, r, recalled = gates.chunk(3, dim=-1)
        before = _each_before(outputs, state, counts)
        d_n = (1 - z) * (1 - n * n)
        # What a step's dh is multiplied with, for each gate.
        factors = torch.stack([(before - n) * z * (1 - z), d_n * recalled * r * (1 - r), d_n * r], dim=1)
        transposed = recurrent_kernel.t().contiguous()
        d_gates = torch.empty_like(factors)  # (rows, 3, units)
        # As in `_RNN`.
        d_state, d_hidden = torch.zeros_like(state), d_outputs.clone(memory_format=torch.contiguous_format)
        hidden = (d_state, *d_hidden.split(counts))
        factors, passed, at_step = (a.split(counts) for a in (factors, z, d_gates))
        for t in reversed(range(len(counts))):
            torch.mul(hidden[t + 1][:, None], factors[t], out=at_step[t])
            into = hidden[t][: counts[t]]
            into.addcmul_(hidden[t + 1], passed[t]).addmm_(at_step[t].flatten(1), transposed)
        d_projected = torch.cat([d_gates[:, :2].flatten(1), d_hidden * d_n], dim=-1)
        d_gates = d_gates.flatten(1)
        return d_projected, before.t() @ d_gates, d_gates.sum(0), d_state, None
