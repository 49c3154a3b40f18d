"""A log in memory that a test can make silent or failing; it keeps the port's promises for `append` alone."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from zlib import crc32

from shared.log import Entry, Reader, Record, Topic


class MemoryLog:
    """Partitions are lists of entries. While `silent`, appends get no answer; with `failure`, they raise it,
    `failures_left` times when that is set."""

    def __init__(self, partitions: int = 3) -> None:
        self.partitions: list[list[Entry]] = [[] for _ in range(partitions)]
        self.calls: list[int] = []
        self.silent = False
        self.failure: Exception | None = None
        self.failures_left: int | None = None
        self.asked = asyncio.Event()

    @property
    def entries(self) -> list[Entry]:
        return [entry for partition in self.partitions for entry in partition]

    async def open(self) -> None: ...

    async def close(self) -> None: ...

    async def ensure(self, topics: Sequence[Topic]) -> None: ...

    async def append(self, topic: str, entries: Sequence[Entry], *, timeout_s: float) -> list[int]:
        self.asked.set()
        if self.silent:
            await asyncio.Event().wait()
        if self.failure and self.failures_left != 0:
            self.failures_left = None if self.failures_left is None else self.failures_left - 1
            raise self.failure
        self.calls.append(len(entries))
        offsets = []
        for entry in entries:
            place = self.partition_of(topic, entry.key or b"") if entry.partition is None else entry.partition
            offsets.append(len(self.partitions[place]))
            self.partitions[place].append(entry)
        return offsets

    def reader(self, topic: str, *, group: str) -> Reader:
        raise NotImplementedError

    async def ends(self, topic: str) -> dict[int, int]:
        return {place: len(entries) for place, entries in enumerate(self.partitions)}

    async def fetch(self, topic: str, partition: int, offset: int, *, records_max: int) -> list[Record]:
        raise NotImplementedError

    def partition_of(self, topic: str, key: bytes) -> int:
        return crc32(key) % len(self.partitions)
