"""Aggregates over all events, or over those of a fixed span (`between`): O(1) memory but for distinct and days."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from services.stager.fold.decimals import MILLION
from services.stager.fold.horizons import Written
from services.stager.fold.metrics.aggregates import make_aggregate, narrowed
from services.stager.fold.metrics.family import Memory, Occurrence, Timeless, write_property
from services.stager.fold.source import Source, literal
from services.stager.language.definition import Between, Metric


class AllTime(Timeless):
    """Memory: the aggregate's payload."""

    def __init__(self, metric: Metric) -> None:
        self._aggregate = make_aggregate(metric)
        self._lift, self._merge, self._result = self._aggregate.lift, self._aggregate.merge, self._aggregate.result

    def fold(self, memory: Memory, occurrence: Occurrence) -> Memory:
        """Take the event's payload in."""
        payload = self._lift(occurrence)
        if payload is None:
            return memory
        return payload if memory is None else self._merge((memory, payload))

    def value(self, memory: Memory, t_ms: int) -> Any:
        """The aggregate's result."""
        del t_ms
        return self._result(memory)


class CountAll(AllTime):
    """The plainest metric of all, without the detours of the others. Memory: how many."""

    def fold(self, memory: Memory, occurrence: Occurrence) -> Memory:
        """One more."""
        del occurrence
        return 1 if memory is None else memory + 1

    def write(self, index: int, source: Source) -> Written:
        """How many, in millionths."""
        count = source.shared(f"memories[{index}] or 0", f"count_{index}")
        return Written(f"({count} * {MILLION})", against=lambda sign, limit: Written(_compared(count, sign, limit)))

    def write_fold(self, index: int, source: Source, *, path: Sequence[str]) -> list[str]:
        """One more, in place."""
        del source, path
        return [f"memories[{index}] = (memories[{index}] or 0) + 1"]


def _compared(count: str, sign: str, limit: int) -> str:
    """Text: a whole number against a limit in millionths."""
    if limit % MILLION and sign in ("==", "!="):
        return literal(sign == "!=")
    whole = -(-limit // MILLION) if sign in (">=", "<") else limit // MILLION
    return f"({count} {sign} {literal(whole)})"


class SumAll(AllTime):
    """The sum, likewise. Memory: as Sum keeps it."""

    def write(self, index: int, source: Source) -> Written:
        """The sum in millionths."""
        value = source.shared(f"int(memories[{index}] or 0)", f"sum_{index}")
        return Written(value, against=lambda sign, limit: Written(f"({value} {sign} {literal(limit)})"))

    def write_fold(self, index: int, source: Source, *, path: Sequence[str]) -> list[str]:
        """Add the property, if it is a number, in place."""
        value, narrow = source.temporary(), source.bind(narrowed, "narrowed")
        return [
            f"if type({value} := {write_property(source, path)}) is int:",
            f"    memories[{index}] = {narrow}(int(memories[{index}] or 0) + {value})",
        ]


class InSpan(AllTime):
    """Only events from the span's start (included) to its end (not) count; no event lies in the future."""

    def __init__(self, metric: Metric) -> None:
        super().__init__(metric)
        assert isinstance(metric.window, Between)
        self._start_ms, self._end_ms = metric.window.start_ms, metric.window.end_ms

    def fold(self, memory: Memory, occurrence: Occurrence) -> Memory:
        """Take the event in when it lies in the span."""
        if self._start_ms <= occurrence.occurred_ms < self._end_ms:
            return super().fold(memory, occurrence)
        return memory
