"""Time: milliseconds since the epoch, UTC, inside; RFC 3339 with milliseconds and `Z` outside.

The core never reads a clock: `now` is always an argument. Shells hold a `Clock`, tests a `ManualClock`.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Protocol

SECOND_MS = 1_000
MINUTE_MS = 60 * SECOND_MS
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS

CALENDAR_END_MS = 253_402_300_800_000  # 10000-01-01: no text says an instant from there on

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)


class Clock(Protocol):
    """Where a shell reads the time."""

    def now_ms(self) -> int:
        """Milliseconds since the epoch, UTC."""


class SystemClock:
    """The machine's own clock."""

    def now_ms(self) -> int:
        """Milliseconds since the epoch, UTC."""
        return time.time_ns() // 1_000_000


class ManualClock:
    """A clock that moves only when told to, for tests."""

    def __init__(self, now_ms: int = 0) -> None:
        self._now_ms = now_ms

    def now_ms(self) -> int:
        """Milliseconds since the epoch, UTC."""
        return self._now_ms

    def advance(self, by_ms: int) -> None:
        """Move on by `by_ms` milliseconds."""
        self._now_ms += by_ms


def to_ms(moment: datetime) -> int:
    """Milliseconds since the epoch of an aware datetime; what is finer than a millisecond is cut."""
    return (moment - _EPOCH) // _MS


def from_ms(instant_ms: int) -> datetime:
    """The aware UTC datetime of an instant in milliseconds since the epoch."""
    return _EPOCH + timedelta(milliseconds=instant_ms)


# The parts of what `rfc3339` writes, behind the day: formatting them costs more than all the rest.
MINUTE_TEXTS = [f"{hour:02d}:{minute:02d}:" for hour in range(24) for minute in range(60)]
SECOND_TEXTS = [f"{second:02d}." for second in range(60)]
FRACTION_TEXTS = [f"{millisecond:03d}Z" for millisecond in range(SECOND_MS)]


def within_calendar(at_ms: int) -> int | None:
    """The instant; None where no calendar reaches: for a person that is never."""
    return at_ms if at_ms < CALENDAR_END_MS else None


def rfc3339(instant_ms: int) -> str:
    """`2026-01-31T10:20:30.123Z` for an instant before the calendar's end. Errors: OverflowError."""
    day, rest = divmod(instant_ms, DAY_MS)
    minute, rest = divmod(rest, MINUTE_MS)
    second, millisecond = divmod(rest, SECOND_MS)
    return f"{_day(day)}{MINUTE_TEXTS[minute]}{SECOND_TEXTS[second]}{FRACTION_TEXTS[millisecond]}"


@lru_cache(maxsize=4096)  # ten years and more
def _day(days: int) -> str:
    # strftime costs five times as much and does not pad the year 999.
    return f"{(_EPOCH + timedelta(days=days)).date().isoformat()}T"
