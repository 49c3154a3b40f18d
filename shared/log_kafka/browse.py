"""Looking into partitions outside any group: where they end, and what stands from an offset on.

One plain consumer, made when first needed, positioned anew for every call and replaced after a failure.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import OffsetOutOfRangeError
from aiokafka.structs import TopicPartition

from shared.log import Record
from shared.log_kafka.failure import FAILURES, translated

CALL_TIMEOUT_S = 10  # a takeover looks at a dozen partitions one after the other; a hung broker is noticed within it
CLOSE_TIMEOUT_S = 2
POLL_MS = 200
FETCH_WAIT_MS = 50  # an offset without a record at the end (compaction, markers) is noticed after this long


class Browser:
    """`ends` and `fetch` of the log."""

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap
        self._consumer: AIOKafkaConsumer | None = None
        self._next: tuple[TopicPartition, int] | None = None
        self._turn = asyncio.Lock()  # one position for each consumer, so one call at a time

    async def ends(self, topic: str, partitions: int) -> dict[int, int]:
        """The offset after the last record of each partition. Errors: Unavailable."""
        places = [TopicPartition(topic, partition) for partition in range(partitions)]
        async with self._asking(f"look for the ends of {topic}") as consumer:
            ends: dict[TopicPartition, int] = await consumer.end_offsets(places)
        return {place.partition: end for place, end in ends.items()}

    async def fetch(self, topic: str, partition: int, offset: int, *, records_max: int) -> list[Record]:
        """As `Log.fetch`. Errors: Unavailable."""
        place = TopicPartition(topic, partition)
        async with self._asking(f"fetch from {topic}[{partition}]") as consumer:
            while True:
                # Retention may take more records away between the question and the fetch: then ask again.
                with suppress(OffsetOutOfRangeError):
                    await self._go_to(consumer, place, offset)
                    return await self._read_on(consumer, place, records_max=records_max)
                self._next = None

    async def _go_to(self, consumer: AIOKafkaConsumer, place: TopicPartition, offset: int) -> None:
        """One who reads on where the last call ended finds there what has been fetched ahead."""
        if self._next == (place, offset):
            return
        if consumer.assignment() != {place}:
            consumer.assign([place])
        first = (await consumer.beginning_offsets([place]))[place]
        consumer.seek(place, max(offset, first))

    async def _read_on(self, consumer: AIOKafkaConsumer, place: TopicPartition, *, records_max: int) -> list[Record]:
        """The next records; compaction may leave offsets without records, also just before the end."""
        end = (await consumer.end_offsets([place]))[place]
        while await consumer.position(place) < end:
            arrived = await consumer.getmany(place, timeout_ms=POLL_MS, max_records=records_max)
            if records := arrived.get(place):
                self._next = (place, records[-1].offset + 1)
                return list(records)
        self._next = None
        return []

    @asynccontextmanager
    async def _asking(self, doing: str) -> AsyncGenerator[AIOKafkaConsumer, None]:
        """The consumer for one bounded call; one that has failed is not asked again."""
        with translated(doing):
            async with asyncio.timeout(CALL_TIMEOUT_S), self._turn:
                try:
                    if self._consumer is None:
                        self._consumer = await _begin(self._bootstrap)
                    yield self._consumer
                except BaseException:
                    consumer, self._consumer, self._next = self._consumer, None, None
                    await _end(consumer)
                    raise

    async def close(self) -> None:
        """Release the connection, within a bound."""
        consumer, self._consumer = self._consumer, None
        await _end(consumer)


async def _begin(bootstrap: str) -> AIOKafkaConsumer:
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap, group_id=None, enable_auto_commit=False, auto_offset_reset="none",
        fetch_max_wait_ms=FETCH_WAIT_MS, request_timeout_ms=CALL_TIMEOUT_S * 1000,
    )  # fmt: skip
    try:
        await consumer.start()
    except BaseException:
        await _end(consumer)
        raise
    return consumer


async def _end(consumer: AIOKafkaConsumer | None) -> None:
    with suppress(*FAILURES):
        async with asyncio.timeout(CLOSE_TIMEOUT_S):
            if consumer is not None:
                await consumer.stop()
