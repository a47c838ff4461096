"""Sentences with persons, places, organisations and dates, in English and Korean, whose kind only the sentence tells.

| language | a few of the sentences, with what is tagged in brackets                                          |
| -------- | ------------------------------------------------------------------------------------------------ |
| `en`     | [Ashford] was born in [Paris] in [May 1987]. / The share price of [Ashford] rose on [Monday].    |
| `en`     | My neighbour [Paris Jordan] ordered 1987 lamps. / The night train to [Ashford] was late.         |
| `ko`     | [김상원]은 [대원]에서 태어났다. / [대원]의 주가가 올랐다. / [대원] 씨는 [5월 7일]에 돌아왔다.    |

What belongs to a name: titles, prepositions, articles, `'s` and Korean particles do not; what is named after a place
does, as a whole ([University of Ashford], [대원은행]). Numbers of things are no dates, years and days of the week are.

Most names are made of two syllables, and each of those belongs to one split: a tagger meets names in the test that it
has never seen. The same names stand for persons, places and organisations alike, and so do some that exist (Jordan,
Lincoln), which are in all splits like the others that exist (Seoul, 삼성). No sentence is in two splits.
"""

import random
import re
from typing import Any

from keras_nlp_zoo.checks import check_int
from keras_nlp_zoo.datasets.corpus import SPLITS, Corpus, draw_split, split_of
from keras_nlp_zoo.datasets.forms import fill
from keras_nlp_zoo.naming import suggest

_KINDS = ("date", "organisation", "person", "place")
_FORMATS = ("spans", "words")
_WORD = re.compile(r"'s\b|\w+|[^\w\s]")
# A slot of a sentence, the kind that it is tagged as: the sentence has to tell, whatever name comes in.
_TAGGED = {
    **{kind: kind for kind in _KINDS},
    "day": "date",
    "month": "date",
    "titled": "person",
    "university": "organisation",
    "city": "place",
}

_ENGLISH: dict[str, Any] = {
    "first": (
        "Ash Brad Brom Carl Cold Dun Elm Fair Gar Hal Hart Hay Hol Kings Lang Lin Mar Mil Nor Oak Pem Rad Shel Stan "
        "Thorn Wes Whit"
    ).split(),
    "second": "bury by field ford ham ley mere stead ton wick wood worth".split(),
    # Names of persons, places and firms alike.
    "shared": (
        "Adelaide Austin Carolina Charlotte Chelsea Dallas Florence Georgia Houston Jackson Jordan Lincoln Madison "
        "Paris Savannah Sydney Victoria Washington"
    ).split(),
    "given": (
        "Anna April Ben Clara David Emma Farid Grace Hana Ivan Julia June Kenji Laila May Minjun Nora Omar Petra Rosa "
        "Samuel Tomas Yuna Zoe"
    ).split(),
    "places": (
        "Berlin|Busan|Cairo|Cape Town|Havana|Hong Kong|Kyoto|Lima|Lisbon|Mumbai|Nairobi|New York|Oslo|Prague|"
        "San Diego|Seoul|Toronto|Vienna"
    ).split("|"),
    "firms": "Fiat Hyundai Nokia Olivetti Panasonic Philips Renault Samsung Siemens Sony Toyota Volvo".split(),
    "forms": {
        "person": ("{given} {name}", "{given} {name}", "{name}", "{given}", "{initial}. {name}"),
        "titled": ("{name}",),
        "place": ("{name}", "{name}", "{name}", "{known}", "Port {name}"),
        "organisation": (
            "{name}|{name}|{name}|{known}|{known}|{name} Ltd|{name} & Sons|{name} Motors|Bank of {name}"
        ).split("|"),
        "university": ("University of {name}", "{name} College"),
        "month": ("{m} {y}", "{y}", "{m}"),
        "day": ("{d} {m} {y}", "{m} {d}, {y}", "{d} {m}", "{wd}", "{wd}, {d} {m}"),
    },
    "months": "January February March April May June July August September October November December".split(),
    "weekdays": "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split(),
    "jobs": "dentist|gardener|night nurse|plumber|sales director|teacher|violinist".split("|"),
    "things": "bolts chairs engines lamps pumps spoons tickets umbrellas".split(),
    "openers": ["", "", "", "", "it is said that", "as far as we know,", "the papers say that", "nobody doubts that"],
    "sentences": (
        "{person} was born in {place} in {month}.",
        "{person} moved to {place} with two children on {day}.",
        "{person}, who is {age}, has lived near {place} since {month}.",
        "{person} married {person} in {place} on {day}.",
        "{person} sings in a choir and works as a {job}.",
        "{person}, a {job} from {place}, ordered {number} {things}.",
        "{person} took the night train to {place} and slept badly.",
        "my neighbour {person} ordered {number} {things}.",
        "the {job} is called {person} and will retire in {month}.",
        "Dr {titled} saw {number} patients before {month}.",
        "Mrs {titled} and Mr {titled} are cousins.",
        "{place}'s mayor, {person}, sleeps until noon.",
        "the night train to {place} was late on {day}.",
        "the road from {place} to {place} was closed until {day}.",
        "it rained in {place} from {day} to {day}.",
        "the population of {place} grew to {number} in {month}.",
        "the river flows through {place} and freezes over in {month}.",
        "the share price of {organisation} rose on {day}.",
        "the firm {organisation} sold {number} {things} in {month}.",
        "{organisation}, which makes {things}, opened a shop in {place}.",
        "{organisation} hired {person} as its sales director on {day}.",
        "the shareholders of {organisation} met in {place} in {month}.",
        "{organisation} was founded in {place} by {person}.",
        "{person} studied medicine at the {university} until {month}.",
        "{person} owns {number} shares of the firm {organisation}.",
        "nobody has bought {number} {things} so far.",
        "the meeting was put off again, to {day}.",
        "somebody left {number} {things} at the door.",
    ),
}

