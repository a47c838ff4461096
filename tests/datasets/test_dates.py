"""The dates are read by a reader written from their description: what it can read has one meaning, the target."""

import datetime
import re

import pytest

import keras_nlp_zoo as knz

MONTHS = "january february march april may june july august september october november december".split()
WEEKDAYS = "monday tuesday wednesday thursday friday saturday sunday".split()
NAMES = {}  # in full and in three letters
for kind, names in (("month", MONTHS), ("weekday", WEEKDAYS)):
    for place, name in enumerate(names):
        NAMES |= {name: (kind, place), name[:3]: (kind, place)}
NAMES["sept"] = NAMES["sep"]
SUFFIXES = {1: "st", 21: "st", 31: "st", 2: "nd", 22: "nd", 3: "rd", 23: "rd"}
UNITS = "one two three four five six seven eight nine".split()
TEENS = "ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen".split()
NUMBERS = {word: i for i, word in enumerate(UNITS + TEENS, 1)} | {"thousand": 1000}
NTH_UNITS = "first second third fourth fifth sixth seventh eighth ninth".split()
NTH = (
    {word: i for i, word in enumerate(NTH_UNITS, 1)} | {f"{word}th": NUMBERS[word] for word in TEENS} | {"twelfth": 12}
)
for tens, word in enumerate("twenty thirty forty fifty sixty seventy eighty ninety".split(), 2):
    NUMBERS |= {word: 10 * tens} | {f"{word}-{unit}": 10 * tens + i for i, unit in enumerate(UNITS, 1)}
    NTH |= {f"{word[:-1]}ieth": 10 * tens} | {f"{word}-{unit}": 10 * tens + i for i, unit in enumerate(NTH_UNITS, 1)}


def century(digits):
    """The year of two digits, as POSIX reads them, or of four."""
    number = int(digits)
    return number if len(digits) == 4 else number + (1900 if number >= 69 else 2000)


def read_english(text):
    found = {"weekday": None}
    digits, words = [], []
    for token in re.findall(r"'?\d+(?:st|nd|rd|th)?|[a-z]+(?:-[a-z]+)?", text.lower()):
        if token[-1] in "tdh" and token[0].isdigit():
            assert token[-2:] == SUFFIXES.get(int(token[:-2]), "th")
            digits.append(token[:-2])
        elif token in NAMES:
            kind, found[kind] = NAMES[token]
        elif token in NTH:
            digits.append(str(NTH[token]))
        elif token in NUMBERS:
            words.append(NUMBERS[token])
        elif token not in ("the", "of"):
            digits.append(token)
    if words:  # two thousand five, or two pairs of digits
        year = 1000 * words[0] + sum(words[2:]) if words[1] == 1000 else 100 * words[0] + words[1]
    elif len(digits[0]) == 8:
        year, *digits = int(digits[0][:4]), digits[0][4:6], digits[0][6:]
    else:
        (token,) = (token for token in digits if len(token) > 2)
        digits.remove(token)
        year = century(token.removeprefix("'"))
    *month, day = map(int, digits)  # the month is before the day where it is a number
    return year, *(month or [1 + found["month"]]), day, found["weekday"]


def hangul(text):
    """A number in Hangul: 이천이십사 -> 2024."""
    total = digit = 0
    for letter in text:
        if letter in "천백십":
            total += max(digit, 1) * {"천": 1000, "백": 100, "십": 10}[letter]
            digit = 0
        else:
            digit = 1 + "일이삼사오육칠팔구".index(letter)
    return total + digit


def read_korean(text):
    weekday = None
    found = re.search(r"\(([월화수목금토일])\)$| ([월화수목금토일])요일$", text)
    if found:
        weekday = "월화수목금토일".index(found[1] or found[2])
        text = text[: found.start()]
    if re.fullmatch(r"\d{8}", text):
        return int(text[:4]), int(text[4:6]), int(text[6:]), weekday
    if text[0] in "'0123456789":
        year, month, day = re.findall(r"\d+", text)
        return century(year), int(month), int(day), weekday
    year, month, day = re.fullmatch(r"(\w+?) ?년 ?(\w+?) ?월 ?(\w+?) ?일", text).groups()
    month = "일 이 삼 사 오 유 칠 팔 구 시 십일 십이".split().index(month) + 1
    return hangul(year), month, hangul(day), weekday


