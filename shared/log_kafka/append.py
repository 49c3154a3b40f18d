"""Appending with deadlines that hold, whatever the broker does.

**What is guaranteed when an append fails** (Unavailable: the records may or may not be there):

1. *Order.* On one partition, a record of a failed append never comes after a record of an append that this log began
   later. While the producer lives, its queue is first in, first out, and a retry keeps its place. When the producer is
   replaced, the successor has the same producer id and the next epoch, and the broker refuses the old epoch from the
   successor's first record on. So a writer that repeats what failed leaves `1 2 | 1 2 3`, never `1 2 3 | 1 2`.
   Entries with an explicit partition, and long runs of keyed ones, go batch by batch, so no hole is possible either.
2. *Lateness.* When an append misses its deadline and nothing at all has been acknowledged for SILENCE_MIN_S, the
   producer is abandoned at once; one that is only slow, or that has lost one of several brokers, keeps its queue for
   another LATE_TIMEOUT_S and is abandoned when those records are not through by then. Abandoning fails its other
   appends too. What was already on the wire can still be appended by a broker that comes back to it, but by guarantee
   1 never behind later records of ours.
3. *Success* is only ever what every in-sync replica has acknowledged; nothing doubles by aiokafka's own retries.
"""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping, Sequence

from shared.errors import Unavailable
from shared.log import Codec, Entry
from shared.log_kafka.failure import FAILURES, translate
from shared.log_kafka.producer import RECORDS_MAX, Identity, Producer, may_share, raise_any

SILENCE_MIN_S = 0.5  # one caller's short deadline must not end the producer for all the others
LATE_TIMEOUT_S = 10  # a broker's failover takes about this long; longer, and another owner may be at work already
CLOSE_TIMEOUT_S = 3  # what is under way at close is worth a moment, not the drain time of the process


class Appender:
    """The one producer of a codec, replaced by its successor when it fails."""

    def __init__(self, bootstrap: str, *, codec: Codec, records_max: int = RECORDS_MAX) -> None:
        self._bootstrap = bootstrap
        self._codec = codec
        self._records_max = records_max
        self._producer: Producer | None = None
        self._identity: Identity | None = None
        self._starting = asyncio.Lock()
        self._endings: set[asyncio.Task[None]] = set()

    async def append(
        self, topic: str, groups: MutableMapping[int, Sequence[Entry]], *, timeout_s: float
    ) -> dict[int, list[int]]:
        """The offsets of each partition's entries; `groups` may be emptied. Errors: as `Log.append`."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        producer: Producer | None = None
        try:
            async with asyncio.timeout(timeout_s):
                producer = await self._current()
                with producer.in_use():
                    return await _write(producer, topic, groups)
        except TimeoutError as error:
            self._overdue(producer, began)
            raise Unavailable(f"append to {topic}: no acknowledgement within {timeout_s} s") from error
        except asyncio.CancelledError:
            self._overdue(producer, began)
            raise
        except FAILURES as error:
            self._retire(producer)
            raise translate(error, f"append to {topic}") from error

    async def _current(self) -> Producer:
        if self._producer is not None and not self._producer.needs_successor:
            return self._producer
        async with self._starting:
            if self._producer is not None and self._producer.needs_successor:
                await self._producer.drained()
                self._retire(self._producer)
            if self._producer is None:
                self._producer = await self._begin()
            return self._producer

    async def _begin(self) -> Producer:
        producer = Producer(self._bootstrap, codec=self._codec, identity=self._identity, records_max=self._records_max)
        try:
            await producer.start()
        except BaseException:
            self._end(producer)
            raise
        return producer

    def _overdue(self, producer: Producer | None, began: float) -> None:
        """An append was given up: end a silent producer now, and a slow one when it stays slow."""
        if producer is None or producer is not self._producer:
            return
        if producer.silence_s(since=began) >= SILENCE_MIN_S:
            self._retire(producer)
        elif waiting := producer.under_way:
            asyncio.get_running_loop().call_later(LATE_TIMEOUT_S, self._retire_if_stuck, producer, waiting)

    def _retire_if_stuck(self, producer: Producer, waiting: frozenset[asyncio.Future[object]]) -> None:
        if producer is self._producer and waiting & producer.under_way:
            self._retire(producer)

    def _retire(self, producer: Producer | None) -> None:
        """From here on nothing is handed to this producer, and its successor will fence it."""
        if producer is not None and producer is self._producer:
            self._producer = None
            self._identity = producer.successor_identity
            self._end(producer)

    def _end(self, producer: Producer) -> None:
        producer.cut()
        # A task of its own: the append that notices must not wait for the clearing up. `close` waits for it.
        ending = asyncio.get_running_loop().create_task(producer.abandon())
        self._endings.add(ending)
        ending.add_done_callback(self._endings.discard)

    async def partitions(self, topic: str) -> int:
        """How many partitions a topic has. Raises what aiokafka raises."""
        return await (await self._current()).partitions(topic)

    async def close(self) -> None:
        """Deliver what is under way or give it up, within a few seconds."""
        if self._producer is not None:
            producer, self._producer = self._producer, None
            self._identity = producer.successor_identity
            await producer.stop(timeout_s=CLOSE_TIMEOUT_S)
        if self._endings:
            await asyncio.wait(self._endings, timeout=CLOSE_TIMEOUT_S)


async def _write(producer: Producer, topic: str, groups: MutableMapping[int, Sequence[Entry]]) -> dict[int, list[int]]:
    """All partitions at once; when some fail the others still get through, then the failure is raised."""
    if len(groups) == 1:
        [(partition, entries)] = groups.items()
        return {partition: await producer.write(topic, partition, entries)}
    if all(map(may_share, groups.values())):
        return await producer.write_shared(topic, groups)
    outcomes = await asyncio.gather(
        *(producer.write(topic, partition, entries) for partition, entries in groups.items()), return_exceptions=True
    )
    raise_any(outcomes)
    return dict(zip(groups, (outcome for outcome in outcomes if isinstance(outcome, list)), strict=True))
