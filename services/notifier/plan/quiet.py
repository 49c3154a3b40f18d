"""Quiet hours: whether it is quiet where the customer lives, and when that ends, right across changes of the clock.

Plain functions of values: this module must not know campaigns' files, the database, the environment or any clock.
"""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from services.notifier.campaign.campaign import QuietHours
from shared.clock import from_ms, to_ms

_DAYS_LOOKED_AT = 3  # today, tomorrow, and the day after for zones that have skipped one


@lru_cache(maxsize=1024)  # more zones than there are; a wrong name is looked for on the disk but once
def known_zone(name: str) -> ZoneInfo | None:
    """The zone of an IANA name, None when there is none of that name."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # OSError: the name of a folder of the zone files, as `Europe`
        return None


def quiet_until(hours: QuietHours, zone: ZoneInfo, now_ms: int) -> int | None:
    """The first instant after `now_ms` at which it is not quiet in this zone; None when it is not quiet now."""
    if not _is_quiet(hours, zone, now_ms):
        return None
    today = from_ms(now_ms).astimezone(zone).date()
    ends = [
        instant
        for days in range(_DAYS_LOOKED_AT)
        for instant in _instants_of(today + timedelta(days=days), hours.end, zone)
    ]
    return min(instant for instant in ends if instant > now_ms and not _is_quiet(hours, zone, instant))


def _is_quiet(hours: QuietHours, zone: ZoneInfo, instant_ms: int) -> bool:
    local = from_ms(instant_ms).astimezone(zone)
    minute = local.hour * 60 + local.minute
    if hours.start < hours.end:
        return hours.start <= minute < hours.end
    return minute >= hours.start or minute < hours.end


def _instants_of(day: date, minute: int, zone: ZoneInfo) -> list[int]:
    """Every instant at which a local clock shows this minute of this day: two when it is turned back over it.

    Where it jumps over it, the instant of the jump.
    """
    wanted = datetime.combine(day, time(minute // 60, minute % 60))
    found = {to_ms(wanted.replace(tzinfo=zone, fold=fold)) for fold in (0, 1)}
    shown = [one for one in found if from_ms(one).astimezone(zone).replace(tzinfo=None) == wanted]
    return shown or [_jump(min(found), max(found), zone)]


def _jump(before_ms: int, after_ms: int, zone: ZoneInfo) -> int:
    """The instant between two at which the zone's offset changes."""
    offset = from_ms(before_ms).astimezone(zone).utcoffset()
    while after_ms - before_ms > 1:
        middle_ms = (before_ms + after_ms) // 2
        if from_ms(middle_ms).astimezone(zone).utcoffset() == offset:
            before_ms = middle_ms
        else:
            after_ms = middle_ms
    return after_ms