def read(text):
    """The ISO date of a text; fails where the day of the week is another date's."""
    year, month, day, weekday = (read_korean if re.search("[년월일화수목금토]|^'?\\d+\\.", text) else read_english)(
        text
    )
    date = datetime.date(year, month, day)
    assert weekday in (None, date.weekday()), text
    return date.isoformat()


KNOWN = {
    "Thursday, March 7, 2024": "2024-03-07",
    "the 7th of march, 2024": "2024-03-07",
    "MAR 7 '24": "2024-03-07",
    "3/7/2024": "2024-03-07",
    "sept. 30, 1999": "1999-09-30",
    "May 31, '69": "1969-05-31",
    "the thirty-first of December, nineteen ninety-nine": "1999-12-31",
    "March seventh, twenty twenty-four": "2024-03-07",
    "march twelfth, two thousand nine": "2009-03-12",
    "May twentieth, 2068": "2068-05-20",
    "20240307": "2024-03-07",
    "2024-03-07": "2024-03-07",
    "7-MAR-2024": "2024-03-07",
    "Thu 3/7/2024": "2024-03-07",
    "2024년 3월 7일(목)": "2024-03-07",
    "24. 3. 7.": "2024-03-07",
    "'70년 6월 22일": "1970-06-22",
    "이천이십사년 삼월 칠일 목요일": "2024-03-07",
    "천구백구십년시월십일일": "1990-10-11",
    "이천 년 유 월 삼십 일": "2000-06-30",
}


@pytest.mark.parametrize("text", KNOWN)
def test_the_reader_reads(text):
    assert read(text) == KNOWN[text]


def load(**options):
    x, y = knz.datasets.load("dates", **options)
    assert y is None
    return x["encoder_text"], x["decoder_text"]


@pytest.mark.parametrize("language", ["en", "ko", None])
def test_every_date_can_be_read(language):
    texts, targets = load(size=4000, language=language)
    assert len(texts) == len(targets) == 4000
    for text, target in zip(texts, targets, strict=True):
        assert read(text) == target, text


def test_dates_come_in_many_forms():
    """A form is what is left when digits, names and case are taken out."""
    for language, fewest in (("en", 30), ("ko", 25)):
        texts, targets = load(size=4000, language=language)
        forms = {
            re.sub(r"[a-z]+", "a", re.sub(r"\d+|[이천백십일삼사오육칠팔구]+", "0", text.lower())) for text in texts
        }
        assert len(forms) >= fewest
        assert len(set(targets)) > 3000
    assert {text == text.lower() for text in load(language="en")[0]} == {True, False}
    assert any(re.search("[A-Z]{4}", text) for text in load(language="en")[0])
    hangul = [bool(re.search("[가-힣]", text)) for text in load(size=2000)[0]]
    assert 0.2 < sum(hangul) / 2000 < 0.5


def test_every_month_and_day_is_said_in_words():
    """The words come from tables and rules: each has to be met once."""
    english, korean = (load(size=20_000, language=language) for language in ("en", "ko"))
    spoken = [date for text, date in zip(*english, strict=True) if re.search("[a-z]{2}(st|nd|rd|th|ieth)\\b", text)]
    assert {date[8:] for date in spoken} == {f"{day:02}" for day in range(1, 32)}
    spoken = [date for text, date in zip(*korean, strict=True) if not re.search(r"\d", text)]
    assert {date[5:7] for date in spoken} == {f"{month:02}" for month in range(1, 13)}
    assert {date[8:] for date in spoken} == {f"{day:02}" for day in range(1, 32)}
    assert {date[:4] for date in spoken} == {str(year) for year in range(1969, 2069)}
    assert all(read(text) == date for text, date in zip(*korean, strict=True))


def test_no_date_is_in_two_splits():
    dates = {}
    for split in ("train", "validation", "test"):
        dates[split] = {
            date for language in ("en", "ko") for date in load(split=split, size=3000, language=language)[1]
        }
    assert not dates["train"] & dates["validation"]
    assert not dates["train"] & dates["test"]
    assert not dates["validation"] & dates["test"]


def test_size_and_seed():
    texts, targets = load(size=300)
    assert load(size=300) == (texts, targets)
    assert load(size=20) == (texts[:20], targets[:20])
    assert load(size=20, seed=1)[0] != texts[:20]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": -1}, "`size` must be an int of at least 1. Received: size=-1"),
        ({"seed": "1"}, "`seed` must be an int of at least 0. Received: seed='1'"),
        ({"language": "kr"}, "There is no language 'kr'. Did you mean 'ko'?"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(ValueError, match=message):
        load(**options)
