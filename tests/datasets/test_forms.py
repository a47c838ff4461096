import pytest

from keras_nlp_zoo.datasets.forms import fill


@pytest.mark.parametrize(
    ("name", "form", "expected"),
    [
        ("서울", "{x|은/는} {x|이/가} {x|으로/로}", "서울은 서울이 서울로"),
        ("제주", "{x|은/는} {x|과/와} {x|으로/로}", "제주는 제주와 제주로"),
        ("부산", "{x|을/를} {x|이다/다}. {x|으로/로}", "부산을 부산이다. 부산으로"),
        ("여의도", "{x|을/를} {x|이다/다}", "여의도를 여의도다"),
        ("Ada", "no slot", "no slot"),
        ("Ada", "{x}", "Ada"),
    ],
)
def test_particles_agree(name, form, expected):
    text, places = fill(form, lambda slot: name)
    assert text == expected
    assert [text[start:end] for _, start, end in places] == [name] * form.count("{")


def test_slots_are_filled_in_order():
    names = iter(["Ada", "", "Bob"])
    asked = []

    def choose(slot):
        asked.append(slot)
        return next(names)

    assert fill("{one} met {two}{one}.", choose) == (
        "Ada met Bob.",
        [("one", 0, 3), ("two", 8, 8), ("one", 8, 11)],
    )
    assert asked == ["one", "two", "one"]
