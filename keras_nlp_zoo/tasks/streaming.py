"""Texts while they are written: whole characters, and nothing of a string that is to end them."""

from typing import Any

from keras_nlp_zoo.text.inputs import as_text_list

HALF = "\ufffd"  # what bytes decode to that are no character, or not yet


def stop_strings(stop: Any) -> tuple[str, ...]:
    """The strings that end a text, checked."""
    if stop is None:
        return ()
    strings = (stop,) if isinstance(stop, str) else tuple(as_text_list(stop, "stop"))
    if not all(strings):
        raise ValueError(f"`stop` must hold no empty string. Received: stop={stop!r}")
    return strings


def written(
    tokenizer: Any, prompt: list[int], new: list[int], strip_prompt: bool, stop: tuple[str, ...]
) -> tuple[str, bool]:
    """The text of a beginning and of what was written after it, and whether it ended before a stop string."""
    ends, *whole = as_text_list(tokenizer.detokenize([new, *([] if strip_prompt else [[*prompt, *new]])]), "tokens")
    text = whole[0] if whole else ends
    # Of each the end, then the beginning: the first to be complete, however much has been written after it.
    places = [(ends.find(string) + len(string), ends.find(string)) for string in stop if string in ends]
    if not places:
        return text, False
    return text[: len(text) - (len(ends) - min(places)[1])], True


class TextStream:
    """One text as it grows.

    Args:
        tokenizer: what makes text of tokens.
        prompt: list of int. The tokens of the beginning.
        strip_prompt: bool. Whether to leave it out.
        stop: the strings that end the text.
    """

    def __init__(self, tokenizer: Any, prompt: list[int], strip_prompt: bool, stop: tuple[str, ...]):
        self.tokenizer = tokenizer
        self.prompt = prompt
        self.strip_prompt = strip_prompt
        self.stop = stop
        self.ended = False
        self._new: list[int] = []
        self._given = 0  # characters

    def add(self, new: list[int]) -> str:
        """What can be given, now that these tokens have been written after the beginning, those before included."""
        self._new = new
        text, self.ended = self._text()
        return self._give(text if self.ended else text[: len(text) - self._unsure(text)])

    def finish(self) -> str:
        """What is left when nothing more will be written."""
        return self._give(self._text()[0])

    def _text(self) -> tuple[str, bool]:
        return written(self.tokenizer, self.prompt, self._new, self.strip_prompt, self.stop)

    def _give(self, text: str) -> str:
        piece = text[self._given :]
        self._given = max(self._given, len(text))
        return piece

    def _unsure(self, text: str) -> int:
        """How many characters at the end may turn out to be others, or part of a stop string."""
        whole = text.rstrip(HALF)
        begun = (n for string in self.stop for n in range(len(string) - 1, 0, -1) if whole.endswith(string[:n]))
        return len(text) - len(whole) + max(begun, default=0)
