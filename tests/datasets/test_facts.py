"""The facts are read by a reader written from their descriptions: it finds the one answer, or that there is none."""

import collections
import random
import re

import pytest

import keras_nlp_zoo as knz

LANGUAGES = ["en", "ko"]
SPLITS = ("train", "validation", "test")
# What a sentence tells: (relation, subject, value). `(\w+?)` before a particle leaves that out.
TOLD = {
    "en": {
        r"(?P<s>\w+) (lives|has a flat) in (?P<v>\w+)": "home",
        r"(?P<v>\w+) is the home of (?P<s>\w+)": "home",
        r"(?P<s>\w+) was born in (?P<v>\w+)": "birth",
        r"(?P<v>\w+) is the birthplace of (?P<s>\w+)": "birth",
        r"(?P<s>\w+) works as a (?P<v>\w+)": "job",
        r"(?P<s>\w+) is a (?P<v>\w+) by trade": "job",
        r"The (?P<v>\w+) is called (?P<s>\w+)": "job",
        r"(?P<s>\w+) has a (?P<v>\w+) (?P<a>\w+)": "",
        r"The (?P<a>\w+) of (?P<s>\w+) is (?P<v>\w+)": "",
        r"A (?P<v>\w+) (?P<a>\w+) belongs to (?P<s>\w+)": "",
        r"The (?P<a>\w+) of (?P<s>\w+) opened in (?P<v>\d+)": "",
        r"In (?P<v>\d+) the (?P<a>\w+) of (?P<s>\w+) opened": "",
        r"(?P<s>\w+) (?P<a>[a-z ]+) in (?P<v>\d+)": "",
        r"In (?P<v>\d+) (?P<s>\w+) (?P<a>[a-z ]+)": "",
    },
    "ko": {
        r"(?P<s>\w{3})[은는] (?P<v>\w+)에 산다": "home",
        r"(?P<s>\w{3})의 집은 (?P<v>\w+)에 있다": "home",
        r"(?P<v>\w+)에 (?P<s>\w{3})의 집이 있다": "home",
        r"(?P<s>\w{3})[은는] (?P<v>\w+)에서 태어났다": "birth",
        r"(?P<s>\w{3})의 고향은 (?P<v>\w+?)이?다": "birth",
        r"(?P<v>\w+)[은는] (?P<s>\w{3})의 고향이다": "birth",
        r"(?P<s>\w{3})[은는] (?P<v>\w+?)으?로 일한다": "job",
        r"(?P<s>\w{3})의 직업은 (?P<v>\w+?)이?다": "job",
        r"동네 (?P<v>\w+)[은는] (?P<s>\w{3})이?다": "job",
        r"(?P<s>\w{3})의 (?P<a>\w+)[은는] (?P<v>\w+색)이다": "",
        r"(?P<s>\w{3})에게는 (?P<v>\w+색) (?P<a>\w+?)[이가] 있다": "",
        r"(?P<v>\w+색) (?P<a>\w+)[은는] (?P<s>\w{3})의 것이다": "",
        r"(?P<s>\w+) (?P<a>\w+)[은는] (?P<v>\d+년)에 문을 열었다": "",
        r"(?P<v>\d+년)에 (?P<s>\w+) (?P<a>\w+?)[이가] 문을 열었다": "",
        r"(?P<s>\w{3})[은는] (?P<v>\d+년)에 (?P<a>\w+)[을를] 시작했다": "",
        r"(?P<v>\d+년)에 (?P<s>\w{3})[이가] (?P<a>\w+)[을를] 시작했다": "",
    },
}
# What a question names, and the relation that it is about.
ASKED = {
    "en": {
        r"(Where|In which town) does (?P<s>\w+) live": "home",
        r"(Who lives|Whose home is) in (?P<v>\w+)": "home",
        r"Where was (?P<s>\w+) born": "birth",
        r"What is the birthplace of (?P<s>\w+)": "birth",
        r"Who was born in (?P<v>(?!\d)\w+)": "birth",
        r"Whose birthplace is (?P<v>\w+)": "birth",
        r"What does (?P<s>\w+) do for a living": "job",
        r"What is the job of (?P<s>\w+)": "job",
        r"Who (works as a|is the) (?P<v>\w+)": "job",
        r"What colour is the (?P<a>\w+) of (?P<s>\w+)": "",
        r"Which colour does the (?P<a>\w+) of (?P<s>\w+) have": "",
        r"Who has the (?P<v>\w+) (?P<a>\w+)": "",
        r"Whose (?P<a>\w+) is (?P<v>\w+)": "",
        r"(When|In which year) did the (?P<a>\w+) of (?P<s>\w+) open": "",
        r"Which town's (?P<a>\w+) opened in (?P<v>\d+)": "",
        r"In which town did the (?P<a>\w+) open in (?P<v>\d+)": "",
        r"(When|In which year) was it that (?P<s>\w+) (?P<a>[a-z ]+)": "",
        r"Who (?P<a>[a-z ]+) in (?P<v>\d+)": "",
    },
    "ko": {
        r"(?P<s>\w{3})[은는] 어디에 사는가": "home",
        r"(?P<s>\w{3})의 집은 어디에 있는가": "home",
        r"(?P<v>\w+)에 사는 사람은 누구인가": "home",
        r"누구의 집이 (?P<v>\w+)에 있는가": "home",
        r"(?P<s>\w{3})[은는] 어디에서 태어났는가": "birth",
        r"(?P<s>\w{3})의 고향은 어디인가": "birth",
        r"(?P<v>\w+)에서 태어난 사람은 누구인가": "birth",
        r"(?P<v>\w+)[은는] 누구의 고향인가": "birth",
        r"(?P<s>\w{3})의 직업은 무엇인가": "job",
        r"(?P<s>\w{3})[은는] 무슨 일을 하는가": "job",
        r"(?P<v>\w+?)으?로 일하는 사람은 누구인가": "job",
        r"누구의 직업이 (?P<v>\w+)인가": "job",
        r"(?P<s>\w{3})의 (?P<a>\w+)[은는] 무슨 색인가": "",
        r"(?P<s>\w{3})에게는 무슨 색 (?P<a>\w+?)[이가] 있는가": "",
        r"(?P<v>\w+색) (?P<a>\w+)[은는] 누구의 것인가": "",
        r"누구의 (?P<a>\w+?)[이가] (?P<v>\w+색)인가": "",
        r"(?P<s>\w+) (?P<a>\w+)[은는] 언제 문을 열었는가": "",
        r"(?P<s>\w+) (?P<a>\w+?)[이가] 문을 연 해는 몇 년인가": "",
        r"(?P<v>\d+년)에 (?P<a>\w+?)[이가] 문을 연 도시는 어디인가": "",
        r"(?P<s>\w{3})[은는] 언제 (?P<a>\w+)[을를] 시작했는가": "",
        r"(?P<s>\w{3})[이가] (?P<a>\w+)[을를] 시작한 해는 몇 년인가": "",
        r"(?P<v>\d+년)에 (?P<a>\w+)[을를] 시작한 사람은 누구인가": "",
        r"누가 (?P<v>\d+년)에 (?P<a>\w+)[을를] 시작했는가": "",
    },
}


