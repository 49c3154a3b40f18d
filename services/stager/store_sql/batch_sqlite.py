"""Writes what folding has changed on a SQLite connection, inside the transaction that the caller has begun.

The transaction has begun IMMEDIATE, so nobody else writes meanwhile and the fence can be looked at partition by
partition.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from services.stager.store import PartitionBatch, VisitRow
from shared.database import storable
from shared.errors import FenceLost

FENCE = """
    UPDATE positions SET next_offset = ?, clock_ms = ?, seq = ?, import_ms = ?
    WHERE partition = ? AND epoch = ? AND next_offset = ?
"""
NEW_PROFILE = "INSERT INTO profiles (partition, customer, body, due_ms, historical) VALUES (?, ?, ?, ?, ?)"
UPDATE_PROFILE = "UPDATE profiles SET body = ?, due_ms = ?, historical = ? WHERE partition = ? AND customer = ?"
UPDATE_DUE = "UPDATE profiles SET due_ms = ? WHERE partition = ? AND customer = ?"
NEW_TRANSITION = """
    INSERT INTO transitions (partition, seq, customer, lifecycle, at_ms, body, recorded_ms) VALUES (?, ?, ?, ?, ?, ?, ?)
"""
END_VISIT = "DELETE FROM visits WHERE partition = ? AND lifecycle = ? AND stage = ? AND customer = ?"
BEGIN_VISIT = """
    INSERT INTO visits (partition, lifecycle, stage, customer, since_ms, entry, n) VALUES (?, ?, ?, ?, ?, ?, ?)
"""
SET_TRAITS = """
    INSERT INTO customers (partition, customer, traits) VALUES (?, ?, ?)
    ON CONFLICT (partition, customer) DO UPDATE SET traits = excluded.traits
"""
ADD_COUNT = """
    INSERT INTO stage_counts (partition, lifecycle, stage, customers) VALUES (?, ?, ?, ?)
    ON CONFLICT (partition, lifecycle, stage) DO UPDATE SET customers = customers + excluded.customers
"""
ADD_MOVE = """
    INSERT INTO stage_moves (partition, lifecycle, from_stage, to_stage, hour_ms, moves, stay_ms)
    VALUES (?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (partition, lifecycle, from_stage, to_stage, hour_ms)
    DO UPDATE SET moves = moves + excluded.moves, stay_ms = stay_ms + excluded.stay_ms
"""
NEW_QUARANTINE = """
    INSERT INTO quarantine (partition, record_offset, reason, value, recorded_ms) VALUES (?, ?, ?, ?, ?)
"""


def write(connection: sqlite3.Connection, batches: Sequence[PartitionBatch], *, recorded_ms: int) -> None:
    """Write everything. Errors: FenceLost, and then the caller must roll back."""
    _fence(connection, batches)
    for batch in batches:
        _write_profiles(connection, batch)
        _write_visits(connection, batch)
        _write_rest(connection, batch, recorded_ms)


def _fence(connection: sqlite3.Connection, batches: Sequence[PartitionBatch]) -> None:
    lost = frozenset(batch.partition for batch in batches if not _passes(connection, batch))
    if lost:
        raise FenceLost(lost)


def _passes(connection: sqlite3.Connection, batch: PartitionBatch) -> bool:
    position = batch.position
    new = (position.offset, position.clock_ms, position.seq, position.import_ms)
    return connection.execute(FENCE, (*new, batch.partition, batch.epoch, batch.was_offset)).rowcount == 1


def _write_profiles(connection: sqlite3.Connection, batch: PartitionBatch) -> None:
    partition = batch.partition
    connection.executemany(NEW_PROFILE, ((partition, *row[:4]) for row in batch.profiles if row.is_new))
    connection.executemany(
        UPDATE_PROFILE, ((*row[1:4], partition, row.customer) for row in batch.profiles if not row.is_new)
    )
    connection.executemany(UPDATE_DUE, ((due_ms, partition, customer) for customer, due_ms in batch.due_only))


def _write_visits(connection: sqlite3.Connection, batch: PartitionBatch) -> None:
    # The stage is part of the key that orders the rows, so a move is a row taken out here and put in there.
    connection.executemany(END_VISIT, _ended(batch.partition, batch.visits))
    connection.executemany(BEGIN_VISIT, _begun(batch.partition, batch.visits))


def _ended(partition: int, visits: Iterable[VisitRow]) -> Iterator[tuple[Any, ...]]:
    return ((partition, row.lifecycle, row.was_stage, row.customer) for row in visits if row.was_stage is not None)


def _begun(partition: int, visits: Iterable[VisitRow]) -> Iterator[tuple[Any, ...]]:
    return (
        (partition, row.lifecycle, row.stage, row.customer, row.since_ms, row.entry, row.n)
        for row in visits
        if row.stage is not None
    )


def _write_rest(connection: sqlite3.Connection, batch: PartitionBatch, recorded_ms: int) -> None:
    partition = batch.partition
    connection.executemany(NEW_TRANSITION, ((partition, *row, recorded_ms) for row in batch.transitions))
    connection.executemany(SET_TRAITS, ((partition, *row) for row in batch.traits))
    connection.executemany(ADD_COUNT, ((partition, *row) for row in batch.counts))
    connection.executemany(ADD_MOVE, ((partition, *row) for row in batch.moves))
    connection.executemany(
        NEW_QUARANTINE,
        ((partition, each, storable(reason), value, recorded_ms) for each, reason, value in batch.quarantine),
    )
