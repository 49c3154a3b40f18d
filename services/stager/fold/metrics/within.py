"""Aggregates over a sliding window: `within`, `ago`; and `regular`, which looks at one in periods (LANGUAGE.md 2)."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import Any

from services.stager.fold.decimals import MILLION
from services.stager.fold.horizons import Written
from services.stager.fold.instants import BEGINNING, NEVER
from services.stager.fold.metrics import timeline
from services.stager.fold.metrics.aggregates import Count, make_aggregate
from services.stager.fold.metrics.family import Memory, Moving, Occurrence
from services.stager.fold.source import Source, indented, literal
from services.stager.language.definition import Metric, Within


class Sliding(Moving):
    """What holds entries from when they happen until they are out for good. Memory: a Timeline."""

    def __init__(self, metric: Metric, *, span_ms: int) -> None:
        self._span_ms = span_ms
        self.slot_ms = -(-span_ms // timeline.ENTRIES_MAX)
        self._aggregate = Count() if metric.function == "regular" else make_aggregate(metric)

    def fold(self, memory: Memory, occurrence: Occurrence) -> Memory:
        """Drop what is out at the clock that the record sets, then take the event in if it is not."""
        gone_ms = occurrence.clock_ms - self._span_ms
        if memory is not None:
            timeline.drop(memory, gone_ms)
        payload = self._aggregate.lift(occurrence)
        if payload is None or occurrence.occurred_ms <= gone_ms:
            return memory
        if memory is None:
            memory = [[]]
        timeline.add(memory, occurrence.occurred_ms, payload)
        if len(memory[0]) > timeline.ENTRIES_MAX:
            timeline.merge_oldest(memory, self.slot_ms, self._aggregate.merge)
        return memory

    def pack(self, memory: Memory) -> Memory:
        """Times as distances."""
        return timeline.pack(memory)

    def unpack(self, stored: Memory) -> Memory:
        """Times again."""
        return timeline.unpack(stored)


class WithinWindow(Sliding):
    """An event at e enters at e + ago and is out at e + ago + within."""

    def __init__(self, metric: Metric) -> None:
        assert isinstance(metric.window, Within)
        self._ago_ms, self._within_ms = metric.window.ago_ms, metric.window.within_ms
        super().__init__(metric, span_ms=self._ago_ms + self._within_ms)

    def value(self, memory: Memory, t_ms: int) -> Any:
        """The aggregate over t - ago - within < occurred_at <= t - ago."""
        if memory is None:
            return self._aggregate.result(None)
        until_ms = t_ms - self._ago_ms
        payloads = timeline.between(memory, until_ms - self._within_ms, until_ms)
        return self._aggregate.result(self._aggregate.merge(payloads) if payloads else None)

    def horizon(self, memory: Memory, t_ms: int) -> int:
        """When the next entry enters or leaves."""
        if memory is None:
            return NEVER
        times: list[int] = memory[0]
        leaving, entering = bisect_right(times, t_ms - self._span_ms), bisect_right(times, t_ms - self._ago_ms)
        end = times[leaving] + self._span_ms if leaving < len(times) else NEVER
        return min(end, times[entering] + self._ago_ms) if entering < len(times) else end


class CountWithin(WithinWindow):
    """A count without the detours, and with the horizon of a limit: between records a window that reaches to now only
    loses events, so the answer to `orders_90d >= 3` changes at most once.
    """

    def value(self, memory: Memory, t_ms: int) -> Any:
        """How many, in millionths."""
        if memory is None:
            return 0
        if len(memory) == 2:
            return super().value(memory, t_ms)
        times: list[int] = memory[0]
        until_ms = t_ms - self._ago_ms
        high = len(times) if not times or times[-1] <= until_ms else bisect_right(times, until_ms)
        after_ms = until_ms - self._within_ms
        low = 0 if not times or times[0] > after_ms else bisect_right(times, after_ms)
        return (high - low) * MILLION

    def write(self, index: int, source: Source) -> Written:
        """Compared with a limit, it is enough to look at one entry, when the window reaches to now."""
        written = super().write(index, source)
        if self._ago_ms:
            return written
        return written._replace(against=lambda sign, limit: self._against(index, source, sign, limit))

    def _against(self, index: int, source: Source, sign: str, limit: int) -> Written:
        """There are `least` or more while the entry so far from the end is inside: until then the answer stays."""
        least = -(-limit // MILLION) if sign in (">=", "<") else limit // MILLION + 1
        if sign in ("==", "!="):
            value, horizon, *_ = super().write(index, source)
            return Written(f"({value} {sign} {literal(limit)})", horizon)
        if least <= 0:
            return Written(literal(sign in (">=", ">")))
        lasting = source.bind(self.lasting, f"lasting_{index}")
        memory = source.shared(f"memories[{index}]", f"memory_{index}")
        inside = f"{memory}[0][-{least}] + {self._within_ms}"
        is_plain = f"{memory} is not None and len({memory}) == 1 and len({memory}[0]) >= {least}"
        text = f"{inside} if {is_plain} else {lasting}({memory}, t_ms, {least})"
        end = source.shared(text, f"end_{index}_{least}")
        holds = f"({end} > t_ms)" if sign in (">=", ">") else f"({end} <= t_ms)"
        horizon = f"({end} if {end} > t_ms else {source.bind(NEVER, 'NEVER')})"
        return Written(holds, horizon)

    def lasting(self, memory: Memory, t_ms: int, least: int) -> int:
        """Until when so many are inside; not after `t_ms` where there are fewer."""
        if memory is None:
            return BEGINNING
        if len(memory) == 2:  # merged entries weigh more than one
            return self.horizon(memory, t_ms) if self.value(memory, t_ms) >= least * MILLION else BEGINNING
        times: list[int] = memory[0]
        return times[-least] + self._within_ms if len(times) >= least else BEGINNING

    def write_fold(self, index: int, source: Source, *, path: Sequence[str]) -> list[str]:
        """Nearly always the event is the newest, and none is out or too many: then only its time is added."""
        memory, times = f"memories[{index}]", source.temporary("times")
        is_plain = f"{memory} is not None and len({memory}) == 1"
        is_next = f"({times} := {memory}[0]) and {times}[-1] <= occurred_ms and len({times}) < {timeline.ENTRIES_MAX}"
        return [
            f"if {is_plain} and {is_next} and occurrence.clock_ms - {self._span_ms} < {times}[0]:",
            f"    {times}.append(occurred_ms)",
            "else:",
            *indented(super().write_fold(index, source, path=path)),
        ]


class Regular(Sliding):
    """In how many of the last periods enough events lie; period i counts t - (i+1)P < occurred_at <= t - iP."""

    def __init__(self, metric: Metric) -> None:
        self._period_ms, self._periods, self._at_least = metric.period_ms, metric.periods, metric.at_least
        super().__init__(metric, span_ms=metric.period_ms * metric.periods)

    def value(self, memory: Memory, t_ms: int) -> Any:
        """A number of periods."""
        if memory is None:
            return 0
        counts: dict[int, int] = {}
        weights = memory[1] if len(memory) == 2 else (1,) * len(memory[0])
        for at_ms, weight in zip(memory[0], weights, strict=True):
            period = (t_ms - at_ms) // self._period_ms
            counts[period] = counts.get(period, 0) + weight
        enough = sum(1 for period, count in counts.items() if 0 <= period < self._periods and count >= self._at_least)
        return enough * MILLION

    def horizon(self, memory: Memory, t_ms: int) -> int:
        """When the next entry comes into an older period, or falls out of the oldest."""
        if memory is None:
            return NEVER
        rests = (
            self._period_ms - (t_ms - at_ms) % self._period_ms for at_ms in memory[0] if at_ms > t_ms - self._span_ms
        )
        return t_ms + min(rests, default=NEVER - t_ms)
