"""Instants: milliseconds since the epoch, read from the ISO 8601 forms of LANGUAGE.md 3.

Knows nothing of events or expressions.
"""

from __future__ import annotations

import re
from datetime import date, datetime
from functools import lru_cache
from typing import Final

from shared.clock import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS

NEVER: Final = 1 << 62  # later than every instant; the horizon of what does not change by itself
BEGINNING: Final = -(1 << 62)  # earlier than every instant

_EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001  # compared with texts that are UTC by their form
_EPOCH_DAY: Final = date(1970, 1, 1).toordinal()
# How an instant ends as ingest and simulate write it; what else there may be takes the longer way.
_FRACTIONS: Final = {f".{fraction_ms:03d}Z": fraction_ms for fraction_ms in range(1000)}
_FORM: Final = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)"
    r"(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d+))?)?(?:(Z)|([+-])(\d\d):(\d\d))?)?",
    re.ASCII,
)


def instant_of(text: str) -> int | None:
    """The instant that a text names, or None when it names none; finer than a millisecond is cut."""
    fraction_ms = _FRACTIONS.get(text[19:])
    if fraction_ms is None:
        return _parse(text)
    second_ms = _whole_second(text[:19])
    return None if second_ms is None else second_ms + fraction_ms


@lru_cache(maxsize=8192)  # a batch's instants share few seconds; an import's do not, and then a miss must be quick
def _whole_second(text: str) -> int | None:
    # datetime's reader is ten times as fast as ours, but it also takes weeks, any separator, offsets and hour 24.
    if text[4:17:3] not in ("--T::", "-- ::") or text[11:13] == "24":
        return _parse(text)
    try:
        since_epoch = datetime.fromisoformat(text) - _EPOCH
    except ValueError:
        return None
    return since_epoch.days * DAY_MS + since_epoch.seconds * SECOND_MS


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
