"""Quiet hours: nothing falls into them, and they end when they should, whatever the clocks of the world do."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.notifier.campaign.campaign import QuietHours
from services.notifier.plan.quiet import quiet_until
from shared.clock import DAY_MS, MINUTE_MS, from_ms, to_ms

NIGHT = QuietHours(21 * 60, 8 * 60)
NEW_YORK = ZoneInfo("America/New_York")
ZONES = [
    "UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "Pacific/Apia",
    "America/St_Johns", "Africa/Casablanca", "Pacific/Kiritimati", "America/Havana",
]  # fmt: skip


def utc(text: str) -> int:
    return to_ms(datetime.fromisoformat(text).replace(tzinfo=UTC))


def until(hours: QuietHours, zone: ZoneInfo, text: str) -> str | None:
    found = quiet_until(hours, zone, utc(text))
    return None if found is None else from_ms(found).strftime("%Y-%m-%dT%H:%M")


@pytest.mark.parametrize(
    ("now", "end"),
    [
        ("2026-06-01T20:59", None),
        ("2026-06-01T21:00", "2026-06-02T08:00"),
        ("2026-06-02T00:00", "2026-06-02T08:00"),
        ("2026-06-02T07:59", "2026-06-02T08:00"),
        ("2026-06-02T08:00", None),
    ],
)
def test_a_night_begins_at_its_first_minute_and_ends_before_its_last(now: str, end: str | None):
    assert until(NIGHT, ZoneInfo("UTC"), now) == end


def test_hours_within_one_day_end_on_that_day():
    assert until(QuietHours(12 * 60, 14 * 60), ZoneInfo("UTC"), "2026-06-01T13:00") == "2026-06-01T14:00"


def test_the_night_in_which_clocks_go_forward_ends_an_hour_sooner():
    # New York, 8 March 2026: 02:00 EST becomes 03:00 EDT; 08:00 EDT is 12:00 UTC.
    assert until(NIGHT, NEW_YORK, "2026-03-08T03:00") == "2026-03-08T12:00"


def test_the_night_in_which_clocks_go_back_ends_an_hour_later():
    # New York, 1 November 2026: 02:00 EDT becomes 01:00 EST; 08:00 EST is 13:00 UTC.
    assert until(NIGHT, NEW_YORK, "2026-11-01T03:00") == "2026-11-01T13:00"


def test_an_end_that_the_clock_jumps_over_is_the_jump():
    # 02:30 does not exist on 8 March: the first instant after it is 03:00 EDT, 07:00 UTC.
    assert until(QuietHours(22 * 60, 150), NEW_YORK, "2026-03-08T06:30") == "2026-03-08T07:00"


def test_an_end_that_the_clock_shows_twice_is_first_the_first():
    # 01:30 comes twice on 1 November: at 05:30 and at 06:30 UTC; between them it becomes quiet again at 06:00.
    hours = QuietHours(22 * 60, 90)
    assert until(hours, NEW_YORK, "2026-11-01T05:00") == "2026-11-01T05:30"
    assert until(hours, NEW_YORK, "2026-11-01T05:45") is None
    assert until(hours, NEW_YORK, "2026-11-01T06:15") == "2026-11-01T06:30"


minutes = st.integers(0, 24 * 60 - 1)


@given(minutes, minutes, st.sampled_from(ZONES), st.integers(utc("2010-01-01"), utc("2030-01-01")))
def test_the_end_is_the_first_instant_that_is_not_quiet(start: int, end: int, zone_name: str, now_ms: int):
    if start == end:
        return
    hours, zone = QuietHours(start, end), ZoneInfo(zone_name)
    until_ms = quiet_until(hours, zone, now_ms)
    if until_ms is None:
        return
    assert now_ms < until_ms <= now_ms + 2 * DAY_MS
    assert quiet_until(hours, zone, until_ms) is None
    assert quiet_until(hours, zone, until_ms - 1) == until_ms
    steps = range(now_ms, until_ms, 10 * MINUTE_MS)
    assert all(quiet_until(hours, zone, instant) == until_ms for instant in steps)
