"""Dates as people write them, in English and Korean, to be turned into `2024-03-07`.

| language | a few of the forms                                                                               |
| -------- | ------------------------------------------------------------------------------------------------ |
| `en`     | Thursday, March 7, 2024 / the 7th of march, 2024 / 3/7/2024 / MAR 7 '24 / march seventh, twenty … |
| `ko`     | 2024년 3월 7일 / 2024. 3. 7.(목) / '24년 3월 7일 / 24.03.07 / 이천이십사년 삼월 칠일              |

One reading each, by these conventions: with slashes and the year last the month comes first; with dots the year
comes first; a year of two digits is 1969 to 1999 from 69 on and 2000 to 2068 below (as POSIX has it), so the dates
run from 1969-01-01 to 2068-12-31. A day of the week always agrees with its date.
No date is in two splits, whatever its form or language.
"""

import datetime
import random
from typing import Any

from keras_nlp_zoo.checks import check_int
from keras_nlp_zoo.datasets.corpus import SPLITS, Corpus, as_pairs, draw_split
from keras_nlp_zoo.naming import suggest

_FIRST, _LAST = datetime.date(1969, 1, 1).toordinal(), datetime.date(2068, 12, 31).toordinal()
_MONTHS = "January February March April May June July August September October November December".split()
_WEEKDAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
_UNITS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
).split()
_TENS = "zero ten twenty thirty forty fifty sixty seventy eighty ninety".split()
_ORDINALS = (
    "zeroth first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth "
    "fifteenth sixteenth seventeenth eighteenth nineteenth twentieth"
).split()
_KOREAN_DIGITS = " 일이삼사오육칠팔구"
_KOREAN_WEEKDAYS = "월화수목금토일"

_FORMS = {
    "en": (
        "{month} {d}, {y}|{month} {d} {y}|{month} {nth}, {y}|{month} {nth} {y}|{d} {month} {y}|{d} {month}, {y}|"
        "{nth} {month} {y}|{nth} of {month} {y}|the {nth} of {month}, {y}|{weekday}, {month} {d}, {y}|"
        "{weekday}, {month} {nth}, {y}|{weekday}, {d} {month} {y}|{weekday} the {nth} of {month} {y}|"
        "{weekday} {d} {month} {y}|{mon} {d}, {y}|{mon} {d} {y}|{mon} {nth}, {y}|{d} {mon} {y}|{mon_} {d}, {y}|"
        "{d} {mon_} {y}|{wkd}, {d} {mon} {y}|{wkd} {mon} {d} {y}|{wkd} {mon} {d}, {y}|{d} {mon} {y} ({wkd})|"
        "{month} {d} '{yy}|{mon} {d} '{yy}|{d} {mon} '{yy}|{month} {nth}, '{yy}|{d}-{mon}-{y}|{dd}-{mon}-{y}|"
        "{y} {month} {d}|{y} {mon} {dd}|{y}-{mon}-{dd}|{m}/{d}/{y}|{mm}/{dd}/{y}|{wkd} {m}/{d}/{y}|"
        "{y}/{mm}/{dd}|{y}-{mm}-{dd}|{y}{mm}{dd}|{month} {nth_words}, {y}|{month} {nth_words}, {y_words}|"
        "the {nth_words} of {month}, {y}|the {nth_words} of {month} {y_words}|"
        "{weekday}, {month} {nth_words}, {y_words}"
    ).split("|"),
    "ko": (
        "{y}년 {m}월 {d}일|{y}년 {mm}월 {dd}일|{y}년{m}월{d}일|{y}년 {m}월 {d}일 {w}요일|{y}년 {m}월 {d}일({w})|"
        "{y}년 {m}월 {d}일 ({w})|{yy}년 {m}월 {d}일|{yy}년 {mm}월 {dd}일|{yy}년{m}월{d}일|{yy}년 {m}월 {d}일 {w}요일|"
        "'{yy}년 {m}월 {d}일|'{yy}. {m}. {d}.|{y}. {m}. {d}.|{y}. {m}. {d}.({w})|{y}. {mm}. {dd}.|{y}. {m}. {d}. ({w})|"
        "{y}.{m}.{d}|{y}.{m}.{d}.|{y}.{mm}.{dd}|{y}.{mm}.{dd}({w})|{yy}. {m}. {d}.|{yy}. {m}. {d}.({w})|{yy}.{mm}.{dd}|"
        "{yy}.{mm}.{dd}({w})|{y}/{mm}/{dd}|{y}-{mm}-{dd}|{y}-{mm}-{dd}({w})|{y}{mm}{dd}|{y_words}년 {m_words}월 "
        "{d_words}일|{y_words}년 {m_words}월 {d_words}일 {w}요일|{y_words}년{m_words}월{d_words}일|"
        "{y_words} 년 {m_words} 월 {d_words} 일"
    ).split("|"),
}


