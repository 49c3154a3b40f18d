"""Writes what folding has changed as one PostgreSQL transaction, with as little work for the server as possible.

The fence comes first and locks the partitions, so from there on nobody else writes them: a new row can go in by COPY,
without looking for a conflict. Rows that exist are changed by one UPDATE over arrays. Empty parts cost nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

import asyncpg

from services.stager.store import PartitionBatch
from services.stager.store_queries import storable

Rows = Sequence[tuple[Any, ...]]
Connection: TypeAlias = "asyncpg.Connection[Any]"

ROWS_MAX = 10_000  # a statement's arrays stay below a few megabytes

# The condition stands twice on purpose: `held` waits for the locks in the order of partitions and sees the rows as they
# are afterwards; the UPDATE began with an older picture and must look again.
FENCE = """
    WITH wanted AS (
        SELECT * FROM unnest(
            $1::int[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[]
        ) AS w (partition, epoch, was_offset, next_offset, clock_ms, seq, import_ms)
    ),
    held AS (
        SELECT p.partition FROM positions AS p JOIN wanted AS w
            ON p.partition = w.partition AND p.epoch = w.epoch AND p.next_offset = w.was_offset
        ORDER BY p.partition FOR UPDATE OF p
    )
    UPDATE positions AS p SET next_offset = w.next_offset, clock_ms = w.clock_ms, seq = w.seq, import_ms = w.import_ms
    FROM held JOIN wanted AS w USING (partition)
    WHERE p.partition = held.partition AND p.epoch = w.epoch AND p.next_offset = w.was_offset
    RETURNING p.partition
"""
UPDATE_PROFILES = """
    UPDATE profiles AS p SET body = w.body, due_ms = w.due_ms, historical = w.historical
    FROM unnest($1::int[], $2::text[], $3::bytea[], $4::bigint[], $5::bool[])
        AS w (partition, customer, body, due_ms, historical)
    WHERE p.partition = w.partition AND p.customer = w.customer
"""
UPDATE_DUE = """
    UPDATE profiles AS p SET due_ms = w.due_ms
    FROM unnest($1::int[], $2::text[], $3::bigint[]) AS w (partition, customer, due_ms)
    WHERE p.partition = w.partition AND p.customer = w.customer
"""
MOVE_VISITS = """
    UPDATE visits AS v SET stage = w.stage, since_ms = w.since_ms, entry = w.entry, n = w.n
    FROM unnest($1::int[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::int[], $8::int[])
        AS w (partition, customer, lifecycle, was_stage, stage, since_ms, entry, n)
    WHERE v.partition = w.partition AND v.lifecycle = w.lifecycle AND v.stage = w.was_stage AND v.customer = w.customer
"""
END_VISITS = """
    DELETE FROM visits AS v
    USING unnest($1::int[], $2::text[], $3::text[], $4::text[]) AS w (partition, customer, lifecycle, was_stage)
    WHERE v.partition = w.partition AND v.lifecycle = w.lifecycle AND v.stage = w.was_stage AND v.customer = w.customer
"""
SET_TRAITS = """
    INSERT INTO customers (partition, customer, traits)
    SELECT * FROM unnest($1::int[], $2::text[], $3::bytea[])
    ON CONFLICT (partition, customer) DO UPDATE SET traits = excluded.traits
"""
ADD_COUNTS = """
    INSERT INTO stage_counts (partition, lifecycle, stage, customers)
    SELECT partition, lifecycle, stage, sum(delta)
    FROM unnest($1::int[], $2::text[], $3::text[], $4::bigint[]) AS w (partition, lifecycle, stage, delta)
    GROUP BY partition, lifecycle, stage
    ON CONFLICT (partition, lifecycle, stage) DO UPDATE SET customers = stage_counts.customers + excluded.customers
"""
ADD_MOVES = """
    INSERT INTO stage_moves (partition, lifecycle, from_stage, to_stage, hour_ms, moves, stay_ms)
    SELECT partition, lifecycle, from_stage, to_stage, hour_ms, sum(moves), sum(stay_ms)
    FROM unnest($1::int[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::bigint[], $7::bigint[])
        AS w (partition, lifecycle, from_stage, to_stage, hour_ms, moves, stay_ms)
    GROUP BY partition, lifecycle, from_stage, to_stage, hour_ms
    ON CONFLICT (partition, lifecycle, from_stage, to_stage, hour_ms)
    DO UPDATE SET moves = stage_moves.moves + excluded.moves, stay_ms = stage_moves.stay_ms + excluded.stay_ms
"""

PROFILE_COLUMNS = ("partition", "customer", "body", "due_ms", "historical")
TRANSITION_COLUMNS = ("partition", "seq", "customer", "lifecycle", "at_ms", "body", "recorded_ms")
VISIT_COLUMNS = ("partition", "customer", "lifecycle", "stage", "since_ms", "entry", "n")
QUARANTINE_COLUMNS = ("partition", "record_offset", "reason", "value", "recorded_ms")


async def write(connection: Connection, batches: Sequence[PartitionBatch], *, recorded_ms: int) -> frozenset[int]:
    """Write and commit; returns the partitions that another owner has: if there are any, nothing was written.

    When it raises, the transaction is left open: the caller must cut the connection.
    """
    await connection.execute("BEGIN")
    lost = await _fence(connection, batches)
    if lost:
        await connection.execute("ROLLBACK")
        return lost
    await _write_profiles(connection, batches)
    await _write_transitions(connection, batches, recorded_ms)
    await _write_visits(connection, batches)
    await _write_read_models(connection, batches)
    await _write_quarantine(connection, batches, recorded_ms)
    await connection.execute("COMMIT")
    return frozenset()


async def _fence(connection: Connection, batches: Sequence[PartitionBatch]) -> frozenset[int]:
    wanted = [(b.partition, b.epoch, b.was_offset, *_columns_of_position(b)) for b in batches]
    held = await connection.fetch(FENCE, *columns_of(wanted))
    return frozenset(batch.partition for batch in batches) - {row[0] for row in held}


def _columns_of_position(batch: PartitionBatch) -> tuple[int, int, int, int | None]:
    position = batch.position
    return position.offset, position.clock_ms, position.seq, position.import_ms


async def _write_profiles(connection: Connection, batches: Sequence[PartitionBatch]) -> None:
    new = [(b.partition, *row[:4]) for b in batches for row in b.profiles if row.is_new]
    await _copy(connection, "profiles", PROFILE_COLUMNS, new)
    await _run(
        connection, UPDATE_PROFILES, [(b.partition, *row[:4]) for b in batches for row in b.profiles if not row[4]]
    )
    await _run(connection, UPDATE_DUE, [(b.partition, *row) for b in batches for row in b.due_only])


async def _write_transitions(connection: Connection, batches: Sequence[PartitionBatch], recorded_ms: int) -> None:
    rows = [(b.partition, *row, recorded_ms) for b in batches for row in b.transitions]
    await _copy(connection, "transitions", TRANSITION_COLUMNS, rows)


async def _write_visits(connection: Connection, batches: Sequence[PartitionBatch]) -> None:
    visits = [(b.partition, row) for b in batches for row in b.visits]
    ended = [(p, *row[:3]) for p, row in visits if row.stage is None and row.was_stage is not None]
    moved = [(p, *row) for p, row in visits if row.stage is not None and row.was_stage is not None]
    begun = [(p, *row[:2], *row[3:]) for p, row in visits if row.stage is not None and row.was_stage is None]
    await _run(connection, END_VISITS, ended)
    await _run(connection, MOVE_VISITS, moved)
    await _copy(connection, "visits", VISIT_COLUMNS, begun)


async def _write_read_models(connection: Connection, batches: Sequence[PartitionBatch]) -> None:
    await _run(connection, SET_TRAITS, [(b.partition, *row) for b in batches for row in b.traits])
    await _run(connection, ADD_COUNTS, [(b.partition, *row) for b in batches for row in b.counts])
    await _run(connection, ADD_MOVES, [(b.partition, *row) for b in batches for row in b.moves])


async def _write_quarantine(connection: Connection, batches: Sequence[PartitionBatch], recorded_ms: int) -> None:
    rows = [
        (b.partition, row.offset, storable(row.reason), row.value, recorded_ms) for b in batches for row in b.quarantine
    ]
    await _copy(connection, "quarantine", QUARANTINE_COLUMNS, rows)


async def _copy(connection: Connection, table: str, columns: Sequence[str], rows: Rows) -> None:
    if rows:
        await connection.copy_records_to_table(table, records=rows, columns=list(columns))


async def _run(connection: Connection, statement: str, rows: Rows) -> None:
    for part in parted(rows):
        await connection.execute(statement, *columns_of(part))


def parted(rows: Rows) -> Iterator[Rows]:
    """The rows in parts of at most ROWS_MAX, one for each statement."""
    return (rows[start : start + ROWS_MAX] for start in range(0, len(rows), ROWS_MAX))


def columns_of(rows: Rows) -> list[list[Any]]:
    """The rows as one array a column."""
    return [list(column) for column in zip(*rows, strict=True)]
