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
from shared.log_kafka_failure import FAILURES, translated

CALL_TIMEOUT_S = 10  # a takeover looks at a dozen partitions one after the other; a hung broker is noticed within it
CLOSE_TIMEOUT_S = 2
POLL_MS = 200
FETCH_WAIT_MS = 50  # an offset without a record at the end (compaction, markers) is noticed after this long


class Browser:
    """`ends` and `fetch` of the log."""

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap
        self._consumer: AIOKafkaConsumer | None = None
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
            if consumer.assignment() != {place}:
                consumer.assign([place])
            while True:
                first = (await consumer.beginning_offsets([place]))[place]
                end = (await consumer.end_offsets([place]))[place]
                # Retention may take more records away between the question and the fetch: then ask again.
                with suppress(OffsetOutOfRangeError):
                    return await _read(consumer, place, start=max(offset, first), end=end, records_max=records_max)

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
                    consumer, self._consumer = self._consumer, None
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


async def _read(
    consumer: AIOKafkaConsumer, place: TopicPartition, *, start: int, end: int, records_max: int
) -> list[Record]:
    """The first records from `start` on; compaction may leave offsets without records, also just before the end."""
    consumer.seek(place, start)
    while await consumer.position(place) < end:
        arrived = await consumer.getmany(place, timeout_ms=POLL_MS, max_records=records_max)
        if records := arrived.get(place):
            return list(records)
    return []