_KOREAN: dict[str, Any] = {
    "first": [*"광금남대동명문백북상석선영옥용월인창청평하화"],
    "second": [*"강곡동림산성안양원주진천평포해호"],
    "shared": [],
    "given": "민수 서연 수민 영희 유나 은지 준호 지훈 하늘 현우".split(),
    "surnames": [*"강권김박송신안오윤이임장정조최한황"],
    "places": "강릉 광주 대구 부산 서울 속초 여수 인천 제주 춘천".split(),
    "firms": "네이버 라인 삼성 카카오 쿠팡 토스 포스코 현대".split(),
    "forms": {
        "person": ("{surname}{name}", "{surname}{name}", "{surname}{given}"),
        "titled": ("{name}",),
        "place": ("{name}", "{name}", "{name}", "{known}", "{name}시"),
        "city": ("{known}",),
        "organisation": "{name}|{name}|{name}|{known}|{known}|{name}전자|{name}은행|{name}건설".split("|"),
        "university": ("{name}대학교", "{name}여자대학교"),
        "month": ("{y}년 {m}월", "{y}년", "{m}월"),
        "day": ("{y}년 {m}월 {d}일", "{m}월 {d}일", "{wd}요일"),
    },
    "months": [*range(1, 13)],
    "weekdays": [*"월화수목금토일"],
    "jobs": "간호사 교사 기자 농부 변호사 요리사".split(),
    "things": "의자 우산 전등 숟가락 나사".split(),
    "openers": ["", "", "", "", "소문에 따르면", "신문을 보니", "모두 알다시피", "들리는 말로는"],
    "sentences": (
        "{person|은/는} {place}에서 태어났다.",
        "{person|은/는} {month}에 {place|으로/로} 이사했다.",
        "{person|과/와} {person|은/는} {day}에 결혼했다.",
        "{person|은/는} {city}에서 일한다.",
        "{person|이/가} {things} {number}개를 주문했다.",
        "{person}의 고향은 {place|이다/다}.",
        "{titled} 씨는 {day}에 {place}행 열차를 탔다.",
        "{titled} 씨와 {titled} 씨는 사촌이다.",
        "{job} {person|이/가} {month}까지 {place}에 살았다.",
        "{place}행 열차가 {day}에 늦게 도착했다.",
        "{place}에는 {day}부터 비가 왔다.",
        "{place}의 인구는 {month}에 {number}명이었다.",
        "{place} 시민들은 {day}까지 기다렸다.",
        "강은 {place|을/를} 지나 바다로 흐른다.",
        "{organisation}의 주가가 {day}에 올랐다.",
        "{organisation|이/가} {month}에 신제품을 내놓았다.",
        "{organisation|은/는} {place}에 새 공장을 지었다.",
        "{person|은/는} {day}에 {organisation}에 입사했다.",
        "{person|이/가} {organisation} 사장이 되었다.",
        "{organisation} 직원 {number}명이 {place|을/를} 찾았다.",
        "두 회사 {organisation|과/와} {organisation|이/가} 합병했다.",
        "{person} 교수는 {university}에서 가르친다.",
        "{day|은/는} 휴일이다.",
        "누군가 {things} {number}개를 문 앞에 두었다.",
        "{number}명이 줄을 서서 기다렸다.",
    ),
}
_LANGUAGES = {"en": _ENGLISH, "ko": _KOREAN}