def parse(sentence, rules):
    """The relation, subject and value that a sentence tells, or a question names."""
    for rule, relation in rules.items():
        found = re.fullmatch(rule, sentence)
        if found:
            named = found.groupdict()
            return relation or named["a"], named.get("s"), named.get("v")
    raise AssertionError(f"cannot be read: {sentence}")


def read(context, question, language):
    """All answers to a question, and all that the context tells of the same relation."""
    facts = [parse(sentence, TOLD[language]) for sentence in context.removesuffix(".").split(". ")]
    relation, subject, value = parse(question.removesuffix("?"), ASKED[language])
    assert (subject is None) != (value is None)
    same = [fact for fact in facts if fact[0] == relation]
    return [s if subject is None else v for _, s, v in same if subject == s or value == v], same


def load(**options):
    x, y = knz.datasets.load("facts", **options)
    assert len({len(values) for values in (*x.values(), *y.values())}) == 1
    return [*zip(x["context"], x["question"], y["answer"], y["answer_start"], strict=True)]


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_question_has_the_one_answer(language):
    examples = load(size=3000, language=language)
    for context, question, answer, start in examples:
        answers, same = read(context, question, language)
        assert answers == [answer], (context, question)
        assert context[start : start + len(answer)] == answer
        assert context.count(answer) == 1
        assert len(same) == 2, (context, question)  # somebody else's answer stands beside it


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_is_not_told_has_no_answer(language):
    missing = collections.Counter()
    for context, question, answer, start in load(size=3000, language=language, unanswerable=0.4):
        answers, same = read(context, question, language)
        assert answers == ([answer] if answer else []), (context, question)
        assert start == (context.find(answer) if answer else -1)
        assert len(same) == 2  # it is told of others
        _, subject, value = parse(question.removesuffix("?"), ASKED[language])
        missing[bool(answer), (subject or value) in context] += 1
    total = sum(missing.values())
    assert abs((missing[False, True] + missing[False, False]) / total - 0.4) < 0.03
    assert missing[True, False] == 0
    assert missing[False, True] > missing[False, False]  # most often the one asked about is in the context


