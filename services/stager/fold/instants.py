"""Instants: milliseconds since the epoch, read from the ISO 8601 forms of LANGUAGE.md 3.

Knows nothing of events or expressions.
"""

from __future__ import annotations

import re
from datetime import date
from functools import lru_cache
from typing import Final

from shared.clock import DAY_MS, FRACTION_TEXTS, HOUR_MS, MINUTE_MS, SECOND_MS, SECOND_TEXTS

NEVER: Final = 1 << 62  # later than every instant; the horizon of what does not change by itself
BEGINNING: Final = -(1 << 62)  # earlier than every instant

_EPOCH_DAY: Final = date(1970, 1, 1).toordinal()
# What stands behind the hour of an instant as ingest and simulate write it; any other form takes the longer way.
_COMMON_LENGTH: Final = len("2026-01-31T10:20:30.123Z")
_SECONDS: Final = {
    f"{minute:02d}:{text}": minute * MINUTE_MS + second * SECOND_MS
    for minute in range(60)
    for second, text in enumerate(SECOND_TEXTS)
}
_FRACTIONS: Final = {text: fraction_ms for fraction_ms, text in enumerate(FRACTION_TEXTS)}
_FORM: Final = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)"
    r"(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d+))?)?(?:(Z)|([+-])(\d\d):(\d\d))?)?",
    re.ASCII,
)


def instant_of(text: str) -> int | None:
    """The instant that a text names, or None when it names none; finer than a millisecond is cut."""
    if len(text) == _COMMON_LENGTH:
        try:
            return _hour(text[:14]) + _SECONDS[text[14:20]] + _FRACTIONS[text[20:]]
        except KeyError:
            pass
    return _parse(text)


@lru_cache(maxsize=8192)  # a year, hour by hour
def _hour(text: str) -> int:
    """The begin of an hour written as `2026-01-31T10:` (or with a space). Errors: KeyError."""
    instant_ms = _parse(f"{text}00")
    if instant_ms is None:
        raise KeyError(text)
    return instant_ms


@lru_cache(maxsize=8192)  # a trait is read again and again
def _parse(text: str) -> int | None:
    match = _FORM.fullmatch(text)
    if match is None:
        return None
    year, month, day, hour, minute, second, fraction, _, sign, offset_hour, offset_minute = match.groups()
    try:
        days = date(int(year), int(month), int(day)).toordinal() - _EPOCH_DAY
    except ValueError:
        return None
    clock = (int(hour or 0), int(minute or 0), int(second or 0))
    offset = (int(offset_hour or 0), int(offset_minute or 0), 0)
    if any(given > limit for time in (clock, offset) for given, limit in zip(time, (23, 59, 59), strict=True)):
        return None
    millisecond = int((fraction or "")[:3].ljust(3, "0"))
    behind_ms = _clock_ms(*offset) * (-1 if sign == "-" else 1)
    return days * DAY_MS + _clock_ms(*clock) + millisecond - behind_ms


def _clock_ms(hour: int, minute: int, second: int) -> int:
    return hour * HOUR_MS + minute * MINUTE_MS + second * SECOND_MS
