"""Questions and contexts as padded arrays."""

from typing import Any, NamedTuple

import keras
import numpy as np

from keras_nlp_zoo.text.batching import TokenRows, bucket_length
from keras_nlp_zoo.text.inputs import as_text_list, describe
from keras_nlp_zoo.text.offsets import strip
from keras_nlp_zoo.text.preprocessor import TextPreprocessor, warn_if_cut
from keras_nlp_zoo.text.tokenizer import Tokenizer
from keras_nlp_zoo.text.windows import windows

QUESTION, CONTEXT = "question", "context"


class ContextWindow(NamedTuple):
    """A row's part of a context: tokens `first` to `last` of that of `example` stand from `position` on."""

    example: int
    first: int
    last: int
    position: int


class Questions(NamedTuple):
    """Rows of `TokenRows`, a `ContextWindow` for each, and for each example the characters of its context's tokens."""

    rows: TokenRows
    windows: list[ContextWindow]
    offsets: list[list[tuple[int, int]]]


@keras.saving.register_keras_serializable(package="keras_nlp_zoo")
class QuestionPreprocessor(TextPreprocessor):
    """Packs a question and its context into one row, or into several where the context is long.

    A row is start, question, end, context, end, with segment 0 for the question and 1 for the context. The windows on
    a long context overlap, so that an answer at the edge of one stands whole in the next.

    Args:
        tokenizer: a `knz.Tokenizer`, which knows the characters that a token stands for.
        sequence_length: int. The most tokens of a row, special ones included.
        stride: int. Tokens of the context that neighbouring windows share; a third of `sequence_length` by default.
        question_length: int. The most tokens of a question; longer ones are cut at their end, with a warning.
            A sixth of `sequence_length` by default, as BERT has it (64 of 384).
        add_start_token, add_end_token, return_segment_ids: as for `TextPreprocessor`; the first two are on.

    Raises:
        TypeError: another tokenizer.
        ValueError: an argument out of its range.

    Example:
        tokenizer = knz.Tokenizer.train(["who met Bob ?", "Ada met Bob ."], kind="word")
        preprocessor = knz.text.QuestionPreprocessor(tokenizer, sequence_length=32)
        preprocessor({"question": ["who met Bob ?"], "context": ["Ada met Bob ."]})["token_ids"].shape  # (1, 16)
    """

    def __init__(
        self,
        tokenizer: Any,
        sequence_length: int = 384,
        stride: int | None = None,
        question_length: int | None = None,
        add_start_token: bool = True,
        add_end_token: bool = True,
        **kwargs: Any,
    ):
        super().__init__(tokenizer, sequence_length, add_start_token, add_end_token, **kwargs)
        if not isinstance(tokenizer, Tokenizer):
            raise TypeError(
                "`tokenizer` must be a knz.Tokenizer, which knows what characters a token stands for. "
                f"Received: {describe(tokenizer)}"
            )
        if not add_start_token or not add_end_token:
            raise ValueError("A row needs a start token (where no answer is) and end tokens (between its parts).")
        self.stride = stride
        self.question_length = question_length
        room = sequence_length - 3 - self.longest_question
        if self.longest_question < 1 or not 0 <= self.overlap < room:
            raise ValueError(
                "`sequence_length` must hold `question_length`, 3 special tokens and more than `stride` tokens of a "
                f"context. Received: sequence_length={sequence_length!r}, question_length={question_length!r}, "
                f"stride={stride!r}"
            )

    @property
    def longest_question(self) -> int:
        return max(1, self.sequence_length // 6) if self.question_length is None else self.question_length

    @property
    def overlap(self) -> int:
        return self.sequence_length // 3 if self.stride is None else self.stride

    def encode_questions(self, x: Any, name: str = "x") -> Questions:
        """Windows on the contexts of all questions.

        Args:
            x: a dict of `"question"` and `"context"`, lists of str of the same length.
            name: what to call `x` in an error.
        """
        if not isinstance(x, dict) or set(x) != {QUESTION, CONTEXT}:
            raise TypeError(f"`{name}` must be a dict of {QUESTION!r} and {CONTEXT!r}. Received: {describe(x)}")
        questions, contexts = (as_text_list(x[key], f"{name}[{key!r}]") for key in (QUESTION, CONTEXT))
        if len(questions) != len(contexts):
            raise ValueError(f"`{name}` has {len(questions)} questions, but {len(contexts)} contexts.")
        start, end = self._special("start"), self._special("end")
        # Several questions about one context are the rule.
        different = list(dict.fromkeys(contexts))
        encodings = dict(zip(different, self.tokenizer.encode(different), strict=True))
        ids: list[list[int]] = []
        segments: list[list[int]] = []
        found: list[ContextWindow] = []
        offsets, cut = [], 0
        for example, (question, context) in enumerate(zip(self._tokenize(questions), contexts, strict=True)):
            cut += len(question) > self.longest_question
            question = [start, *question[: self.longest_question], end]
            tokens = encodings[context].token_ids
            offsets.append([strip(context, *span) for span in encodings[context].offsets])
            room = self.sequence_length - len(question) - 1
            for window in windows(len(tokens), room, self.overlap):
                ids.append([*question, *tokens[window.start : window.stop], end])
                segments.append([0] * len(question) + [1] * (window.stop - window.start + 1))
                found.append(ContextWindow(example, window.start, window.stop, len(question)))
        warn_if_cut(cut, len(questions), f"{name}[{QUESTION!r}]", self.longest_question)
        return Questions(TokenRows.from_lists(ids, segments), found, offsets)

    def encode(self, x: Any, name: str = "x") -> TokenRows:
        return self.encode_questions(x, name).rows

    def call(self, x: Any, y: Any = None, sample_weight: Any = None) -> Any:
        rows = self.encode(x)
        length = bucket_length(int(rows.lengths.max(initial=0)), self.sequence_length)
        return keras.utils.pack_x_y_sample_weight(self.pad(rows, np.arange(len(rows)), length), y, sample_weight)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "stride": self.stride, "question_length": self.question_length}
