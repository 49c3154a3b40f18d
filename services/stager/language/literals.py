"""Numbers, durations, texts and times as they are written (LANGUAGE.md 3), and exact arithmetic of constants.

Numbers are integers of millionths, durations and times integers of milliseconds. Must not know files or grammar.
Whatever cannot be read raises `Unreadable`, whose message is meant for the person who wrote the file.
"""

from __future__ import annotations

import json
import re
from datetime import datetime
from typing import Literal

from services.stager.language.definition import Constant, Kind
from shared.clock import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, to_ms
from shared.errors import Malformed

MILLION = 1_000_000
NUMBER_MAX = 10**12 * MILLION  # in millionths
INSTANT_MAX = 10**15  # milliseconds, for durations and times

UNITS_MS = {"ms": 1, "s": SECOND_MS, "m": MINUTE_MS, "h": HOUR_MS, "d": DAY_MS, "w": 7 * DAY_MS}

Operator = Literal["+", "-", "*", "/"]

_NUMBER = re.compile(r"([0-9]+(?:_[0-9]+)*)(?:\.([0-9]+))?")
_DURATION = re.compile(r"(?:[0-9]+(?:_[0-9]+)*(?:ms|[smhdw]))+")
_DURATION_PART = re.compile(r"([0-9_]+)(ms|[smhdw])")
_DECIMAL_DURATION = re.compile(r"[0-9_]+\.[0-9]+(?:ms|[smhdw])")
_SPOKEN_PART = re.compile(
    r"([0-9]+) *(?:(ms|milliseconds?)|(s|secs?|seconds?)|(m|mins?|minutes?)|(h|hrs?|hours?)|(d|days?)|(w|weeks?))"
    r"(?![a-z]) *"
)
_CALENDAR_SPAN = re.compile(r"[0-9]+ *(?:y|yrs?|years?|mon?|months?|quarters?|q)", re.IGNORECASE)
_TIME = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})"
    r"(?:[T ]([0-9]{2}:[0-9]{2})(?::([0-9]{2})(?:\.([0-9]+))?)?(Z|[+-][0-9]{2}:[0-5][0-9])?)?"
)
_OFFSET = re.compile(r"(.+[+-][0-9]{2})(?::?([0-9]{2}))?")
_LOOSE_DAY = re.compile(r"([0-9]{4})[-/.]([0-9]{1,2})[-/.]([0-9]{1,2})((?:[T ].*)?)")
_DAY_FIRST = re.compile(r"([0-9]{1,2})\.([0-9]{1,2})\.([0-9]{4})((?:[T ].*)?)")
_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip
NO_CALENDAR_SPAN = "months and years differ in length: write days, as in `30d` or `365d`"
_UNITS_SAID = "its units are ms, s, m, h, d and w, as in `90d` or `1h30m`"


class Unreadable(Malformed):
    """This cannot be read."""


def read_quantity(text: str) -> Constant:
    """The number or duration of a text that begins with a digit. Errors: Unreadable."""
    if _NUMBER.fullmatch(text):
        return Constant(read_number(text), Kind.NUMBER)
    if _DURATION.fullmatch(text) or _DECIMAL_DURATION.fullmatch(text) or _CALENDAR_SPAN.fullmatch(text):
        return Constant(read_duration(text), Kind.DURATION)
    raise Unreadable(f"`{text}` is neither a number nor a duration; {_UNITS_SAID}")


def is_quantity(text: str) -> bool:
    """Whether `read_quantity` would read this."""
    try:
        read_quantity(text)
    except Unreadable:
        return False
    return True


def read_number(text: str) -> int:
    """Millionths of `10`, `2.5`, `1_000`. Errors: Unreadable, also for what LANGUAGE.md 3 does not allow."""
    found = _NUMBER.fullmatch(text)
    if found is None:
        raise Unreadable(f"`{text}` is not a number")
    whole, decimals = found[1].replace("_", ""), found[2] or ""
    if len(decimals) > 6:
        raise Unreadable("a number has at most six decimals")
    # The length comes first: turning a thousand digits into an integer is slow, or refused.
    if len(whole.lstrip("0")) > 13:
        raise Unreadable("a number lies between -1_000_000_000_000 and 1_000_000_000_000")
    value = int(whole) * MILLION + int(decimals.ljust(6, "0"))
    if value > NUMBER_MAX:
        raise Unreadable("a number lies between -1_000_000_000_000 and 1_000_000_000_000")
    return value


def read_duration(text: str) -> int:
    """Milliseconds of `90d`, `1h30m`, `500ms`. Errors: Unreadable."""
    if not _DURATION.fullmatch(text):
        raise Unreadable(_no_duration(text))
    total = 0
    for amount, unit in _DURATION_PART.findall(text):
        digits = amount.replace("_", "").lstrip("0") or "0"
        total += (int(digits) if len(digits) < 17 else INSTANT_MAX + 1) * UNITS_MS[unit]
    if total > INSTANT_MAX:
        raise Unreadable("a duration is at most 1_000_000_000_000_000ms")
    return total


