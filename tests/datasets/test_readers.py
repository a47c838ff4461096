import json
import pathlib

import pytest

import keras_nlp_zoo as knz


@pytest.fixture
def written(tmp_path):
    """Puts a text into a file, and gives its path."""

    def write(content, name="file.txt"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


EXPECTED = ([["Ada", "wrote"], ["Paris"]], [["B-PER", "O"], ["B-LOC"]])


@pytest.mark.parametrize(
    "content",
    [
        "Ada B-PER\nwrote O\n\nParis B-LOC\n",
        "\n\nAda B-PER\nwrote O\n\n  \n\nParis B-LOC",
        "Ada\tB-PER\r\nwrote\tO\r\n\r\nParis\tB-LOC\r\n",
        "Ada NNP X B-PER\nwrote VBD X O\n\nParis NNP X B-LOC\n",
        "-DOCSTART- -X- O\n\nAda NNP B-PER\nwrote VBD O\n-DOCSTART- -X- O\nParis NNP B-LOC\n",
        "# text = Ada wrote\n#\nAda B-PER\n# in between\nwrote O\n\n# Paris 1\nParis B-LOC\n",
        "\ufeffAda  B-PER \nwrote    O\n\nParis\t\tB-LOC\t\n",
    ],
)
def test_columns(written, content):
    path = written(content)
    assert knz.datasets.read_conll(path) == EXPECTED
    assert knz.datasets.read_conll(str(path)) == EXPECTED


@pytest.mark.parametrize(("column", "expected"), [(1, "NNP"), (2, "B-LOC"), (3, "x"), (-1, "x"), (-3, "NNP")])
def test_column_of_the_tag(written, column, expected):
    assert knz.datasets.read_conll(written("Paris NNP B-LOC x\n"), column) == ([["Paris"]], [[expected]])


def test_separators(written):
    assert knz.datasets.read_conll(written("New York|B-LOC\n"), separator="|") == ([["New York"]], [["B-LOC"]])
    assert knz.datasets.read_conll(written("New York\tB-LOC\n")) == ([["New York"]], [["B-LOC"]])
    # Spaces and line ends of Unicode are part of a word: they would shift the columns, or end the sentence.
    words = ["a\u00a0b", "c\u2028d", "\x85"]
    content = "".join(f"{word} O\n" for word in words)
    assert knz.datasets.read_conll(written(content)) == ([words], [["O"] * 3])


def test_words_that_look_like_comments(written):
    assert knz.datasets.read_conll(written("#\tB-X\n#tag\tO\n")) == ([["#", "#tag"]], [["B-X", "O"]])
    assert knz.datasets.read_conll(written("# O\n# I-X\n# sent 1\n1 O\n")) == ([["#", "#", "1"]], [["O", "I-X", "O"]])


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        ("Ada O\nwrote\n", {}, r"file.txt, line 2 has no word with a tag in column -1: it is 'wrote'"),
        ("Ada O\n", {"column": 2}, r"file.txt, line 1 has no word with a tag in column 2: it is 'Ada O'"),
        ("Ada O\n", {"column": -2}, r"line 1 has no word with a tag in column -2"),  # that is the word itself
        ("Ada O\n\n# c\nAda NNP O\n", {}, r"line 4 has 3 columns, those before it 2: it is 'Ada NNP O'"),
        ("Ada\tO\n\tO\n", {"separator": "\t"}, r"line 2 has an empty word or tag"),
        ("Ada O\n", {"separator": "\t"}, r"line 1 has no word with a tag"),
        ("", {}, "file.txt holds no words"),
        ("# a comment\n\n", {}, "file.txt holds no words"),
        ("ä O\n".encode("latin-1"), {}, "file.txt is not text in UTF-8"),
        ("Ada O\n", {"column": 0}, "`column` must be an int, and not 0.* Received: column=0"),
        ("Ada O\n", {"column": 1.0}, "`column` must be an int.* Received: column=1.0"),
        ("Ada O\n", {"separator": ""}, "`separator` must be a string or None. Received: separator=''"),
    ],
)
def test_bad_columns(written, content, options, message):
    with pytest.raises(ValueError, match=message):
        knz.datasets.read_conll(written(content), **options)


