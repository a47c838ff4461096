"""Korean remarks of everyday life and answers that take them up.

| remark                          | answer                                |
| ------------------------------- | ------------------------------------- |
| 있잖아 주말에 냉면을 먹고 싶어  | 냉면 좋지요. 주말에 같이 먹어요.      |
| 저기 동생이랑 다퉜어            | 동생에게 먼저 말을 걸어 보세요.       |
| 요즘 너무 피곤하네              | 푹 쉬는 게 좋겠어요.                  |

A remark has one answer, which repeats what the remark was about with the particle that its last syllable asks for.
No remark is in two splits, whatever it is opened with.
"""

import random

from keras_nlp_zoo.checks import check_int
from keras_nlp_zoo.datasets.corpus import SPLITS, Corpus, as_pairs, draw_split
from keras_nlp_zoo.datasets.forms import fill

_NAMES = {
    "when": "오늘|내일|모레|주말에|저녁에|아침에|점심에|이따가|다음 주에|방학에|휴일에|일요일에".split("|"),
    "food": "김치찌개 비빔밥 떡볶이 냉면 삼겹살 라면 김밥 칼국수 불고기 만두 치킨 잡채 갈비탕 팥빙수 호떡 피자".split(),
    "place": "제주도 부산 경주 강릉 전주 여수 속초 서울 남산 한강 바닷가 시골 박물관 수영장 시장 동물원".split(),
    "event": "시험 면접 발표 소풍 공연 대회 결혼식 생일잔치 동창회 회의 졸업식 연주회 수업 경기".split(),
    "person": "친구 동생 언니 오빠 누나 형 사촌 선배 후배 짝꿍 동료 이웃 조카 단짝".split(),
    "hobby": "수영 기타 피아노 요가 달리기 그림 영어 뜨개질 요리 사진 등산 바둑 탁구 춤".split(),
    "thing": "우산 지갑 가방 모자 시계 안경 신발 카메라 자전거 이어폰 장갑 목걸이 노트북 물병".split(),
    "much": "너무|정말|조금|무척|요즘|요즘 너무|계속|오늘따라|왠지|많이|아까부터|하루 종일".split("|"),
}
_OPENERS = ("", "", "", "", "있잖아 ", "저기 ", "그런데 ", "아 ")

