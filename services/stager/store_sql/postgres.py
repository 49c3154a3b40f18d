"""The stager's tables on PostgreSQL, over asyncpg itself: arrays are what it is fast at.

A connection on which anything unexpected has happened is cut, never reused: the server rolls back what was open, and
the pool makes a new one when asked next. So every failure ends within a bound, and nothing has to be
mended by hand once the server is back.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from itertools import accumulate
from typing import Any

import asyncpg
from sqlalchemy import event
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
from services.stager.store_sql import batch_postgres, queries
from services.stager.store_sql.tables import MIGRATIONS
from shared.clock import Clock
from shared.database import dispose, translated
from shared.errors import FenceLost
from shared.migrate import is_current

OPERATION_TIMEOUT_S = (
    30  # a batch of ten thousand rows takes under a second; an owner must notice before it is a zombie
)
LOAD_MAX = 10_000  # customers of one question; its arrays stay below a megabyte

Wanted = Sequence[tuple[int, str]]

CLAIM = """
    INSERT INTO positions (partition, epoch, next_offset, clock_ms, seq, import_ms, published_seq)
    SELECT wanted, 1, 0, 0, 0, NULL, 0 FROM unnest($1::int[]) AS wanted ORDER BY wanted
    ON CONFLICT (partition) DO UPDATE SET epoch = positions.epoch + 1
    RETURNING partition, next_offset, clock_ms, seq, import_ms, epoch, published_seq
"""
# A search of the index for each partition, with its customers as one sorted array (they stand together in $4): a third
# of the server's work of a search for each customer. OFFSET 0 keeps the planner from making a join of it.
LOAD = """
    SELECT found.* FROM unnest($1::int[], $2::int[], $3::int[]) AS wanted (partition, first, last)
    CROSS JOIN LATERAL (
        SELECT customer, body, due_ms, historical FROM profiles
        WHERE partition = wanted.partition AND customer = ANY (($4::text[])[wanted.first : wanted.last]) OFFSET 0
    ) AS found
"""
PROVE = """
    SELECT partition FROM positions JOIN unnest($1::int[], $2::bigint[]) AS wanted (partition, epoch)
    USING (partition, epoch)
"""
# Every statement here finds its rows by their key, through the index, and other ways are forbidden: a planner with
# stale or missing statistics would now and then read a whole table (a table that has just begun to grow has none), and
# go on so for a minute. That leaves one plan, so it is made once: for the twelve parts of a save that takes a
# millisecond, as long as writing two dozen records. Compiling (JIT) would cost more than it saves here.
SESSION = """
    SET plan_cache_mode = force_generic_plan; SET jit = off;
    SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off; SET enable_bitmapscan = off;
"""
# Rows are locked in the order of partitions, as everywhere: two owners can wait for one another, but never in a ring.
MARK_PUBLISHED = """
    WITH wanted AS (SELECT * FROM unnest($1::int[], $2::bigint[], $3::bigint[]) AS w (partition, epoch, seq)),
    held AS (
        SELECT partition, wanted.seq FROM positions JOIN wanted USING (partition, epoch)
        ORDER BY partition FOR UPDATE OF positions
    )
    UPDATE positions SET published_seq = greatest(published_seq, held.seq)
    FROM held JOIN wanted USING (partition)
    WHERE positions.partition = held.partition AND positions.epoch = wanted.epoch
