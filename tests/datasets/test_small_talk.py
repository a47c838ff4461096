import re

import pytest

import keras_nlp_zoo as knz

SPLITS = ("train", "validation", "test")
KNOWN = {
    "주말에 냉면을 먹고 싶어": "냉면 좋지요. 주말에 같이 먹어요.",
    "내일 속초에 가려고 해": "속초에서 즐거운 시간 보내세요.",
    "다음 주에 있는 발표가 걱정돼": "발표는 잘 될 거예요. 힘내세요.",
    "형과 싸웠어": "형에게 먼저 말을 걸어 보세요.",
    "내 카메라 어디 갔지?": "카메라를 꼭 찾기를 바라요.",
    "새 신발이 생겼어": "새 신발이 잘 어울려요.",
    "너무 피곤하네": "푹 쉬는 게 좋겠어요.",
}
# After a syllable with a final consonant, and after one without.
PARTICLES = {"을": "를", "이": "가", "은": "는", "과": "와"}


def load(**options):
    x, y = knz.datasets.load("small_talk", **options)
    assert y is None
    return x["encoder_text"], x["decoder_text"]


def bare(remark):
    """Without what opens and closes it."""
    return re.sub(r"^(있잖아|저기|그런데|아) |[.!]$", "", remark)


@pytest.fixture(scope="module")
def pairs():
    found = []
    for split, size in zip(SPLITS, (12_000, 5000, 5000), strict=True):
        found += zip(*load(split=split, size=size), strict=True)
    return found


def test_a_remark_has_one_answer(pairs):
    answers = {}
    for remark, answer in pairs:
        assert answers.setdefault(bare(remark), answer) == answer
    assert {remark: answers[remark] for remark in KNOWN} == KNOWN
    assert len(answers) > 3000
    assert len(set(answers.values())) > 250


def test_particles_agree(pairs):
    """Of the nouns that answers repeat with a particle."""
    nouns = {re.match(r"(?:새 )?(\w+)(?:을|를|은|는) (?:꼭|꾸준히|잘 될)", answer) for _, answer in pairs}
    nouns = {found[1] for found in nouns if found}
    assert len(nouns) > 35
    with_particle = re.compile(rf"\b({'|'.join(nouns)})([{''.join([*PARTICLES, *PARTICLES.values()])}])\b")
    for text in {text for pair in pairs for text in pair}:
        for noun, particle in with_particle.findall(text):
            closed = (ord(noun[-1]) - ord("가")) % 28 > 0
            assert (particle in PARTICLES) == closed, text


def test_no_remark_is_in_two_splits():
    train, validation, test = ({bare(remark) for remark in load(split=split, size=3000)[0]} for split in SPLITS)
    assert not train & validation
    assert not train & test
    assert not validation & test


def test_size_and_seed():
    remarks, answers = load(size=300)
    assert load(size=300) == (remarks, answers)
    assert load(size=20) == (remarks[:20], answers[:20])
    assert load(size=20, seed=1)[0] != remarks[:20]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": 0}, "`size` must be an int of at least 1. Received: size=0"),
        ({"seed": "1"}, "`seed` must be an int of at least 0. Received: seed='1'"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(ValueError, match=message):
        load(**options)
