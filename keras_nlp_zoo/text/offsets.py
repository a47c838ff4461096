"""Which characters of a text a token or a word stands for."""

import re
import unicodedata

from tokenizers import pre_tokenizers

_SURROGATE = re.compile("[\ud800-\udfff]")
# The splitting of the kind "word". Unlike Python's `\w` it takes vowel signs and other marks for parts of a word.
_WORDS = pre_tokenizers.Whitespace()
SPACE = "\u2581"  # as the kinds "bpe" and "unigram" write one


def whole_characters(text: str, tokens: list[str], offsets: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Offsets that take in the accents, vowel signs and jamo that follow a letter, and none for a space put in front.

    The library counts of what is joined, or taken off, in normalisation only the letter, and of a space that is not
    there the letter that follows.
    """
    whole = []
    for i, (token, (start, end)) in enumerate(zip(tokens, offsets, strict=True)):
        if token == SPACE and not text[start:end].isspace():
            end = start
        following = offsets[i + 1][0] if i + 1 < len(offsets) else len(text)
        while start < end < following and _joins(text[end]):
            end += 1
        whole.append((start, end))
    return whole


def _joins(character: str) -> bool:
    """Whether a character continues the one before: a mark, or a vowel or final consonant of a Hangul syllable."""
    return not character.isascii() and (unicodedata.category(character)[0] == "M" or "\u1160" <= character <= "\u11ff")


def without_half_pairs(text: str) -> str:
    """The text with U+FFFD for each half of a surrogate pair, which UTF-8 cannot hold; no character moves."""
    return _SURROGATE.sub("\ufffd", text)


def word_spans(text: str) -> list[tuple[int, int]]:
    """The characters of each word: letters and digits in a row, or punctuation in a row."""
    return [span for _, span in _WORDS.pre_tokenize_str(without_half_pairs(text))]


def strip(text: str, start: int, end: int) -> tuple[int, int]:
    """The characters of a token without the space before a word, which some tokenizers keep with it."""
    while start < end and text[start].isspace():
        start += 1
    while start < end and text[end - 1].isspace():
        end -= 1
    return start, end


def first_tokens(units: list[tuple[int, int]], spans: list[tuple[int, int]]) -> list[int]:
    """For each token the unit that it is the first token of, or -1; of several units in one token the longest."""
    marks, unit = [-1] * len(spans), 0
    for i, (start, end) in enumerate(spans):
        while unit < len(units) and units[unit][1] <= start:
            unit += 1
        inside = unit
        while start < end and inside < len(units) and units[inside][0] < end:
            inside += 1
        if inside > unit:
            marks[i] = max(range(unit, inside), key=lambda u: min(end, units[u][1]) - max(start, units[u][0]))
            unit = marks[i] + 1
    return marks


def token_units(spans: list[tuple[int, int]]) -> tuple[list[tuple[int, int]], list[int]]:
    """Tokens as units, those that share characters as one, and for each token the unit that it is the first of."""
    units: list[tuple[int, int]] = []
    marks = [-1] * len(spans)
    for i, (start, end) in enumerate(spans):
        if units and start < units[-1][1]:
            units[-1] = units[-1][0], max(end, units[-1][1])
        elif start < end:
            marks[i] = len(units)
            units.append((start, end))
    return units, marks
