"""Invented facts about several people and towns, in English and Korean, and a question about one of them.

| language | context                                                      | question               | answer |
| -------- | ------------------------------------------------------------ | ---------------------- | ------ |
| `en`     | Ada lives in Lima. Omar lives in Oslo. Ada was born in Rome. | Where does Ada live?   | Lima   |
| `ko`     | 김민수는 서울에 산다. 이영희의 집은 부산에 있다. …           | 이영희는 어디에 사는가?  | 부산   |

Every fact has another of its kind in the context (somebody else lives somewhere else), and their order is any, so
neither the place nor the kind of an answer is enough to find it: it takes whom the question is about, and what it
asks. An answer is in its context exactly once. A question without an answer asks what is told of others, but not of
this one (where Omar was born), or what is told of nobody (who lives in Rome). No two splits share a context, nor the
same facts in another order or in other words.
"""

import random
from typing import Any, NamedTuple

from keras_nlp_zoo.checks import check_int, check_shares
from keras_nlp_zoo.datasets.corpus import SPLITS, Corpus, draw_split
from keras_nlp_zoo.datasets.forms import fill
from keras_nlp_zoo.naming import suggest


class _Relation(NamedTuple):
    """What may be told of a subject: the kinds of the subject and of the value, and how it is told and asked for.

    `about` is a third thing, the same in all facts of a context: the bicycle of everybody who has one.
    """

    subject: str
    value: str
    told: tuple[str, ...]
    asks_value: tuple[str, ...]
    asks_subject: tuple[str, ...]
    about: tuple[str, ...] = ("",)


class _Fact(NamedTuple):
    relation: _Relation
    about: str
    subject: str
    value: str

    def key(self) -> tuple[str, str, str, str]:
        """What is told, whatever the words."""
        return self.relation.told[0], self.about, self.subject, self.value

    def say(self, form: str) -> tuple[str, dict[str, int]]:
        """The fact, or a question, in words, and where the slots begin."""
        text, places = fill(form, lambda slot: getattr(self, slot))
        return text, {slot: start for slot, start, _ in places}


_ENGLISH: dict[str, Any] = {
    "person": (
        "Ada Boris Clara Daniel Emma Farid Greta Hugo Irene Jamal Kenji Laila Marta Nadia Omar Petra Quentin Ruth "
        "Samuel Tomas Ursula Victor Wanda Yusuf"
    ).split(),
    "town": (
        "Athens Berlin Cairo Dublin Geneva Havana Kyoto Lima Lisbon Lyon Madrid Nairobi Oslo Prague Quito Rome Seoul "
        "Sofia Tunis Vienna"
    ).split(),
    "job": "baker carpenter dentist farmer gardener judge nurse painter plumber sailor tailor teacher".split(),
    "colour": "black blue brown green grey pink purple red white yellow".split(),
    "year": [str(year) for year in range(1950, 2030)],
    "relations": (
        _Relation(
            "person",
            "town",
            ("{subject} lives in {value}.", "{subject} has a flat in {value}.", "{value} is the home of {subject}."),
            ("Where does {subject} live?", "In which town does {subject} live?"),
            ("Who lives in {value}?", "Whose home is in {value}?"),
        ),
        _Relation(
            "person",
            "town",
            ("{subject} was born in {value}.", "{value} is the birthplace of {subject}."),
            ("Where was {subject} born?", "What is the birthplace of {subject}?"),
            ("Who was born in {value}?", "Whose birthplace is {value}?"),
        ),
        _Relation(
            "person",
            "job",
            ("{subject} works as a {value}.", "{subject} is a {value} by trade.", "The {value} is called {subject}."),
            ("What does {subject} do for a living?", "What is the job of {subject}?"),
            ("Who works as a {value}?", "Who is the {value}?"),
        ),
        _Relation(
            "person",
            "colour",
            (
                "{subject} has a {value} {about}.",
                "The {about} of {subject} is {value}.",
                "A {value} {about} belongs to {subject}.",
            ),
            ("What colour is the {about} of {subject}?", "Which colour does the {about} of {subject} have?"),
            ("Who has the {value} {about}?", "Whose {about} is {value}?"),
            ("bicycle", "boat", "coat", "hat", "kite", "sofa"),
        ),
        _Relation(
            "person",
            "year",
            ("{subject} {about} in {value}.", "In {value} {subject} {about}."),
            ("When was it that {subject} {about}?", "In which year was it that {subject} {about}?"),
            ("Who {about} in {value}?",),
            ("joined the choir", "learnt to swim", "met the queen", "sold the farm", "won at chess"),
        ),
        _Relation(
            "town",
            "year",
            ("The {about} of {subject} opened in {value}.", "In {value} the {about} of {subject} opened."),
            ("When did the {about} of {subject} open?", "In which year did the {about} of {subject} open?"),
            ("Which town's {about} opened in {value}?", "In which town did the {about} open in {value}?"),
            ("library", "museum", "station", "theatre"),
        ),
    ),
}

