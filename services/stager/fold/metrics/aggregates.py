"""What can be added up: how one event counts, how several are taken together, and what comes out.

An aggregate knows nothing of time; `all_time`, `within` and `calendar` each hold any of them. Payloads are plain
MessagePack-able data and are never changed once made.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import Any, Final, Protocol, TypeAlias
from zoneinfo import ZoneInfo

from services.stager.fold.calendars import local_day
from services.stager.fold.decimals import MILLION, divide
from services.stager.fold.metrics.family import Occurrence
from services.stager.language.definition import DISTINCT_MAX, Metric

Payload: TypeAlias = Any

_SHORT_TEXT: Final = 12  # longer texts are remembered by a digest of 8 bytes: distinct counts, it never shows them
_INT64: Final = 2**63  # MessagePack ends there, a sum does not


class Aggregate(Protocol):
    """One of count, sum, avg, min, max, distinct, days."""

    def lift(self, occurrence: Occurrence) -> Payload:
        """What one event brings; None when it does not count."""

    def merge(self, payloads: Sequence[Payload]) -> Payload:
        """Several payloads (at least one) taken together, in whatever order."""

    def result(self, payload: Payload) -> Any:
        """The metric's value; `payload` is None when nothing matched."""


class Count:
    """How many. Payload: a number of events."""

    def lift(self, occurrence: Occurrence) -> Payload:
        """One."""
        del occurrence
        return 1

    def merge(self, payloads: Sequence[Payload]) -> Payload:
        """Their sum."""
        return sum(payloads)

    def result(self, payload: Payload) -> Any:
        """A number."""
        return (payload or 0) * MILLION


class Sum:
    """The sum. Payload: millionths; as decimal text where MessagePack's integers end."""

    def lift(self, occurrence: Occurrence) -> Payload:
        """The number, if it is one."""
        return occurrence.value if type(occurrence.value) is int else None

    def merge(self, payloads: Sequence[Payload]) -> Payload:
        """Their sum."""
        return narrowed(sum(map(int, payloads)))

    def result(self, payload: Payload) -> Any:
        """A number; it may go beyond the range of numbers."""
        return int(payload or 0)


class Average:
    """The mean. Payload: [sum as Sum keeps it, how many]."""

    def lift(self, occurrence: Occurrence) -> Payload:
        """The number, if it is one."""
        return [occurrence.value, 1] if type(occurrence.value) is int else None

    def merge(self, payloads: Sequence[Payload]) -> Payload:
        """Sums and counts added."""
        return [narrowed(sum(int(total) for total, _ in payloads)), sum(count for _, count in payloads)]

    def result(self, payload: Payload) -> Any:
        """A number rounded half to even, or missing."""
        return None if payload is None else divide(int(payload[0]), payload[1])


class Minimum:
    """The least. Payload: millionths."""

    def lift(self, occurrence: Occurrence) -> Payload:
        """The number, if it is one."""
        return occurrence.value if type(occurrence.value) is int else None

    def merge(self, payloads: Sequence[Payload]) -> Payload:
        """The least of them."""
        return min(payloads)

    def result(self, payload: Payload) -> Any:
        """A number or missing."""
        return payload


class Maximum(Minimum):
    """The greatest. Payload: millionths."""

    def merge(self, payloads: Sequence[Payload]) -> Payload:
        """The greatest of them."""
        return max(payloads)


class Distinct:
    """How many different values. Payload: a sorted list of what stands for each."""

    def lift(self, occurrence: Occurrence) -> Payload:
        """The value, if it is text, a number or a flag."""
        value = occurrence.value
        kind = type(value)
        if kind is int:
            return [value]
        if kind is bool:
            return [b"\1" if value else b"\0"]
        if kind is str:
            return [value if len(value) <= _SHORT_TEXT else blake2b(value.encode(), digest_size=8).digest()]
        return None

    def merge(self, payloads: Sequence[Payload]) -> Payload:
        """The union, up to the limit."""
        first = payloads[0]
        if len(payloads) == 2 and len(payloads[1]) == 1 and (payloads[1][0] in first or len(first) >= DISTINCT_MAX):
            return first
        union = sorted(set().union(*payloads), key=_distinct_order)
        return union[:DISTINCT_MAX]

    def result(self, payload: Payload) -> Any:
        """A number."""
        return len(payload or ()) * MILLION


class Days:
    """How many calendar days. Payload: a sorted list of day numbers in the file's zone."""

    def __init__(self, zone: str | None) -> None:
        self._zone = ZoneInfo(zone or "UTC")

    def lift(self, occurrence: Occurrence) -> Payload:
        """The local day on which it occurred."""
        return [local_day(occurrence.occurred_ms, self._zone)]

    def merge(self, payloads: Sequence[Payload]) -> Payload:
        """The union."""
        first = payloads[0]
        if len(payloads) == 2 and len(payloads[1]) == 1 and payloads[1][0] == first[-1]:
            return first
        return sorted(set().union(*payloads))

    def result(self, payload: Payload) -> Any:
        """A number."""
        return len(payload or ()) * MILLION


def make_aggregate(metric: Metric) -> Aggregate:
    """The aggregate of a metric's function."""
    if metric.function == "days":
        return Days(metric.zone)
    simple: dict[str, type[Aggregate]] = {
        "count": Count,
        "sum": Sum,
        "avg": Average,
        "min": Minimum,
        "max": Maximum,
        "distinct": Distinct,
    }
    return simple[metric.function]()


def narrowed(total: int) -> int | str:
    """A sum as it is kept: as decimal text where MessagePack's integers end."""
    return total if -_INT64 <= total < _INT64 else str(total)


def _distinct_order(value: Any) -> tuple[str, Any]:
    return type(value).__name__, value
