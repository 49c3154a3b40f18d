"""An import: history as NDJSON of any length, streamed into the log and answered with what became of its lines.

Never holds more than a few chunks and one append's records. Whatever ends it early, the lines up to
`acknowledged_line` have been dealt with, and nothing after them is promised to be in the log.
"""

from __future__ import annotations

import asyncio
from codecs import BOM_UTF8
from collections.abc import Callable, Iterable
from contextlib import aclosing, suppress
from typing import Literal

import msgspec
from starlette.types import Receive

from services.ingest.admission.admit import Check, Intake, admit_item
from services.ingest.delivery import Delivery
from services.ingest.encode import entries
from services.ingest.imports.ledger import marked
from services.ingest.imports.lines import Lines, TooLong
from services.ingest.imports.resumption import ImportGap, Resumption
from services.ingest.limits import (
    EVENT_BYTES_MAX,
    IMPORT_APPEND_BYTES_MAX,
    IMPORT_APPEND_EVENTS_MAX,
    IMPORT_PAUSE_MIN_S,
    IMPORT_REFUSALS_MAX,
    REFUSAL_LENGTH_MAX,
)
from services.ingest.meters import event_count
from services.ingest.refusal import Code, Rejected
from services.ingest.request.body import BrokenOff, Stopping, Unpacker, chunks
from shared.clock import Clock
from shared.errors import Unavailable
from shared.event import Event
from shared.waiting import wait_for

# Pending lines, the records made of them, the pieces on the way, and what is said of refused lines.
IMPORT_BYTES_HELD = 5 * IMPORT_APPEND_BYTES_MAX

Note = Callable[[Rejected, bytes], None]
"""Shows a refusal, and what it is about, to the operator."""


class LineRefusal(msgspec.Struct, frozen=True, omit_defaults=True):
    """One refused line, counted from 1."""

    line: int
    code: Code
    message: str
    field: str | None = None


class Progress(msgspec.Struct):
    """How far an import is: `accepted` events are in the log, `repeated` were there before, `rejected` lists the
    `refused` in order, the first 5,000 of them.
    """

    accepted: int = 0
    refused: int = 0
    repeated: int = 0
    lines: int = 0
    acknowledged_line: int = 0
    ended: bool = False
    rejected: list[LineRefusal] = msgspec.field(default_factory=list)


