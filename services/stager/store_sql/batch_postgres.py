"""Writes what folding has changed as one PostgreSQL statement: one round trip, and a transaction by itself.

A batch of two dozen records costs a statement's way to the server and back more than its rows, and while the worker
folds, every answer waits for its turn: so there is one answer. The fence locks the partitions before anything else is
read, from there on nobody else writes them: a new row goes in without looking for a conflict. Rows that exist are
found by their key, through the index. A part without rows costs next to nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeAlias

import asyncpg

from services.stager.store import PartitionBatch
from shared.database import storable

Rows = Sequence[tuple[Any, ...]]
Connection: TypeAlias = "asyncpg.Connection[Any]"

# All or nothing: `fence` holds when every partition is where the batch expects it. The condition stands twice on
# purpose: `held` waits for the locks in the order of partitions and sees the rows as they are afterwards; the UPDATE
# began with an older picture and must look again.
FENCE = """
    wanted AS (SELECT * FROM {given}),
    held AS (
        SELECT p.partition FROM positions AS p JOIN wanted AS w
            ON p.partition = w.partition AND p.epoch = w.epoch AND p.next_offset = w.was_offset
        ORDER BY p.partition FOR UPDATE OF p
    ),
    fence AS (SELECT count(*) = (SELECT count(*) FROM wanted) AS holds FROM held),
    advanced AS (
        UPDATE positions AS p
        SET next_offset = w.next_offset, clock_ms = w.clock_ms, seq = w.seq, import_ms = w.import_ms
        FROM wanted AS w WHERE (SELECT holds FROM fence)
            AND p.partition = w.partition AND p.epoch = w.epoch AND p.next_offset = w.was_offset
    )
