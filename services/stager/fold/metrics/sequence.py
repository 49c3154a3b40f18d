"""`sequence`: when the steps were last completed in order (LANGUAGE.md 2)."""

from __future__ import annotations

from typing import Any, NamedTuple

from services.stager.fold.metrics.family import Memory, Occurrence, Timeless
from services.stager.language.definition import Metric


class Progress(NamedTuple):
    """A match under way: how many steps it has, and when its first was."""

    steps: int
    start_ms: int


class Sequence(Timeless):
    """Memory: [the value or None, then for each shorter length its partial match [start, last] or None]."""

    def __init__(self, metric: Metric) -> None:
        self._steps = metric.steps
        self._within_ms = metric.within_ms

    def fold(self, memory: Memory, occurrence: Occurrence) -> Memory:
        """Try the event as each step, on the longest match first; the last step completes and clears."""
        length = len(self._steps)
        memory = memory or [None] * length
        for step in range(length, 0, -1):
            match = self._extended(memory, step, occurrence)
            if match is None:
                continue
            if step == length:
                done_ms = occurrence.occurred_ms
                return [done_ms if memory[0] is None else max(memory[0], done_ms)] + [None] * (length - 1)
            if memory[step] is None or match[0] >= memory[step][0]:
                memory[step] = match
        return memory

    def _extended(self, memory: Memory, step: int, occurrence: Occurrence) -> list[int] | None:
        """The match of the first `step` steps that this event ends, or None."""
        names = self._steps[step - 1]
        if not (occurrence.is_tracked if names is None else occurrence.name in names):
            return None
        at_ms = occurrence.occurred_ms
        if step == 1:
            return [at_ms, at_ms]
        shorter = memory[step - 1]
        if shorter is None or at_ms < shorter[1]:
            return None
        if self._within_ms is not None and at_ms - shorter[0] > self._within_ms:
            return None
        return [shorter[0], at_ms]

    def progress(self, memory: Memory, t_ms: int) -> Progress | None:
        """The longest match that an event at this instant could still lead on; None: no match is under way."""
        for steps, match in reversed(list(enumerate(memory or ()))):
            if steps and match is not None and (self._within_ms is None or t_ms - match[0] <= self._within_ms):
                return Progress(steps, match[0])
        return None

    def value(self, memory: Memory, t_ms: int) -> Any:
        """A time, or missing."""
        del t_ms
        return None if memory is None else memory[0]
