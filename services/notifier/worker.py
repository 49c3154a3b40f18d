"""Reads `transitions` and has each one decided: one transaction a batch, under the epoch of each partition.

What is read is decided from the position in the database, never from the group's: the group is told only for the eyes
of lag tools. A partition whose fence is lost, or whose last transaction may or may not have happened, is claimed again
and goes on from where the database says.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import structlog

from services.notifier import metrics
from services.notifier.campaign.campaign import Campaign
from services.notifier.delivery.deliveries import Claim, Deliveries, PartitionDecisions, Position
from services.notifier.delivery.delivery import Outcome
from services.notifier.plan.decisions import PartitionDecided, decide_partition
from services.notifier.plan.subscription import Subscription
from shared.clock import Clock
from shared.errors import FenceLost, Unavailable
from shared.log import Arrival, Reader, Record
from shared.waiting import wait_for

RECORDS_MAX = 2_000  # a batch of this size is decided in well under a second on either database
READ_TIMEOUT_S = 0.5  # how long stopping may have to wait for a quiet log
RETRY_S = 1.0  # a server that does not answer is asked again after this, and after twice as long, ...
RETRY_S_MAX = 30.0  # ... up to this: a database that is back is noticed within half a minute
RECLAIM_S = 5.0  # whoever took the partition needs a moment to notice if it should not have

_log = structlog.get_logger()


@dataclass
class Ownership:
    """The partitions that the group has given to this reader.

    `claimed` are read; `waiting` are not before they are claimed (again), which is to be tried from the given time on,
    in seconds of the event loop.
    """

    claimed: dict[int, Claim] = field(default_factory=dict)
    waiting: dict[int, float] = field(default_factory=dict)

    def note(self, arrival: Arrival) -> None:
        """Take in what a read said: what was lost is no longer ours, what was gained waits to be claimed."""
        for partition in arrival.lost:
            self.claimed.pop(partition, None)
            self.waiting.pop(partition, None)
        self.unclaim(arrival.gained, not_before=0)

    def unclaim(self, partitions: Iterable[int], *, not_before: float) -> None:
        """These have to be claimed again before anything of them counts."""
        for partition in partitions:
            self.claimed.pop(partition, None)
            self.waiting[partition] = not_before

    def claim(self, claims: Mapping[int, Claim]) -> None:
        """These are claimed now."""
        self.claimed.update(claims)
        for partition in claims:
            del self.waiting[partition]


class Worker:
    """One member of the group that reads `transitions`. `on_news` is called whenever something new is to be sent.

    `first_kept` says at which offset the log still has records of a partition; it is asked of those never read before.
    """

    def __init__(
        self,
        reader: Reader,
        deliveries: Deliveries,
        campaigns: Sequence[Campaign],
        *,
        clock: Clock,
        on_news: Callable[[], object],
        first_kept: Callable[[int], Awaitable[int]],
        subscriptions: Sequence[Subscription] = (),
        reclaim_s: float = RECLAIM_S,
    ) -> None:
        self._subscriptions = subscriptions
        self._reader = reader
        self._deliveries = deliveries
        self._campaigns = campaigns
        self._clock = clock
        self._on_news = on_news
        self._first_kept = first_kept
        self._reclaim_s = reclaim_s
        self._owned = Ownership()
        self._outages = 0

    @property
    def trouble(self) -> str | None:
        """Why nothing is being decided just now, or None."""
        return "the database or the log does not answer" if self._outages else None

    def positions(self) -> dict[int, int]:
        """The next offset of every partition that is being read."""
        return {partition: claim.position.offset for partition, claim in self._owned.claimed.items()}

    async def run(self, stop: asyncio.Event) -> None:
        """Read and decide until `stop`; the batch under way is finished first. Errors: Refused by the log."""
        while not stop.is_set():
            try:
                arrival = await self._reader.read(records_max=RECORDS_MAX, timeout_s=READ_TIMEOUT_S)
                await self._take_in(arrival)
                self._outages = 0
            except Unavailable as error:
                await self._sit_out(error, stop)

    async def _take_in(self, arrival: Arrival) -> None:
        self._owned.note(arrival)
        decided = self._decided(arrival.records)
        if decided:
            await self._save(decided)
        await self._claim_waiting()  # last: nothing read before a claim may be decided under it

    async def _claim_waiting(self) -> None:
        now = asyncio.get_running_loop().time()
        waiting = [partition for partition, not_before in self._owned.waiting.items() if not_before <= now]
        if not waiting:
            return
        try:
            claims = await self._at_first_kept(await self._deliveries.claim(waiting))
        except FenceLost as error:
            self._owned.unclaim(error.partitions, not_before=now + self._reclaim_s)
            return
        self._owned.claim(claims)
        self._reader.start({partition: claim.position.offset for partition, claim in claims.items()})

    async def _at_first_kept(self, claims: Mapping[int, Claim]) -> Mapping[int, Claim]:
        """What was never read is passed over as far as retention has taken it, also in the tables: nobody is behind."""
        new = [partition for partition, claim in claims.items() if claim.position == Position()]
        first = {partition: Position(await self._first_kept(partition)) for partition in new}
        passed = {
            partition: Claim(first[partition], claims[partition].epoch) for partition in new if first[partition].offset
        }
        if passed:
            await self._deliveries.decide(
                [
                    PartitionDecisions(partition, claim.epoch, Position(), claim.position)
                    for partition, claim in passed.items()
                ]
            )
        return {**claims, **passed}

    def _decided(self, records: Mapping[int, Sequence[Record]]) -> list[PartitionDecided]:
        claimed, now_ms = self._owned.claimed, self._clock.now_ms()
        return [
            decide_partition(
                partition, claimed[partition], batch, self._campaigns, subscriptions=self._subscriptions, now_ms=now_ms
            )
            for partition, batch in sorted(records.items())
            if batch and partition in claimed
        ]

    async def _save(self, decided: Sequence[PartitionDecided]) -> None:
        try:
            await self._deliveries.decide([one.batch for one in decided])
        except FenceLost as error:
            _log.warning("fence lost", partitions=sorted(error.partitions))
            self._reclaim(decided, lost=error.partitions)
        except Unavailable:
            self._reclaim(decided)
            raise
        else:
            self._advance(decided)
            await self._reader.commit({one.batch.partition: one.batch.position.offset for one in decided})

    def _reclaim(self, decided: Sequence[PartitionDecided], *, lost: frozenset[int] = frozenset()) -> None:
        partitions = frozenset(one.batch.partition for one in decided)
        self._reader.pause(partitions)
        self._owned.unclaim(partitions - lost, not_before=0)
        self._owned.unclaim(lost, not_before=asyncio.get_running_loop().time() + self._reclaim_s)

    def _advance(self, decided: Sequence[PartitionDecided]) -> None:
        for one in decided:
            batch = one.batch
            self._owned.claimed[batch.partition] = Claim(batch.position, batch.epoch)
            for record in one.skipped:
                metrics.SKIPPED.inc()
                _log.warning("skipped", partition=batch.partition, offset=record.offset, reason=record.reason)
            for decision in batch.decisions:
                metrics.DECIDED.labels(decision.channel, decision.outcome).inc()
        if any(decision.outcome is Outcome.PENDING for one in decided for decision in one.batch.decisions):
            self._on_news()

    async def _sit_out(self, error: Unavailable, stop: asyncio.Event) -> None:
        metrics.OUTAGES.labels("deciding").inc()
        wait_s = min(RETRY_S * 2**self._outages, RETRY_S_MAX)
        self._outages += 1
        _log.warning("cannot decide now", reason=str(error), retry_s=wait_s)
        await wait_for(stop, timeout_s=wait_s)
