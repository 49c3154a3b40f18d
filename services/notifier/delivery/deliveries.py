"""What the notifier keeps, as a port: how far it has read, and every delivery with its outcome.

This docstring is the contract; one suite (`tests/contract/test_deliveries.py`) holds it over both databases.

- A partition's row carries its position, the last `seq` decided and an **epoch**. `claim` raises the epoch: from then
  on a `decide` under an older one fails with FenceLost and changes nothing.
- `decide` is one SQL transaction: decisions, cancellations and positions, all of it or nothing. A delivery id that is
  there already stays as it is, so deciding again what a crash left undecided doubles nothing.
- `take` hands a due delivery to one sender and hides it from all others for the length of the lease. A sender that dies
  says nothing: when the lease is over, the delivery is due again, with the same id and the next number of taking.
- `record` counts only for the taking that it is of: a sender that was believed dead changes nothing any more. What was
  cancelled in between stays so, unless it was sent all the same. A fallback step is released, or not needed any more,
  in the same transaction.
- `reserve` gives places under the caps, and never more than there are, whoever asks at the same time. A place is given
  back when an attempt failed for certain; while nobody knows whether the message has arrived, it is kept.
- Every failure to reach the database is Unavailable; the caller retries.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol
from uuid import UUID

from services.notifier.delivery.delivery import ChannelName, Decision, Delivery, Outcome, Result

LISTED_MAX = 1_000  # one page that a browser still likes


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


class Departure(NamedTuple):
    """A move that makes what is open about a stage untrue: of deliveries decided before `seq`.

    `while_in` tells which: those that are true inside the stage (it was left) or outside it (it was entered).
    """

    customer: str
    lifecycle: str
    stage: str
    while_in: bool
    seq: int
    reason: str


class Reservation(NamedTuple):
    """A place wanted under a cap: less than `messages` may count after `since_ms`, of `campaign` or (None) of all."""

    id: UUID
    take: int
    customer: str
    campaign: str | None
    messages: int
    since_ms: int


Share = Callable[[Sequence[str]], Mapping[str, int]]
"""From the lanes in which something is due to how many of each may be taken; a lane left out gets none."""


@dataclass(frozen=True, slots=True)
class PartitionDecisions:
    """What some records of one partition came to. `was` and `epoch` are the fence; `position` is after them."""

    partition: int
    epoch: int
    was: Position
    position: Position
    decisions: Sequence[Decision] = ()
    departures: Sequence[Departure] = ()
    now_ms: int = 0


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

    async def take(self, channel: ChannelName, share: Share, *, now_ms: int, lease_ms: int) -> list[Delivery]:
        """Due deliveries of a channel, of each lane as many as `share` says, longest due first, leased."""

    async def record(self, results: Sequence[Result]) -> None:
        """Keep what takings came to; those that are not the latest are left out."""

    async def reserve(self, wanted: Sequence[Reservation], *, now_ms: int) -> set[UUID]:
        """The ids of those that got a place under their cap; asking again for the same id takes no second one."""

    async def disabled(self) -> dict[str, str]:
        """The targets that want no more, with what they said."""

    async def enable(self, target: str) -> bool:
        """Let a target be sent to again; False when it was not disabled."""

    async def cancel(self, ids: Collection[UUID], *, now_ms: int) -> int:
        """End these deliveries unless they have ended; how many that were."""

    async def redrive(self, ids: Collection[UUID], *, now_ms: int) -> int:
        """Have these sent again, whatever they came to: due at once, attempts and age counting anew; how many."""

    async def dead_of(self, campaign: str, *, before_ms: int, limit: int) -> list[UUID]:
        """The oldest dead letters of a campaign, of those that were given up before this instant."""

    async def find(self, id: UUID) -> DeliveryRow | None:  # noqa: A002
        """One delivery."""

    async def newest(
        self, *, customer: str | None, campaign: str | None, outcome: Outcome | None, limit: int
    ) -> list[DeliveryRow]:
        """The newest deliveries first, narrowed by what is not None; `limit` is cut to LISTED_MAX."""

    async def counts(self) -> list[OutcomeCount]:
        """Deliveries by campaign and outcome, in that order, without zeros."""

    async def standing(self) -> Standing:
        """How far all notifiers together are."""
