"""The stager's tables in a SQLite file, for one machine: every call is one trip to a thread of its own.

Reading and writing have a connection each, so that a question never waits for a commit to reach the disk. Any number of
processes may use the file; writers wait for one another.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from services.stager.store import (
    Claim,
    DueRow,
    Kept,
    MoveRow,
    PartitionBatch,
    Position,
    StageCount,
    Standing,
    TransitionRow,
)
from services.stager.store_sql import batch_sqlite, queries
from services.stager.store_sql.sqlite_thread import SqliteThread
from services.stager.store_sql.tables import MIGRATIONS
from shared.clock import Clock
from shared.database import dispose
from shared.migrate import is_current

CUSTOMERS_MAX = 500  # of one statement; older SQLite allows 999 arguments

CLAIM = """
    INSERT INTO positions (partition, epoch, next_offset, clock_ms, seq, import_ms, published_seq)
    VALUES (?, 1, 0, 0, 0, NULL, 0) ON CONFLICT (partition) DO UPDATE SET epoch = epoch + 1
    RETURNING next_offset, clock_ms, seq, import_ms, epoch, published_seq
"""
LOAD = "SELECT customer, body, due_ms, historical FROM profiles WHERE partition = ? AND customer IN (%s)"
PROVE = "SELECT 1 FROM positions WHERE partition = ? AND epoch = ?"
MARK_PUBLISHED = "UPDATE positions SET published_seq = max(published_seq, ?) WHERE partition = ? AND epoch = ?"


class StoreSqlite:
    """The port `store.Store`. The engine is this store's own: `close` ends it."""

    def __init__(self, engine: AsyncEngine, clock: Clock) -> None:
        path = engine.url.database
        assert path, "the stager's tables need a file: two connections must see the same"
        self._engine = engine
        self._clock = clock
        self._reader = SqliteThread(path)
        self._writer = SqliteThread(path)

    async def open(self) -> None:
        """Connect. Errors: Unavailable; Refused when the tables are missing or older than this program."""
        if not await is_current(self._engine, MIGRATIONS):
            raise queries.refused_tables()

    async def close(self) -> None:
        """Release every connection."""
        await self._reader.close()
        await self._writer.close()
        await dispose(self._engine)

    async def claim(self, partitions: Sequence[int]) -> dict[int, Claim]:
        """Raise the epoch of each partition (making its row when new) and return where it stands."""
        wanted = sorted(set(partitions))
        return await self._writer.write(lambda connection: {each: _claim(connection, each) for each in wanted})

    async def load(self, customers: Mapping[int, Sequence[str]]) -> dict[str, Kept]:
        """The stored profiles of these customers, given by partition; the unknown are absent."""
        return await self._reader.read(partial(_load, customers=customers))

    async def due(self, partition: int, *, until_ms: int, historical: bool, limit: int) -> list[DueRow]:
        """The first `limit` customers with a written deadline <= `until_ms`, in the order (due_ms, customer)."""
        query = queries.ALL_DUE if historical else queries.LIVE_DUE
        return [DueRow(*row) for row in await self._fetch(query, partition, until_ms, limit)]

    async def next_due(self, partition: int, *, historical: bool) -> int | None:
        """The earliest written deadline of the partition (without the historical ones unless asked), or None."""
        query = queries.ALL_NEXT_DUE if historical else queries.LIVE_NEXT_DUE
        due_ms: int | None = (await self._fetch(query, partition))[0][0]
        return due_ms

    async def save(self, batches: Sequence[PartitionBatch]) -> int:
        """Write it all in one transaction and return `recorded_at` in ms. Errors: FenceLost; Unavailable."""
        recorded_ms = self._clock.now_ms()
        if batches:
            await self._writer.write(partial(batch_sqlite.write, batches=batches, recorded_ms=recorded_ms))
        return recorded_ms

    async def prove(self, epochs: Mapping[int, int]) -> frozenset[int]:
        """Those of these partitions whose epoch is still the given one."""
        return await self._reader.read(
            lambda connection: frozenset(
                each[0] for each in epochs.items() if connection.execute(PROVE, each).fetchone()
            )
        )

    async def transitions_after(self, partition: int, *, seq: int, limit: int) -> list[TransitionRow]:
        """Transitions above `seq`, in order of `seq`."""
        return [TransitionRow(*row) for row in await self._fetch(queries.TRANSITIONS_AFTER, partition, seq, limit)]

    async def mark_published(self, published: Mapping[int, int], epochs: Mapping[int, int]) -> None:
        """Remember the last published `seq` of each partition, if its epoch still holds; never going back."""
        marks = [(seq, partition, epochs[partition]) for partition, seq in published.items() if partition in epochs]
        await self._writer.write(lambda connection: connection.executemany(MARK_PUBLISHED, marks))

    async def standings(self) -> dict[int, Standing]:
        """How far every partition is that was ever claimed, whoever owns it."""
        return {row[0]: Standing(*row[1:]) for row in await self._fetch(queries.STANDINGS)}

    async def stage_counts(self) -> list[StageCount]:
        """Customers per stage now, summed over the partitions, without zeros."""
        return [StageCount(*row) for row in await self._fetch(queries.STAGE_COUNTS)]

    async def moves(self) -> list[MoveRow]:
        """All move rollups summed over partitions and hours (`hour_ms` 0)."""
        return [MoveRow(*row) for row in await self._fetch(queries.MOVES)]

    async def _fetch(self, query: str, *arguments: object) -> list[Any]:
        numbered = query.replace("$", "?")  # how SQLite writes the first argument
        return await self._reader.read(lambda connection: connection.execute(numbered, arguments).fetchall())


def _claim(connection: sqlite3.Connection, partition: int) -> Claim:
    (row,) = connection.execute(CLAIM, (partition,)).fetchall()
    return Claim(Position(offset=row[0], clock_ms=row[1], seq=row[2], import_ms=row[3]), row[4], row[5])


def _load(connection: sqlite3.Connection, customers: Mapping[int, Sequence[str]]) -> dict[str, Kept]:
    kept: dict[str, Kept] = {}
    for partition, names in customers.items():
        for start in range(0, len(names), CUSTOMERS_MAX):
            part = names[start : start + CUSTOMERS_MAX]
            statement = LOAD % ", ".join("?" * len(part))
            for row in connection.execute(statement, (partition, *part)):
                kept[row[0]] = Kept(row[1], row[2], bool(row[3]))
    return kept
