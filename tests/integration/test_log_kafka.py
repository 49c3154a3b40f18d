"""What only a real Kafka can show: its clock and partitioner, members that die or freeze, records that expire."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic, RecordsToDelete
from aiokafka.errors import KafkaError
from aiokafka.structs import TopicPartition

from shared.errors import Refused, Unavailable
from shared.log import Entry, Reader, Topic
from shared.log_kafka import KafkaLog
from shared.log_kafka.append import Appender
from shared.log_kafka.producer import BATCH_BYTES_MAX, Producer
from tests.servers.kafka import ROOT

pytestmark = [pytest.mark.kafka, pytest.mark.xdist_group("kafka")]

MEMBER = Path(__file__).with_name("kafka_member.py")
PARTITIONS = 4
TIMEOUT_S = 10.0
WITHIN_S = 30.0


@pytest.fixture
async def log(kafka_bootstrap: str) -> AsyncIterator[KafkaLog]:
    log = KafkaLog(kafka_bootstrap, session_timeout_s=6)
    yield log
    await log.close()


@pytest.fixture
async def topic(log: KafkaLog) -> str:
    name = f"kafka-{uuid4().hex}"
    await log.ensure([Topic(name, PARTITIONS, codec="zstd")])
    return name


@pytest.fixture
async def admin(kafka_bootstrap: str) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka_bootstrap)
    await admin.start()
    yield admin
    await admin.close()


async def append(log: KafkaLog, topic: str, *values: bytes, partition: int = 0) -> list[int]:
    entries = [Entry(None, value, partition=partition) for value in values]
    return await log.append(topic, entries, timeout_s=TIMEOUT_S)


async def owning_all(reader: Reader) -> Reader:
    gained: set[int] = set()
    async with asyncio.timeout(WITHIN_S):
        while len(gained) < PARTITIONS:
            gained |= (await reader.read(records_max=100, timeout_s=1)).gained
    return reader


async def read_on(reader: Reader) -> None:
    async with asyncio.timeout(WITHIN_S):
        while True:
            await reader.read(records_max=10, timeout_s=1)


async def test_the_partition_of_a_key_is_where_another_client_sends_it(
    log: KafkaLog, topic: str, kafka_bootstrap: str
) -> None:
    keys = [uuid4().hex.encode()[: 1 + n % 32] for n in range(50)]
    async with AIOKafkaProducer(bootstrap_servers=kafka_bootstrap) as producer:
        sent = [await producer.send_and_wait(topic, b"", key) for key in keys]
    assert [log.partition_of(topic, key) for key in keys] == [place.partition for place in sent]


async def test_a_time_that_another_writer_sets_is_not_taken(log: KafkaLog, topic: str, kafka_bootstrap: str) -> None:
    async with AIOKafkaProducer(bootstrap_servers=kafka_bootstrap) as producer:
        await producer.send_and_wait(topic, b"", b"k", partition=0, timestamp_ms=1)
    [record] = await log.fetch(topic, 0, 0, records_max=1)
    assert abs(record.timestamp - time.time_ns() // 1_000_000) < 60_000


@pytest.mark.parametrize("compacted", [True, False])
async def test_every_topic_is_stamped_by_the_broker(log: KafkaLog, compacted: bool) -> None:
    name = f"kafka-{uuid4().hex}"
    await log.ensure([Topic(name, 1, compacted=compacted, retention_ms=None if compacted else 3_600_000)])
    await log.append(name, [Entry(b"k", b"v")], timeout_s=TIMEOUT_S)
    [record] = await log.fetch(name, 0, 0, records_max=1)
    assert getattr(record, "timestamp_type") == 1  # noqa: B009  # Kafka's LogAppendTime


async def test_a_topic_that_takes_times_from_writers_is_refused(log: KafkaLog, admin: AIOKafkaAdminClient) -> None:
    name = f"kafka-{uuid4().hex}"
    await admin.create_topics([NewTopic(name, 1, 1)])
    with pytest.raises(Refused, match=f"{name}.*LogAppendTime"):
        await log.ensure([Topic(name, 1)])


async def test_a_changed_partition_count_is_refused_with_what_to_do(log: KafkaLog, topic: str) -> None:
    with pytest.raises(Refused, match=f"STAGELINE_PARTITIONS={PARTITIONS}"):
        await log.ensure([Topic(topic, PARTITIONS + 1)])


async def test_a_topic_that_is_not_there_is_refused_or_unavailable_in_time(log: KafkaLog) -> None:
    with pytest.raises((Refused, Unavailable)):
        await log.append(f"kafka-{uuid4().hex}", [Entry(b"k", b"v")], timeout_s=1)


async def test_a_call_larger_than_a_batch_keeps_its_order(log: KafkaLog, topic: str) -> None:
    values = [b"%06d" % n + bytes(1_000) for n in range(3 * BATCH_BYTES_MAX // 1_000)]
    offsets = await append(log, topic, *values)
    assert offsets == list(range(len(values)))
    first_of_last = await log.fetch(topic, 0, offsets[-1], records_max=1)
    assert first_of_last[0].value == values[-1]


async def test_keyed_entries_of_one_call_keep_their_order_on_each_partition(log: KafkaLog, topic: str) -> None:
    entries = [Entry(b"k%d" % (n % 7), b"%d" % n) for n in range(60)]
    offsets = await log.append(topic, entries, timeout_s=TIMEOUT_S)
    for partition in range(PARTITIONS):
        mine = [n for n, e in enumerate(entries) if log.partition_of(topic, e.key or b"") == partition]
        found = {record.offset: record.value for record in await log.fetch(topic, partition, 0, records_max=100)}
        assert [found[offsets[n]] for n in mine] == [b"%d" % n for n in mine]
        assert [offsets[n] for n in mine] == sorted(offsets[n] for n in mine)


async def test_large_and_small_appends_to_one_partition_all_get_through(log: KafkaLog, topic: str) -> None:
    large = [Entry(b"k", b"%d" % n) for n in range(200)]
    single = [Entry(b"k", b"single")]
    pair = [Entry(None, b"%d" % n, partition=0) for n in range(2)]
    calls = [kind for _ in range(60) for kind in (large, single, pair)]
    found = await asyncio.gather(*(log.append(topic, entries, timeout_s=TIMEOUT_S) for entries in calls))
    assert [len(offsets) for offsets in found] == [len(entries) for entries in calls]


async def test_a_producer_is_refused_where_its_heir_has_written(topic: str, kafka_bootstrap: str) -> None:
    first = Producer(kafka_bootstrap, codec="none", identity=None)
    await first.start()
    await first.write(topic, 0, [Entry(None, b"1", partition=0)])
    successor = Producer(kafka_bootstrap, codec="none", identity=first.successor_identity)
    await successor.start()
    await successor.write(topic, 0, [Entry(None, b"2", partition=0)])
    try:
        with pytest.raises(KafkaError):
            await first.write(topic, 0, [Entry(None, b"late", partition=0)])
    finally:
        await first.abandon()
        await successor.stop(timeout_s=5)


async def test_a_worn_producer_hands_over_without_losing_or_failing_anything(topic: str, kafka_bootstrap: str) -> None:
    appender = Appender(kafka_bootstrap, codec="none", records_max=100)
    ten = [Entry(None, b"v", partition=0)] * 10
    try:
        found = await asyncio.gather(*(appender.append(topic, {0: ten}, timeout_s=TIMEOUT_S) for _ in range(50)))
        found += [await appender.append(topic, {0: ten}, timeout_s=TIMEOUT_S) for _ in range(25)]
    finally:
        await appender.close()
    assert sorted(offset for offsets in found for offset in offsets[0]) == list(range(750))


async def test_a_fetch_reads_on_and_goes_back(log: KafkaLog, topic: str) -> None:
    await append(log, topic, *[b"%d" % n for n in range(9)])
    offsets = [[r.offset for r in await log.fetch(topic, 0, at, records_max=3)] for at in (0, 3, 6, 9, 3, 6, 0)]
    assert offsets == [[0, 1, 2], [3, 4, 5], [6, 7, 8], [], [3, 4, 5], [6, 7, 8], [0, 1, 2]]


async def test_an_end_without_records_comes_back_empty(log: KafkaLog, topic: str, kafka_bootstrap: str) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=kafka_bootstrap, transactional_id=topic)
    async with producer, producer.transaction():
        await producer.send_and_wait(topic, b"v", b"k", partition=0)
    assert (await log.ends(topic))[0] == 2  # the record and the commit's marker, which nobody is shown
    async with asyncio.timeout(5):
        assert await log.fetch(topic, 0, 1, records_max=10) == []


async def test_a_fetch_before_the_first_record_kept_begins_there(
    log: KafkaLog, topic: str, admin: AIOKafkaAdminClient
) -> None:
    await append(log, topic, b"gone", b"gone", b"kept")
    await admin.delete_records({TopicPartition(topic, 0): RecordsToDelete(2)})
    assert [record.value for record in await log.fetch(topic, 0, 0, records_max=10)] == [b"kept"]


async def test_a_position_that_retention_has_passed_is_refused_by_name(
    log: KafkaLog, topic: str, admin: AIOKafkaAdminClient
) -> None:
    await append(log, topic, b"gone", b"gone", b"kept")
    await admin.delete_records({TopicPartition(topic, 0): RecordsToDelete(2)})
    reader = await owning_all(log.reader(topic, group=topic))
    reader.start({0: 1})
    with pytest.raises(Refused, match=rf"{topic}\[0\] has no offset 1"):
        await read_on(reader)


class Process:
    """A member of a group in a process of its own, and what it said so far."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.said: list[dict[str, list[int]]] = []

    async def listen(self, until: Callable[[], bool]) -> None:
        assert self.process.stdout is not None
        async with asyncio.timeout(WITHIN_S):
            while not until():
                self.said.append(json.loads(await self.process.stdout.readline()))