# The forms of a remark, and its answer. A Korean particle has two: after a final consonant, and after a vowel.
_TALK = (
    (
        "{when} {food|을/를} 먹고 싶어; {when} {food|을/를} 먹을까?; {when} {food|이/가} 먹고 싶네; "
        "{when} {food} 어때?; {food|을/를} {when} 먹고 싶어요",
        "{food} 좋지요. {when} 같이 먹어요.",
    ),
    (
        "{when} {place}에 가; {when} {place}에 가려고 해; {when} {place}에 가기로 했어; {when} {place}에 갈 거야; "
        "{place}에 {when} 놀러 가요",
        "{place}에서 즐거운 시간 보내세요.",
    ),
    (
        "{when} {event|이/가} 있어; {when} {event|이/가} 있는데 떨려; {when} {event|이/가} 있어서 긴장돼; "
        "{when} 있는 {event|이/가} 걱정돼; {event|이/가} {when} 있어요",
        "{event|은/는} 잘 될 거예요. 힘내세요.",
    ),
    (
        "{person|과/와} 싸웠어; {person|이랑/랑} 다퉜어; {person|과/와} 말을 안 해; {person|이/가} 화났어; "
        "{person|이/가} 나한테 화났나 봐; {when} {person|과/와} 화해하고 싶어",
        "{person}에게 먼저 말을 걸어 보세요.",
    ),
    (
        "{person|이/가} {much} 보고 싶어; {person|이/가} {much} 그리워; {person|이/가} 보고 싶네; {person} 생각이 나; "
        "{person|을/를} 못 본 지 오래됐어",
        "{person}도 보고 싶어 할 거예요.",
    ),
    (
        "{hobby|을/를} 배우고 싶어; {when} {hobby|을/를} 시작해; {hobby|을/를} 배우기 시작했어; "
        "{hobby|이/가} 재미있어 보여; {hobby|을/를} 배워 볼까?; {hobby} 실력이 안 늘어",
        "{hobby|은/는} 꾸준히 하면 늘어요.",
    ),
    (
        "{thing|을/를} 잃어버렸어; {thing|이/가} 없어졌어; {thing|을/를} 두고 왔어; {thing|이/가} 안 보여; "
        "내 {thing} 어디 갔지?; {thing|을/를} 잃어버렸어요",
        "{thing|을/를} 꼭 찾기를 바라요.",
    ),
    (
        "{thing|을/를} 새로 샀어; {thing|을/를} 선물 받았어; 새 {thing|이/가} 생겼어; {thing|을/를} 새로 샀어요; "
        "새 {thing|이/가} 마음에 들어",
        "새 {thing|이/가} 잘 어울려요.",
    ),
    ("{when} 뭐 하지?; {when} 뭐 할까?; {when} 할 일이 없어; {when} 약속이 없네", "{when} 산책하는 건 어때요?"),
    ("{much} 피곤해; {much} 피곤하네; {much} 피곤하다; {much} 피곤해요; {much} 지쳤어", "푹 쉬는 게 좋겠어요."),
    ("{much} 배고파; {much} 배고프네; {much} 배고프다; {much} 배고파요; {much} 출출해", "맛있는 걸 챙겨 드세요."),
    ("{much} 심심해; {much} 심심하네; {much} 심심하다; {much} 심심해요; {much} 지루해", "저와 이야기해요."),
    ("{much} 추워; {much} 춥네; {much} 춥다; {much} 추워요", "따뜻하게 입으세요."),
    ("{much} 더워; {much} 덥네; {much} 덥다; {much} 더워요", "시원한 물을 드세요."),
    ("{much} 졸려; {much} 졸리네; {much} 졸리다; {much} 졸려요", "잠깐 눈을 붙이세요."),
    ("{much} 외로워; {much} 외롭네; {much} 외롭다; {much} 외로워요; {much} 쓸쓸해", "제가 곁에 있을게요."),
    ("{much} 행복해; {much} 행복하네; {much} 행복해요; {much} 기분이 좋아; {much} 신나", "저도 기쁘네요."),
    ("{much} 아파; {much} 아프네; {much} 아파요; {much} 머리가 아파; {much} 배가 아파", "병원에 가 보세요."),
)
_FORMS = [(remark, answer) for remarks, answer in _TALK for remark in remarks.split("; ")]


def _talk(draw: random.Random) -> tuple[str, tuple[str, str]]:
    """A remark, and a pair: the remark as it is opened and closed, and its answer."""
    form, answer = draw.choice(_FORMS)
    chosen = {slot: draw.choice(names) for slot, names in _NAMES.items()}
    remark = fill(form, chosen.__getitem__)[0]
    opener, end = draw.choice(_OPENERS), draw.choice(("", "", ".", "!"))
    said = opener + remark + ("" if remark.endswith("?") else end)
    return remark, (said, fill(answer, chosen.__getitem__)[0])


def _read_small_talk(
    paths: dict[str, str], split: str, size: int = 2000, seed: int = 0
) -> tuple[dict[str, list[str]], None]:
    check_int("size", size, 1)
    check_int("seed", seed, 0)
    draw = random.Random(f"{split} {seed}")
    return as_pairs(draw_split(lambda: _talk(draw), split, size))


SMALL_TALK = Corpus(
    name="small_talk",
    task="seq2seq_lm",
    description="Korean remarks of everyday life and answers that take them up; `size`, `seed`",
    splits=SPLITS,
    read=_read_small_talk,
    licence="Apache-2.0, as this package",
    citation="generated by this package",
    languages=("ko",),
)
