"""The file of the embedded log: its tables, topics and records; plain blocking functions over one SQLite connection.

A record's id holds its place: topic, partition and offset side by side in one integer, so that the table itself is the
index and a partition is one contiguous range of it. Threads, waiting and groups live elsewhere.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import msgspec

from shared.errors import Refused
from shared.log import Headers, Topic
from shared.sqlite import WalConnection

APPLICATION_ID = 0x534C4F47  # "SLOG": what `file` and we know such a file by
FORMAT_VERSION = 1
OFFSET_BITS = 40  # a million millions of records in a partition
PARTITION_BITS = 12
PARTITIONS_MAX = 1 << PARTITION_BITS
TOPICS_MAX = 1 << (63 - OFFSET_BITS - PARTITION_BITS)
CHECKPOINT_PAGES = 4_000  # 16 MB of write-ahead log between two checkpoints: each costs two syncs
JOURNAL_BYTES_KEPT = 64 * 1024 * 1024
CACHE_KIB = 16 * 1024
READ_BYTES_MAX = 16 * 1024 * 1024  # of one partition in one read: thousands of usual events, only dozens of the largest
READ_STEP = 256  # records between two looks at the size

_OFFSET_MASK = (1 << OFFSET_BITS) - 1
_SCHEMA = f"""
CREATE TABLE topic (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, partitions INTEGER NOT NULL,
  compacted INTEGER NOT NULL, retention_ms INTEGER);
CREATE TABLE partition (slot INTEGER PRIMARY KEY, first_offset INTEGER NOT NULL DEFAULT 0,
  next_offset INTEGER NOT NULL DEFAULT 0, last_ms INTEGER NOT NULL DEFAULT 0, cleaned_to INTEGER NOT NULL DEFAULT 0);
CREATE TABLE record (id INTEGER PRIMARY KEY, timestamp INTEGER NOT NULL, key BLOB, value BLOB, headers BLOB);
CREATE TABLE newest (slot INTEGER NOT NULL, key BLOB NOT NULL, id INTEGER NOT NULL, tombstone_ms INTEGER,
  PRIMARY KEY (slot, key)) WITHOUT ROWID;
CREATE INDEX newest_tombstone ON newest (slot, tombstone_ms) WHERE tombstone_ms IS NOT NULL;
CREATE TABLE reader_group (topic INTEGER NOT NULL, name TEXT NOT NULL, generation INTEGER NOT NULL,
  PRIMARY KEY (topic, name)) WITHOUT ROWID;
CREATE TABLE member (topic INTEGER NOT NULL, reader_group TEXT NOT NULL, name TEXT NOT NULL, process TEXT NOT NULL,
  seen_ms INTEGER NOT NULL, PRIMARY KEY (topic, reader_group, name)) WITHOUT ROWID;
CREATE TABLE claim (topic INTEGER NOT NULL, reader_group TEXT NOT NULL, partition INTEGER NOT NULL,
  member TEXT NOT NULL, generation INTEGER NOT NULL, PRIMARY KEY (topic, reader_group, partition)) WITHOUT ROWID;
CREATE TABLE committed (topic INTEGER NOT NULL, reader_group TEXT NOT NULL, partition INTEGER NOT NULL,
  position INTEGER NOT NULL, PRIMARY KEY (topic, reader_group, partition)) WITHOUT ROWID;
PRAGMA user_version = {FORMAT_VERSION};
PRAGMA application_id = {APPLICATION_ID};
"""
_SELECT = "SELECT id & ?, timestamp, key, value, headers FROM record WHERE id >= ? AND id < ? ORDER BY id LIMIT ?"
_pack_headers = msgspec.msgpack.Encoder().encode
_unpack_headers = msgspec.msgpack.Decoder(tuple[tuple[str, bytes], ...]).decode


class Stored(NamedTuple):
    """A record as read; its headers are unpacked only when somebody looks at them."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    packed_headers: bytes | None

    @property
    def headers(self) -> Headers:
        """The headers in the order in which they were written."""
        return _unpack_headers(self.packed_headers) if self.packed_headers else ()


class Bounds(NamedTuple):
    """What a partition holds: from `first` (the oldest kept by retention) up to, not including, `end`."""

    first: int
    end: int


def packed(headers: Headers) -> bytes | None:
    """Headers as they are stored."""
    return _pack_headers(headers) if headers else None


def slot_of(topic_id: int, partition: int) -> int:
    """The number of a partition among all partitions of the file."""
    return topic_id << PARTITION_BITS | partition


def id_of(slot: int, offset: int) -> int:
    """Where a record stands in the file."""
    return slot << OFFSET_BITS | offset


