"""A member of a Kafka consumer group behind the port `Reader`.

Promise: `read` keeps its bound even while a rebalance hangs or the broker is gone, and never hands out a record of a
partition that was not started, or of an ownership that it knows to have ended. (A member that was frozen may be handed
records before it learns that others own them: Kafka lets anybody fetch. The fence is elsewhere.)

aiokafka waits inside `getmany` for as long as a rebalance takes, and must not be cancelled there. So one task at a
time asks for records and outlives the `read` that began it; a later `read` goes on waiting for the same task.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer
from aiokafka.abc import ConsumerRebalanceListener
from aiokafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor
from aiokafka.errors import IllegalStateError, NoOffsetForPartitionError, OffsetOutOfRangeError
from aiokafka.structs import TopicPartition

from shared.errors import Refused
from shared.log import Arrival, Record
from shared.log_kafka.admin import committed_of
from shared.log_kafka.failure import FAILURES, translate, translated
from shared.log_kafka.ownership import Ownership

FETCH_WAIT_MS = 20  # a partition consumed meanwhile waits for this answer before it is asked again: latency
FETCH_BYTES_MAX = 16 * 1024 * 1024  # a second of full speed, and a bound for what waits in memory
PARTITION_BYTES_MAX = 2 * 1024 * 1024  # several whole batches, so that one partition alone is read at full speed
REQUEST_TIMEOUT_MS = 40_000
COMMIT_TIMEOUT_S = 2  # the group's position is a courtesy; work does not wait for it longer
COMMITTED_TIMEOUT_S = 10
CLOSE_TIMEOUT_S = 3  # enough to leave the group, which lets the others take over at once
ABANDON_TIMEOUT_S = 0.5  # none of these steps needs an answer from the broker

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Membership:
    """What a group expects of its members.

    A member unheard of for `session_timeout_s` has lost its partitions; one that has not read for `idle_timeout_s`
    gives them up by itself. `instance_id` names a member for good: its restart within the session moves no partition.
    """

    session_timeout_s: float
    idle_timeout_s: float
    instance_id: str | None = None


class KafkaReader:
    """One member; it is rebuilt, and has then lost everything, when its consumer breaks."""

    def __init__(self, bootstrap: str, topic: str, *, group: str, membership: Membership) -> None:
        self._bootstrap = bootstrap
        self._topic = topic
        self._group = group
        self._membership = membership
        self._ownership = Ownership()
        self._consumer: AIOKafkaConsumer | None = None
        self._asking: asyncio.Task[dict[TopicPartition, list[Record]]] | None = None
        self._endings: set[asyncio.Task[None]] = set()

    async def read(self, *, records_max: int, timeout_s: float) -> Arrival:
        """As `Reader.read`."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout_s
        while True:
            left_s = max(0.0, deadline - loop.time())
            await self._ask(records_max=records_max, timeout_s=left_s)
            arrival = self._ownership.take(records_max)
            if arrival.records or arrival.lost or arrival.gained or loop.time() >= deadline:
                return arrival

    async def _ask(self, *, records_max: int, timeout_s: float) -> None:
        """Wait until records, a change of ownership or the timeout comes."""
        if self._ownership.has_news:
            return
        if self._asking is None:
            # A task of its own, since the question must outlive a `read` whose time is up; `close` ends it.
            self._asking = asyncio.get_running_loop().create_task(self._turn(records_max, timeout_s))
        waiting: set[asyncio.Future[Any]] = {self._asking, self._ownership.changed()}
        await asyncio.wait(waiting, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
        self._collect()

    async def _turn(self, records_max: int, timeout_s: float) -> dict[TopicPartition, list[Record]]:
        if self._consumer is None:
            self._consumer = self._make_consumer()
            await self._consumer.start()
        arrived: dict[TopicPartition, list[Record]] = await self._consumer.getmany(
            timeout_ms=int(timeout_s * 1000), max_records=records_max
        )
        return arrived

    def _make_consumer(self) -> AIOKafkaConsumer:
        # aiokafka's sticky assignor remembers in class attributes: each member needs a class of its own.
        assignor = type("StickyPartitionAssignor", (StickyPartitionAssignor,), {})
        session_timeout_ms = int(self._membership.session_timeout_s * 1000)
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self._bootstrap, group_id=self._group, group_instance_id=self._membership.instance_id,
            enable_auto_commit=False, auto_offset_reset="none", partition_assignment_strategy=(assignor,),
            session_timeout_ms=session_timeout_ms, heartbeat_interval_ms=session_timeout_ms // 10,
            max_poll_interval_ms=int(self._membership.idle_timeout_s * 1000),
            request_timeout_ms=REQUEST_TIMEOUT_MS, fetch_max_wait_ms=FETCH_WAIT_MS, fetch_max_bytes=FETCH_BYTES_MAX,
            max_partition_fetch_bytes=PARTITION_BYTES_MAX,
        )  # fmt: skip
        consumer.subscribe([self._topic], listener=_Listener(consumer, self))
        return consumer

    def _collect(self) -> None:
        """Take over what the question brought, if it is answered. Errors: as `Reader.read`."""
        if self._asking is None or not self._asking.done():
            return
        asked, self._asking = self._asking, None
        try:
            arrived = asked.result()
        except NoOffsetForPartitionError:
            return  # asked for before our `seek`; it has a position now, or will with `start`
        except OffsetOutOfRangeError as error:
            raise Refused(self._lost_records(error)) from error
        except FAILURES as error:
            self._rebuild()
            raise translate(error, f"read {self._topic}") from error
        self._ownership.keep({place.partition: records for place, records in arrived.items()})

    def _lost_records(self, error: OffsetOutOfRangeError) -> str:
        places = error.args[0] if error.args and isinstance(error.args[0], Mapping) else {}
        said = ", ".join(f"{place.topic}[{place.partition}] has no offset {offset}" for place, offset in places.items())
        return f"the log no longer has the records at the position of a partition: {said or self._topic}"

    def _rebuild(self) -> None:
        consumer, self._consumer = self._consumer, None
        self._ownership.revoke_all()
        if consumer is not None:
            # A task of its own: the next `read` makes a new member and must not wait for the old one's end.
            ending = asyncio.get_running_loop().create_task(_end(consumer))
            self._endings.add(ending)
            ending.add_done_callback(self._endings.discard)

    def on_revoked(self, places: Iterable[TopicPartition]) -> None:
        """A rebalance begins."""
        self._ownership.revoke(place.partition for place in places)

    def on_assigned(self, consumer: AIOKafkaConsumer, places: Iterable[TopicPartition]) -> None:
        """A rebalance has ended. A position, though paused, keeps aiokafka from looking for one of its own."""
        for place in places:
            consumer.seek(place, 0)
            consumer.pause(place)
        self._ownership.assign(place.partition for place in places)

    def start(self, positions: Mapping[int, int]) -> None:
        """As `Reader.start`; partitions lost meanwhile are passed over, `read` will tell."""
        self._drop_answer()
        for partition in self._ownership.start(positions):
            with suppress(IllegalStateError):  # lost this very moment
                self._member.seek(self._place(partition), positions[partition])
                self._member.resume(self._place(partition))

    def pause(self, partitions: frozenset[int]) -> None:
        """As `Reader.pause`."""
        self._drop_answer()
        for partition in self._ownership.pause(partitions):
            with suppress(IllegalStateError):
                self._member.pause(self._place(partition))

    def _drop_answer(self) -> None:
        """Records that arrived but were not read yet are held now, so that `start` and `pause` can drop theirs."""
        if self._asking is not None and self._asking.done() and self._asking.exception() is None:
            self._collect()

    @property
    def _member(self) -> AIOKafkaConsumer:
        assert self._consumer is not None, "what is owned was read"
        return self._consumer

    def _place(self, partition: int) -> TopicPartition:
        return TopicPartition(self._topic, partition)

    async def commit(self, positions: Mapping[int, int]) -> None:
        """As `Reader.commit`; within COMMIT_TIMEOUT_S."""
        offsets = {self._place(each): positions[each] for each in self._ownership.mine.intersection(positions)}
        if not offsets:
            return
        try:
            async with asyncio.timeout(COMMIT_TIMEOUT_S):
                await self._member.commit(offsets)
        except FAILURES as error:
            _log.debug("commit to the group failed", topic=self._topic, group=self._group, reason=str(error))

    async def committed(self, partitions: frozenset[int]) -> dict[int, int]:
        """As `Reader.committed`. Errors: Unavailable after COMMITTED_TIMEOUT_S."""
        with translated(f"look for the positions of group {self._group}"):
            async with asyncio.timeout(COMMITTED_TIMEOUT_S):
                return await committed_of(self._bootstrap, self._group, self._topic, partitions)

    async def close(self) -> None:
        """As `Reader.close`."""
        self._ownership.revoke_all()
        consumer, self._consumer = self._consumer, None
        asking, self._asking = self._asking, None
        if consumer is not None:
            await _end(consumer)
        if asking is not None:
            asking.cancel()  # its consumer is gone, so nothing can be hurt any more
            await asyncio.wait({asking}, timeout=CLOSE_TIMEOUT_S)
            if asking.done() and not asking.cancelled():
                asking.exception()  # nobody will read any more; asyncio would report it as lost
        if self._endings:
            await asyncio.wait(self._endings, timeout=CLOSE_TIMEOUT_S)


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka is not typed
    """Takes notes only: while a callback runs no heartbeat is sent, and what it raises is swallowed."""

    def __init__(self, consumer: AIOKafkaConsumer, reader: KafkaReader) -> None:
        self._consumer = consumer
        self._reader = reader

    def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        self._reader.on_revoked(revoked)

    def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        self._reader.on_assigned(self._consumer, assigned)


async def _end(consumer: AIOKafkaConsumer) -> None:
    """Leave the group, or just go when the broker does not let us in time."""
    coordinator, fetcher = consumer._coordinator, consumer._fetcher  # noqa: SLF001
    with suppress(*FAILURES):
        async with asyncio.timeout(CLOSE_TIMEOUT_S):
            await consumer.stop()
            return
    ends: list[Callable[[], Awaitable[None]]] = []
    if coordinator is not None:
        # What `stop` leaves running when it is cut off: tasks that would go on asking for the broker.
        ends += [coordinator._stop_heartbeat_task, coordinator._stop_commit_offsets_refresh_task]  # noqa: SLF001
    if fetcher is not None:
        ends.append(fetcher.close)
    for end in (*ends, consumer._client.close):  # noqa: SLF001
        with suppress(*FAILURES):
            async with asyncio.timeout(ABANDON_TIMEOUT_S):
                await end()
