"""The log: ordered topics of records in partitions, stamped by the log itself.

This docstring is the contract; one suite (`tests/contract/test_log.py`) holds every adapter to it.

- A **topic** has partitions 0 .. P-1, P fixed for life. A record is appended to one partition, gets the next **offset**
  there (0, 1, 2, ... in order; gaps are allowed, going back is not) and the log's own **timestamp** in milliseconds.
  Topics stamped by the log never take a time from the writer.
- **Append** returns only when every in-sync replica has the records, else it raises: Unavailable when the log did not
  answer within the time given (the records may or may not be there), Malformed when a record is too large.
  Records of one call to one partition keep their order. One call's records to several partitions succeed or fail apart;
  the call raises when any failed.
- A record without an explicit partition goes where Kafka's default partitioner sends its key.
- A **reader** belongs to a group; each partition of its topic is owned by at most one live member as the log sees it.
  Ownership can be lost at any moment and is only *noticed* in `read`: what must happen once needs a fence elsewhere
  (here: the epoch in the database). A gained partition delivers nothing until `start` says from where.
- A partition that has lost the records at its position (retention) makes `read` raise Refused, naming both.
- Every wait has a bound given by the caller, in seconds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

import msgspec

RECORD_BYTES_MAX = 256 * 1024  # below Kafka's 1 MiB default with room for headers; ingest admits far less

Headers = Sequence[tuple[str, bytes]]
Codec = Literal["none", "zstd"]


class Record(Protocol):
    """One entry of the log, as read. `timestamp` is the log's, in milliseconds; a tombstone's value is None."""

    @property
    def offset(self) -> int: ...  # noqa: D102
    @property
    def timestamp(self) -> int: ...  # noqa: D102
    @property
    def key(self) -> bytes | None: ...  # noqa: D102
    @property
    def value(self) -> bytes | None: ...  # noqa: D102
    @property
    def headers(self) -> Headers: ...  # noqa: D102


class Entry(msgspec.Struct, frozen=True, gc=False):
    """A record to append; without `partition`, its key decides (and then it needs one).

    A Struct, since a frozen dataclass takes nine times as long to make: 0.7 us.
    """

    key: bytes | None
    value: bytes | None
    headers: Headers = ()
    partition: int | None = None


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic as it must be. `compacted`: keep the newest record of each key; else for `retention_ms` (None: ever).

    `codec` is how the writer compresses it, where the log compresses at all. Not every client of outsiders knows zstd.
    """

    name: str
    partitions: int
    compacted: bool = False
    retention_ms: int | None = None
    codec: Codec = "none"


@dataclass(frozen=True, slots=True)
class Arrival:
    """What one `read` brought. `records` holds only started partitions, each in offset order; any part may be empty.

    `lost` comes first: a partition in both was lost and gained again, and whatever was in flight for it is void.
    """

    lost: frozenset[int] = frozenset()
    gained: frozenset[int] = frozenset()
    records: Mapping[int, Sequence[Record]] = field(default_factory=dict)


class Reader(Protocol):
    """One member of a group, reading one topic."""

    async def read(self, *, records_max: int, timeout_s: float) -> Arrival:
        """Wait up to `timeout_s` for records or a change of ownership; return at once when there is any."""

    def start(self, positions: Mapping[int, int]) -> None:
        """Deliver these owned partitions from these offsets on (also used to go back)."""

    def pause(self, partitions: frozenset[int]) -> None:
        """Deliver nothing of these until `start` names them again; ownership stays."""

    async def commit(self, positions: Mapping[int, int]) -> None:
        """Tell the group how far this reader is, for lag tools and `committed`; failures are not raised."""

    async def committed(self, partitions: frozenset[int]) -> dict[int, int]:
        """The group's committed position of each of these partitions; those never committed are absent."""

    async def close(self) -> None:
        """Leave the group within a few seconds, whatever the broker does."""


class Log(Protocol):
    """The log as one process sees it."""

    async def open(self) -> None:
        """Connect. Errors: Unavailable when nobody answers within the adapter's bound."""

    async def close(self) -> None:
        """Release everything within a few seconds, whatever the broker does."""

    async def ensure(self, topics: Sequence[Topic]) -> None:
        """Create what is missing. Errors: Refused when a topic has another partition count, saying what to do."""

    async def append(self, topic: str, entries: Sequence[Entry], *, timeout_s: float) -> list[int]:
        """Append, wait for every acknowledgement, return the offsets in the order of `entries`."""

    def reader(self, topic: str, *, group: str) -> Reader:
        """A new member of `group`; it joins with its first `read`."""

    async def ends(self, topic: str) -> dict[int, int]:
        """The offset after the last record, for each partition."""

    async def fetch(self, topic: str, partition: int, offset: int, *, records_max: int) -> list[Record]:
        """Records from `offset` (or the first one kept after it) on, outside any group; empty at the end of the log."""

    def partition_of(self, topic: str, key: bytes) -> int:
        """Where Kafka's default partitioner (murmur2) sends this key; the topic must have been ensured."""


async def first_kept(log: Log, topic: str, partition: int) -> int:
    """The offset at which a reader begins that has never read this partition: of the first record that retention has
    left, or the end when there is none. Errors: Unavailable.
    """
    end = (await log.ends(topic))[partition]  # first: what is appended meanwhile must not be passed over
    first = await log.fetch(topic, partition, 0, records_max=1)
    return first[0].offset if first else end
