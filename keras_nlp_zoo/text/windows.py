"""Texts longer than a model reads, in windows that overlap."""

from typing import NamedTuple


class Window(NamedTuple):
    """Items `start` to `stop` are read; of those, `first` to `last` belong to this window and to no other."""

    start: int
    stop: int
    first: int
    last: int


def windows(length: int, room: int, overlap: int) -> list[Window]:
    """Windows over `length` items, each of at most `room`, neighbours sharing `overlap` of them.

    What two windows share is parted in the middle, so that every item belongs to the window in which it has the most
    items around it.

    Raises:
        ValueError: `overlap` leaves no step from one window to the next.
    """
    if not 0 <= overlap < room:
        raise ValueError(
            f"`overlap` must be at least 0 and less than the {room} tokens of a window. Received: {overlap}"
        )
    starts = [0]
    while starts[-1] + room < length:
        starts.append(min(starts[-1] + room - overlap, length - room))
    stops = [min(start + room, length) for start in starts]
    parted = [0, *((stop + start) // 2 for stop, start in zip(stops, starts[1:], strict=False)), length]
    return [Window(*one) for one in zip(starts, stops, parted, parted[1:], strict=False)]
