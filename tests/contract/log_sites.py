"""Where the log's contract suite runs: one `Site` for each adapter, and what the tests need to watch a reader.

A new adapter adds a factory to `SITES`. Nothing here or in the tests assumes that offsets have no gaps, that joining a
group is quick, or that a topic's name is free: names are new for each test, and waiting is reading until it is true.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Protocol
from uuid import uuid4

import pytest

from shared.clock import SystemClock
from shared.log import Arrival, Entry, Log, Reader, Record, Topic
from shared.log_embedded import EmbeddedLog
from shared.log_kafka import KafkaLog

APPEND_S = 10.0
WITHIN_S = 30.0  # far more than any adapter needs: a broker's group may take seconds to form
READ_S = 0.2
CLOSE_S = 8.0
PARTITIONS = 4


class Site(Protocol):
    """One log and the processes that use it."""

    async def connect(self) -> Log:
        """One more process's view of the same log, open; closed with the site."""

    async def connect_impatient(self) -> Log:
        """The same, but its readers lose their partitions soon after they stop reading."""


class EmbeddedSite:
    """A new file for each test."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "log.db"
        self._logs: list[EmbeddedLog] = []

    async def connect(self) -> Log:
        return await self._open(EmbeddedLog(self._path, clock=SystemClock()))

    async def connect_impatient(self) -> Log:
        return await self._open(EmbeddedLog(self._path, clock=SystemClock(), session_timeout_s=0.5))

    async def close(self) -> None:
        for log in self._logs:
            await log.close()

    async def _open(self, log: EmbeddedLog) -> Log:
        self._logs.append(log)
        await log.open()
        return log


@asynccontextmanager
async def embedded(request: pytest.FixtureRequest) -> AsyncIterator[Site]:
    site = EmbeddedSite(request.getfixturevalue("tmp_path"))
    yield site
    await site.close()


class KafkaSite:
    """A real broker shared by all tests; each connection is a client of its own."""

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap
        self._logs: list[KafkaLog] = []

    async def connect(self) -> Log:
        return await self._open(KafkaLog(self._bootstrap, session_timeout_s=6))

    async def connect_impatient(self) -> Log:
        return await self._open(KafkaLog(self._bootstrap, session_timeout_s=6, idle_timeout_s=1))

    async def close(self) -> None:
        for log in self._logs:
            await log.close()

    async def _open(self, log: KafkaLog) -> Log:
        self._logs.append(log)
        await log.open()
        return log


@asynccontextmanager
async def kafka(request: pytest.FixtureRequest) -> AsyncIterator[Site]:
    site = KafkaSite(request.getfixturevalue("kafka_bootstrap"))
    yield site
    await site.close()


# One group of tests, so that one test worker has them all and one broker is enough.
KAFKA = [pytest.mark.kafka, pytest.mark.xdist_group("kafka")]
SITES = [pytest.param(embedded, id="embedded"), pytest.param(kafka, id="kafka", marks=KAFKA)]


async def new_topic(log: Log, *, partitions: int = PARTITIONS) -> str:
    topic = Topic(f"contract-{uuid4().hex}", partitions)
    await log.ensure([topic])
    return topic.name


async def append(log: Log, topic: str, *values: bytes, partition: int = 0) -> list[int]:
    entries = [Entry(key=None, value=value, partition=partition) for value in values]
    return await log.append(topic, entries, timeout_s=APPEND_S)


async def everything(log: Log, topic: str, partition: int = 0) -> list[Record]:
    """All records of a partition, however few the adapter fetches at a time."""
    end = (await log.ends(topic))[partition]
    records: list[Record] = []
    position = 0
    while position < end and (more := await log.fetch(topic, partition, position, records_max=100)):
        records += more
        position = more[-1].offset + 1
    return records


class Member:
    """A reader that remembers what it was told. It starts what it gains from `start_at`, unless that is None."""

    def __init__(self, reader: Reader, *, start_at: int | None = 0) -> None:
        self.reader = reader
        self.start_at = start_at
        self.owned: set[int] = set()
        self.ever_lost: set[int] = set()
        self.records: dict[int, list[Record]] = {}

    @property
    def values(self) -> list[bytes | None]:
        return [record.value for partition in sorted(self.records) for record in self.records[partition]]

    async def read(self, *, records_max: int = 1_000, timeout_s: float = READ_S) -> Arrival:
        arrival = await self.reader.read(records_max=records_max, timeout_s=timeout_s)
        self.ever_lost |= arrival.lost
        self.owned = (self.owned - arrival.lost) | arrival.gained
        for partition, records in arrival.records.items():
            self.records.setdefault(partition, []).extend(records)
        if self.start_at is not None and arrival.gained:
            self.reader.start(dict.fromkeys(arrival.gained, self.start_at))
        return arrival


async def read_until(condition: Callable[[], bool], *members: Member, records_max: int = 1_000) -> None:
    """Let all members read, side by side, until the condition holds."""
    deadline = time.monotonic() + WITHIN_S
    while not condition():
        assert time.monotonic() < deadline, [(member.owned, member.values) for member in members]
        await asyncio.gather(*(member.read(records_max=records_max) for member in members))


async def joined(log: Log, topic: str, *, group: str = "", start_at: int | None = 0) -> Member:
    """A member, alone in its group, that owns every partition."""
    member = Member(log.reader(topic, group=group or f"group-{uuid4().hex}"), start_at=start_at)
    await read_until(lambda: len(member.owned) == PARTITIONS, member)
    return member


def owns_all(members: Sequence[Member]) -> bool:
    return sorted(p for member in members for p in member.owned) == list(range(PARTITIONS))
