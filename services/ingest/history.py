"""An import: history as NDJSON of any length, streamed into the log and answered with what became of its lines.

Never holds more than a few chunks and one append's records. Whatever ends it early, the lines up to
`acknowledged_line` have been dealt with, and nothing after them is promised to be in the log.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import msgspec
from starlette.types import Receive

from services.ingest.admit import Intake, admit_item
from services.ingest.body import Unpacker, chunks
from services.ingest.delivery import Delivery
from services.ingest.encode import entries
from services.ingest.ledger import Done, Ledger, marked
from services.ingest.limits import (
    EVENT_BYTES_MAX,
    IMPORT_APPEND_BYTES_MAX,
    IMPORT_APPEND_EVENTS_MAX,
    IMPORT_NOTE_LINES,
    IMPORT_PAUSE_MIN_S,
    REFUSALS_SHOWN_MAX,
)
from services.ingest.lines import Lines
from services.ingest.meters import event_count
from services.ingest.refusal import Code, Rejected
from shared.clock import Clock
from shared.errors import Unavailable
from shared.event import Event
from shared.waiting import wait_for

# Pending lines, the records made of them, and the pieces on the way.
IMPORT_BYTES_HELD = 4 * IMPORT_APPEND_BYTES_MAX

STOPPING = "the service is stopping; go on from the line after acknowledged_line"


class LineRefusal(msgspec.Struct, frozen=True, omit_defaults=True):
    """One refused line, counted from 1."""

    line: int
    code: Code
    message: str
    field: str | None = None


class Progress(msgspec.Struct):
    """How far an import is: `accepted` events are in the log, `repeated` were there before, `rejected` lists the first
    of the `refused`.
    """

    accepted: int = 0
    refused: int = 0
    repeated: int = 0
    lines: int = 0
    acknowledged_line: int = 0
    ended: bool = False
    rejected: list[LineRefusal] = msgspec.field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Resumption:
    """An import that can be sent again: its name, where it is remembered, and what is done of it."""

    name: str
    ledger: Ledger
    done: Done


class Import:
    """One import under way. `first_line` is the number of the first line that is sent; `pause_s` is asked at every
    event how long to wait before the next.
    """

    def __init__(
        self,
        delivery: Delivery,
        *,
        source: str,
        clock: Clock,
        traceparent: str | None = None,
        resumption: Resumption | None = None,
        first_line: int = 1,
        pause_s: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self._delivery = delivery
        self._source = source
        self._clock = clock
        self._traceparent = traceparent
        self._resumption = resumption
        self._first_line = first_line
        self._pause_s = pause_s
        self._noted_line = first_line - 1
        self._pending: list[Event] = []
        self._pending_lines: list[int] = []
        self._pending_bytes = 0
        self.progress = Progress(lines=first_line - 1, acknowledged_line=first_line - 1)

    async def run(self, receive: Receive, stop: asyncio.Event, *, is_last: bool) -> None:
        """Read to the end; then, unless more files follow, tell every partition that the import is over.

        Errors: BrokenOff; Unavailable when the log does not answer or the process is stopping. `progress` stands.
        """
        unpacker, lines = Unpacker(), Lines()
        async for chunk in chunks(receive):
            if stop.is_set():
                raise Unavailable(STOPPING)
            for piece in unpacker.feed(chunk):
                await self._take(lines.feed(piece), stop)
                await asyncio.sleep(0)  # a body that comes faster than it is read must not starve other requests
        await self._take(lines.feed(unpacker.end()), stop)
        await self._take(lines.end(), stop)
        await self._flush()
        if is_last:
            await self._end()
            self.progress.ended = True

    async def _end(self) -> None:
        before = self._resumption
        if before is not None and before.done.ended:
            return
        await self._delivery.end_import(source=self._source)
        if before is not None:
            await before.ledger.write(before.name, line=self.progress.lines, ended=True)

    async def _take(self, lines: Iterable[bytes | None], stop: asyncio.Event) -> None:
        intake = Intake(self._source, self._clock.now_ms(), kind_default="track", historical=True)
        for line in lines:
            pause_s = self._pause_s() if self._judge(line, intake) else 0.0
            is_over_rate = pause_s >= IMPORT_PAUSE_MIN_S
            if is_over_rate or self._is_full():
                await self._flush()
            if is_over_rate:
                await wait_for(stop, timeout_s=pause_s)

    def _is_full(self) -> bool:
        return len(self._pending) >= IMPORT_APPEND_EVENTS_MAX or self._pending_bytes >= IMPORT_APPEND_BYTES_MAX

    def _judge(self, line: bytes | None, intake: Intake) -> bool:
        """Whether the line is an event that is now pending."""
        self.progress.lines += 1
        if self._resumption is not None and self._resumption.done.has(self.progress.lines):
            self.progress.repeated += 1
            return False
        if self.progress.lines == 1 and line is not None:
            line = line.removeprefix(b"\xef\xbb\xbf")
        try:
            if line is None:
                raise Rejected(Code.EVENT_TOO_LARGE, f"the line has more than {EVENT_BYTES_MAX} bytes")
            if not line.strip():
                return False
            self._pending.append(admit_item(line, intake))
        except Rejected as error:
            self._refuse(error)
            return False
        self._pending_lines.append(self.progress.lines)
        self._pending_bytes += len(line)
        return True

    def _refuse(self, error: Rejected) -> None:
        self.progress.refused += 1
        event_count(self._source, "refused").inc()
        if len(self.progress.rejected) < REFUSALS_SHOWN_MAX:
            self.progress.rejected.append(LineRefusal(self.progress.lines, error.code, error.message, error.field))

    async def _flush(self) -> None:
        events, self._pending, self._pending_bytes = self._pending, [], 0
        lines, self._pending_lines = self._pending_lines, []
        records = entries(events, source=self._source, traceparent=self._traceparent)
        if self._resumption is not None:
            records = marked(records, self._resumption.name, lines)
        await self._delivery.deliver_entries(records, source=self._source)
        self.progress.accepted += len(events)
        self.progress.acknowledged_line = self.progress.lines
        await self._note()

    async def _note(self) -> None:
        """Now and then remember how far it is, so that going on has little to look through.

        Only a file that was sent from its first line, or from a line that was noted, has nothing missing before.
        """
        before, line = self._resumption, self.progress.lines
        if before is None or before.done.ended or line - self._noted_line < IMPORT_NOTE_LINES:
            return
        if self._first_line <= before.done.line + 1:
            await before.ledger.write(before.name, line=line)
            self._noted_line = line
