"""What the stager keeps between batches, as a port; `store_sql` has its adapters.

This docstring is the contract; one suite (`tests/contract/test_store.py`) holds both adapters to it.

- A partition's row carries its **position**, its clock and an **epoch**. `claim` raises the epoch: from then on every
  `save` under an older one fails with FenceLost and changes nothing. That fence makes each transition happen once.
- `save` is one SQL transaction over several partitions: all of it or nothing.
- Customers and stage names sort by code point (collation C), deadlines by (due_ms, customer).
- Text holds no NUL (PostgreSQL knows no such text), and the names of a row together stay below 2 KB of UTF-8 (an index
  entry ends at 2.7 KB): whoever fills a batch sees to it, and quarantines the rest. Only a `reason` may hold anything.
- Every failure to reach the database is Unavailable; the caller retries or lets go.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol


@dataclass(frozen=True, slots=True)
class Position:
    """Where a partition stands after a batch: all that the fold needs beside the profiles.

    `offset` is the next to read of `events`; `clock_ms` is K, the largest log time seen; `seq` the last one given out;
    `import_ms` the largest `received_at` of the partition's historical records (None: none yet), see LANGUAGE.md 7.
    While an `import_end` stands after the last of them it is lowered by 2**61, far below zero, so that the largest is
    not forgotten: a store keeps all 64 bits.
    """

    offset: int = 0
    clock_ms: int = 0
    seq: int = 0
    import_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Claim:
    """What a new owner gets: the position, its epoch and the last `seq` known to be on the topic."""

    position: Position
    epoch: int
    published_seq: int


class Kept(NamedTuple):
    """A stored profile: the bytes and its written deadline, which is never later than the true one (None: none)."""

    body: bytes
    due_ms: int | None
    historical: bool


class ProfileRow(NamedTuple):
    """A profile to write. `due_ms` is what shall stand in the index; `historical`: its latest folded record was."""

    customer: str
    body: bytes
    due_ms: int | None
    historical: bool
    is_new: bool  # not in the store before (the owner has looked, and nobody else may write)


class TransitionRow(NamedTuple):
    """A transition to keep and publish: `body` is the record value, byte for byte."""

    seq: int
    customer: str
    lifecycle: str
    at_ms: int
    body: bytes


class VisitRow(NamedTuple):
    """Where a customer is now in a lifecycle after the batch, and which stage's row this replaces (None: none)."""

    customer: str
    lifecycle: str
    was_stage: str | None
    stage: str | None
    since_ms: int
    entry: int
    n: int


class MoveRow(NamedTuple):
    """Rollup: so many moves in the hour that begins at `hour_ms` (by `at`), with the summed stay in `from_stage`.

    A place that is no stage is the empty text.
    """

    lifecycle: str
    from_stage: str
    to_stage: str
    hour_ms: int
    moves: int
    stay_ms: int


class CountRow(NamedTuple):
    """Rollup: the change of the number of customers in a stage."""

    lifecycle: str
    stage: str
    delta: int


class QuarantineRow(NamedTuple):
    """A record that cannot be used: where it stands, why, and its bytes."""

    offset: int
    reason: str
    value: bytes


@dataclass(frozen=True, slots=True)
class PartitionBatch:
    """What folding some records of one partition has changed. `was_offset` and `epoch` are the fence."""

    partition: int
    epoch: int
    was_offset: int
    position: Position
    profiles: Sequence[ProfileRow] = ()
    due_only: Sequence[tuple[str, int | None]] = ()  # (customer, due_ms): a deadline moved, nothing else
    transitions: Sequence[TransitionRow] = ()
    visits: Sequence[VisitRow] = ()
    traits: Sequence[tuple[str, bytes]] = ()  # (customer, JSON object of all traits)
    moves: Sequence[MoveRow] = ()
    counts: Sequence[CountRow] = ()
    quarantine: Sequence[QuarantineRow] = ()


class DueRow(NamedTuple):
    """A customer whose written deadline has come."""

    due_ms: int
    customer: str
    body: bytes


class Standing(NamedTuple):
    """How far a partition is: the next offset to fold, the last `seq` given out and the last one known published."""

    offset: int
    seq: int
    published_seq: int


class StageCount(NamedTuple):
    """How many customers are in a stage now."""

    lifecycle: str
    stage: str
    customers: int


class Store(Protocol):
    """The stager's tables."""

    async def open(self) -> None:
        """Connect. Errors: Unavailable; Refused when the tables are missing or older than this program."""

    async def close(self) -> None:
        """Release every connection."""

    async def claim(self, partitions: Sequence[int]) -> dict[int, Claim]:
        """Raise the epoch of each partition (making its row when new) and return where it stands."""

    async def load(self, customers: Mapping[int, Sequence[str]]) -> dict[str, Kept]:
        """The stored profiles of these customers, given by partition; the unknown are absent."""

    async def due(self, partition: int, *, until_ms: int, historical: bool, limit: int) -> list[DueRow]:
        """The first `limit` customers with a written deadline <= `until_ms`, in the order (due_ms, customer).

        `historical` false leaves out those whose latest folded record is historical.
        """

    async def next_due(self, partition: int, *, historical: bool) -> int | None:
        """The earliest written deadline of the partition (without the historical ones unless asked), or None."""

    async def save(self, batches: Sequence[PartitionBatch]) -> int:
        """Write it all in one transaction and return `recorded_at` in ms.

        Errors: FenceLost; Unavailable (it may have been written all the same: claim again to see).
        """

    async def prove(self, epochs: Mapping[int, int]) -> frozenset[int]:
        """Those of these partitions whose epoch is still the given one."""

    async def transitions_after(self, partition: int, *, seq: int, limit: int) -> list[TransitionRow]:
        """Transitions above `seq`, in order of `seq`."""

    async def mark_published(self, published: Mapping[int, int], epochs: Mapping[int, int]) -> None:
        """Remember the last published `seq` of each partition, for those whose epoch still holds."""

    async def standings(self) -> dict[int, Standing]:
        """How far every partition is that was ever claimed, whoever owns it."""

    async def stage_counts(self) -> list[StageCount]:
        """Customers per stage now, summed over the partitions, without zeros."""

    async def moves(self) -> list[MoveRow]:
        """All move rollups summed over partitions and hours (`hour_ms` 0)."""
