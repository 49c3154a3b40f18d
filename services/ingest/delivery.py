"""The way into the log: append, wait for the acknowledgement within the bound, or say that the log does not answer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence

from services.ingest.encode import entries, import_ends
from services.ingest.limits import APPEND_GRACE_S
from services.ingest.meters import append_seconds, event_count
from shared.errors import StagelineError, Unavailable
from shared.event import Event
from shared.log import Entry, Log
from shared.topics import Topics


class Delivery:
    """Puts events on the `events` topic. When it returns, they are there: all in-sync replicas have them."""

    def __init__(self, log: Log, topics: Topics, *, timeout_s: float) -> None:
        self._log = log
        self._topics = topics
        self._timeout_s = timeout_s

    def deliver(self, events: Sequence[Event], *, source: str, traceparent: str | None) -> Awaitable[None]:
        """One append for all of them, which are not held while it is awaited.

        Errors: Unavailable; they may be in the log or not, and may be sent again. Refused or Malformed when the log is
        not set up to take them: for callers that is the same.
        """
        return self.deliver_entries(entries(events, source=source, traceparent=traceparent), source=source)

    async def deliver_entries(self, records: Sequence[Entry], *, source: str) -> None:
        """The same for events that are records already. Errors: as `deliver`."""
        count = len(records)
        if not count:
            return
        appending = self._append(records)
        del records
        try:
            await appending
        except StagelineError:
            event_count(source, "unavailable").inc(count)
            raise
        event_count(source, "accepted").inc(count)

    async def end_import(self, *, source: str) -> None:
        """Tell every partition that an import is over. Errors: Unavailable."""
        await self._append(import_ends(source=source, partitions=self._topics.partitions))

    async def _append(self, records: Sequence[Entry]) -> None:
        appending = self._log.append(self._topics.events, records, timeout_s=self._timeout_s)
        # Waiting takes most of a request's time. A hundred requests that still hold what they have handed over push
        # one another out of the processor's cache: a seventh of all the time.
        del records
        try:
            with append_seconds.time():
                async with asyncio.timeout(self._timeout_s + APPEND_GRACE_S):
                    await appending
        except TimeoutError as error:
            raise Unavailable(f"the log did not answer within {self._timeout_s:g} s") from error