def _english(number: int) -> str:
    """24 -> twenty-four, for 1 to 99."""
    tens, units = divmod(number, 10)
    if number < 20:
        return _UNITS[number]
    return _TENS[tens] + (f"-{_UNITS[units]}" if units else "")


def _english_year(year: int) -> str:
    if 2000 <= year < 2010:
        return "two thousand" + (f" {_UNITS[year - 2000]}" if year > 2000 else "")
    return f"{_english(year // 100)} {_english(year % 100)}"


def _english_ordinal(number: int) -> str:
    if number == 30:
        return "thirtieth"
    tens, units = divmod(number, 10)
    return _ORDINALS[number] if number <= 20 else f"{_TENS[tens]}-{_ORDINALS[units]}"


def _korean(number: int) -> str:
    """2024 -> 이천이십사, for 1 to 9999; a one before 천, 백 and 십 is not said."""
    words = ""
    for unit in (1000, 100, 10, 1):
        digit = number // unit % 10
        if digit:
            name = {1000: "천", 100: "백", 10: "십", 1: ""}[unit]
            words += name if digit == 1 and name else _KOREAN_DIGITS[digit] + name
    return words


def _parts(date: datetime.date, language: str) -> dict[str, Any]:
    """What the forms are made of."""
    y, m, d = date.year, date.month, date.day
    parts = {"y": y, "m": m, "d": d, "yy": f"{y % 100:02}", "mm": f"{m:02}", "dd": f"{d:02}"}
    if language == "ko":
        # June and October have lost a letter: 유월, 시월.
        months = {6: "유", 10: "시"}
        words = {"y_words": _korean(y), "m_words": months.get(m, _korean(m)), "d_words": _korean(d)}
        return {**parts, **words, "w": _KOREAN_WEEKDAYS[date.weekday()]}
    month, weekday = _MONTHS[m - 1], _WEEKDAYS[date.weekday()]
    suffix = "th" if 10 < d < 20 else {1: "st", 2: "nd", 3: "rd"}.get(d % 10, "th")
    return {
        **parts,
        "month": month,
        "mon": month[:3],
        "mon_": month[:3] + ("" if month == "May" else "."),
        "weekday": weekday,
        "wkd": weekday[:3],
        "nth": f"{d}{suffix}",
        "nth_words": _english_ordinal(d),
        "y_words": _english_year(y),
    }


def _write(draw: random.Random, date: datetime.date, language: str) -> str:
    text = draw.choice(_FORMS[language]).format(**_parts(date, language))
    return draw.choice((str, str, str.lower, str.upper))(text)


def _read_dates(
    paths: dict[str, str], split: str, size: int = 2000, language: str | None = None, seed: int = 0
) -> tuple[dict[str, list[str]], None]:
    if language is not None and language not in _FORMS:
        raise ValueError(suggest("language", language, _FORMS))
    check_int("size", size, 1)
    check_int("seed", seed, 0)
    draw = random.Random(f"{split} {language} {seed}")

    def any_date() -> tuple[str, datetime.date]:
        date = datetime.date.fromordinal(draw.randint(_FIRST, _LAST))
        return date.isoformat(), date

    dates = draw_split(any_date, split, size)
    return as_pairs((_write(draw, date, language or draw.choice(("en", "ko"))), date.isoformat()) for date in dates)


DATES = Corpus(
    name="dates",
    task="seq2seq_lm",
    description=(
        "dates as people write them, to 2024-03-07 (3/7/2024 is in March, '69 is 1969, '68 is 2068); "
        "`size`, `language` (en, ko, or None for both), `seed`"
    ),
    splits=SPLITS,
    read=_read_dates,
    licence="Apache-2.0, as this package",
    citation="generated by this package",
    languages=("en", "ko"),
)