def nearest_duration(text: str) -> str | None:
    """What somebody who wrote `7 days`, `1h 30m`, `90D` or `12` most likely meant, or None."""
    if text.isascii() and text.isdigit():
        return f"{text}d"
    if _DURATION.fullmatch(text.lower()):
        return text.lower()
    spoken, at = "", 0
    while found := _SPOKEN_PART.match(text.lower(), at):
        spoken += found[1] + next(unit for unit, word in zip(UNITS_MS, found.groups()[1:], strict=True) if word)
        at = found.end()
    return spoken if spoken and at == len(text) else None


def is_calendar_span(text: str) -> bool:
    """Whether somebody wrote months or years, whose length is not always the same."""
    return _CALENDAR_SPAN.fullmatch(text) is not None


def _no_duration(text: str) -> str:
    if _NUMBER.fullmatch(text):
        return f"a duration needs a unit; {_UNITS_SAID}"
    if _DECIMAL_DURATION.fullmatch(text):
        return "a duration is made of whole numbers: write `1h30m`, not `1.5h`"
    if _CALENDAR_SPAN.fullmatch(text):
        return NO_CALENDAR_SPAN
    return f"`{text}` is no duration; {_UNITS_SAID}"


def read_time(text: str) -> int | None:
    """Milliseconds of an ISO 8601 text as `date()` reads it, or None when it is none (LANGUAGE.md 3)."""
    found = _TIME.fullmatch(text)
    if found is None:
        return None
    day, clock, second, fraction, zone = found.groups()
    fraction = (fraction or "")[:3].ljust(3, "0")
    offset = "+00:00" if zone in (None, "Z") else zone
    try:
        moment = datetime.fromisoformat(f"{day}T{clock or '00:00'}:{second or '00'}.{fraction}{offset}")
    except ValueError:
        return None
    return to_ms(moment)


def why_no_time(text: str) -> tuple[str, str | None]:
    """What is wrong with a text that `read_time` cannot read, and what was perhaps meant."""
    day = text[:10]
    if _TIME.fullmatch(day) and read_time(day) is None and 0 < int(day[5:7]) <= len(_MONTHS):
        return f"there is no {int(day[8:])} {_MONTHS[int(day[5:7]) - 1]} {day[:4]}", None
    offset = _OFFSET.fullmatch(text)
    if offset is not None and read_time(meant := f"{offset[1]}:{offset[2] or '00'}") is not None:
        return "an offset is written with a colon, as in `+02:00`", meant
    return "write `2026-01-31` or `2026-01-31T10:20:30Z`", nearest_time(text)


def nearest_time(text: str) -> str | None:
    """The text of a time, mended where somebody left out noughts or gave the day first with dots; None for others."""
    if read_time(text) is not None:
        return text
    if found := _LOOSE_DAY.fullmatch(text):
        year, month, day, rest = found.groups()
    elif found := _DAY_FIRST.fullmatch(text):
        day, month, year, rest = found.groups()
    else:
        return None
    meant = f"{year}-{month:0>2}-{day:0>2}{rest}"
    return meant if read_time(meant) is not None else None


def read_quoted(text: str) -> str:
    """The value of a text in single or double quotes with JSON's escapes. Errors: Unreadable."""
    inner = text[1:-1]
    if text[0] == "'":
        inner = re.sub(r'\\.|"', lambda found: '\\"' if found[0] == '"' else found[0], inner)
    try:
        value: str = json.loads(f'"{inner}"', strict=False)
        value.encode()
    except json.JSONDecodeError as error:
        raise Unreadable(r"this escape is unknown; JSON's are \" \\ \/ \b \f \n \r \t and \u0041") from error
    except UnicodeEncodeError as error:
        raise Unreadable("an escape here makes half a character (a lone surrogate)") from error
    return value


def combine(operator: Operator, left: Constant, right: Constant, *, kind: Kind) -> Constant | None:
    """What `left operator right` makes, given the result's kind; None when it is missing (LANGUAGE.md 2 and 3)."""
    assert not isinstance(left.value, str)
    assert not isinstance(right.value, str)
    value = _exact(operator, left.value, right.value, is_scaled=left.kind is right.kind is Kind.NUMBER)
    limit = NUMBER_MAX if kind is Kind.NUMBER else INSTANT_MAX
    return None if value is None or abs(value) > limit else Constant(value, kind)


def _exact(operator: Operator, left: int, right: int, *, is_scaled: bool) -> int | None:
    if operator == "+":
        return left + right
    if operator == "-":
        return left - right
    if operator == "*":  # one of the two is a number, and so in millionths
        return half_even(left * right, MILLION)
    assert is_scaled, "only numbers divide"
    return None if right == 0 else half_even(left * MILLION, right)


def half_even(numerator: int, denominator: int) -> int:
    """The quotient rounded to the nearest integer, a tie to the even one."""
    if denominator < 0:
        numerator, denominator = -numerator, -denominator
    quotient, rest = divmod(numerator, denominator)
    return quotient + (2 * rest > denominator or (2 * rest == denominator and quotient % 2 == 1))
