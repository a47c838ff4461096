"""Made-up film reviews in which the architectures differ for the reasons the literature gives.

Three kinds of sentence, half of them plain and a quarter each of the others:

| kind       | example (positive)                                | what it takes                                       |
| ---------- | ------------------------------------------------- | --------------------------------------------------- |
| `plain`    | the music was truly moving                        | the words                                           |
| `negation` | the plot was not dull                             | two words together                                  |
| `contrast` | the plot was dull , but the music was moving      | their order: the clause of the reviewer's own point |

Turn the two clauses of a contrast round and the same words mean the opposite, so no bag of words can tell.
`distance` puts that many words without any opinion between the last of these words and the end of the text:
what was read has to be remembered for that long (or looked for again).
"""

import random
from typing import Any

from keras_nlp_zoo.checks import check_int
from keras_nlp_zoo.datasets.corpus import SPLITS, Corpus, draw_split
from keras_nlp_zoo.naming import suggest

KINDS = ("plain", "negation", "contrast")
_MIXTURE = ("plain", "plain", "negation", "contrast")
_LABELS = ("negative", "positive")

_ENGLISH: dict[str, Any] = {
    "aspects": (
        "the acting|the plot|the music|the dialogue|the ending|the camera work|the cast|the script|the direction|"
        "the editing|the lighting|the costume design|the lead actor|the opening scene|the humour|the chase scene"
    ).split("|"),
    "positive": (
        "wonderful moving brilliant charming gripping clever delightful superb memorable elegant fresh inspired "
        "tender thrilling"
    ).split(),
    "negative": (
        "dull tedious clumsy shallow awful lifeless predictable messy bland grating hollow forgettable tiresome sloppy"
    ).split(),
    "degrees": ["", "", "truly", "really", "quite", "simply"],
    "openers": ["", "", "", "my verdict :", "in short ,", "let us be fair :", "one thing first :"],
    "plain": "{aspect} was {degree} {word}",
    "negations": ("{aspect} was not {degree} {word}", "{aspect} was never {word}", "{aspect} was anything but {word}"),
    # The clause that carries the point is {point}; what is granted is {other}.
    "contrasts": (
        "{other} , but {point}",
        "although {other} , {point}",
        "{point} , although {other}",
        "{other} ; still , {point}",
    ),
    "neutral": (
        "i saw it on a tuesday evening with two friends .|the room was half full .|we sat in the third row .|"
        "it starts at eight and lasts two hours .|there is a short break in the middle .|"
        "the tickets were sold at the door .|it was made in the same town .|we walked home along the river ."
    ).split("|"),
}

_KOREAN: dict[str, Any] = {
    "aspects": (
        "연기는|줄거리는|음악은|대사는|결말은|영상은|편집은|배우들은|"
        "각본은|연출은|분위기는|주인공은|첫 장면은|의상은|조명은|농담은"
    ).split("|"),
    "positive": "훌륭 탁월 신선 섬세 유쾌 따뜻 탄탄 완벽 우아 근사 통쾌 흥미진진 세련 풍성".split(),
    "negative": "지루 식상 진부 엉성 산만 유치 허술 답답 밋밋 조잡 어색 황당 따분 빈약".split(),
    "degrees": ["", "", "정말", "무척", "꽤", "참"],
    "openers": ["", "", "", "한마디로 ,", "솔직히 ,", "먼저 말하자면 ,"],
    "plain": "{aspect} {degree} {word}했다",
    "negations": ("{aspect} {degree} {word}하지 않았다", "{aspect} 결코 {word}하지 않았다"),
    "contrasts": ("{other} . 하지만 {point}", "{other} . 그래도 {point}", "{point} . 비록 {other} 해도"),
    "neutral": (
        "화요일 저녁에 친구 둘과 보았다 .|극장은 반쯤 차 있었다 .|우리는 셋째 줄에 앉았다 .|"
        "여덟 시에 시작해서 두 시간 걸린다 .|중간에 짧은 휴식이 있다 .|표는 입구에서 팔았다 .|"
        "같은 도시에서 찍었다고 한다 .|우리는 강을 따라 집으로 걸었다 ."
    ).split("|"),
}
_LANGUAGES = {"en": _ENGLISH, "ko": _KOREAN}


def _review(draw: random.Random, words: dict[str, Any], kind: str, positive: bool) -> str:
    def clause(positive: bool, aspect: str) -> str:
        negated = kind == "negation"
        word = draw.choice(words["positive" if positive != negated else "negative"])
        form = draw.choice(words["negations"]) if negated else words["plain"]
        return form.format(aspect=aspect, degree=draw.choice(words["degrees"]), word=word)

    first, second = draw.sample(words["aspects"], 2)
    if kind == "contrast":
        form = draw.choice(words["contrasts"])
        text = form.format(point=clause(positive, first), other=clause(not positive, second))
    else:
        text = clause(positive, first)
    return " ".join(f"{draw.choice(words['openers'])} {text} {draw.choice(('.', '.', '!', ''))}".split())


def _filler(draw: random.Random, words: dict[str, Any], distance: int) -> list[str]:
    filler: list[str] = []
    while len(filler) < distance:
        filler += draw.choice(words["neutral"]).split()
    return filler[:distance]


def _read_reviews(
    paths: dict[str, str],
    split: str,
    size: int = 2000,
    language: str = "en",
    kind: str | None = None,
    distance: int = 0,
    seed: int = 0,
) -> tuple[list[str], list[str]]:
    if language not in _LANGUAGES:
        raise ValueError(suggest("language", language, _LANGUAGES))
    if kind is not None and kind not in KINDS:
        raise ValueError(suggest("kind of review", kind, KINDS))
    for name, value, least in (("size", size, 1), ("distance", distance, 0), ("seed", seed, 0)):
        check_int(name, value, least)
    words = _LANGUAGES[language]
    draw = random.Random(f"{split} {language} {kind} {distance} {seed}")

    def review() -> tuple[str, tuple[str, str]]:
        positive = draw.random() < 0.5
        text = _review(draw, words, kind or draw.choice(_MIXTURE), positive)
        return text, (" ".join([text, *_filler(draw, words, distance)]), _LABELS[positive])

    texts, labels = zip(*draw_split(review, split, size), strict=True)
    return [*texts], [*labels]


REVIEWS = Corpus(
    name="reviews",
    task="text_classifier",
    description="made-up film reviews; `size`, `language`, `kind` (plain, negation, contrast), `distance`, `seed`",
    splits=SPLITS,
    read=_read_reviews,
    labels=_LABELS,
    licence="Apache-2.0, as this package",
    citation="generated by this package",
    languages=("en", "ko"),
)
