"""Which characters of a text a token stands for."""

import unicodedata

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