def _made_up(words: dict[str, Any], split: str) -> list[str]:
    """The names of two syllables that belong to a split."""
    names = [first + second for first in words["first"] for second in words["second"]]
    known = {*words["shared"], *words["given"], *words["places"], *words["firms"]}
    return [name for name in names if name not in known and split_of(name) == split]


def _name(draw: random.Random, words: dict[str, Any], made_up: list[str], slot: str) -> str:
    """What comes into a slot."""
    if slot == "number":  # as often as not it looks like a year
        return str(draw.choice((draw.randint(1950, 2049), draw.randint(2, 9999))))
    if slot == "age":
        return str(draw.randint(18, 99))
    if slot in ("job", "things"):
        return draw.choice(words[{"job": "jobs"}.get(slot, slot)])
    form = draw.choice(words["forms"][slot])
    name = draw.choice(words["shared"] if words["shared"] and draw.random() < 0.25 else made_up)
    return form.format(
        name=name,
        given=draw.choice([given for given in (*words["given"], *words["shared"]) if given != name]),
        initial=draw.choice("ABCDEFGHJKLMNPRSTW"),
        surname=draw.choice(words.get("surnames", [""])),
        known=draw.choice(words["firms" if slot == "organisation" else "places"]),
        y=draw.randint(1950, 2049),
        m=draw.choice(words["months"]),
        d=draw.randint(1, 28),
        wd=draw.choice(words["weekdays"]),
    )


def _sentence(draw: random.Random, words: dict[str, Any], made_up: list[str]) -> tuple[str, list[dict[str, Any]]]:
    """A sentence, and the spans in it; no name is in it twice."""
    form = f"{draw.choice(words['openers'])} {draw.choice(words['sentences'])}".lstrip()
    names: list[str] = []

    def choose(slot: str) -> str:
        while (name := _name(draw, words, made_up, slot)) in names:
            pass
        names.append(name)
        return name

    text, places = fill(form[:1].upper() + form[1:], choose)
    return text, [
        {"start": start, "end": end, "label": _TAGGED[slot]} for slot, start, end in places if slot in _TAGGED
    ]


def _words(text: str, spans: list[dict[str, Any]]) -> tuple[list[str], list[str]]:
    """The words of a text, and their BIO tags."""
    words, tags = [], []
    for match in _WORD.finditer(text):
        words.append(match[0])
        inside = [span for span in spans if span["start"] <= match.start() and match.end() <= span["end"]]
        place = "B" if inside and inside[0]["start"] == match.start() else "I"
        tags.append(f"{place}-{inside[0]['label']}" if inside else "O")
    return words, tags


def _read_entities(
    paths: dict[str, str],
    split: str,
    size: int = 2000,
    language: str | None = "en",
    format: str = "spans",
    seed: int = 0,
) -> tuple[list[Any], list[Any]]:
    if language is not None and language not in _LANGUAGES:
        raise ValueError(suggest("language", language, _LANGUAGES))
    if format not in _FORMATS:
        raise ValueError(suggest("format", format, _FORMATS))
    if format == "words" and language != "en":
        raise ValueError(
            f"`format='words'` needs language='en': Korean names end within words. Received: language={language!r}"
        )
    check_int("size", size, 1)
    check_int("seed", seed, 0)
    draw = random.Random(f"{split} {language} {seed}")
    made_up = {name: _made_up(words, split) for name, words in _LANGUAGES.items()}

    def sentence() -> tuple[str, tuple[str, list[Any]]]:
        one = language or draw.choice(("en", "ko"))
        text, spans = _sentence(draw, _LANGUAGES[one], made_up[one])
        return text, (text, spans)

    sentences = draw_split(sentence, split, size)
    x, y = zip(*(_words(*one) if format == "words" else one for one in sentences), strict=True)
    return [*x], [*y]


ENTITIES = Corpus(
    name="entities",
    task="token_classifier",
    description=(
        "sentences with persons, places, organisations and dates, most names not seen in another split; `size`, "
        "`language` (en, ko, or None for both), `format` (spans, or, in English, words), `seed`"
    ),
    splits=SPLITS,
    read=_read_entities,
    labels=("O", *(f"{place}-{kind}" for kind in _KINDS for place in "BI")),
    licence="Apache-2.0, as this package",
    citation="generated by this package",
    languages=("en", "ko"),
)
