"""How records enter the file of the embedded log: many requests in one transaction, and old records leave with them."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from shared.clock import Clock
from shared.log import Topic
from shared.log_embedded.file import id_of, transaction
from shared.log_embedded.sweep import compact, purge


@dataclass(frozen=True, slots=True)
class Row:
    """A record before the log gives it an offset and a time."""

    slot: int
    key: bytes | None
    value: bytes | None
    packed_headers: bytes | None


@dataclass(slots=True)
class _Tail:
    """Where a partition ends; moved on by the one transaction that reads it."""

    offset: int
    timestamp: int
    appended: int = 0


def append_all(
    connection: sqlite3.Connection, requests: Sequence[tuple[Topic, Sequence[Row]]], *, clock: Clock
) -> list[list[int]]:
    """Append every request's rows in one durable transaction; the offsets of each request, in its order.

    Errors: sqlite3.Error, and then nothing of it is there.
    """
    with transaction(connection):
        now_ms = clock.now_ms()  # inside, where no other process can come between
        tails: dict[int, _Tail] = {}
        topics: dict[int, Topic] = {}
        offsets = []
        for topic, rows in requests:
            for row in rows:
                if row.slot not in tails:
                    tails[row.slot] = _tail(connection, row.slot, now_ms=now_ms)
                    topics[row.slot] = topic
            offsets.append(_insert(connection, rows, tails))
        connection.executemany(
            "UPDATE partition SET next_offset = ?, last_ms = ? WHERE slot = ?",
            [(tail.offset, tail.timestamp, slot) for slot, tail in tails.items()],
        )
        for slot, tail in tails.items():
            _sweep(connection, slot, topic=topics[slot], tail=tail)
    return offsets


def _tail(connection: sqlite3.Connection, slot: int, *, now_ms: int) -> _Tail:
    row = connection.execute("SELECT next_offset, last_ms FROM partition WHERE slot = ?", (slot,)).fetchone()
    return _Tail(row[0], max(now_ms, row[1]))  # log time never goes back within a partition, whatever the clock does


def _insert(connection: sqlite3.Connection, rows: Sequence[Row], tails: dict[int, _Tail]) -> list[int]:
    offsets = []
    stored = []
    for row in rows:
        tail = tails[row.slot]
        offsets.append(tail.offset)
        stored.append((id_of(row.slot, tail.offset), tail.timestamp, row.key, row.value, row.packed_headers))
        tail.offset += 1
        tail.appended += 1
    connection.executemany("INSERT INTO record VALUES (?, ?, ?, ?, ?)", stored)
    return offsets


def _sweep(connection: sqlite3.Connection, slot: int, *, topic: Topic, tail: _Tail) -> None:
    if topic.compacted:
        compact(connection, slot, now_ms=tail.timestamp, appended=tail.appended)
    elif topic.retention_ms is not None:
        purge(connection, slot, before_ms=tail.timestamp - topic.retention_ms, appended=tail.appended)
