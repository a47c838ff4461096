"""Products with weights on JAX's CPU: one of all rows of a batch, whose gradient leaves out rows nothing is asked of.

Of inputs `(batch, length, dim)` as they are, XLA's CPU computes the kernel's gradient in up to twice the time (64 x 25
rows, 512 x 8,000: 142 ms against 73), and a step of a Transformer for translation takes a tenth longer.

At padding a loss asks nothing of a model: there the gradient is zero. With four tenths of 1,024 rows padding, the two
products of the gradient take 9.4 ms, not 13.1 (384 x 1,536), and 2.6, not 4.2 (384 x 384); with four tenths of 1,536,
104 ms, not 146 (512 x 8,000). Without padding they take as long as ever.

One row is multiplied by a kernel that lies output by output in memory at 31 to 41 GB/s, by one that lies input by
input, as `Dense` has it, at 24: GPT-2 (124M) writes a text at 1.1 times the speed. Several rows are slower so.
"""

import math
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import jax
from jax import numpy as jnp
from keras import ops

# Products of fewer rows or of smaller kernels are over too soon to be worth a loop; larger kernels are not, since the
# choice of a loop copies the result: of 512 rows times GPT-2's 768 x 50,257 it takes 130 ms, the products 560.
ROWS, SMALLEST_KERNEL, LARGEST_KERNEL = 512, 1 << 17, 1 << 24
# Rows in a round of the loop. In smaller ones the kernel is fetched from memory more often.
BLOCK = 128


_turned: dict[int, Any] = {}  # by the ids of the values they were made of
_given: ContextVar[dict[int, Any] | None] = ContextVar("given", default=None)  # by the ids of their variables


def is_slow_for_one_row(kernel: Any) -> bool:
    """Whether a variable `(dim, units)` is worth being turned."""
    one_cpu = jax.default_backend() == "cpu" and jax.device_count() == 1
    return one_cpu and kernel.dtype == "float32" and math.prod(kernel.shape) >= SMALLEST_KERNEL


def turned(kernel: Any) -> Any:
    """The value of a variable `(dim, units)` as `(units, dim)`: computed once, and kept as long as the value is."""
    value = kernel.value
    if id(value) not in _turned:
        _turned[id(value)] = value.T
        weakref.finalize(value, _turned.pop, id(value))
    return _turned[id(value)]


@contextmanager
def with_kernels(kernels: list[Any], turned_kernels: list[Any]) -> Iterator[None]:
    """Where products of one row with these variables read them as they were turned.

    To turn them in a program would take longer than all its steps: it has them as arguments, and is traced in here.
    """
    token = _given.set({id(kernel): turned for kernel, turned in zip(kernels, turned_kernels, strict=True)})
    try:
        yield
    finally:
        _given.reset(token)


def product(inputs: Any, kernel: Any) -> Any:
    """`inputs @ kernel`.

    Args:
        inputs: float `(..., dim)`.
        kernel: float `(dim, units)`, a variable or a tensor.
    """
    rows = inputs.reshape(-1, inputs.shape[-1])
    turned_kernel = (_given.get() or {}).get(id(kernel)) if rows.shape[0] == 1 else None
    if turned_kernel is not None:
        # Not `rows @ turned_kernel.T`: XLA may turn it back, once in each step.
        return jax.lax.dot_general(rows, turned_kernel, (((1,), (1,)), ((), ()))).reshape(*inputs.shape[:-1], -1)
    kernel = ops.convert_to_tensor(kernel)
    multiply = _with_skipping_gradient if _skips(rows, kernel) else jnp.matmul
    return multiply(rows, kernel).reshape(*inputs.shape[:-1], kernel.shape[-1])


def _skips(rows: Any, kernel: Any) -> bool:
    """Not where rows lie on several devices, from which they would have to be gathered."""
    if not isinstance(rows.shape[0], int) or jax.default_backend() != "cpu" or jax.device_count() > 1:
        return False
    large = rows.shape[0] >= ROWS and SMALLEST_KERNEL <= kernel.size <= LARGEST_KERNEL
    return large and rows.dtype == kernel.dtype


@jax.custom_vjp
def _with_skipping_gradient(rows: Any, kernel: Any) -> Any:
    return rows @ kernel


def _forward(rows: Any, kernel: Any) -> tuple[Any, Any]:
    """The kernel is kept for the gradient of the rows, the rows for the kernel's; None where that is not asked for."""
    kept = rows.value if kernel.perturbed else None, kernel.value if rows.perturbed else None
    return rows.value @ kernel.value, kept


def _backward(kept: tuple[Any, Any], gradient: Any) -> tuple[Any, Any]:
    rows, kernel = kept
    asked = jnp.max(jnp.abs(gradient), axis=1) != 0
    order = jnp.argsort(~asked)
    blocks = -(-jnp.sum(asked) // BLOCK)

    def whole() -> tuple[Any, Any]:
        return None if kernel is None else gradient @ kernel.T, None if rows is None else rows.T @ gradient

    def in_blocks() -> tuple[Any, Any]:
        def add(k: Any, sums: tuple[Any, Any]) -> tuple[Any, Any]:
            d_rows, d_kernel = sums
            chosen = jax.lax.dynamic_slice(order, (k * BLOCK,), (BLOCK,))
            their_gradient = _pick(gradient, chosen)
            if kernel is not None:
                d_rows = d_rows.at[chosen].set(their_gradient @ kernel.T, unique_indices=True)
            if rows is not None:
                d_kernel = d_kernel + _pick(rows, chosen).T @ their_gradient
            return d_rows, d_kernel

        return jax.lax.fori_loop(0, blocks, add, jax.tree.map(jnp.zeros_like, jax.eval_shape(whole)))

    # The last block is a whole one too.
    return jax.lax.cond(blocks * BLOCK < len(gradient), in_blocks, whole)


def _pick(array: Any, rows: Any) -> Any:
    return array.at[rows].get(mode="promise_in_bounds", unique_indices=True)


_with_skipping_gradient.defvjp(_forward, _backward, symbolic_zeros=True)