def connect(path: str, *, synchronous: str, busy_timeout_s: float) -> sqlite3.Connection:
    """A connection in WAL mode for any one thread at a time. Errors: sqlite3.Error."""
    connection = sqlite3.connect(
        path, timeout=busy_timeout_s, isolation_level=None, check_same_thread=False, factory=WalConnection
    )
    connection.execute(f"PRAGMA synchronous = {synchronous}")
    connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
    connection.execute(f"PRAGMA journal_size_limit = {JOURNAL_BYTES_KEPT}")
    connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
    return connection


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Write all of the block or nothing; IMMEDIATE, so that a writer waits for its turn instead of failing midway."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def create(connection: sqlite3.Connection) -> None:
    """Make the tables unless they are there. Errors: Refused for a file of another version."""
    with transaction(connection):
        (application_id,) = connection.execute("PRAGMA application_id").fetchone()
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if (application_id, version) == (APPLICATION_ID, FORMAT_VERSION):
            return
        if tables and application_id != APPLICATION_ID:
            raise Refused("the log file is another program's database: use another file")
        if tables:
            raise Refused(f"the log file has format {version}, this program reads {FORMAT_VERSION}: use another file")
        for statement in filter(str.strip, _SCHEMA.split(";")):
            connection.execute(statement)


def known_topics(connection: sqlite3.Connection) -> dict[str, tuple[int, Topic]]:
    """Every topic of the file by name, with its number."""
    rows = connection.execute("SELECT id, name, partitions, compacted, retention_ms FROM topic").fetchall()
    return {name: (id_, Topic(name, count, bool(compacted), kept)) for id_, name, count, compacted, kept in rows}


def ensure_topics(connection: sqlite3.Connection, topics: Sequence[Topic]) -> None:
    """Create what is missing, take over a changed retention. Errors: Refused for another partition count."""
    with transaction(connection):
        known = known_topics(connection)
        for topic in topics:
            if topic.name in known:
                _update(connection, *known[topic.name], wanted=topic)
            else:
                _create(connection, topic, topic_id=1 + max((id_ for id_, _ in known.values()), default=-1))
                known = known_topics(connection)


def _update(connection: sqlite3.Connection, topic_id: int, found: Topic, *, wanted: Topic) -> None:
    if found.partitions != wanted.partitions:
        raise Refused(
            f"topic {wanted.name} has {found.partitions} partitions, not {wanted.partitions}: a customer's place "
            f"depends on the count, so it never changes; set the partitions to {found.partitions} or use another prefix"
        )
    connection.execute(
        "UPDATE topic SET compacted = ?, retention_ms = ? WHERE id = ?",
        (wanted.compacted, wanted.retention_ms, topic_id),
    )


def _create(connection: sqlite3.Connection, topic: Topic, *, topic_id: int) -> None:
    if not 1 <= topic.partitions <= PARTITIONS_MAX or topic_id >= TOPICS_MAX:
        raise Refused(
            f"topic {topic.name}: the embedded log holds {TOPICS_MAX} topics of 1 to {PARTITIONS_MAX} partitions"
        )
    connection.execute(
        "INSERT INTO topic VALUES (?, ?, ?, ?, ?)",
        (topic_id, topic.name, topic.partitions, topic.compacted, topic.retention_ms),
    )
    connection.executemany(
        "INSERT INTO partition (slot) VALUES (?)", [(slot_of(topic_id, p),) for p in range(topic.partitions)]
    )


def bounds(connection: sqlite3.Connection, topic_id: int) -> dict[int, Bounds]:
    """What each partition of a topic holds."""
    low = slot_of(topic_id, 0)
    rows = connection.execute(
        "SELECT slot, first_offset, next_offset FROM partition WHERE slot >= ? AND slot < ?",
        (low, low + PARTITIONS_MAX),
    )
    return {slot - low: Bounds(first, end) for slot, first, end in rows}


def records_from(connection: sqlite3.Connection, slot: int, offset: int, *, records_max: int) -> list[Stored]:
    """Records of a partition in order, from the first one kept at or after `offset`; fewer when they are large."""
    cursor = connection.execute(_SELECT, (_OFFSET_MASK, id_of(slot, offset), id_of(slot + 1, 0), records_max))
    records: list[Stored] = []
    size = 0
    while size < READ_BYTES_MAX and (rows := cursor.fetchmany(READ_STEP)):
        records.extend(map(Stored._make, rows))
        size += sum(len(value) for _, _, _, value, _ in rows if value is not None)
    cursor.close()
    return records


def monotonic_ms() -> int:
    """The machine's running time, the same in all its processes; what leases are measured with."""
    return time.monotonic_ns() // 1_000_000
