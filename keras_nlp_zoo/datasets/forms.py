"""Sentences with places for names: what the generated corpora are written from."""

import re
from collections.abc import Callable

_SLOT = re.compile(r"\{(\w+)(?:\|(\w+)/(\w+))?\}")


def fill(form: str, choose: Callable[[str], str]) -> tuple[str, list[tuple[str, int, int]]]:
    """A sentence from its form, and where its slots are.

    Args:
        form: str. The sentence with slots, `{slot}`, or `{slot|은/는}` with the two forms of a Korean particle: the
            one after a final consonant, and the one after a vowel.
        choose: function from the name of a slot to what comes into it.

    Returns:
        The text, and `(slot, start, end)` for each slot, without its particle.
    """
    text, end = "", 0
    places = []
    for match in _SLOT.finditer(form):
        slot, closed, open_ = match.groups()
        text += form[end : match.start()]
        end = match.end()
        name = choose(slot)
        places.append((slot, len(text), len(text) + len(name)))
        text += name + (_particle(name, closed, open_) if closed else "")
    return text + form[end:], places


def _particle(word: str, closed: str, open_: str) -> str:
    final = (ord(word[-1]) - ord("가")) % 28  # the final consonant of a syllable, 0 for none
    return open_ if not final or (open_ == "로" and final == 8) else closed  # 8 is ㄹ: 서울로