class Import:
    """One import under way. `first_line` is the number of the first line that is sent; `pause_s` is asked at every
    event how long to wait before the next; `check` is what every line has to pass beside; `note` is told of each
    refusal at once.
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
        check: Check | None = None,
        pause_s: Callable[[], float] = lambda: 0.0,
        note: Note = lambda _error, _text: None,
    ) -> None:
        self._delivery = delivery
        self._source = source
        self._clock = clock
        self._traceparent = traceparent
        self._resumption = resumption
        self._first_line = first_line
        self._check = check
        self._pause_s = pause_s
        self._note = note
        self._pending: list[Event] = []
        self._pending_lines: list[int] = []
        self._pending_bytes = 0
        self.progress = Progress(lines=first_line - 1, acknowledged_line=first_line - 1)

    async def run(self, receive: Receive, stop: asyncio.Event, *, is_last: bool) -> None:
        """Read to the end; then, unless more files follow, tell every partition that the import is over.

        Errors: Rejected, of which BrokenOff, when it cannot go on as it came; Unavailable when the log does not answer
        or the process is stopping. `progress` stands.
        """
        self._join()
        try:
            await self._read(receive, stop)
        except (BrokenOff, Stopping):
            await self._note_the_break()
            raise
        if self._resumption is not None:
            self._resumption.finish(self.progress.lines)
        await self._flush()
        await self._finish(is_last=is_last)

    def _join(self) -> None:
        if self._resumption is None:
            return
        try:
            self._resumption.join(self._first_line)
        except ImportGap as gap:
            self.progress.lines = self.progress.acknowledged_line = gap.line
            raise

    async def _read(self, receive: Receive, stop: asyncio.Event) -> None:
        unpacker, lines = Unpacker(), Lines()
        async with aclosing(chunks(receive, stop)) as coming:
            async for chunk in coming:
                for piece in unpacker.feed(chunk):
                    await self._take(lines.feed(piece), stop)
                    await asyncio.sleep(0)  # a body that comes faster than it is read must not starve other requests
        await self._take(lines.feed(unpacker.end()), stop)
        await self._take(lines.end(), stop)

    async def _note_the_break(self) -> None:
        """Remember how far it came, so that the next body may begin there. Who does not hear of it sends it all."""
        if self._resumption is not None:
            with suppress(Unavailable):
                await self._resumption.note()

    async def _finish(self, *, is_last: bool) -> None:
        before = self._resumption
        if is_last and (before is None or not before.is_ended):
            await self._delivery.end_import(source=self._source)
        if before is not None and not before.is_ended:
            await before.note(is_end=is_last)
        self.progress.ended = is_last

    async def _take(self, lines: Iterable[bytes | TooLong], stop: asyncio.Event) -> None:
        now_ms = self._clock.now_ms()
        intake = Intake(self._source, now_ms, kind_default="track", historical=True, check=self._check)
        for line in lines:
            if stop.is_set():
                await self._flush()
                raise Stopping
            pause_s = self._pause_s() if self._judge(line, intake) else 0.0
            is_over_rate = pause_s >= IMPORT_PAUSE_MIN_S
            if is_over_rate or self._is_full():
                await self._flush()
            if is_over_rate:
                await wait_for(stop, timeout_s=pause_s)

    def _is_full(self) -> bool:
        return len(self._pending) >= IMPORT_APPEND_EVENTS_MAX or self._pending_bytes >= IMPORT_APPEND_BYTES_MAX

    def _judge(self, line: bytes | TooLong, intake: Intake) -> bool:
        """Whether the line is an event that is now pending."""
        self.progress.lines += 1
        if isinstance(line, TooLong):
            error = Rejected(Code.EVENT_TOO_LARGE, f"the line has more than {EVENT_BYTES_MAX} bytes")
            return self._refuse(error, line.beginning)
        if self.progress.lines == 1:
            line = line.removeprefix(BOM_UTF8)
        before = self._resumption
        if before is not None and before.passes(self.progress.lines, line):
            self.progress.repeated += 1
            return False
        if not line.strip():
            return False
        try:
            event = admit_item(line, intake)
        except Rejected as error:
            return self._refuse(error, line)
        if before is not None and not before.take(self.progress.lines, line):
            self.progress.repeated += 1
            return False
        self._hold(event, line)
        return True

    def _hold(self, event: Event, line: bytes) -> None:
        self._pending.append(event)
        self._pending_lines.append(self.progress.lines)
        self._pending_bytes += len(line)

    def _refuse(self, error: Rejected, text: bytes) -> Literal[False]:
        number = self.progress.lines
        self.progress.refused += 1
        event_count(self._source, "refused").inc()
        self._note(Rejected(error.code, f"line {number}: {error.message}", field=error.field), text)
        if self._resumption is not None:
            self._resumption.refuse(number)
        if len(self.progress.rejected) < IMPORT_REFUSALS_MAX:
            message = error.message[:REFUSAL_LENGTH_MAX]
            place = None if error.field is None else error.field[:REFUSAL_LENGTH_MAX]
            self.progress.rejected.append(LineRefusal(number, error.code, message, place))
        return False

    async def _flush(self) -> None:
        events, self._pending, self._pending_bytes = self._pending, [], 0
        lines, self._pending_lines = self._pending_lines, []
        before = self._resumption
        records = entries(events, source=self._source, traceparent=self._traceparent)
        if before is not None and events:
            records = marked(records, before.name, lines)
            await before.reopen()
        await self._delivery.deliver_entries(records, source=self._source)
        self.progress.accepted += len(events)
        self.progress.acknowledged_line = self.progress.lines
        if before is not None:
            before.acknowledge(self.progress.lines)
            await before.note_now_and_then()