CONTEXT = "Ada met Bob. 🙂 Ada left."


def squad(*questions, context=CONTEXT):
    return json.dumps(
        {"version": "1.1", "data": [{"title": "t", "paragraphs": [{"context": context, "qas": questions}]}]}
    )


def question(number, *answers, **more):
    answers = [{"text": text, "answer_start": start} for text, start in answers]
    return {"id": f"id{number}", "question": f"question {number}?", "answers": answers, **more}


FILE = squad(
    question(1, ("Ada", 15), ("Bob", 8)),
    question(2, is_impossible=True, plausible_answers=[{"text": "Bob", "answer_start": 8}]),
    question(3, ("left", 19), is_impossible=False),
)


def test_questions(written):
    x, y = knz.datasets.read_squad(written(FILE))
    assert x == {"question": [f"question {i}?" for i in (1, 2, 3)], "context": [CONTEXT] * 3}
    assert y == {"answer": ["Ada", "", "left"], "answer_start": [15, -1, 19]}


def test_all_answers(written):
    x, y = knz.datasets.read_squad(written(FILE), all_answers=True)
    assert len(x["question"]) == 3
    assert y == {"answer": [["Ada", "Bob"], [""], ["left"]], "answer_start": [[15, 8], [-1], [19]]}
    assert knz.metrics.squad(["bob", "", "leaves"], y["answer"]).exact_match == pytest.approx(2 / 3)


def test_paragraphs_and_articles_are_in_order(written):
    paragraph = {"context": "a b", "qas": [question(1, ("a", 0)), question(2, ("b", 2))]}
    data = {"data": [{"paragraphs": [paragraph, {**paragraph, "context": "a b c"}]}, {"paragraphs": [paragraph]}]}
    x, y = knz.datasets.read_squad(written(json.dumps(data)))
    assert x["context"] == ["a b"] * 2 + ["a b c"] * 2 + ["a b"] * 2
    assert y["answer"] == ["a", "b"] * 3


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (squad(question(1, ("Ada", 0)), question(2, ("Bob", 7))), "'id2' has the answer 'Bob' at 7, where .* ' Bo'"),
        (squad(question(7, ("left", -5))), "'id7' has the answer 'left' at -5, where its context has ''"),
        (squad(question(7, ("", 0))), "'id7' has the answer '' at 0"),
        (squad(question(1, ("Ada", 0), ("Bob", 0))), "'id1' has the answer 'Bob' at 0"),  # not the first one alone
        (squad(question(3)), "question 'id3' has no answer and is not marked as impossible"),
        (squad({"id": "x", "question": "q"}), "question 'x' is not laid out as in SQuAD: KeyError: 'answers'"),
        (squad({"id": "x", "answers": [], "is_impossible": True}), "question 'x' .* KeyError: 'question'"),
        (squad(question(4, (5, 0))), "question 'id4' is not laid out .* a text is of type int"),
        (squad(question(4, ("Ada", None))), "question 'id4' is not laid out as in SQuAD: TypeError"),
        (squad(question(4, ("Ada", 0)), context=3), "question 'id4' is not laid out as in SQuAD: TypeError"),
        (json.dumps({"date": []}), "file.txt is not laid out as in SQuAD: KeyError: 'data'"),
        (json.dumps([1]), "file.txt is not laid out as in SQuAD: TypeError"),
        (squad(), "file.txt holds no questions"),
        ("{", "file.txt is not JSON"),
        (b"\xff{}", "file.txt is not text in UTF-8"),
    ],
)
def test_bad_questions(written, content, message):
    with pytest.raises(ValueError, match=message):
        knz.datasets.read_squad(written(content))


@pytest.mark.parametrize("read", [knz.datasets.read_conll, knz.datasets.read_squad])
def test_no_file(read):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        read(pathlib.Path("nowhere") / "file")
