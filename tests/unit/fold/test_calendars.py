"""Local days, weeks and months where clocks jump (LANGUAGE.md 2)."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest

from services.stager.fold.calendars import next_period, period_of
from shared.clock import rfc3339
from tests.unit.fold.builders import at


def after(instant: str, zone: str, unit: str) -> str:
    return rfc3339(next_period(at(instant), ZoneInfo(zone), unit))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("instant", "zone", "unit", "expected"),
    [
        ("2026-03-28T23:00:00Z", "Europe/Oslo", "day", "2026-03-29T22:00:00.000Z"),  # a day of 23 hours
        ("2026-10-24T22:00:00Z", "Europe/Oslo", "day", "2026-10-25T23:00:00.000Z"),  # a day of 25 hours
        ("2018-11-03T12:00:00Z", "America/Sao_Paulo", "day", "2018-11-04T03:00:00.000Z"),  # no midnight that day
        ("2011-12-29T12:00:00Z", "Pacific/Apia", "day", "2011-12-30T10:00:00.000Z"),  # a date that never was
        ("2026-01-07T12:00:00Z", "Asia/Kathmandu", "week", "2026-01-11T18:15:00.000Z"),
        ("2026-01-31T12:00:00Z", "UTC", "month", "2026-02-01T00:00:00.000Z"),
        ("2009-10-31T12:00:00Z", "America/St_Johns", "day", "2009-11-01T02:30:00.000Z"),
        ("2009-11-01T02:30:00Z", "America/St_Johns", "day", "2009-11-01T02:31:00.000Z"),  # back to the day before
        ("2009-11-01T02:31:00Z", "America/St_Johns", "month", "2009-11-01T03:30:00.000Z"),
    ],
)
def test_a_period_ends_when_the_local_date_is_another(instant: str, zone: str, unit: str, expected: str) -> None:
    assert after(instant, zone, unit) == expected


def test_weeks_begin_on_monday() -> None:
    utc = ZoneInfo("UTC")

    assert period_of(at("2026-01-05"), utc, "week") == period_of(at("2026-01-04"), utc, "week") + 1
