"""Products with weights on PyTorch's CPU.

PyTorch hands products of float32 matrices to MKL, which on processors of AMD does without their widest instructions.
oneDNN, which PyTorch carries too, does not. On two cores of an EPYC, rows times 768 x 3072: one row 0.28 ms against
0.41, eight 0.33 against 1.0, 512 rows 6.6 against 14.5; one row times GPT-2's 768 x 50,257 3.5 against 9.4. Where the
processor's widest are those of AVX2, oneDNN is ahead with few rows only: one times 768 x 50,257 5.7 against 10.7, but
1,536 times 512 x 8,000, and the gradient, 453 against 287.

At padding a loss asks nothing of a model: there the gradient is zero, and its products leave these rows out. With four
tenths of 1,536 rows padding, they take 130 ms (512 x 8,000), not 205.
"""

from typing import Any

import torch

FEW = 64  # rows
AVX2 = torch.backends.cpu.get_cpu_capability() == "AVX2"


def has_kernel(x: Any, weight: Any) -> bool:
    """Whether `linear` takes these: float32 on CPU, where PyTorch was built with oneDNN."""
    return (
        x.device.type == "cpu"
        and weight.device.type == "cpu"
        and x.dtype == weight.dtype == torch.float32
        and x.numel() > 0
        and torch.backends.mkldnn.is_available()
        and hasattr(torch.ops.mkldnn, "_linear_pointwise")
    )


def lay_out(kernel: Any) -> None:
    """Puts a kernel `(inputs, outputs)` in memory output by output, as `torch.nn.Linear` has it; its shape stays.

    One row is then multiplied at the speed of the memory, and GPT-2 (124M) writes at 1.03 times the speed of
    `transformers`, not 0.88; batches of 8 lose a tenth. And it is the order `linear` makes the gradient in, which
    otherwise is copied: a step of training takes 7% less.

    Args:
        kernel: a variable. One that has no value yet stays as it is.
    """
    if kernel._value is not None:
        kernel.value.data = kernel.value.data.t().contiguous().t()


def linear(x: Any, weight: Any, bias: Any = None) -> Any:
    """`x @ weight.T + bias`.

    Args:
        x: float32 `(..., inputs)`.
        weight: float32 `(outputs, inputs)`, of any strides.
        bias: float32 `(outputs,)`, or None.
    """
    if torch.is_grad_enabled():
        return _Linear.apply(x, weight, bias)
    return _product(x, weight, bias)


class _Linear(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, x: Any, weight: Any, bias: Any) -> Any:
        context.save_for_backward(x, weight)
        return _product(x, weight, bias)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(context: Any, gradient: Any) -> Any:
        x, weight = context.saved_tensors
        wanted = context.needs_input_grad
        inputs = x.reshape(-1, x.shape[-1])
        rows = gradient.contiguous().reshape(-1, gradient.shape[-1])
        d_bias = rows.sum(0) if wanted[2] else None
        asked = _asked(rows)
        if asked is not None:
            inputs, rows = inputs[asked], rows[asked]
        d_x = _product(rows, weight.t()) if wanted[0] else None
        if d_x is not None and asked is not None:
            d_x = d_x.new_zeros(x.numel() // x.shape[-1], x.shape[-1]).index_copy_(0, asked, d_x)
        return (
            None if d_x is None else d_x.reshape(x.shape),
            _product(rows.t(), inputs.t()) if wanted[1] else None,
            d_bias,
        )


# oneDNN prepares itself for each number of rows that it meets: zeros are left out an eighth of all rows at a time.
PARTS = 8


def _asked(gradient: Any) -> Any:
    """Indices of the rows that are not zero, and of some more; None for all of them."""
    size = len(gradient)
    if size < 8 * PARTS:
        return None
    zero = (gradient.amax(1) == 0) & (gradient.amin(1) == 0)
    part = size // PARTS
    count = max(1, -(-(size - int(zero.sum())) // part)) * part
    return torch.argsort(zero, stable=True)[:count] if count < size else None


def _product(x: Any, weight: Any, bias: Any = None) -> Any:
    if AVX2 and x.numel() > FEW * x.shape[-1]:
        return torch.nn.functional.linear(x, weight, bias)
    # Of a bias oneDNN reads one number after another, whatever its strides.
    return torch.ops.mkldnn._linear_pointwise(x, weight, None if bias is None else bias.contiguous(), "none", [], "")