_KOREAN: dict[str, Any] = {
    "person": (
        "강은지 권도윤 김민수 김하늘 문태호 박서연 박준호 배소영 서지훈 송유나 신재민 안수진 오현우 윤아름 이동욱 "
        "이영희 임채원 장미경 정다은 조성훈 최민정 한지석 허준기 황보라"
    ).split(),
    "town": "강릉 경주 광주 군산 대구 대전 목포 부산 서울 수원 여수 울산 인천 전주 제주 진주 청주 춘천 통영".split(),
    "job": "간호사 교사 기자 농부 목수 미용사 변호사 사서 약사 요리사 우체부 화가".split(),
    "colour": "갈색 검은색 남색 노란색 보라색 분홍색 빨간색 초록색 파란색 하얀색 회색".split(),
    "year": [f"{year}년" for year in range(1950, 2030)],
    "relations": (
        _Relation(
            "person",
            "town",
            ("{subject|은/는} {value}에 산다.", "{subject}의 집은 {value}에 있다.", "{value}에 {subject}의 집이 있다."),
            ("{subject|은/는} 어디에 사는가?", "{subject}의 집은 어디에 있는가?"),
            ("{value}에 사는 사람은 누구인가?", "누구의 집이 {value}에 있는가?"),
        ),
        _Relation(
            "person",
            "town",
            (
                "{subject|은/는} {value}에서 태어났다.",
                "{subject}의 고향은 {value|이다/다}.",
                "{value|은/는} {subject}의 고향이다.",
            ),
            ("{subject|은/는} 어디에서 태어났는가?", "{subject}의 고향은 어디인가?"),
            ("{value}에서 태어난 사람은 누구인가?", "{value|은/는} 누구의 고향인가?"),
        ),
        _Relation(
            "person",
            "job",
            (
                "{subject|은/는} {value|으로/로} 일한다.",
                "{subject}의 직업은 {value|이다/다}.",
                "동네 {value|은/는} {subject|이다/다}.",
            ),
            ("{subject}의 직업은 무엇인가?", "{subject|은/는} 무슨 일을 하는가?"),
            ("{value|으로/로} 일하는 사람은 누구인가?", "누구의 직업이 {value}인가?"),
        ),
        _Relation(
            "person",
            "colour",
            (
                "{subject}의 {about|은/는} {value}이다.",
                "{subject}에게는 {value} {about|이/가} 있다.",
                "{value} {about|은/는} {subject}의 것이다.",
            ),
            ("{subject}의 {about|은/는} 무슨 색인가?", "{subject}에게는 무슨 색 {about|이/가} 있는가?"),
            ("{value} {about|은/는} 누구의 것인가?", "누구의 {about|이/가} {value}인가?"),
            ("가방", "모자", "배", "연", "외투", "자전거"),
        ),
        _Relation(
            "person",
            "year",
            ("{subject|은/는} {value}에 {about|을/를} 시작했다.", "{value}에 {subject|이/가} {about|을/를} 시작했다."),
            ("{subject|은/는} 언제 {about|을/를} 시작했는가?", "{subject|이/가} {about|을/를} 시작한 해는 몇 년인가?"),
            ("{value}에 {about|을/를} 시작한 사람은 누구인가?", "누가 {value}에 {about|을/를} 시작했는가?"),
            ("낚시", "농사", "바둑", "서예", "수영", "합창"),
        ),
        _Relation(
            "town",
            "year",
            ("{subject} {about|은/는} {value}에 문을 열었다.", "{value}에 {subject} {about|이/가} 문을 열었다."),
            ("{subject} {about|은/는} 언제 문을 열었는가?", "{subject} {about|이/가} 문을 연 해는 몇 년인가?"),
            ("{value}에 {about|이/가} 문을 연 도시는 어디인가?",),
            ("도서관", "미술관", "박물관", "극장"),
        ),
    ),
}
_LANGUAGES = {"en": _ENGLISH, "ko": _KOREAN}


