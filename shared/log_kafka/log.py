"""The log on Apache Kafka, through aiokafka. The contract stands in `shared/log.py`; here is what is particular.

What a failed append may still do, and never does: `shared/log_kafka/append.py`. A reader: `shared/log_kafka/reader.py`.
Only this room and `shared/partition.py` import aiokafka.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import MutableMapping, Sequence

from aiokafka.record import default_records

from shared.errors import Malformed
from shared.log import RECORD_BYTES_MAX, Codec, Entry, Reader, Record, Topic
from shared.log_kafka.admin import admin_of, ensure_topics
from shared.log_kafka.append import Appender
from shared.log_kafka.browse import Browser
from shared.log_kafka.failure import translated
from shared.log_kafka.reader import KafkaReader, Membership
from shared.partition import partition_for

OPEN_TIMEOUT_S = 10  # a broker that is up answers at once; a service that starts before it is restarted, or waits
ENSURE_TIMEOUT_S = 30  # a cluster of three gives a new partition its leader within seconds
SESSION_TIMEOUT_S = 45  # the broker's own default since Kafka 3.0: a rolling restart or a long pause loses nothing
IDLE_TIMEOUT_S = 300  # a worker that has not come back to read for this long is stuck; others take over
# Headers are counted only beside a large key and value: ours come from one HTTP request's head at most, and a small
# record would need seven times this in headers to be too large for a broker.
PLAIN_BYTES_MAX = RECORD_BYTES_MAX // 2
CODEC: Codec = "none"  # of a topic that was not ensured here: every client reads it


class KafkaLog:
    """One process's view of a Kafka cluster.

    `bootstrap` is `host:9092[,host:9092]`. `group_instance_id` names this process for good, so that its restart within
    the session timeout moves no partition; at most one live reader a group may carry it. Ensure a topic before anything
    else: many brokers make up, with one partition, whatever topic they are asked about.
    """

    def __init__(
        self,
        bootstrap: str,
        *,
        session_timeout_s: float = SESSION_TIMEOUT_S,
        idle_timeout_s: float = IDLE_TIMEOUT_S,
        group_instance_id: str | None = None,
    ) -> None:
        assert default_records.DefaultRecordBatchBuilder.__module__.startswith("aiokafka.record._crecords"), (
            "aiokafka runs without its C extension: thirty times slower"
        )
        self._bootstrap = bootstrap
        self._membership = Membership(session_timeout_s, idle_timeout_s, group_instance_id)
        self._readers: list[KafkaReader] = []
        self._counts: dict[str, int] = {}
        self._codecs: dict[str, Codec] = {}
        self._appenders: dict[str, Appender] = {}
        self._browser = Browser(bootstrap)

    async def open(self) -> None:
        """As `Log.open`; within OPEN_TIMEOUT_S."""
        with translated(f"connect to {self._bootstrap}"):
            async with asyncio.timeout(OPEN_TIMEOUT_S), admin_of(self._bootstrap):
                pass

    async def close(self) -> None:
        """As `Log.close`; readers still open are closed too."""
        parts: list[Reader | Appender | Browser] = [*self._readers, *self._appenders.values(), self._browser]
        await asyncio.gather(*(part.close() for part in parts))

    async def ensure(self, topics: Sequence[Topic]) -> None:
        """As `Log.ensure`; within ENSURE_TIMEOUT_S. Errors: Refused, also for a topic that the log does not stamp."""
        with translated("ensure topics"):
            async with asyncio.timeout(ENSURE_TIMEOUT_S):
                await ensure_topics(self._bootstrap, topics)
        for topic in topics:
            self._counts[topic.name] = topic.partitions
            self._codecs[topic.name] = topic.codec

    async def append(self, topic: str, entries: Sequence[Entry], *, timeout_s: float) -> list[int]:
        """As `Log.append`. Errors: Refused too, when there is no such topic or Kafka denies us to write to it."""
        deadline = asyncio.get_running_loop().time() + timeout_s
        count = await self._partitions(topic, timeout_s=timeout_s)
        if not entries:
            return []
        places, groups = _sorted_out(topic, entries, count)
        del entries  # the batches hold them now
        left_s = deadline - asyncio.get_running_loop().time()
        offsets = await self._appender(topic).append(topic, groups, timeout_s=left_s)
        following = {partition: iter(found).__next__ for partition, found in offsets.items()}
        return [following[place]() for place in places]

    def _appender(self, topic: str) -> Appender:
        codec = self._codecs.get(topic, CODEC)
        if codec not in self._appenders:
            self._appenders[codec] = Appender(self._bootstrap, codec=codec)
        return self._appenders[codec]

    async def _partitions(self, topic: str, *, timeout_s: float) -> int:
        if topic not in self._counts:
            with translated(f"look for topic {topic}"):
                async with asyncio.timeout(timeout_s):
                    self._counts[topic] = await self._appender(topic).partitions(topic)
        return self._counts[topic]

    def reader(self, topic: str, *, group: str) -> Reader:
        """As `Log.reader`."""
        reader = KafkaReader(self._bootstrap, topic, group=group, membership=self._membership)
        self._readers.append(reader)
        return reader

    async def ends(self, topic: str) -> dict[int, int]:
        """As `Log.ends`. Errors: Unavailable."""
        count = await self._partitions(topic, timeout_s=OPEN_TIMEOUT_S)
        return await self._browser.ends(topic, count)

    async def fetch(self, topic: str, partition: int, offset: int, *, records_max: int) -> list[Record]:
        """As `Log.fetch`. Errors: Unavailable."""
        return await self._browser.fetch(topic, partition, offset, records_max=records_max)

    def partition_of(self, topic: str, key: bytes) -> int:
        """As `Log.partition_of`."""
        return partition_for(key, self._counts[topic])


def _sorted_out(
    topic: str, entries: Sequence[Entry], count: int
) -> tuple[list[int], MutableMapping[int, Sequence[Entry]]]:
    """Each entry's partition, and the entries of each partition.

    Errors: Malformed before anything is sent: a record that the broker refuses would take its whole batch with it.
    """
    if max([len(entry.key or b"") + len(entry.value or b"") for entry in entries]) > PLAIN_BYTES_MAX:
        _check_sizes(topic, entries)
    places: list[int] = []
    groups: defaultdict[int, list[Entry]] = defaultdict(list)
    for entry in entries:
        place = entry.partition
        if place is None:
            assert entry.key is not None, "an entry has a partition or a key"
            place = partition_for(entry.key, count)
        places.append(place)
        groups[place].append(entry)
    return places, dict(groups)


def _check_sizes(topic: str, entries: Sequence[Entry]) -> None:
    for number, entry in enumerate(entries):
        size = (
            len(entry.key or b"")
            + len(entry.value or b"")
            + sum(len(name) + len(value) for name, value in entry.headers)
        )
        if size > RECORD_BYTES_MAX:
            raise Malformed(f"append to {topic}: entry {number} has {size} bytes, more than {RECORD_BYTES_MAX}")
