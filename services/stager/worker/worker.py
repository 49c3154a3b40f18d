"""The stager's loop: read the log, fold, hand over to be saved and published; tick when something is due.

One batch is folded while the one before is settled. Whatever fails (another owner, a database or a broker that is away)
has one answer: forget everything unsaved, claim the partitions again, go on from where the last transaction stood.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import structlog

from services.stager import meters
from services.stager.fold.rules import Rules
from services.stager.settings import StagerSettings
from services.stager.store import Claim, Store
from services.stager.worker.owned import OwnedPartition
from services.stager.worker.publisher import Publisher
from services.stager.worker.settle import Settler
from services.stager.worker.stretch import Decoded, Stretch, stretches
from services.stager.worker.ticker import Ticker
from shared.clock import Clock
from shared.errors import Conflict, FenceLost, StagelineError, Unavailable
from shared.log import Arrival, Log, Reader, Record, first_kept
from shared.topics import Topics

POLL_TIMEOUT_S = 0.1  # how long an idle loop waits for records; a deadline shortens it
POLL_TIMEOUT_MIN_S = 0.005  # no deadline makes the loop turn more often than 200 times a second
FOLD_SLICE_RECORDS = 25  # folding lets the settling of the last batch move on this often (every millisecond)


@dataclass(frozen=True, slots=True)
class Limits:
    """The bounds of a worker's work and waits.

    `lapse_rows_max`: customers lapsed in one transaction, as long as a usual batch. `retry_first_s`, `retry_max_s`:
    waits between attempts while a server is away. `doubt_s`: after a lost fence, time for the zombie, us or the other,
    to hear from the group that it is one. `remember_every_s`: remembering how far the outbox and the group are costs a
    commit; a crash before only repeats.
    """

    lapse_rows_max: int = 5_000
    retry_first_s: float = 0.2
    retry_max_s: float = 5.0
    doubt_s: float = 5.0
    remember_every_s: float = 1.0


class Worker:
    """Works off the partitions that the group gives to this process."""

    def __init__(
        self, *, log: Log, store: Store, topics: Topics, rules: Rules, segments: frozenset[str],
        settings: StagerSettings, clock: Clock, limits: Limits = Limits(),
    ) -> None:  # fmt: skip
        self._log = log
        self._store = store
        self._topics = topics
        self._rules = rules
        self._segments = segments
        self._settings = settings
        self._clock = clock
        self._limits = limits
        self._publisher = Publisher(log, store, topics)
        self._ticker = Ticker(log, topics.events)
        self._reader: Reader = log.reader(topics.events, group=f"{topics.prefix}-stager")
        self._assigned: set[int] = set()
        self._owned: dict[int, OwnedPartition] = {}
        self._doubted: dict[int, float] = {}  # partition: until when (loop time) it is not claimed
        self._broken: set[int] = set()
        self._retry_s = limits.retry_first_s
        self._say = structlog.get_logger("stager")
        self.not_ready: str | None = "starting"

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop`, then drain. Errors: Refused when unread records were lost to retention."""
        async with asyncio.TaskGroup() as tasks:
            settler = Settler(store=self._store, publisher=self._publisher, reader=self._reader, tasks=tasks)
            while not stop.is_set():
                try:
                    is_steady = await self._turn(settler, stop)
                    if is_steady and settler.is_sound:  # else it is not known yet whether the trouble is over
                        self._retry_s, self.not_ready = self._limits.retry_first_s, self._complaint()
                except (Unavailable, Conflict) as error:
                    await self._recover(error, settler, stop)
            await self._drain(settler)

    async def _turn(self, settler: Settler, stop: asyncio.Event) -> bool:
        """Read once and work it off, unless `stop` comes in the midst of a lapse.

        False when something was claimed, which has yet to show that it can be saved.
        """
        timeout_s = self._poll_timeout_s()
        arrival = await self._reader.read(records_max=self._settings.batch_records_max, timeout_s=timeout_s)
        self._note_ownership(arrival)
        if arrival.lost:
            # Before we claim anew what may have come back: a claim would void what is in flight.
            await settler.settled()
        await settler.notice()  # nothing may arrive for long, and what failed is to be done again soon
        has_claimed = await self._claim()
        for stretch in stretches({n: records for n, records in arrival.records.items() if n in self._owned}):
            await self._load(stretch)
            await self._fold(stretch)
            await self._hand_over(settler)
            if stretch.ticks and not await self._lapse(stretch.ticks, settler, stop):
                return False
        if not arrival.records:
            await self._hand_over(settler)  # a tick that was passed waits for company, but not for ever
        await settler.remember(every_s=self._limits.remember_every_s)
        await self._ticker.tick(self._working(), now_ms=self._clock.now_ms())
        return not has_claimed

    # Folding

    async def _load(self, stretch: Stretch) -> None:
        """Read the profiles that the stretch needs and that are not in memory: one round trip for all partitions."""
        missing = {
            number: names
            for number, decoded in stretch.records.items()
            if (names := self._owned[number].missing(_customers(decoded)))
        }
        if not missing:
            return
        kept = await self._store.load(missing)
        for number, names in missing.items():
            self._owned[number].remember({name: kept[name] for name in names if name in kept})

    async def _fold(self, stretch: Stretch) -> None:
        for number, decoded in stretch.records.items():
            owned = self._owned[number]
            for start in range(0, len(decoded), FOLD_SLICE_RECORDS):
                owned.fold(decoded[start : start + FOLD_SLICE_RECORDS])
                await asyncio.sleep(0)
            if owned.is_broken:
                self._stop_broken(owned)
            meters.FOLDED.inc(len(decoded))

    async def _hand_over(self, settler: Settler) -> None:
        folded = [owned.take() for owned in self._owned.values() if owned.has_unsaved()]
        if folded:
            await settler.hand_over(folded)

    # Time

    async def _lapse(self, ticks: Mapping[int, Record], settler: Settler, stop: asyncio.Event) -> bool:
        """Lapse whoever is due at each partition's tick, in bounded transactions and in order; then pass the ticks.

        False when `stop` came before all were lapsed: whoever owns the partitions next reads the ticks again.
        """
        await settler.settled()
        waiting = dict(ticks)
        while waiting:
            if stop.is_set():
                return False
            folded = []
            rows_max = max(1, self._limits.lapse_rows_max // len(waiting))  # all of them are one transaction
            for number, tick in list(waiting.items()):
                owned, until_ms = self._owned[number], tick.timestamp
                historical = owned.wakes_historical(until_ms)
                due = await self._store.due(number, until_ms=until_ms, historical=historical, limit=rows_max)
                is_last = len(due) < rows_max
                if due:
                    folded.append(owned.lapse(due, tick_ms=until_ms, is_last=is_last))
                if is_last:
                    del waiting[number]
            if folded:
                await settler.hand_over(folded)
                await settler.settled()
        for number, tick in ticks.items():
            self._owned[number].pass_tick(tick)
        await self._look_up_due(ticks)
        return True

    async def _look_up_due(self, numbers: Iterable[int]) -> None:
        for number in numbers:
            present_ms = await self._store.next_due(number, historical=False)
            any_ms = await self._store.next_due(number, historical=True)
            self._owned[number].set_due(present_ms=present_ms, any_ms=any_ms)

    def _poll_timeout_s(self) -> float:
        now_ms = self._clock.now_ms()
        waits = [wait for owned in self._working() if (wait := self._ticker.wait_ms(owned, now_ms=now_ms)) is not None]
        return min(POLL_TIMEOUT_S, max(POLL_TIMEOUT_MIN_S, min(waits) / 1000)) if waits else POLL_TIMEOUT_S

    def _working(self) -> list[OwnedPartition]:
        """What is owned and not stopped."""
        return [owned for number, owned in self._owned.items() if number not in self._broken]

    # Ownership

    def _note_ownership(self, arrival: Arrival) -> None:
        for number in arrival.lost:
            self._assigned.discard(number)
            self._owned.pop(number, None)
            self._doubted.pop(number, None)
            self._broken.discard(number)
        self._assigned |= arrival.gained
        meters.OWNED.set(len(self._owned))

    async def _claim(self) -> bool:
        """Claim what the group gave us: raise the epoch, publish what a former owner left, read on behind it.

        Returns whether there was anything to claim.
        """
        now_s = asyncio.get_running_loop().time()
        unclaimed = sorted(
            number
            for number in self._assigned - self._owned.keys() - self._broken
            if self._doubted.get(number, 0.0) <= now_s
        )
        if not unclaimed:
            return False
        for number, claim in (await self._store.claim(unclaimed)).items():
            await self._publisher.catch_up(number, claim)
            self._owned[number] = OwnedPartition(
                number, claim, rules=self._rules, segments=self._segments,
                cache_bytes_max=self._settings.cache_bytes_max // self._topics.partitions,
            )  # fmt: skip
            await self._look_up_due([number])
            self._reader.start({number: await self._start_offset(number, claim)})
        self._say.info("claimed", partitions=unclaimed)
        return True

    async def _start_offset(self, number: int, claim: Claim) -> int:
        """Where to read on. A partition never read before begins with the first record that the log still has."""
        return claim.position.offset or await first_kept(self._log, self._topics.events, number)

    def _stop_broken(self, owned: OwnedPartition) -> None:
        self._reader.pause(frozenset({owned.number}))
        self._broken.add(owned.number)
        self._say.error("partition stopped: nearly every record is unusable", partition=owned.number)

    def _complaint(self) -> str | None:
        if self._broken:
            return f"partitions {sorted(self._broken)} stopped: nearly every record is unusable, see the quarantine"
        unclaimed = self._assigned - self._owned.keys()
        return f"partitions {sorted(unclaimed)} are not claimed yet" if unclaimed else None

    # Failing and ending

    async def _recover(self, error: StagelineError, settler: Settler, stop: asyncio.Event) -> None:
        """Forget what is unsaved, wait a little, and let the next turns claim again."""
        await settler.abandon()
        self._reader.pause(frozenset(self._assigned))
        self._owned.clear()
        meters.RECOVERIES.inc()
        self.not_ready = str(error)
        self._say.warning("starting over from the last transaction", reason=str(error), retry_s=self._retry_s)
        if isinstance(error, FenceLost):
            until_s = asyncio.get_running_loop().time() + self._limits.doubt_s * random.uniform(1, 1.5)
            self._doubted |= dict.fromkeys(error.partitions & self._assigned, until_s)
            return
        try:
            await asyncio.wait_for(stop.wait(), timeout=self._retry_s * random.uniform(0.5, 1))
        except TimeoutError:
            self._retry_s = min(self._limits.retry_max_s, self._retry_s * 2)

    async def _drain(self, settler: Settler) -> None:
        """In this order: the batch in flight is saved and published; what was published is remembered, so that the next
        owner has nothing to catch up; only then is the group left, so that the next owner finds all of it done.
        """
        try:
            await settler.settled()
            await settler.remember()
        except (Unavailable, Conflict) as error:
            self._say.warning("stopped before all was published; the next owner does it", reason=str(error))
        await self._reader.close()


def _customers(decoded: Sequence[Decoded]) -> set[str]:
    return {event.customer for _, event, _ in decoded if event is not None and event.customer}