"""


class StorePostgres:
    """The port `store.Store`. The engine is its own: `close` ends it. No call takes longer than `timeout_s`."""

    def __init__(self, engine: AsyncEngine, clock: Clock, *, timeout_s: float = OPERATION_TIMEOUT_S) -> None:
        self._engine = engine
        self._clock = clock
        self._timeout_s = timeout_s
        event.listen(engine.sync_engine, "connect", _configure)

    async def open(self) -> None:
        """Connect. Errors: Unavailable; Refused when the tables are missing or older than this program."""
        if not await is_current(self._engine, MIGRATIONS):
            raise queries.refused_tables()

    async def close(self) -> None:
        """Release every connection."""
        await dispose(self._engine)

    async def claim(self, partitions: Sequence[int]) -> dict[int, Claim]:
        """Raise the epoch of each partition (making its row when new) and return where it stands."""
        rows = await self._fetch(CLAIM, sorted(set(partitions)))
        return {
            row[0]: Claim(Position(offset=row[1], clock_ms=row[2], seq=row[3], import_ms=row[4]), row[5], row[6])
            for row in rows
        }

    async def load(self, customers: Mapping[int, Sequence[str]]) -> dict[str, Kept]:
        """The stored profiles of these customers, given by partition; the unknown are absent."""
        wanted = [(partition, customer) for partition, names in customers.items() for customer in names]
        kept: dict[str, Kept] = {}
        if wanted:
            async with self._connection() as connection:
                for part in _parted(wanted):
                    rows = await connection.fetch(LOAD, *_load_arguments(part))
                    kept.update((row[0], Kept(row[1], row[2], row[3])) for row in rows)
        return kept

    async def due(self, partition: int, *, until_ms: int, historical: bool, limit: int) -> list[DueRow]:
        """The first `limit` customers with a written deadline <= `until_ms`, in the order (due_ms, customer)."""
        query = queries.ALL_DUE if historical else queries.LIVE_DUE
        return [DueRow(*row) for row in await self._fetch(query, partition, until_ms, limit)]

    async def next_due(self, partition: int, *, historical: bool) -> int | None:
        """The earliest written deadline of the partition (without the historical ones unless asked), or None."""
        query = queries.ALL_NEXT_DUE if historical else queries.LIVE_NEXT_DUE
        rows = await self._fetch(query, partition)
        due_ms: int | None = rows[0][0]
        return due_ms

    async def save(self, batches: Sequence[PartitionBatch]) -> int:
        """Write it all in one transaction and return `recorded_at` in ms. Errors: FenceLost; Unavailable."""
        recorded_ms = self._clock.now_ms()
        if batches:
            async with self._connection() as connection:
                lost = await batch_postgres.write(connection, batches, recorded_ms=recorded_ms)
            if lost:
                raise FenceLost(lost)
        return recorded_ms

    async def prove(self, epochs: Mapping[int, int]) -> frozenset[int]:
        """Those of these partitions whose epoch is still the given one."""
        rows = await self._fetch(PROVE, list(epochs), list(epochs.values()))
        return frozenset(row[0] for row in rows)

    async def transitions_after(self, partition: int, *, seq: int, limit: int) -> list[TransitionRow]:
        """Transitions above `seq`, in order of `seq`."""
        return [TransitionRow(*row) for row in await self._fetch(queries.TRANSITIONS_AFTER, partition, seq, limit)]

    async def mark_published(self, published: Mapping[int, int], epochs: Mapping[int, int]) -> None:
        """Remember the last published `seq` of each partition, if its epoch still holds; never going back."""
        mine = [partition for partition in published if partition in epochs]
        await self._fetch(MARK_PUBLISHED, mine, [epochs[each] for each in mine], [published[each] for each in mine])

    async def standings(self) -> dict[int, Standing]:
        """How far every partition is that was ever claimed, whoever owns it."""
        return {row[0]: Standing(*row[1:]) for row in await self._fetch(queries.STANDINGS)}

    async def stage_counts(self) -> list[StageCount]:
        """Customers per stage now, summed over the partitions, without zeros."""
        return [StageCount(*row) for row in await self._fetch(queries.STAGE_COUNTS)]

    async def moves(self) -> list[MoveRow]:
        """All move rollups summed over partitions and hours (`hour_ms` 0)."""
        return [MoveRow(*row) for row in await self._fetch(queries.MOVES)]

    async def _fetch(self, query: str, *arguments: object) -> list[asyncpg.Record]:
        async with self._connection() as connection:
            return await connection.fetch(query, *arguments)

    @asynccontextmanager
    async def _connection(self) -> AsyncGenerator[asyncpg.Connection[Any], None]:
        async with translated(), asyncio.timeout(self._timeout_s), self._engine.connect() as pooled:
            connection = (await pooled.get_raw_connection()).driver_connection
            assert isinstance(connection, asyncpg.Connection), "StorePostgres needs an engine over asyncpg"
            try:
                yield connection
            except BaseException:
                connection.terminate()
                raise


def _configure(connection: Any, _record: object) -> None:
    connection.run_async(lambda driver_connection: driver_connection.execute(SESSION))


def _parted(wanted: Wanted) -> Iterator[Wanted]:
    return (wanted[start : start + LOAD_MAX] for start in range(0, len(wanted), LOAD_MAX))


def _load_arguments(wanted: Wanted) -> tuple[list[int], list[int], list[int], list[str]]:
    """The arguments of LOAD; the customers of a partition stand together in `wanted`."""
    sizes = Counter(partition for partition, _ in wanted)
    lasts = list(accumulate(sizes.values()))
    firsts = [last - size + 1 for last, size in zip(lasts, sizes.values(), strict=True)]
    return list(sizes), firsts, lasts, [customer for _, customer in wanted]