"""


class Part(NamedTuple):
    """One table's share: the rows that it takes from a partition's batch, their columns behind `partition`, and what is
    done with them. `{given}` stands for the rows, and is empty unless the fence holds; `$1` is `recorded_ms`.
    """

    columns: str
    rows: Callable[[PartitionBatch], Rows]
    statement: str


PARTS = (
    Part(
        "customer text, body bytea, due_ms bigint, historical bool",
        lambda batch: [row[:4] for row in batch.profiles if row.is_new],
        "INSERT INTO profiles (partition, customer, body, due_ms, historical) SELECT * FROM {given}",
    ),
    Part(
        "customer text, body bytea, due_ms bigint, historical bool",
        lambda batch: [row[:4] for row in batch.profiles if not row.is_new],
        """UPDATE profiles AS p SET body = w.body, due_ms = w.due_ms, historical = w.historical
        FROM {given} WHERE p.partition = w.partition AND p.customer = w.customer""",
    ),
    Part(
        "customer text, due_ms bigint",
        lambda batch: batch.due_only,
        """UPDATE profiles AS p SET due_ms = w.due_ms
        FROM {given} WHERE p.partition = w.partition AND p.customer = w.customer""",
    ),
    Part(
        "seq bigint, customer text, lifecycle text, at_ms bigint, body bytea",
        lambda batch: batch.transitions,
        """INSERT INTO transitions (partition, seq, customer, lifecycle, at_ms, body, recorded_ms)
        SELECT w.*, $1 FROM {given}""",
    ),
    Part(
        "customer text, lifecycle text, was_stage text",
        lambda batch: [row[:3] for row in batch.visits if row.stage is None and row.was_stage is not None],
        """DELETE FROM visits AS v USING {given} WHERE v.partition = w.partition
        AND v.lifecycle = w.lifecycle AND v.stage = w.was_stage AND v.customer = w.customer""",
    ),
    Part(
        "customer text, lifecycle text, was_stage text, stage text, since_ms bigint, entry int, n int",
        lambda batch: [row for row in batch.visits if row.stage is not None and row.was_stage is not None],
        """UPDATE visits AS v SET stage = w.stage, since_ms = w.since_ms, entry = w.entry, n = w.n
        FROM {given} WHERE v.partition = w.partition
        AND v.lifecycle = w.lifecycle AND v.stage = w.was_stage AND v.customer = w.customer""",
    ),
    Part(
        "customer text, lifecycle text, stage text, since_ms bigint, entry int, n int",
        lambda batch: [row[:2] + row[3:] for row in batch.visits if row.stage is not None and row.was_stage is None],
        "INSERT INTO visits (partition, customer, lifecycle, stage, since_ms, entry, n) SELECT * FROM {given}",
    ),
    Part(
        "customer text, traits bytea",
        lambda batch: batch.traits,
        """INSERT INTO customers (partition, customer, traits) SELECT * FROM {given}
        ON CONFLICT (partition, customer) DO UPDATE SET traits = excluded.traits""",
    ),
    Part(
        "lifecycle text, stage text, delta bigint",
        lambda batch: batch.counts,
        """INSERT INTO stage_counts AS c (partition, lifecycle, stage, customers)
        SELECT partition, lifecycle, stage, sum(delta) FROM {given} GROUP BY partition, lifecycle, stage
        ON CONFLICT (partition, lifecycle, stage) DO UPDATE SET customers = c.customers + excluded.customers""",
    ),
    Part(
        "lifecycle text, from_stage text, to_stage text, hour_ms bigint, moves bigint, stay_ms bigint",
        lambda batch: batch.moves,
        """INSERT INTO stage_moves AS m (partition, lifecycle, from_stage, to_stage, hour_ms, moves, stay_ms)
        SELECT partition, lifecycle, from_stage, to_stage, hour_ms, sum(moves), sum(stay_ms) FROM {given}
        GROUP BY partition, lifecycle, from_stage, to_stage, hour_ms
        ON CONFLICT (partition, lifecycle, from_stage, to_stage, hour_ms)
        DO UPDATE SET moves = m.moves + excluded.moves, stay_ms = m.stay_ms + excluded.stay_ms""",
    ),
    Part(
        "record_offset bigint, reason text, value bytea",
        lambda batch: [(row.offset, storable(row.reason), row.value) for row in batch.quarantine],
        "INSERT INTO quarantine (partition, record_offset, reason, value, recorded_ms) SELECT w.*, $1 FROM {given}",
    ),
)
_POSITION = Part(
    "epoch bigint, was_offset bigint, next_offset bigint, clock_ms bigint, seq bigint, import_ms bigint",
    lambda batch: [(batch.epoch, batch.was_offset, *_columns_of_position(batch))],
    "",
)


async def write(connection: Connection, batches: Sequence[PartitionBatch], *, recorded_ms: int) -> frozenset[int]:
    """Write and commit; returns the partitions that another owner has: if there are any, nothing was written.

    When it raises, it may have been written all the same.
    """
    arguments: list[Any] = [recorded_ms]
    for part in (_POSITION, *PARTS):
        arguments += _columns(part, batches)
    held = await connection.fetch(SAVE, *arguments)
    return frozenset(batch.partition for batch in batches) - {row[0] for row in held}


def _columns(part: Part, batches: Sequence[PartitionBatch]) -> list[Sequence[Any]]:
    """The part's rows of all partitions as one array a column."""
    partitions: list[int] = []
    rows: list[tuple[Any, ...]] = []
    for batch in batches:
        found = part.rows(batch)
        partitions += [batch.partition] * len(found)
        rows += found
    if not rows:
        return [()] * (part.columns.count(",") + 2)
    return [partitions, *zip(*rows, strict=True)]


def _columns_of_position(batch: PartitionBatch) -> tuple[int, int, int, int | None]:
    position = batch.position
    return position.offset, position.clock_ms, position.seq, position.import_ms


def _statement() -> str:
    """All parts as one statement, with the number of each argument in its place. What it is put together from stands
    above: nothing from outside gets into it.
    """
    given, number = [], 2  # $1 is recorded_ms
    for part in (_POSITION, *PARTS):
        names, kinds = zip(*(column.split() for column in ("partition int", *part.columns.split(", "))), strict=True)
        arrays = ", ".join(f"${number + place}::{kind}[]" for place, kind in enumerate(kinds))
        given.append(f"unnest({arrays}) AS w ({', '.join(names)})")
        number += len(kinds)
    wanted, *rest = given
    clauses = [FENCE.format(given=wanted)]
    for place, (part, rows) in enumerate(zip(PARTS, rest, strict=True)):
        guarded = f"(SELECT * FROM {rows} WHERE (SELECT holds FROM fence)) AS w"  # noqa: S608
        clauses.append(f"part_{place} AS ({part.statement.format(given=guarded)})")
    return f"WITH {', '.join(clauses)} SELECT partition FROM held"  # noqa: S608


SAVE = _statement()
