"""What leaves the file of the embedded log: records older than a topic keeps, and values replaced by newer ones.

Both are bounded steps inside the transaction of an append, so that no sweep ever makes a writer wait long.
"""

from __future__ import annotations

import sqlite3

from shared.clock import DAY_MS
from shared.log_embedded.file import id_of

PURGE_RECORDS_MAX = 1_000  # a millisecond's work; twice what was appended comes on top, so that a backlog shrinks
COMPACT_EVERY = 1_000  # records between two steps: a lookup each, and readers see short bursts whole, as on Kafka
COMPACT_RECORDS_MAX = 2_000  # some milliseconds; twice what was appended comes on top here too
TOMBSTONE_KEPT_MS = DAY_MS  # Kafka's delete.retention.ms: time for every subscriber to see that a key is gone


def purge(connection: sqlite3.Connection, slot: int, *, before_ms: int, appended: int) -> None:
    """Delete the oldest records of a partition with a log time before `before_ms`; the rest waits for the next step."""
    (first,) = connection.execute("SELECT first_offset FROM partition WHERE slot = ?", (slot,)).fetchone()
    old = connection.execute(
        "SELECT max(id) FROM (SELECT id, timestamp FROM record WHERE id >= ? AND id < ? ORDER BY id LIMIT ?)"
        " WHERE timestamp < ?",
        (id_of(slot, first), id_of(slot + 1, 0), PURGE_RECORDS_MAX + 2 * appended, before_ms),
    ).fetchone()[0]
    if old is None:
        return
    connection.execute("DELETE FROM record WHERE id >= ? AND id <= ?", (id_of(slot, first), old))
    connection.execute("UPDATE partition SET first_offset = ? WHERE slot = ?", (old + 1 - id_of(slot, 0), slot))


def compact(connection: sqlite3.Connection, slot: int, *, now_ms: int, appended: int) -> None:
    """Delete records that a newer one of the same key replaces, and tombstones that everybody has had time to see."""
    cleaned, end = connection.execute(
        "SELECT cleaned_to, next_offset FROM partition WHERE slot = ?", (slot,)
    ).fetchone()
    if end - cleaned < COMPACT_EVERY:
        return
    upto = min(end, cleaned + COMPACT_RECORDS_MAX + 2 * appended)
    rows = connection.execute(
        "SELECT id, key, CASE WHEN value IS NULL THEN timestamp END FROM record WHERE id >= ? AND id < ? ORDER BY id",
        (id_of(slot, cleaned), id_of(slot, upto)),
    ).fetchall()
    _keep_newest(connection, slot, [(id_, key, gone_ms) for id_, key, gone_ms in rows if key is not None])
    _drop_tombstones(connection, slot, before_ms=now_ms - TOMBSTONE_KEPT_MS)
    connection.execute("UPDATE partition SET cleaned_to = ? WHERE slot = ?", (upto, slot))


def _keep_newest(connection: sqlite3.Connection, slot: int, rows: list[tuple[int, bytes, int | None]]) -> None:
    """`newest` knows the kept record of each key seen by earlier steps; within `rows` the later one wins."""
    kept = {key: id_ for id_, key, _ in rows}
    replaced = [(id_,) for id_, key, _ in rows if kept[key] != id_]
    find = "SELECT id FROM newest WHERE slot = ? AND key = ?"
    replaced += [found for key in kept if (found := connection.execute(find, (slot, key)).fetchone())]
    connection.executemany("DELETE FROM record WHERE id = ?", replaced)
    connection.executemany(
        "INSERT OR REPLACE INTO newest VALUES (?, ?, ?, ?)",
        [(slot, key, id_, gone_ms) for id_, key, gone_ms in rows if kept[key] == id_],
    )


def _drop_tombstones(connection: sqlite3.Connection, slot: int, *, before_ms: int) -> None:
    gone = connection.execute(
        "SELECT id, slot, key FROM newest WHERE slot = ? AND tombstone_ms < ? LIMIT ?",
        (slot, before_ms, COMPACT_RECORDS_MAX),
    ).fetchall()
    connection.executemany("DELETE FROM record WHERE id = ?", [(id_,) for id_, _, _ in gone])
    connection.executemany("DELETE FROM newest WHERE slot = ? AND key = ?", [(slot_, key) for _, slot_, key in gone])
