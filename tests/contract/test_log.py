"""The contract of the log (shared/log.py), for every adapter: topics, appending and fetching."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest

from shared.errors import Malformed, Refused
from shared.log import RECORD_BYTES_MAX, Entry, Log, Topic
from tests.contract.log_sites import APPEND_S, CLOSE_S, PARTITIONS, SITES, Site, append, everything, new_topic

CLOCK_SLACK_MS = 2_000  # between this process's clock and the log's
MURMUR2 = {  # the Java client's own test vectors (UtilsTest.testMurmur2)
    b"21": -973932308,
    b"foobar": -790332482,
    b"a-little-bit-long-string": -985981536,
    b"a-little-bit-longer-string": -1486304829,
    b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
    b"abc": 479470107,
}


@pytest.fixture(params=SITES)
async def site(request: pytest.FixtureRequest) -> AsyncIterator[Site]:
    async with request.param(request) as site:
        yield site


@pytest.fixture
async def log(site: Site) -> Log:
    return await site.connect()


async def test_append_returns_the_offsets_in_the_order_of_its_entries(log: Log) -> None:
    topic = await new_topic(log)
    offsets = await append(log, topic, b"a", b"b", b"c")
    records = await everything(log, topic)
    assert offsets == sorted(set(offsets))
    assert [(record.offset, record.value) for record in records] == list(zip(offsets, [b"a", b"b", b"c"], strict=True))


async def test_offsets_of_several_partitions_come_back_in_the_order_of_the_entries(log: Log) -> None:
    topic = await new_topic(log)
    await append(log, topic, b"before", partition=2)
    entries = [Entry(None, b"%d" % n, partition=p) for n, p in enumerate([2, 0, 2, 1])]
    offsets = await log.append(topic, entries, timeout_s=APPEND_S)
    found = [await log.fetch(topic, p, offset, records_max=1) for p, offset in zip([2, 0, 2, 1], offsets, strict=True)]
    assert [records[0].value for records in found] == [b"0", b"1", b"2", b"3"]


async def test_a_later_append_gets_a_greater_offset(log: Log) -> None:
    topic = await new_topic(log)
    (first,) = await append(log, topic, b"a")
    (second,) = await append(log, topic, b"b")
    assert second > first


async def test_appending_nothing_returns_no_offsets(log: Log) -> None:
    topic = await new_topic(log)
    assert await log.append(topic, [], timeout_s=APPEND_S) == []


async def test_concurrent_appends_each_get_the_offsets_of_their_own_records(log: Log) -> None:
    topic = await new_topic(log)
    values = [[b"%d-%d" % (call, n) for n in range(3)] for call in range(50)]
    offsets = await asyncio.gather(*(append(log, topic, *mine) for mine in values))
    found = {record.offset: record.value for record in await everything(log, topic)}
    assert [[found[offset] for offset in mine] for mine in offsets] == values


async def test_an_acknowledged_record_is_there_for_another_process(site: Site, log: Log) -> None:
    topic = await new_topic(log)
    await append(log, topic, b"a")
    other = await site.connect()
    assert [record.value for record in await everything(other, topic)] == [b"a"]


async def test_two_processes_append_to_one_partition(site: Site, log: Log) -> None:
    topic = await new_topic(log)
    other = await site.connect()
    values = [[b"%s%d" % (name, n) for n in range(20)] for name in (b"a", b"b")]
    offsets = await asyncio.gather(append(log, topic, *values[0]), append(other, topic, *values[1]))
    found = {record.offset: record.value for record in await everything(log, topic)}
    assert [[found[offset] for offset in mine] for mine in offsets] == values


async def test_the_log_stamps_a_record_with_its_own_time(log: Log) -> None:
    topic = await new_topic(log)
    before = time.time_ns() // 1_000_000
    await append(log, topic, b"a")
    after = time.time_ns() // 1_000_000
    (record,) = await everything(log, topic)
    assert before - CLOCK_SLACK_MS <= record.timestamp <= after + CLOCK_SLACK_MS


async def test_log_time_does_not_go_back_within_a_partition(log: Log) -> None:
    topic = await new_topic(log)
    await asyncio.gather(*(append(log, topic, b"%d" % n) for n in range(30)))
    times = [record.timestamp for record in await everything(log, topic)]
    assert times == sorted(times)


@pytest.mark.parametrize("key", MURMUR2)
async def test_a_key_goes_to_the_partition_that_kafkas_hash_names(log: Log, key: bytes) -> None:
    topic = await new_topic(log, partitions=12)
    expected = (MURMUR2[key] & 0x7FFFFFFF) % 12
    await log.append(topic, [Entry(key, b"a")], timeout_s=APPEND_S)
    assert log.partition_of(topic, key) == expected
    assert [record.key for record in await everything(log, topic, expected)] == [key]


async def test_a_named_partition_goes_before_the_key(log: Log) -> None:
    topic = await new_topic(log)
    other = (log.partition_of(topic, b"key") + 1) % PARTITIONS
    await log.append(topic, [Entry(b"key", b"a", partition=other)], timeout_s=APPEND_S)
    assert [record.key for record in await everything(log, topic, other)] == [b"key"]


async def test_key_value_and_headers_come_back_as_they_were_written(log: Log) -> None:
    topic = await new_topic(log)
    headers = [("ce_id", b"1"), ("twice", b"\x00\xff"), ("twice", b"")]
    await log.append(topic, [Entry(b"\x00key", b"\xffvalue", headers, partition=0)], timeout_s=APPEND_S)
    (record,) = await everything(log, topic)
    assert (record.key, record.value) == (b"\x00key", b"\xffvalue")
    assert [tuple(header) for header in record.headers] == headers


async def test_a_record_without_headers_has_none(log: Log) -> None:
    topic = await new_topic(log)
    await append(log, topic, b"a")
    (record,) = await everything(log, topic)
    assert (record.key, list(record.headers)) == (None, [])


async def test_a_tombstone_is_kept_and_differs_from_an_empty_value(log: Log) -> None:
    topic = await new_topic(log)
    entries = [Entry(b"k", None, partition=0), Entry(b"k", b"", partition=0)]
    await log.append(topic, entries, timeout_s=APPEND_S)
    assert [record.value for record in await everything(log, topic)] == [None, b""]


async def test_a_record_that_is_too_large_is_malformed(log: Log) -> None:
    topic = await new_topic(log)
    with pytest.raises(Malformed):
        await append(log, topic, bytes(RECORD_BYTES_MAX + 1))


async def test_a_record_just_below_the_limit_is_taken(log: Log) -> None:
    topic = await new_topic(log)
    await append(log, topic, bytes(RECORD_BYTES_MAX - 100))
    (record,) = await everything(log, topic)
    assert len(record.value or b"") == RECORD_BYTES_MAX - 100


async def test_a_refused_record_does_not_disturb_later_ones(log: Log) -> None:
    topic = await new_topic(log)
    with pytest.raises(Malformed):
        await append(log, topic, bytes(RECORD_BYTES_MAX + 1))
    await append(log, topic, b"a")
    assert [record.value for record in await everything(log, topic)] == [b"a"]


async def test_a_new_topic_ends_at_zero_in_every_partition(log: Log) -> None:
    topic = await new_topic(log)
    assert await log.ends(topic) == dict.fromkeys(range(PARTITIONS), 0)


async def test_the_end_is_the_offset_after_the_last_record(log: Log) -> None:
    topic = await new_topic(log)
    offsets = await append(log, topic, b"a", b"b", partition=1)
    assert (await log.ends(topic))[1] == offsets[-1] + 1


async def test_fetch_begins_at_the_offset(log: Log) -> None:
    topic = await new_topic(log)
    offsets = await append(log, topic, b"a", b"b", b"c")
    records = await log.fetch(topic, 0, offsets[1], records_max=10)
    assert records[0].offset == offsets[1]


async def test_fetch_at_the_end_of_the_log_brings_nothing(log: Log) -> None:
    topic = await new_topic(log)
    offsets = await append(log, topic, b"a")
    assert await log.fetch(topic, 0, offsets[-1] + 1, records_max=10) == []


async def test_fetch_brings_no_more_than_asked_for(log: Log) -> None:
    topic = await new_topic(log)
    await append(log, topic, b"a", b"b", b"c")
    assert len(await log.fetch(topic, 0, 0, records_max=2)) <= 2


async def test_fetch_stays_within_its_partition_and_topic(log: Log) -> None:
    topic, other = await new_topic(log), await new_topic(log)
    await append(log, topic, b"a", partition=0)
    await append(log, topic, b"b", partition=1)
    await append(log, other, b"c", partition=0)
    assert [record.value for record in await everything(log, topic, 0)] == [b"a"]


async def test_a_topic_that_is_there_is_ensured_again_with_its_records(log: Log) -> None:
    topic = await new_topic(log)
    await append(log, topic, b"a")
    await log.ensure([Topic(topic, PARTITIONS)])
    assert [record.value for record in await everything(log, topic)] == [b"a"]


async def test_two_processes_may_ensure_the_same_topics_at_once(site: Site, log: Log) -> None:
    other = await site.connect()
    topics = [Topic(f"contract-{uuid4().hex}", PARTITIONS) for _ in range(3)]
    await asyncio.gather(log.ensure(topics), other.ensure(topics))
    assert set(await log.ends(topics[2].name)) == set(range(PARTITIONS))


async def test_another_partition_count_is_refused_and_both_counts_are_named(log: Log) -> None:
    topic = await new_topic(log)
    with pytest.raises(Refused, match=rf"(?s){topic}.*{PARTITIONS}.*7"):
        await log.ensure([Topic(topic, 7)])


async def test_a_log_closes_within_seconds(site: Site) -> None:
    log = await site.connect()
    topic = await new_topic(log)
    await append(log, topic, b"a")
    async with asyncio.timeout(CLOSE_S):
        await log.close()
