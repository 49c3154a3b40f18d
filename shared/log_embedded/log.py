"""The port's Log on one SQLite file: opening it, its topics, and the way in and out for records."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from uuid import uuid4

from shared.clock import Clock
from shared.errors import Malformed, Refused
from shared.log import RECORD_BYTES_MAX, Entry, Reader, Record, Topic
from shared.log_embedded.append import Row
from shared.log_embedded.file import bounds, ensure_topics, known_topics, packed, records_from, slot_of
from shared.log_embedded.group import Membership
from shared.log_embedded.presence import Presence
from shared.log_embedded.reader import EmbeddedReader, Shared
from shared.log_embedded.threads import Threads, answered
from shared.log_embedded.writer import Writer
from shared.partition import partition_for
from shared.sqlite import is_busy

OPEN_TIMEOUT_S = 10.0
ANSWER_TIMEOUT_S = 10.0
SESSION_TIMEOUT_S = 30.0  # as on Kafka: longer than any bounded batch; the end of a process is noticed much sooner


class EmbeddedLog:
    """One process's view of the log in the file at `path`; beside it SQLite's own files and one sign of life.

    Promise: an append that has returned survives kill -9 and a power cut. Units: `session_timeout_s` is how long a
    member may go without `read` before its partitions pass on.
    """

    def __init__(self, path: str | Path, *, clock: Clock, session_timeout_s: float = SESSION_TIMEOUT_S) -> None:
        self._path = str(path)
        self._threads = Threads(self._path)
        self._presence = Presence(self._path, uuid4().hex)
        self._writer = Writer(self._threads, clock=clock, on_append=self._announce)
        self._topics: dict[str, tuple[int, Topic]] = {}
        self._appended = asyncio.Event()
        self._shared = Shared(
            self._threads, lambda: self._appended, self._stamp, self._presence.is_gone, session_timeout_s
        )

    async def open(self) -> None:
        """Open the file, make it if need be. Errors: Unavailable; Refused for a file of another format."""
        loop = asyncio.get_running_loop()
        await answered(lambda: loop.run_in_executor(None, self._open), timeout_s=OPEN_TIMEOUT_S)
        await self._learn()

    async def close(self) -> None:
        """Release everything within a few seconds; what waits to be appended fails."""
        self._writer.close()
        with suppress(TimeoutError):
            await self._threads.close()
        self._presence.hide()

    async def ensure(self, topics: Sequence[Topic]) -> None:
        """Create what is missing; a changed retention is taken over. Errors: Refused, Unavailable."""
        job = partial(ensure_topics, topics=topics)
        await answered(partial(self._threads.append, job), timeout_s=ANSWER_TIMEOUT_S)
        await self._learn()

    async def append(self, topic: str, entries: Sequence[Entry], *, timeout_s: float) -> list[int]:
        """Append, return the offsets. Errors: Malformed and Refused before anything is written; Unavailable."""
        topic_id, shape = await self._find(topic, timeout_s=timeout_s)
        rows = [_row(topic_id, shape, entry) for entry in entries]
        if not rows:
            return []
        size = sum(map(_size, rows))
        return await self._writer.append(shape, rows, size=size, timeout_s=timeout_s)

    def reader(self, topic: str, *, group: str) -> Reader:
        """A new member of `group`; it joins with its first `read`, which is Refused when there is no such topic."""
        return EmbeddedReader(topic, shared=self._shared, me=partial(self._member, topic, group, name=uuid4().hex))

    async def ends(self, topic: str) -> dict[int, int]:
        """The offset after the last record, for each partition. Errors: Refused, Unavailable."""
        topic_id, _ = await self._find(topic, timeout_s=ANSWER_TIMEOUT_S)
        job = partial(bounds, topic_id=topic_id)
        found = await answered(partial(self._threads.read, job), timeout_s=ANSWER_TIMEOUT_S)
        return {partition: each.end for partition, each in found.items()}

    async def fetch(self, topic: str, partition: int, offset: int, *, records_max: int) -> list[Record]:
        """Records from `offset` (or the first one kept after it) on. Errors: Refused, Unavailable."""
        topic_id, shape = await self._find(topic, timeout_s=ANSWER_TIMEOUT_S)
        slot = slot_of(topic_id, _checked(shape, partition))
        job = partial(records_from, slot=slot, offset=offset, records_max=records_max)
        records = await answered(partial(self._threads.read, job), timeout_s=ANSWER_TIMEOUT_S)
        return [*records]

    def partition_of(self, topic: str, key: bytes) -> int:
        """Where Kafka's default partitioner sends this key. Errors: Refused when the topic is not known."""
        return partition_for(key, self._known(topic)[1].partitions)

    def _open(self) -> None:
        try:
            self._threads.connect()
        except (sqlite3.Error, OSError) as error:
            if is_busy(error):
                raise
            raise Refused(f"{self._path} cannot be used as a log: {error}") from error

    async def _learn(self, timeout_s: float = ANSWER_TIMEOUT_S) -> None:
        self._topics = await answered(partial(self._threads.read, known_topics), timeout_s=timeout_s)

    async def _find(self, topic: str, *, timeout_s: float) -> tuple[int, Topic]:
        """A topic of this file; another process may have made it after we looked."""
        if topic not in self._topics:
            await self._learn(timeout_s)
        return self._known(topic)

    def _known(self, topic: str) -> tuple[int, Topic]:
        try:
            return self._topics[topic]
        except KeyError as error:
            raise Refused(f"there is no topic {topic} in {self._path}: ensure it first") from error

    async def _member(self, topic: str, group: str, *, name: str) -> Membership:
        topic_id, shape = await self._find(topic, timeout_s=ANSWER_TIMEOUT_S)
        self._presence.show()
        return Membership(topic_id, shape.partitions, group, name, self._presence.process)

    def _stamp(self) -> object:
        """Every commit grows or overwrites the write-ahead log."""
        try:
            found = Path(f"{self._path}-wal").stat()
        except FileNotFoundError:
            return None
        return found.st_mtime_ns, found.st_size

    def _announce(self) -> None:
        appended, self._appended = self._appended, asyncio.Event()
        appended.set()


def _row(topic_id: int, topic: Topic, entry: Entry) -> Row:
    if entry.partition is not None:
        partition = _checked(topic, entry.partition)
    elif entry.key is not None:
        partition = partition_for(entry.key, topic.partitions)
    else:
        raise Refused(f"a record for {topic.name} has neither a partition nor a key")
    row = Row(slot_of(topic_id, partition), entry.key, entry.value, packed(entry.headers))
    if (size := _size(row)) > RECORD_BYTES_MAX:
        raise Malformed(f"a record for {topic.name} has {size} bytes, the log takes {RECORD_BYTES_MAX}")
    return row


def _size(row: Row) -> int:
    return len(row.key or b"") + len(row.value or b"") + len(row.packed_headers or b"")


def _checked(topic: Topic, partition: int) -> int:
    if not 0 <= partition < topic.partitions:
        raise Refused(f"topic {topic.name} has no partition {partition}, only 0 to {topic.partitions - 1}")
    return partition
