"""How far each import came, remembered in the log itself, so that sending a file again adds nothing twice.

The `imports` topic says, for each import, up to which line all is done, and where the `events` partitions ended then.
Every record of an import says its import and line; those behind these places are the lines that were done since.
One import is sent by one caller at a time; within one process a second one is refused.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from zlib import crc32

import msgspec

from services.ingest.refusal import Code, Rejected
from shared.errors import Unavailable
from shared.log import Entry, Log, Record
from shared.topics import Topics

IDEMPOTENCY_KEY_LENGTH_MAX = 255
FETCH_RECORDS_MAX = 5_000  # of one look into the log: some megabytes
FETCH_TIMEOUT_S = 30.0  # a log that does not answer by then is away

_IMPORT_HEADER = "stageline_import"
_LINE_HEADER = "stageline_line"


Mark = tuple[int, int]
"""A line, and the check over all that was taken up to it."""


class Note(msgspec.Struct, frozen=True):
    """What the `imports` topic says of one import: lines up to `line` are done, and where the partitions ended then.

    `ended`: the end of the import is in the log, and nothing of it behind that. `marks`: the newest places at which
    what comes again can be held to what came, in order; none in notes of older versions. `apart`: lines that no check
    covers: None for a refused one, else the check of the content with which it came later. From `vague_line` on (0:
    nowhere) more lines were refused than `apart` holds.
    """

    line: int
    ends: dict[int, int]
    ended: bool = False
    marks: list[Mark] = msgspec.field(default_factory=list)
    apart: dict[int, int | None] = msgspec.field(default_factory=dict)
    vague_line: int = 0


@dataclass(frozen=True, slots=True)
class Done:
    """What of an import is in the log: what the note says, and `more` lines with the CRC-32 of their events' ids.

    There are few of these: as many as came since the note, so that they fit into memory.
    """

    note: Note = field(default_factory=lambda: Note(0, {}))
    more: dict[int, int] = field(default_factory=dict)


def import_id(source: str, idempotency_key: str) -> str:
    """The name of an import. Errors: Rejected when the key is empty or too long."""
    if not 0 < len(idempotency_key) <= IDEMPOTENCY_KEY_LENGTH_MAX:
        message = f"Idempotency-Key has 1 to {IDEMPOTENCY_KEY_LENGTH_MAX} characters"
        raise Rejected(Code.INVALID_FIELD, message, field="Idempotency-Key")
    return hashlib.blake2b(f"{source}\0{idempotency_key}".encode(), digest_size=16).hexdigest()


def marked(entries: Sequence[Entry], name: str, lines: Sequence[int]) -> list[Entry]:
    """The same records, each saying of which import and line it is."""
    mark = (_IMPORT_HEADER, name.encode())
    return [
        Entry(entry.key, entry.value, [*entry.headers, mark, (_LINE_HEADER, b"%d" % line)], entry.partition)
        for entry, line in zip(entries, lines, strict=True)
    ]


class Ledger:
    """Reads and writes the notes."""

    def __init__(self, log: Log, topics: Topics, *, timeout_s: float) -> None:
        self._log = log
        self._topics = topics
        self._timeout_s = timeout_s
        self._running: set[str] = set()

    @contextmanager
    def only(self, name: str) -> Generator[None, None, None]:
        """Hold an import. Errors: Rejected while another request sends it."""
        if name in self._running:
            raise Rejected(Code.IMPORT_RUNNING, "another request is sending this import", field="Idempotency-Key")
        self._running.add(name)
        try:
            yield
        finally:
            self._running.discard(name)

    async def begin(self, name: str) -> Done:
        """What was done before; the first time, remember from where on to look. Errors: Unavailable."""
        note = await self._last_note(name)
        if note is None:
            note = Note(0, {})
            await self.write(name, note)
            return Done(note)
        if note.ended:
            return Done(note)
        more: dict[int, int] = {}
        for partition, offset in note.ends.items():
            async for record in self._records(self._topics.events, partition, offset):
                headers = dict(record.headers)
                if headers.get(_IMPORT_HEADER) != name.encode():
                    continue
                line = int(headers[_LINE_HEADER])
                if line > note.line or note.apart.get(line, 0) is None:  # the others are covered by the note
                    more[line] = crc32(headers["ce_id"])
        return Done(note, more)

    async def write(self, name: str, note: Note) -> None:
        """Keep the note; without any ends, with where the partitions end now. Errors: Unavailable.

        To be called when nothing of this import is under way.
        """
        note = msgspec.structs.replace(note, ends=note.ends or await self._log.ends(self._topics.events))
        entry = Entry(name.encode(), msgspec.json.encode(note), partition=0)
        await self._log.append(self._topics.imports, [entry], timeout_s=self._timeout_s)

    async def _last_note(self, name: str) -> Note | None:
        found = None
        async for record in self._records(self._topics.imports, 0, 0):
            if record.key == name.encode() and record.value is not None:
                found = record.value
        return None if found is None else msgspec.json.decode(found, type=Note)

    async def _records(self, topic: str, partition: int, offset: int) -> AsyncIterator[Record]:
        """From an offset to where the partition ends now."""
        end = (await self._log.ends(topic))[partition]
        while offset < end:
            try:
                async with asyncio.timeout(FETCH_TIMEOUT_S):
                    records = await self._log.fetch(topic, partition, offset, records_max=FETCH_RECORDS_MAX)
            except TimeoutError as error:
                raise Unavailable(f"the log did not answer within {FETCH_TIMEOUT_S:g} s") from error
            if not records:
                return
            for record in records:
                yield record
            offset = records[-1].offset + 1
