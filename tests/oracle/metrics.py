"""Metrics (LANGUAGE.md 2), each worked out anew from all events that were folded, in the order of folding."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from services.stager.language.definition import Between, Calendar, Kind, Metric, Within
from tests.oracle import values
from tests.oracle.expressions import truth_of_event
from tests.oracle.lines import Record
from tests.oracle.values import OBJECT, Value

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NUMERIC = ("sum", "avg", "min", "max")


def current_traits(events: Sequence[Record]) -> dict[str, object]:
    """The customer's traits: of each key the newest mention by (occurred_at, id)."""
    newest: dict[str, tuple[tuple[int, str], object]] = {}
    for event in events:
        if event.kind == "identify":
            for key, raw in event.properties.items():
                if key not in newest or (event.occurred_at, event.id) >= newest[key][0]:
                    newest[key] = ((event.occurred_at, event.id), raw)
    return {key: raw for key, (_, raw) in newest.items() if raw is not None}


def metric_value(metric: Metric, events: Sequence[Record], t: int) -> Value:
    """The metric at instant t."""
    if metric.function == "changed":
        return _changed(metric, events)
    if metric.function == "sequence":
        return _sequence(metric, [event for event in events if passes_where(metric, event)])
    found = [event for event in events if matches(metric, event) and in_window(metric, event.occurred_at, t)]
    times = [event.occurred_at for event in found]
    match metric.function:
        case "count":
            return (Kind.NUMBER, len(found) * values.MILLION)
        case "first":
            return (Kind.TIME, min(times)) if times else None
        case "last":
            return (Kind.TIME, max(times)) if times else None
        case "days":
            return (Kind.NUMBER, len({local_date(metric.zone, u) for u in times}) * values.MILLION)
        case "regular":
            return (Kind.NUMBER, _regular(metric, times, t) * values.MILLION)
        case "latest":
            return _latest(metric, found)
    return _of_property(metric, [values.read(values.reach(event.properties, metric.path)) for event in found])


def _of_property(metric: Metric, found: list[Value]) -> Value:
    if metric.function == "distinct":
        kept = {value for value in found if value and value[0] in (Kind.TEXT, Kind.NUMBER, Kind.FLAG)}
        return (Kind.NUMBER, len(kept) * values.MILLION)
    numbers = [value[1] for value in found if value and value[0] is Kind.NUMBER]
    if metric.function == "sum":
        return (Kind.NUMBER, sum(numbers))
    if not numbers:
        return None
    if metric.function == "avg":
        return (Kind.NUMBER, round(Fraction(sum(numbers), len(numbers))))
    return (Kind.NUMBER, min(numbers) if metric.function == "min" else max(numbers))


def matches(metric: Metric, event: Record) -> bool:
    """Whether the event has one of the metric's names and its `where` is true."""
    return step_matches(metric, 0, event) and passes_where(metric, event)


def step_matches(metric: Metric, step: int, event: Record) -> bool:
    """Whether the event's name is one of that step."""
    names = metric.steps[step]
    return event.kind in ("track", "page", "screen") if names is None else event.name in names


def passes_where(metric: Metric, event: Record) -> bool:
    """Whether the metric's `where` is true of the event."""
    return metric.where is None or truth_of_event(metric.where, event.properties)


def in_window(metric: Metric, u: int, t: int) -> bool:
    """Whether an event at u lies in the metric's window at t."""
    match metric.window:
        case Within(within, ago):
            return t - ago - within < u <= t - ago
        case Between(start, end):
            return start <= u < end
        case Calendar(unit, back):
            index = values.period_index(unit, local_date(metric.zone, t))
            return values.period_index(unit, local_date(metric.zone, u)) == index - back
    return True


def _regular(metric: Metric, times: list[int], t: int) -> int:
    length = metric.period_ms
    periods = [(t - (i + 1) * length, t - i * length) for i in range(metric.periods)]
    return sum(sum(start < u <= end for u in times) >= metric.at_least for start, end in periods)


def _latest(metric: Metric, found: list[Record]) -> Value:
    best: tuple[tuple[int, str], Value] | None = None
    for event in found:
        value = values.read(values.reach(event.properties, metric.path))
        stamp = (event.occurred_at, event.id)
        if value is not None and value[0] != OBJECT and (best is None or stamp >= best[0]):
            best = (stamp, value)
    return best[1] if best else None


def _changed(metric: Metric, events: Sequence[Record]) -> Value:
    newest: tuple[int, str] | None = None
    held: Any = None
    changed_at: int | None = None
    for event in events:
        stamp = (event.occurred_at, event.id)
        if event.kind != "identify" or metric.path[0] not in event.properties or (newest and stamp < newest):
            continue
        newest = stamp
        given = values.normal(values.reach(event.properties, metric.path))
        if given != held:
            held, changed_at = given, event.occurred_at
    return None if changed_at is None else (Kind.TIME, changed_at)


def _sequence(metric: Metric, events: Sequence[Record]) -> Value:
    last_step = len(metric.steps)
    partial: dict[int, tuple[int, int]] = {}  # length -> (start, last event)
    value: int | None = None
    for event in events:
        u = event.occurred_at
        for i in range(last_step, 0, -1):
            if not step_matches(metric, i - 1, event):
                continue
            start = u if i == 1 else _extended(partial.get(i - 1), u, metric.within_ms)
            if start is None:
                continue
            if i == last_step:
                value = u if value is None else max(value, u)
                partial.clear()
                break
            if i not in partial or start >= partial[i][0]:
                partial[i] = (start, u)
    return None if value is None else (Kind.TIME, value)


def _extended(match: tuple[int, int] | None, u: int, within: int | None) -> int | None:
    if match is None or u < match[1] or (within is not None and u - match[0] > within):
        return None
    return match[0]


@lru_cache(maxsize=100_000)
def local_date(zone: str | None, u: int) -> date:
    """The date on the clock of that zone at an instant."""
    return (_EPOCH + timedelta(milliseconds=u)).astimezone(ZoneInfo(zone or "UTC")).date()


@lru_cache(maxsize=10_000)
def date_changes(zone: str | None, day: date) -> tuple[int, ...]:
    """Every instant near a date at which the local date becomes another one, found by walking minute by minute."""
    middle = (datetime(day.year, day.month, day.day, tzinfo=UTC) - _EPOCH) // timedelta(milliseconds=1)
    minutes = range(middle - 18 * 3_600_000, middle + 18 * 3_600_000, 60_000)
    return tuple(u for u in minutes if local_date(zone, u - 1) != local_date(zone, u))
