"""A person's own files of tagged words and of questions, in the formats of CoNLL and SQuAD."""

import json
import os
import re
from collections.abc import Iterator
from typing import Any

_TAG = re.compile(r"O|[BIESLUM]-.*")


def read_conll(path: Any, column: int = -1, separator: str | None = None) -> tuple[list[list[str]], list[list[str]]]:
    """Words and their tags from a text file with a line for each word and a blank line between sentences.

    Every line has the same columns, the word in the first. Lines that begin with `-DOCSTART-` are skipped, and so are
    comments: lines that begin with `# ` (or are `#`), unless the tag's column holds a tag (`# O` is a word).

    Args:
        path: str or path. The file, in UTF-8.
        column: int. The tag's column, from 0, or from the end if negative.
        separator: str. What is between two columns; None for tabs in a line that has one, else for spaces.

    Returns:
        `(words, tags)`, a list of `str` for each sentence in both, as `TokenClassifier.fit` takes them.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: a line without that column, or with more or fewer columns than the first; no words at all; an
            argument that is not as above.

    Example:
        with open("tagged.conll", "w") as file:
            file.write("Ada NNP B-PER\\nwrote VBD O\\n\\nParis NNP B-LOC\\n")
        knz.datasets.read_conll("tagged.conll")  # ([["Ada", "wrote"], ["Paris"]], [["B-PER", "O"], ["B-LOC"]])
    """
    if isinstance(column, bool) or not isinstance(column, int) or column == 0:
        raise ValueError(f"`column` must be an int, and not 0, where the words are. Received: column={column!r}")
    if separator is not None and (not isinstance(separator, str) or not separator):
        raise ValueError(f"`separator` must be a string or None. Received: separator={separator!r}")
    words: list[list[str]] = []
    tags: list[list[str]] = []
    width, new = 0, True
    for number, line in enumerate(_text(path).split("\n"), 1):
        line = line.rstrip(" \t\r")
        if not line or line.startswith("-DOCSTART-"):
            new = True
            continue
        fields = _fields(line, separator)
        found = -len(fields) <= column < len(fields) and column % len(fields) != 0
        if line == "#" or (line.startswith("# ") and not (found and _TAG.fullmatch(fields[column]))):
            continue
        where = f"{os.fspath(path)}, line {number}"
        if not found:
            raise ValueError(f"{where} has no word with a tag in column {column}: it is {line!r}")
        if len(fields) != (width := width or len(fields)):
            raise ValueError(f"{where} has {len(fields)} columns, those before it {width}: it is {line!r}")
        if not fields[0] or not fields[column]:
            raise ValueError(f"{where} has an empty word or tag: it is {line!r}")
        if new:
            words.append([])
            tags.append([])
            new = False
        words[-1].append(fields[0])
        tags[-1].append(fields[column])
    if not words:
        raise ValueError(f"{os.fspath(path)} holds no words.")
    return words, tags


def read_squad(path: Any, all_answers: bool = False) -> tuple[dict[str, list[str]], dict[str, list[Any]]]:
    """Questions, their contexts and answers from a JSON file of SQuAD 1.1 or 2.0.

    Args:
        path: str or path. The file.
        all_answers: bool. Whether `"answer"` and `"answer_start"` are lists of all answers of a question, to score
            with, rather than the first one, to train on.

    Returns:
        `({"question": [...], "context": [...]}, {"answer": [...], "answer_start": [...]})`, where
        `context[start : start + len(answer)] == answer`. A question that the context does not answer has the answer
        `""` and the start -1.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no such JSON, or an answer is not at its place in the context; the error names the question
            by its id.

    Example:
        import json

        question = {"id": "1", "question": "Who wrote?", "answers": [{"text": "Ada", "answer_start": 0}]}
        with open("questions.json", "w") as file:
            json.dump({"data": [{"paragraphs": [{"context": "Ada wrote.", "qas": [question]}]}]}, file)
        x, y = knz.datasets.read_squad("questions.json")
        x["question"], y["answer"]  # (["Who wrote?"], ["Ada"])
    """
    name = os.fspath(path)
    x: dict[str, list[str]] = {"question": [], "context": []}
    y: dict[str, list[Any]] = {"answer": [], "answer_start": []}
    where = name
    try:
        for context, item in _questions(json.loads(_text(path))):
            where = f"{name}, question {item.get('id')!r}"
            answers = [("", -1)] if item.get("is_impossible") else _answers(item, context)
            x["question"].append(_string(item["question"]))
            x["context"].append(_string(context))
            y["answer"].append([text for text, _ in answers] if all_answers else answers[0][0])
            y["answer_start"].append([start for _, start in answers] if all_answers else answers[0][1])
    except json.JSONDecodeError as error:
        raise ValueError(f"{name} is not JSON: {error}") from error
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{where} is not laid out as in SQuAD: {type(error).__name__}: {error}") from error
    except _BadAnswerError as error:
        raise ValueError(f"{where} {error}") from None
    if not x["question"]:
        raise ValueError(f"{name} holds no questions.")
    return x, y


class _BadAnswerError(Exception):
    """What is wrong with the answers of a question."""


def _questions(data: Any) -> Iterator[tuple[Any, Any]]:
    """Every question, after its context."""
    for article in data["data"]:
        for paragraph in article["paragraphs"]:
            for item in paragraph["qas"]:
                yield paragraph["context"], item


def _answers(item: Any, context: str) -> list[tuple[str, int]]:
    """The answers with their starts, each found at its place in the context."""
    answers = [(_string(answer["text"]), answer["answer_start"]) for answer in item["answers"]]
    if not answers:
        raise _BadAnswerError("has no answer and is not marked as impossible.")
    for text, start in answers:
        found = context[start : start + len(text)] if start >= 0 else ""
        if not text or found != text:
            raise _BadAnswerError(f"has the answer {text!r} at {start}, where its context has {found!r}.")
    return answers


def _string(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"a text is of type {type(value).__name__}")
    return value


def _fields(line: str, separator: str | None) -> list[str]:
    if separator is not None:
        return line.split(separator)
    # Not `str.split`: spaces that are letters to the file's author, like U+00A0, are no end of a column.
    return [field for field in line.split("\t" if "\t" in line else " ") if field]


def _text(path: Any) -> str:
    try:
        with open(path, encoding="utf-8-sig", newline="\n") as file:
            return file.read()
    except UnicodeDecodeError as error:
        raise ValueError(f"{os.fspath(path)} is not text in UTF-8: {error}") from error