@asynccontextmanager
async def process_member(bootstrap: str, topic: str) -> AsyncIterator[Process]:
    """A second process that owns some of the topic's partitions, in the group named like the topic."""
    command = [sys.executable, str(MEMBER), bootstrap, topic, topic]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE, env=environment)
    try:
        member = Process(process)
        await member.listen(lambda: any(line["gained"] for line in member.said))
        yield member
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def test_the_partitions_of_a_killed_member_pass_to_the_other(
    log: KafkaLog, topic: str, kafka_bootstrap: str
) -> None:
    async with process_member(kafka_bootstrap, topic) as member:
        member.process.kill()
        await owning_all(log.reader(topic, group=topic))


async def test_a_frozen_member_learns_of_its_loss_and_is_shown_nothing_after_it(
    log: KafkaLog, topic: str, kafka_bootstrap: str
) -> None:
    async with process_member(kafka_bootstrap, topic) as member:
        member.process.send_signal(signal.SIGSTOP)
        await owning_all(log.reader(topic, group=topic))
        for partition in range(PARTITIONS):
            await append(log, topic, b"new", partition=partition)
        member.process.send_signal(signal.SIGCONT)
        await member.listen(lambda: {p for line in member.said for p in line["lost"]} == set(range(PARTITIONS)))
    owned: set[int] = set()
    for line in member.said:
        owned = owned.difference(line["lost"]).union(line["gained"])
        assert owned.issuperset(line["delivered"])
