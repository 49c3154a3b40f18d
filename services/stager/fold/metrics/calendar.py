"""Aggregates over a calendar period: this or an earlier day, week or month in the file's zone (LANGUAGE.md 2)."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

from services.stager.fold.calendars import before_period, next_period, period_of
from services.stager.fold.instants import NEVER
from services.stager.fold.metrics.aggregates import make_aggregate
from services.stager.fold.metrics.family import Memory, Moving, Occurrence
from services.stager.language.definition import Calendar, Metric


class InPeriod(Moving):
    """Memory: {period number: payload}, for the periods that can still be asked for."""

    def __init__(self, metric: Metric) -> None:
        assert isinstance(metric.window, Calendar)
        self._unit, self._back = metric.window.unit, metric.window.back
        self._zone = ZoneInfo(metric.zone or "UTC")
        self._aggregate = make_aggregate(metric)

    def fold(self, memory: Memory, occurrence: Occurrence) -> Memory:
        """Drop the periods that are past at the clock that the record sets, then take the event in."""
        # One more than `back` is kept: where clocks are put back over midnight, a local date comes twice.
        oldest = period_of(occurrence.clock_ms, self._zone, self._unit) - self._back - 1
        kept = {period: payload for period, payload in (memory or {}).items() if period >= oldest}
        payload = self._aggregate.lift(occurrence)
        if payload is not None:
            period = period_of(occurrence.occurred_ms, self._zone, self._unit)
            if period >= oldest:
                kept[period] = self._aggregate.merge((kept[period], payload)) if period in kept else payload
        return kept or None

    def value(self, memory: Memory, t_ms: int) -> Any:
        """The aggregate of the period `back` before the one in which t lies."""
        if memory is None:
            return self._aggregate.result(None)
        return self._aggregate.result(memory.get(period_of(t_ms, self._zone, self._unit) - self._back))

    def horizon(self, memory: Memory, t_ms: int) -> int:
        """When the period asked for becomes, or stops being, one that has events."""
        if memory is None:
            return NEVER
        asked = period_of(t_ms, self._zone, self._unit) - self._back
        nearest = min((period for period in memory if period >= asked - 1), default=None)
        if nearest is None:
            return NEVER
        shortly_before_ms = before_period(nearest + self._back, self._unit)
        return shortly_before_ms if shortly_before_ms > t_ms else next_period(t_ms, self._zone, self._unit)

    def pack(self, memory: Memory) -> Memory:
        """Pairs in order of period: MessagePack's dictionaries keep no order of their own."""
        return sorted(memory.items())

    def unpack(self, stored: Memory) -> Memory:
        """The periods by number again."""
        return dict(stored)
