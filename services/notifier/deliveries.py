"""What the notifier keeps, as a port: how far it has read, and every delivery with its outcome.

This docstring is the contract; one suite (`tests/contract/test_deliveries.py`) holds it over both databases.

- A partition's row carries its position, the last `seq` decided and an **epoch**. `claim` raises the epoch: from then
  on a `decide` under an older one fails with FenceLost and changes nothing.
- `decide` is one SQL transaction: decisions and positions, all of it or nothing. A delivery id that is there already
  stays as it is, so deciding again what a crash left undecided doubles nothing.
- `take` hands a due delivery to one sender and hides it from all others for the length of the lease. A sender that dies
  says nothing: when the lease is over, the delivery is due again, with the same id and the next attempt number.
- `record` counts only for the attempt that was taken: a sender that was believed dead changes nothing any more.
- Every failure to reach the database is Unavailable; the caller retries.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol
from uuid import UUID

from services.notifier.delivery import ChannelName, Decision, Delivery, Outcome, Result
from shared.errors import Conflict

LISTED_MAX = 1_000  # one page that a browser still likes


class FenceLost(Conflict):
    """Another notifier has claimed these partitions: nothing was saved."""

    def __init__(self, partitions: frozenset[int]) -> None:
        super().__init__(f"partitions {sorted(partitions)} have another owner now; nothing was saved")
        self.partitions = partitions


@dataclass(frozen=True, slots=True)
class Position:
    """Where a partition of `transitions` stands: the next offset to read, and the last `seq` decided."""

    offset: int = 0
    seq: int = 0


@dataclass(frozen=True, slots=True)
class Claim:
    """What a new owner of a partition gets."""

    position: Position
    epoch: int


@dataclass(frozen=True, slots=True)
class PartitionDecisions:
    """What some records of one partition came to. `was` and `epoch` are the fence; `position` is after them."""

    partition: int
    epoch: int
    was: Position
    position: Position
    decisions: Sequence[Decision] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryRow:
    """A delivery as people look at it. `due_ms` is when it is tried next; `finished_ms` when it was last tried."""

    id: UUID
    campaign: str
    step: int
    channel: str
    target: str
    customer: str
    lifecycle: str
    transition: str
    outcome: Outcome
    reason: str
    attempts: int
    decided_ms: int
    due_ms: int | None
    finished_ms: int | None


class OutcomeCount(NamedTuple):
    """How many deliveries of a campaign have come to this outcome."""

    campaign: str
    outcome: Outcome
    deliveries: int


@dataclass(frozen=True, slots=True)
class Standing:
    """How far all notifiers together are: the next offset of each partition ever claimed, deliveries not yet final."""

    offsets: dict[int, int]
    pending: int


class Deliveries(Protocol):
    """The notifier's tables."""

    async def open(self) -> None:
        """Connect. Errors: Unavailable; Refused when the tables are missing or older than this program."""

    async def close(self) -> None:
        """Release every connection."""

    async def claim(self, partitions: Collection[int]) -> dict[int, Claim]:
        """Raise the epoch of each partition (making its row when new) and return where it stands."""

    async def decide(self, batches: Sequence[PartitionDecisions]) -> None:
        """Keep it all in one transaction.

        Errors: FenceLost; Unavailable (it may have been kept all the same: claim again to see).
        """

    async def add(self, decisions: Sequence[Decision]) -> int:
        """Keep decisions made outside a partition's reading (a replay); how many were not there before."""

    async def redrive(self, ids: Collection[UUID], *, now_ms: int) -> int:
        """Make those whose outcome is final due again, as if they had never been tried; how many there were."""

    async def take(
        self, channels: Collection[ChannelName], *, now_ms: int, lease_ms: int, limit: int
    ) -> list[Delivery]:
        """Up to `limit` due deliveries of these channels, longest due first, hidden from others for `lease_ms`."""

    async def record(self, results: Sequence[Result]) -> None:
        """Keep the results of attempts; those whose attempt is not the latest are left out."""

    async def newest(
        self, *, customer: str | None, campaign: str | None, outcome: Outcome | None, limit: int
    ) -> list[DeliveryRow]:
        """The newest deliveries first, narrowed by what is not None; `limit` is cut to LISTED_MAX."""

    async def counts(self) -> list[OutcomeCount]:
        """Deliveries by campaign and outcome, in that order, without zeros."""

    async def standing(self) -> Standing:
        """How far all notifiers together are."""
