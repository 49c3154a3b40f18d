"""Values as LANGUAGE.md 2 and 3 know them: read from JSON, compared, calculated with; exact and without any speed.

A value is a pair of its kind and what it holds (a number: integer millionths; a time or duration: milliseconds), and
None is missing. An object has a kind of its own, which nothing accepts.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta, timezone
from fractions import Fraction
from typing import Any

from services.stager.language.definition import Kind

MILLION = 10**6
NUMBER_MAX = 10**12 * MILLION
TIME_MAX = 10**15
OBJECT = "object"

Value = tuple[str, Any] | None

_TIME = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})"
    r"(?:[T ]([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:\.([0-9]+))?)?(Z|[+-][0-9]{2}:[0-9]{2})?)?"
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def read(raw: object) -> Value:
    """The value of a piece of JSON."""
    if raw is None:
        return None
    if isinstance(raw, bool):
        return (Kind.FLAG, raw)
    if isinstance(raw, int):
        return number(raw * MILLION)
    if isinstance(raw, float):
        return None if abs(raw) > 10**12 else number(round(raw * 1e6))
    if isinstance(raw, str):
        return (Kind.TEXT, raw)
    return (Kind.LIST, raw) if isinstance(raw, list) else (OBJECT, raw)


def number(millionths: int) -> Value:
    """A number, missing beyond a million millions."""
    return (Kind.NUMBER, millionths) if abs(millionths) <= NUMBER_MAX else None


def instant(kind: Kind, milliseconds: int) -> Value:
    """A time or a duration, missing when beyond its bounds."""
    return (kind, milliseconds) if abs(milliseconds) <= TIME_MAX else None


def reach(raw: object, path: tuple[str, ...]) -> object:
    """The piece of JSON at the end of a path through objects, None where there is none."""
    for key in path:
        if not isinstance(raw, dict):
            return None
        raw = raw.get(key)
    return raw


def normal(raw: object) -> object:
    """JSON in a shape in which equal values are equal and others are not (1 is 1.0, but not true)."""
    if isinstance(raw, dict):
        return (OBJECT, {key: normal(item) for key, item in raw.items()})
    if isinstance(raw, list):
        return (Kind.LIST, [normal(item) for item in raw])
    return read(raw)


def parse_time(text: str) -> int | None:
    """Milliseconds of an ISO 8601 text in the form that `date()` reads."""
    match = _TIME.fullmatch(text)
    if match is None:
        return None
    year, month, day, hour, minute, second, fraction, zone = match.groups()
    try:
        midnight = datetime(int(year), int(month), int(day), tzinfo=_offset(zone))
        moment = midnight.replace(hour=int(hour or 0), minute=int(minute or 0), second=int(second or 0))
    except ValueError:
        return None
    return (moment - _EPOCH) // timedelta(milliseconds=1) + int(((fraction or "") + "000")[:3])


def _offset(zone: str | None) -> timezone:
    if zone is None or zone == "Z":
        return UTC
    shift = timedelta(hours=int(zone[1:3]), minutes=int(zone[4:6]))
    if int(zone[4:6]) > 59:
        raise ValueError(zone)
    return timezone(-shift if zone[0] == "-" else shift)


def written(milliseconds: int) -> str:
    """RFC 3339 with milliseconds and `Z`."""
    moment = _EPOCH + timedelta(milliseconds=milliseconds)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{milliseconds % 1000:03d}Z"


def compare(operator: str, left: Value, right: Value) -> bool:
    """A comparison; false when something is missing, of different types, or without an order."""
    if left is None or right is None or left[0] != right[0] or left[0] in (Kind.LIST, OBJECT):
        return False
    if operator in ("==", "!="):
        return bool(left[1] == right[1]) == (operator == "==")
    if left[0] is Kind.FLAG:
        return False
    a, b = left[1], right[1]
    return bool({"<": a < b, "<=": a <= b, ">": a > b, ">=": a >= b}[operator])


def calculate(operator: str, left: Value, right: Value) -> Value:
    """Arithmetic; missing when something is missing or does not fit."""
    if left is None or right is None:
        return None
    a, b = left[1], right[1]
    match left[0], operator, right[0]:
        case Kind.NUMBER, "+" | "-", Kind.NUMBER:
            return number(a + b if operator == "+" else a - b)
        case Kind.NUMBER, "*", Kind.NUMBER:
            return number(round(Fraction(a * b, MILLION)))
        case Kind.NUMBER, "/", Kind.NUMBER:
            return number(round(Fraction(a * MILLION, b))) if b else None
        case ((Kind.DURATION | Kind.TIME), "+" | "-", Kind.DURATION):
            return instant(Kind(left[0]), a + b if operator == "+" else a - b)
        case Kind.TIME, "-", Kind.TIME:
            return instant(Kind.DURATION, a - b)
        case (Kind.DURATION, "*", Kind.NUMBER) | (Kind.NUMBER, "*", Kind.DURATION):
            return instant(Kind.DURATION, round(Fraction(a * b, MILLION)))
    return None


def negate(value: Value) -> Value:
    """Unary minus of a number or a duration."""
    if value is None or value[0] not in (Kind.NUMBER, Kind.DURATION):
        return None
    return number(-value[1]) if value[0] is Kind.NUMBER else instant(Kind.DURATION, -value[1])


def first_date(unit: str, index: int) -> date:
    """The first date of a calendar period, by its index."""
    if unit == "day":
        return date.fromordinal(index)
    if unit == "week":
        return date.fromordinal(index * 7 + 1)
    return date(index // 12, index % 12 + 1, 1)


def period_index(unit: str, day: date) -> int:
    """Which calendar period a date lies in, counted so that neighbours differ by one; weeks begin on Monday."""
    if unit == "day":
        return day.toordinal()
    return (day.toordinal() - 1) // 7 if unit == "week" else day.year * 12 + day.month - 1
