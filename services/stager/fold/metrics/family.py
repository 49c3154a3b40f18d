"""What every metric is: a memory, and how it takes events in (LANGUAGE.md 2).

A **memory** is plain MessagePack-able data (or None while nothing has matched), so that a profile is stored as it is.
A family may change a memory it is given and must return the one to keep. What a window drops depends only on the
clock that a record sets, never on when the metric was read.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeAlias

from services.stager.fold.dynamic import of_json, reach
from services.stager.fold.horizons import Written
from services.stager.fold.source import Source, literal
from services.stager.language.definition import Metric

Memory: TypeAlias = Any  # each family's own plain data


class Occurrence:
    """One event as metrics see it; reused from record to record.

    `value` is the dynamic value of the metric's property (None: missing, or the metric wants none); `clock_ms` the
    customer's clock that the record sets; `is_tracked`: a track, page or screen, what `"*"` means.
    """

    __slots__ = ("clock_ms", "id", "is_tracked", "name", "occurred_ms", "value")

    def __init__(self) -> None:
        self.id = self.name = ""
        self.is_tracked = False
        self.occurred_ms = self.clock_ms = 0
        self.value: Any = None


class Family(Protocol):
    """A metric compiled from its definition."""

    def fold(self, memory: Memory, occurrence: Occurrence) -> Memory:
        """The memory after an event that the metric names and whose `where` holds."""

    def value(self, memory: Memory, t_ms: int) -> Any:
        """The value at an instant, as the metric's kind wants it; None is missing."""

    def write(self, index: int, source: Source) -> Written:
        """The metric as an expression reads it, when its memory stands at `index`."""

    def write_fold(self, index: int, source: Source, *, path: Sequence[str]) -> list[str]:
        """The lines that take an event in; `path` leads to the property that is wanted, empty where none is."""

    def pack(self, memory: Memory) -> Memory:
        """The memory as it is stored, MessagePack-able; never None, never the given one changed."""

    def unpack(self, stored: Memory) -> Memory:
        """The memory of what `pack` gave, not shared with it."""


MakeFamily: TypeAlias = Callable[[Metric], Family]


class Folding:
    """What all families share: an event is taken in by `fold`, after a look at its property."""

    def fold(self, memory: Memory, occurrence: Occurrence) -> Memory:
        """The memory after an event."""
        raise NotImplementedError

    def write_fold(self, index: int, source: Source, *, path: Sequence[str]) -> list[str]:
        """Show the event to `fold`."""
        looking = [f"occurrence.value = {write_property(source, path)}"] if path else []
        return [
            *looking,
            f"memories[{index}] = {source.bind(self.fold, f'fold_{index}')}(memories[{index}], occurrence)",
        ]


def write_property(source: Source, path: Sequence[str]) -> str:
    """The dynamic value of a property, as text."""
    if len(path) == 1:
        raw = f"properties.get({literal(path[0])})"
    else:
        raw = f"{source.bind(reach, 'reach')}(properties, ({', '.join(map(literal, path))}))"
    return f"{source.bind(of_json, 'of_json')}({raw})"


class Timeless(Folding):
    """What families share that only records change: a mark is read as it is, and stored as it is."""

    def value(self, memory: Memory, t_ms: int) -> Any:
        """The memory itself."""
        del t_ms
        return memory

    def write(self, index: int, source: Source) -> Written:
        """Read without a look at the time."""
        return Written(f"{source.bind(self.value, f'value_{index}')}(memories[{index}], 0)")

    def pack(self, memory: Memory) -> Memory:
        """The memory itself."""
        return memory

    def unpack(self, stored: Memory) -> Memory:
        """The memory itself."""
        return stored


class Moving(Folding):
    """What families share that change by themselves."""

    def value(self, memory: Memory, t_ms: int) -> Any:
        """The value at an instant."""
        raise NotImplementedError

    def horizon(self, memory: Memory, t_ms: int) -> int:
        """The next instant after `t_ms` at which the value can change by itself, or NEVER."""
        raise NotImplementedError

    def write(self, index: int, source: Source) -> Written:
        """Read at the moment's instant."""
        value, horizon = source.bind(self.value, f"value_{index}"), source.bind(self.horizon, f"horizon_{index}")
        return Written(f"{value}(memories[{index}], t_ms)", f"{horizon}(memories[{index}], t_ms)")
