"""Metrics that remember one event: `first`, `last`, `latest`, and `changed` (which the traits feed)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from services.stager.fold.horizons import Written
from services.stager.fold.metrics.family import Memory, Occurrence, Timeless
from services.stager.fold.source import Source
from services.stager.language.definition import Metric


class First(Timeless):
    """The earliest `occurred_at`. Memory: milliseconds."""

    wins: ClassVar = "<"

    def __init__(self, metric: Metric) -> None:
        del metric

    def fold(self, memory: Memory, occurrence: Occurrence) -> Memory:
        """Keep the earlier."""
        occurred_ms = occurrence.occurred_ms
        return occurred_ms if memory is None or occurred_ms < memory else memory

    def write(self, index: int, source: Source) -> Written:
        """The memory itself."""
        return Written(source.shared(f"memories[{index}]", f"time_{index}"))

    def write_fold(self, index: int, source: Source, *, path: Sequence[str]) -> list[str]:
        """Keep the earlier, in place."""
        del path
        memory = source.temporary()
        return [
            f"if ({memory} := memories[{index}]) is None or occurred_ms {self.wins} {memory}:",
            f"    memories[{index}] = occurred_ms",
        ]


class Last(First):
    """The latest `occurred_at`. Memory: milliseconds."""

    wins: ClassVar = ">"

    def fold(self, memory: Memory, occurrence: Occurrence) -> Memory:
        """Keep the later."""
        occurred_ms = occurrence.occurred_ms
        return occurred_ms if memory is None or occurred_ms > memory else memory


class Latest(Timeless):
    """The value with the greatest (occurred_at, id). Memory: [milliseconds, id, dynamic value]."""

    def __init__(self, metric: Metric) -> None:
        del metric

    def fold(self, memory: Memory, occurrence: Occurrence) -> Memory:
        """Keep the newer; of equals the one folded later; what has no value gives nothing."""
        value = occurrence.value
        if value is None or type(value) is dict:
            return memory
        if memory is not None and (occurrence.occurred_ms, occurrence.id) < (memory[0], memory[1]):
            return memory
        return [occurrence.occurred_ms, occurrence.id, value]

    def value(self, memory: Memory, t_ms: int) -> Any:
        """A dynamic value."""
        del t_ms
        return None if memory is None else memory[2]


class Changed(Timeless):
    """When a trait last got another value. Memory: milliseconds; it is folded only by such an identify."""

    def __init__(self, metric: Metric) -> None:
        del metric

    def fold(self, memory: Memory, occurrence: Occurrence) -> Memory:
        """The last in the order of folding, not the latest."""
        del memory
        return occurrence.occurred_ms