def test_shares_of_unanswerable_questions():
    assert all(answer and start >= 0 for _, _, answer, start in load(size=200))
    assert all((answer, start) == ("", -1) for _, _, answer, start in load(size=200, unanswerable=1))


@pytest.mark.parametrize("language", LANGUAGES)
def test_neither_place_nor_kind_gives_the_answer_away(language):
    examples = load(size=3000, language=language)
    # Thirds of the context in which the answers begin.
    thirds = collections.Counter(3 * start // len(context) for context, _, _, start in examples)
    assert min(thirds.values()) > 0.25 * 3000
    # Each answer is the first of its relation about as often as the second.
    first = sum(read(context, question, language)[1][0][1:].count(answer) for context, question, answer, _ in examples)
    assert abs(first / 3000 - 0.5) < 0.05
    # The two facts of a relation stand side by side only as often as chance has it (2 in 6 or 2 in 8).
    neighbours = 0
    for context, question, *_ in examples:
        relations = [parse(sentence, TOLD[language])[0] for sentence in context.removesuffix(".").split(". ")]
        first, second = (i for i, one in enumerate(relations) if one == read(context, question, language)[1][0][0])
        neighbours += second - first == 1
    assert neighbours < 0.4 * 3000
    # And no answer is much more frequent than others of its kind.
    answers = collections.Counter(answer for _, _, answer, _ in examples)
    assert max(answers.values()) < 0.05 * 3000


def told(context, language):
    return frozenset(parse(sentence, TOLD[language]) for sentence in context.removesuffix(".").split(". "))


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_facts_are_in_two_splits(language, monkeypatch):
    """Chance would hardly give the same facts twice, so here all splits draw the same: each keeps its own."""
    monkeypatch.setattr(random, "Random", lambda seed, make=random.Random: make(0))
    train, validation, test = (
        {told(context, language) for context, *_ in load(size=size, language=language, split=split)}
        for split, size in zip(SPLITS, (800, 100, 100), strict=True)
    )
    assert not train & validation | train & test | validation & test


def test_both_languages():
    korean = sum(
        any("가" <= letter <= "힣" for letter in question) for _, question, *_ in load(size=400, language=None)
    )
    assert 150 < korean < 250


def test_size_and_seed():
    examples = load(size=300)
    assert load(size=300) == examples
    assert load(size=20) == examples[:20]
    assert load(size=20, seed=1) != examples[:20]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": 0}, "`size` must be an int of at least 1. Received: size=0"),
        ({"seed": -1}, "`seed` must be an int of at least 0. Received: seed=-1"),
        ({"language": "kr"}, "There is no language 'kr'. Did you mean 'ko'?"),
        ({"unanswerable": 1.5}, r"`unanswerable` must be a number in \[0, 1\]. Received: unanswerable=1.5"),
        ({"unanswerable": True}, "Received: unanswerable=True"),
        ({"unanswerable": "0.5"}, "Received: unanswerable='0.5'"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(ValueError, match=message):
        load(**options)