def _facts(draw: random.Random, words: dict[str, Any]) -> list[_Fact]:
    """Two facts of each of a few relations; no value and no town is in two of them."""
    people = draw.sample(words["person"], 5)
    pools = {kind: draw.sample(words[kind], 8) for kind in ("town", "job", "colour", "year")}  # 8 are enough
    facts = []
    for relation in draw.sample(words["relations"], draw.choice((3, 4))):
        about = draw.choice(relation.about)
        pair = draw.sample(people, 2) if relation.subject == "person" else [pools["town"].pop() for _ in range(2)]
        facts += [_Fact(relation, about, subject, pools[relation.value].pop()) for subject in pair]
    draw.shuffle(facts)
    return facts


def _unknown(draw: random.Random, words: dict[str, Any], facts: list[_Fact]) -> str:
    """A question that the facts do not answer, in their own words as far as they go."""
    mentioned = {fact.subject: fact.relation.subject for fact in facts}
    mentioned |= {fact.value: fact.relation.value for fact in facts}
    fact = draw.choice(facts)
    told = [other for other in facts if other.relation is fact.relation]
    slot, asked = draw.choice((("subject", fact.relation.asks_value), ("value", fact.relation.asks_subject)))
    kind = getattr(fact.relation, slot)
    others = [name for name in words[kind] if name not in {getattr(other, slot) for other in told}]
    others = [name for name in others if name in mentioned] or others
    return fact._replace(**{slot: draw.choice(others)}).say(draw.choice(asked))[0]


def _example(
    draw: random.Random, words: dict[str, Any], facts: list[_Fact], unanswerable: float
) -> tuple[str, str, str, int]:
    """A context that tells the facts, a question, its answer and where that begins."""
    context, starts = "", []
    for fact in facts:
        context += " " if context else ""
        text, places = fact.say(draw.choice(fact.relation.told))
        starts.append({slot: len(context) + start for slot, start in places.items()})
        context += text
    if draw.random() < unanswerable:
        return context, _unknown(draw, words, facts), "", -1
    options = [
        (fact, slot, places[slot])
        for fact, places in zip(facts, starts, strict=True)
        for slot in ("subject", "value")
        if context.count(getattr(fact, slot)) == 1
    ]
    fact, slot, start = draw.choice(options)
    asked = fact.relation.asks_value if slot == "value" else fact.relation.asks_subject
    return context, fact.say(draw.choice(asked))[0], getattr(fact, slot), start


def _read_facts(
    paths: dict[str, str],
    split: str,
    size: int = 2000,
    language: str | None = "en",
    unanswerable: float = 0.0,
    seed: int = 0,
) -> tuple[dict[str, list[str]], dict[str, list[Any]]]:
    if language is not None and language not in _LANGUAGES:
        raise ValueError(suggest("language", language, _LANGUAGES))
    check_int("size", size, 1)
    check_int("seed", seed, 0)
    check_shares(unanswerable=unanswerable)
    draw = random.Random(f"{split} {language} {seed}")

    def some_facts() -> tuple[str, tuple[Any, list[Any]]]:
        words = _LANGUAGES[language or draw.choice(("en", "ko"))]
        facts = _facts(draw, words)
        return repr(sorted(fact.key() for fact in facts)), (words, facts)

    examples = (_example(draw, words, facts, unanswerable) for words, facts in draw_split(some_facts, split, size))
    contexts, questions, answers, starts = (list(column) for column in zip(*examples, strict=True))
    return {"question": questions, "context": contexts}, {"answer": answers, "answer_start": starts}


FACTS = Corpus(
    name="facts",
    task="question_answering",
    description=(
        "invented facts and a question about one of them, with others of its kind beside it; `size`, `language` (en, "
        "ko, or None for both), `unanswerable` (share of questions that the context does not answer), `seed`"
    ),
    splits=SPLITS,
    read=_read_facts,
    licence="Apache-2.0, as this package",
    citation="generated by this package",
    languages=("en", "ko"),
)
