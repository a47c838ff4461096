"""Errors about numbers that are arguments: each names the argument and what it received."""

from collections.abc import Sequence
from numbers import Real
from typing import Any


def check_int(name: str, value: Any, least: int) -> None:
    """Raises a `ValueError` that names an argument which is not an int of at least `least`."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ValueError(f"`{name}` must be an int of at least {least}. Received: {name}={value!r}")


def check_sizes(**sizes: Any) -> None:
    """Raises a `ValueError` that names the first argument which is not an int of at least 1."""
    for name, value in sizes.items():
        check_int(name, value, 1)


def check_positive(**values: Any) -> None:
    """Raises a `ValueError` that names the first argument which is not a number above 0."""
    for name, value in values.items():
        if isinstance(value, bool) or not isinstance(value, Real) or float(value) <= 0:
            raise ValueError(f"`{name}` must be a number above 0. Received: {name}={value!r}")


def check_rates(**rates: Any) -> None:
    """Raises a `ValueError` that names the first argument which is not a number in `[0, 1)`."""
    for name, value in rates.items():
        if not isinstance(value, Real) or not 0 <= float(value) < 1:
            raise ValueError(f"`{name}` must be a number in [0, 1). Received: {name}={value!r}")


def check_shares(**shares: Any) -> None:
    """Raises a `ValueError` that names the first argument which is not a number in `[0, 1]`."""
    for name, value in shares.items():
        if isinstance(value, bool) or not isinstance(value, Real) or not 0 <= float(value) <= 1:
            raise ValueError(f"`{name}` must be a number in [0, 1]. Received: {name}={value!r}")


def check_size_list(name: str, values: Any) -> tuple[int, ...]:
    """The values as a tuple, or a `ValueError` that names the argument."""
    if not isinstance(values, Sequence) or not values:
        raise ValueError(f"`{name}` must be a non-empty sequence of ints. Received: {name}={values!r}")
    for value in values:
        check_int(name, value, 1)
    return tuple(values)
