"""Builders that say only what matters."""

from __future__ import annotations

from dataclasses import dataclass, field

from shared.clock import rfc3339
from shared.event import Event, encode
from shared.transition import TimeCause, Transition


def moved(
    customer: str = "ada", *, source: str | None, target: str | None, at_ms: int = 0, **rest: object
) -> Transition:
    fields: dict[str, object] = {
        "id": "0", "customer": customer, "lifecycle": "shop", "change": "moved", "from_stage": source,
        "to_stage": target, "at": rfc3339(at_ms), "entry": 1, "nth": 0, "stay_ms": None, "cause": TimeCause(),
        "historical": False, "n": 1, "seq": 1, "version": "v",
    }  # fmt: skip
    return Transition(**(fields | rest))  # type: ignore[arg-type]


@dataclass(frozen=True)
class LogRecord:
    offset: int = 0
    timestamp: int = 0
    key: bytes | None = None
    value: bytes | None = None
    headers: tuple[tuple[str, bytes], ...] = field(default=())


def track(offset: int, customer: str = "ada") -> LogRecord:
    event = Event("track", f"e{offset}", customer, "Seen", "2026-01-01T00:00:00Z")
    return LogRecord(offset=offset, value=encode(event))


def tick(offset: int, timestamp: int = 0) -> LogRecord:
    return LogRecord(offset=offset, timestamp=timestamp, value=b'{"type":"tick"}')
