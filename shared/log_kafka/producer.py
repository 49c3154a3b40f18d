"""One aiokafka producer from its start to its end, whichever way it ends.

Promise: records of one `write` to one partition are appended in order and without a hole. A *successor* of this
producer (`successor_identity`) carries the same producer id with the next epoch: from the successor's first record on a
partition on, the broker refuses whatever this producer still has in flight there (KIP-360), so an abandoned record is
either before the successor's records or nowhere.

aiokafka offers no way to give up a producer while the broker is silent, nor to carry an id over. The members with an
underscore that this needs are touched in this module only, and in `shared/log_kafka/batch.py`.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Generator, MutableMapping, Sequence
from contextlib import contextmanager, suppress
from operator import attrgetter
from typing import NamedTuple

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError

from shared.log import Codec, Entry
from shared.log_kafka.batch import Completion, Run, SharedBatch, fill
from shared.log_kafka.failure import FAILURES

BATCH_BYTES_MAX = 512 * 1024  # one produce request at a time goes to a broker, so big ones; half of its 1 MiB limit
BULK_ENTRIES_MIN = 64  # from here on a batch of one's own is cheaper than sharing one with other writers
LINGER_MS = 2  # lets concurrent requests share a batch; far below the latency that is promised
REQUEST_TIMEOUT_MS = 10_000  # a request unanswered for this long is sent again on a new connection
RECORDS_MAX = 1 << 30  # records to one partition before a successor takes over: aiokafka wraps wrongly at 2^31
EPOCH_MAX = 32_000  # a producer epoch has 15 bits; then a new id is taken
GIVEN_UP = "the producer was given up"
GIVE_UP_TIMEOUT_S = 2  # closing sockets takes no answer from anybody


class Identity(NamedTuple):
    """Who appends, as the broker sees it."""

    producer_id: int
    epoch: int


class Abandoned(KafkaError):  # type: ignore[misc]  # aiokafka is not typed
    """This producer was given up while records were on their way."""


class _Lane:
    """One partition: how much went there, the turn for entering its queue, and the batch that is being filled."""

    __slots__ = ("batch", "turn", "written")

    def __init__(self) -> None:
        self.batch: SharedBatch | None = None
        self.turn = asyncio.Lock()
        self.written = 0


class Producer:
    """Idempotent, acknowledged by all in-sync replicas, compressed with one codec. Raises what aiokafka raises."""

    def __init__(
        self, bootstrap: str, *, codec: Codec, identity: Identity | None, records_max: int = RECORDS_MAX
    ) -> None:
        self._kafka = AIOKafkaProducer(
            bootstrap_servers=bootstrap, acks="all", enable_idempotence=True,
            compression_type=None if codec == "none" else codec, max_batch_size=BATCH_BYTES_MAX,
            linger_ms=LINGER_MS, request_timeout_ms=REQUEST_TIMEOUT_MS,
        )  # fmt: skip
        if identity is not None:
            self._kafka._txn_manager.set_pid_and_epoch(*identity)  # noqa: SLF001
        self._under_way: dict[asyncio.Future[object], float] = {}
        self._lanes: defaultdict[tuple[str, int], _Lane] = defaultdict(_Lane)
        self._records_max = records_max
        self._needs_successor = False
        self._acknowledged_at = 0.0
        self._users = 0
        self._is_cut = False
        self._idle = asyncio.Event()
        self._idle.set()

    async def start(self) -> None:
        """Connect, and get a producer id unless one was inherited; without a bound of its own."""
        await self._kafka.start()

    @property
    def needs_successor(self) -> bool:
        """Whether so much went to one partition that a successor should take over."""
        return self._needs_successor

    @property
    def successor_identity(self) -> Identity | None:
        """The identity that fences this one; None when its epochs are used up, which takes EPOCH_MAX replacements."""
        manager = self._kafka._txn_manager  # noqa: SLF001
        if not manager.has_pid() or manager.producer_epoch >= EPOCH_MAX:
            return None
        return Identity(manager.producer_id, manager.producer_epoch + 1)

    @property
    def under_way(self) -> frozenset[asyncio.Future[object]]:
        """What has been handed over and is neither acknowledged nor failed."""
        return frozenset(self._under_way)

    def silence_s(self, *, since: float) -> float:
        """How long nothing has been acknowledged although something waits for it: since its oldest, else `since`."""
        waiting_from = next(iter(self._under_way.values()), since)
        return asyncio.get_running_loop().time() - max(waiting_from, self._acknowledged_at)

    async def partitions(self, topic: str) -> int:
        """How many partitions a topic has."""
        return len(await self._kafka.partitions_for(topic))

    @contextmanager
    def in_use(self) -> Generator[None, None, None]:
        """Around every `write`, so that `drained` knows of those that have handed over nothing yet."""
        self._users += 1
        self._idle.clear()
        try:
            yield
        finally:
            self._users -= 1
            self._settle()

    def _settle(self) -> None:
        if not self._users and not self._under_way:
            self._idle.set()

    async def write(self, topic: str, partition: int, entries: Sequence[Entry]) -> list[int]:
        """Append to one partition and return the offsets, when all are acknowledged."""
        if len(entries) == 1 or may_share(entries):
            return (await self.write_shared(topic, {partition: entries}))[partition]
        lane = self._lane(topic, partition, len(entries))
        return await self._write_own(topic, partition, entries, lane.turn)

    async def write_shared(self, topic: str, groups: MutableMapping[int, Sequence[Entry]]) -> dict[int, list[int]]:
        """The same for several partitions, through batches that other writers fill too: what small requests want.

        When some partitions fail, the others still get through; then the failure is raised. `groups` is emptied: while
        thousands of records wait for their acknowledgement, nobody needs more of them than the batches hold.
        """
        completion = Completion()
        runs: dict[int, list[Run]] = {}
        while groups:
            partition, entries = groups.popitem()
            try:
                runs[partition] = await self._hand_over(topic, partition, entries, completion)
            except FAILURES as error:
                completion.failures.append(error)
        completion.settle()
        await completion.done
        raise_any(completion.failures)
        return {partition: [offset for run in found for offset in run.offsets()] for partition, found in runs.items()}

    def _lane(self, topic: str, partition: int, records: int) -> _Lane:
        """Where so many records more go to a partition."""
        lane = self._lanes[topic, partition]
        lane.written += records
        if lane.written >= self._records_max:
            self._needs_successor = True
        return lane

    async def _hand_over(
        self, topic: str, partition: int, entries: Sequence[Entry], completion: Completion
    ) -> list[Run]:
        """Into the batch that is being filled, and into the next when that one is full."""
        lane = self._lane(topic, partition, len(entries))
        runs: list[Run] = []
        done = 0
        while done < len(entries):
            run = None if lane.turn.locked() else self._join(lane, entries, done, completion)
            if run is None:
                async with lane.turn:
                    run = self._join(lane, entries, done, completion)
                    if run is None:
                        lane.batch = await self._open(topic, partition)
                        continue
            runs.append(run)
            done += run.records
        return runs

    def _join(self, lane: _Lane, entries: Sequence[Entry], start: int, completion: Completion) -> Run | None:
        if self._is_cut:  # nobody would send them, nor say that they have failed
            raise Abandoned(GIVEN_UP)
        return None if lane.batch is None else lane.batch.add(entries, start, completion)

    async def _open(self, topic: str, partition: int) -> SharedBatch:
        """Have a new batch, to be filled at once, wait for this partition, when the one before is on its way."""
        sent = await self._kafka.send_batch(self._kafka.create_batch(), topic, partition=partition)
        self._watch(sent)
        queue = self._kafka._message_accumulator._batches[TopicPartition(topic, partition)]  # noqa: SLF001
        return SharedBatch(queue[-1], sent)

    async def _write_own(self, topic: str, partition: int, entries: Sequence[Entry], turn: asyncio.Lock) -> list[int]:
        """Through batches of its own, each sent when the one before it is acknowledged.

        Waiting costs nothing, since only one request is in flight to a broker anyway, and it is what keeps a failed
        batch from being followed by the next. The turn is for entering the queue only: aiokafka lets a batch enter when
        the queue of its partition is empty, and counts the time of many that wait wrongly.
        """
        offsets: list[int] = []
        while len(offsets) < len(entries):
            builder = self._kafka.create_batch()
            records = fill(builder, entries, len(offsets))
            builder.close()
            async with turn:
                sent = await self._kafka.send_batch(builder, topic, partition=partition)
            self._watch(sent)
            first = (await asyncio.shield(sent)).offset
            offsets.extend(range(first, first + records))
        return offsets

    def _watch(self, sent: asyncio.Future[object]) -> None:
        if self._is_cut:  # aiokafka queues also after that what had to wait for its turn, and never sends it
            raise Abandoned(GIVEN_UP)
        self._under_way[sent] = sent.get_loop().time()
        sent.add_done_callback(self._note)

    def _note(self, sent: asyncio.Future[object]) -> None:
        """Also looks at a failure that nobody may be waiting for any more, or asyncio reports it as lost."""
        self._under_way.pop(sent, None)
        self._settle()
        if not sent.cancelled() and sent.exception() is None:
            self._acknowledged_at = sent.get_loop().time()

    async def drained(self) -> None:
        """Wait until nobody uses it and nothing is under way; without a bound of its own."""
        await self._idle.wait()

    async def stop(self, *, timeout_s: float) -> None:
        """Deliver what is under way and end; give it up after `timeout_s`. Raises nothing."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._kafka.stop()
        except FAILURES:
            await self.abandon()

    def cut(self) -> None:
        """At once: fail every record under way, accept and send no more. `abandon` has still to be awaited."""
        self._is_cut = True
        self._kafka._message_accumulator.fail_all(Abandoned(GIVEN_UP))  # noqa: SLF001
        if (sender := self._kafka._sender.sender_task) is not None:  # noqa: SLF001
            sender.cancel()

    async def abandon(self) -> None:
        """End without waiting for the broker. Raises nothing."""
        self.cut()
        for end in (self._close_connections, self._end_sender, self._kafka.stop):
            with suppress(*FAILURES):
                async with asyncio.timeout(GIVE_UP_TIMEOUT_S):
                    await end()

    async def _close_connections(self) -> None:
        await self._kafka.client.close()

    async def _end_sender(self) -> None:
        """On its way out the sender waits for its requests, which may wait for a broker: each cancel ends one."""
        sender = self._kafka._sender.sender_task  # noqa: SLF001
        while sender is not None and not sender.done():
            sender.cancel()
            await asyncio.wait({sender}, timeout=0.05)


def raise_any(outcomes: Sequence[object]) -> None:
    """Raise one of the exceptions that are among these, if any: the one that says most."""
    failures = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
    if failures:
        # Partitions cut off because another one's failure ended the producer say less than that other one.
        raise next((failure for failure in failures if not isinstance(failure, Abandoned)), failures[0])


def may_share(entries: Sequence[Entry]) -> bool:
    """Whether these go into batches that others fill too, rather than into batches of their own."""
    return len(entries) < BULK_ENTRIES_MIN and set(map(_partition_of, entries)) == {None}


_partition_of = attrgetter("partition")
