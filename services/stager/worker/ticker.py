"""Ticks: when something is due, the owner of the partition asks the log for the time by appending an empty record.

At most one unread tick a partition and at most four a second: a tick behind a backlog is read after it, and until then
another would say nothing new.
"""

from __future__ import annotations

from collections.abc import Iterable

from services.stager.worker.owned import OwnedPartition
from shared.event import tick
from shared.log import Entry, Log

TICK_INTERVAL_MS = 250
APPEND_TIMEOUT_S = 5  # a log that takes longer is away; time stands still for everybody until it is back


class Ticker:
    """Appends ticks for the partitions that this process owns."""

    def __init__(self, log: Log, topic: str) -> None:
        self._log = log
        self._topic = topic
        self._last: dict[int, tuple[int, int]] = {}  # partition: (offset of our last tick, when we sent it)

    async def tick(self, partitions: Iterable[OwnedPartition], *, now_ms: int) -> None:
        """Append a tick wherever something is due. Errors: Unavailable (a tick too many does no harm)."""
        due = [owned.number for owned in partitions if self.wait_ms(owned, now_ms=now_ms) == 0]
        if not due:
            return
        entries = [Entry(key=None, value=tick(), partition=number) for number in due]
        offsets = await self._log.append(self._topic, entries, timeout_s=APPEND_TIMEOUT_S)
        self._last |= {number: (offset, now_ms) for number, offset in zip(due, offsets, strict=True)}

    def wait_ms(self, owned: OwnedPartition, *, now_ms: int) -> int | None:
        """How long until this partition wants a tick; None when nothing is due, or the last tick is still unread."""
        due_ms = owned.next_tick_ms()
        offset, sent_ms = self._last.get(owned.number, (-1, 0))
        if due_ms is None or owned.offset <= offset:
            return None
        return max(0, max(due_ms, sent_ms + TICK_INTERVAL_MS) - now_ms)
