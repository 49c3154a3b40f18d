"""Calendar days, weeks and months in a time zone: which one an instant lies in, and when the next begins.

A period is all instants whose local date lies in it (LANGUAGE.md 2): it begins at local midnight, or at the clock's
jump where there is none. Days are proleptic Gregorian ordinals, weeks count Mondays, months years times twelve.
"""

from __future__ import annotations

from datetime import date, datetime
from functools import lru_cache
from typing import Final, Literal
from zoneinfo import ZoneInfo

from shared.clock import DAY_MS, HOUR_MS, MINUTE_MS

Unit = Literal["day", "week", "month"]

_EPOCH_DAY: Final = date(1970, 1, 1).toordinal()
_STEP_MS: Final = 15 * MINUTE_MS  # local midnights and clock jumps lie on quarters of an hour in today's zones
_ZONE_MAX_MS: Final = 26 * HOUR_MS  # no zone is further from UTC than this


def local_day(instant_ms: int, zone: ZoneInfo) -> int:
    """The ordinal of the local date of an instant."""
    return datetime.fromtimestamp(instant_ms // 1000, zone).toordinal()


def period_of(instant_ms: int, zone: ZoneInfo, unit: Unit) -> int:
    """The number of the period in which an instant lies; the next one is one more."""
    return _period_of_day(local_day(instant_ms, zone), unit)


def _period_of_day(day: int, unit: Unit) -> int:
    if unit == "day":
        return day
    if unit == "week":
        return (day - 1) // 7  # ordinal 1 was a Monday
    found = date.fromordinal(day)
    return found.year * 12 + found.month - 1


def before_period(period: int, unit: Unit) -> int:
    """An instant shortly before the period begins in any zone, but not more than three days."""
    if unit == "day":
        first = period
    elif unit == "week":
        first = period * 7 + 1
    else:
        first = date(period // 12, period % 12 + 1, 1).toordinal()
    return (first - _EPOCH_DAY) * DAY_MS - _ZONE_MAX_MS


def next_period(instant_ms: int, zone: ZoneInfo, unit: Unit) -> int:
    """The first instant after `instant_ms` that lies in another period than it does."""
    period = period_of(instant_ms, zone, unit)
    utc_day = max(instant_ms, before_period(period + 1, unit)) // DAY_MS
    while True:
        for flip_ms, day in _flips(utc_day, zone.key):
            if flip_ms > instant_ms and _period_of_day(day, unit) != period:
                return flip_ms
        utc_day += 1


@lru_cache(maxsize=4096)  # a deadline asks for the same few days again and again
def _flips(utc_day: int, zone_name: str) -> tuple[tuple[int, int], ...]:
    """The instants of a UTC day at which the local date becomes another, each with its new local day."""
    zone = ZoneInfo(zone_name)
    flips = []
    before = local_day(utc_day * DAY_MS - 1, zone)
    for start_ms in range(utc_day * DAY_MS, (utc_day + 1) * DAY_MS, _STEP_MS):
        last_ms = start_ms + _STEP_MS - 1
        for end_ms in (start_ms, last_ms):
            day = local_day(end_ms, zone)
            if day != before:
                flips.append((_first_on(day, start_ms, end_ms, zone), day))
                before = day
    return tuple(flips)


def _first_on(day: int, low_ms: int, high_ms: int, zone: ZoneInfo) -> int:
    """The first instant of a span with this local day; the span's last instant has it."""
    while low_ms < high_ms:
        middle_ms = (low_ms + high_ms) // 2
        if local_day(middle_ms, zone) == day:
            high_ms = middle_ms
        else:
            low_ms = middle_ms + 1
    return low_ms
