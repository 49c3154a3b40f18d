"""The contract of the log (shared/log.py), for every adapter: reading in groups."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest

from shared.errors import Refused
from shared.log import Entry, Log
from tests.contract.log_sites import (
    APPEND_S,
    CLOSE_S,
    PARTITIONS,
    SITES,
    WITHIN_S,
    Member,
    Site,
    append,
    joined,
    new_topic,
    owns_all,
    read_until,
)

QUIET_READS = 5  # reads that bring nothing before we believe that nothing comes


@pytest.fixture(params=SITES)
async def site(request: pytest.FixtureRequest) -> AsyncIterator[Site]:
    async with request.param(request) as site:
        yield site


@pytest.fixture
async def log(site: Site) -> Log:
    return await site.connect()


async def test_a_gained_partition_delivers_nothing_until_it_is_started(log: Log) -> None:
    topic = await new_topic(log)
    await append(log, topic, b"a")
    member = await joined(log, topic, start_at=None)
    for _ in range(QUIET_READS):
        await member.read()
    assert member.values == []


async def test_a_started_partition_delivers_from_its_position_on(log: Log) -> None:
    topic = await new_topic(log)
    offsets = await append(log, topic, b"a", b"b", b"c")
    member = await joined(log, topic, start_at=None)
    member.reader.start({0: offsets[1]})
    await read_until(lambda: len(member.values) >= 2, member)
    assert member.values == [b"b", b"c"]


async def test_what_is_appended_later_is_delivered_too(log: Log) -> None:
    topic = await new_topic(log)
    member = await joined(log, topic)
    await append(log, topic, b"a", partition=1)
    await read_until(lambda: member.values == [b"a"], member)
    await append(log, topic, b"b", partition=2)
    await read_until(lambda: member.values == [b"a", b"b"], member)


async def test_start_also_goes_back(log: Log) -> None:
    topic = await new_topic(log)
    offsets = await append(log, topic, b"a", b"b")
    member = await joined(log, topic)
    await read_until(lambda: len(member.values) == 2, member)
    member.reader.start({0: offsets[0]})
    await read_until(lambda: len(member.values) == 4, member)
    assert member.values == [b"a", b"b", b"a", b"b"]


async def test_a_paused_partition_stays_owned_and_delivers_nothing(log: Log) -> None:
    topic = await new_topic(log)
    member = await joined(log, topic)
    member.reader.pause(frozenset({0}))
    await append(log, topic, b"a", partition=0)
    await append(log, topic, b"b", partition=1)
    await read_until(lambda: member.values == [b"b"], member)
    for _ in range(QUIET_READS):
        await member.read()
    assert (member.values, member.owned) == ([b"b"], set(range(PARTITIONS)))


async def test_a_paused_partition_goes_on_where_it_is_started_again(log: Log) -> None:
    topic = await new_topic(log)
    offsets = await append(log, topic, b"a", b"b")
    member = await joined(log, topic, start_at=None)
    member.reader.start({0: offsets[0]})
    member.reader.pause(frozenset({0}))
    member.reader.start({0: offsets[1]})
    await read_until(lambda: member.values == [b"b"], member)


async def test_every_record_of_a_partition_is_delivered_once_and_in_order(log: Log) -> None:
    topic = await new_topic(log)
    member = await joined(log, topic)
    values = [b"%03d" % n for n in range(300)]
    for start in range(0, 300, 60):
        await append(log, topic, *values[start : start + 60], partition=3)
    await read_until(lambda: len(member.values) >= 300, member, records_max=70)
    assert member.values == values


async def test_a_read_brings_no_more_records_than_asked_for(log: Log) -> None:
    topic = await new_topic(log)
    for partition in range(PARTITIONS):
        await append(log, topic, *[b"a"] * 20, partition=partition)
    member = await joined(log, topic)
    sizes = []
    while sum(sizes) < 20 * PARTITIONS:
        arrival = await member.read(records_max=7, timeout_s=WITHIN_S)
        sizes.append(sum(map(len, arrival.records.values())))
    assert max(sizes) <= 7


async def test_reading_one_record_at_a_time_brings_every_partitions_records_once(log: Log) -> None:
    topic = await new_topic(log)
    for partition in range(PARTITIONS):
        await append(log, topic, b"%d-0" % partition, b"%d-1" % partition, partition=partition)
    member = await joined(log, topic)
    await read_until(lambda: len(member.values) >= 2 * PARTITIONS, member, records_max=1)
    assert member.values == [b"%d-%d" % (partition, n) for partition in range(PARTITIONS) for n in range(2)]


async def test_a_waiting_read_returns_as_soon_as_there_is_a_record(log: Log) -> None:
    topic = await new_topic(log)
    member = await joined(log, topic)
    async with asyncio.timeout(WITHIN_S), asyncio.TaskGroup() as tasks:
        reading = tasks.create_task(member.read(timeout_s=10 * WITHIN_S))
        await append(log, topic, b"a")
    assert [record.value for record in reading.result().records[0]] == [b"a"]


async def test_a_read_without_news_comes_back_empty(log: Log) -> None:
    topic = await new_topic(log)
    member = await joined(log, topic)
    async with asyncio.timeout(WITHIN_S):
        arrival = await member.read(timeout_s=0.1)
    assert (arrival.lost, arrival.gained, list(arrival.records)) == (frozenset(), frozenset(), [])


async def test_tombstones_and_headers_are_delivered(log: Log) -> None:
    topic = await new_topic(log)
    await log.append(topic, [Entry(b"k", None, [("h", b"1")], partition=0)], timeout_s=APPEND_S)
    member = await joined(log, topic)
    await read_until(lambda: member.values == [None], member)
    (record,) = member.records[0]
    assert (record.key, [tuple(header) for header in record.headers]) == (b"k", [("h", b"1")])


async def test_two_members_of_a_group_share_the_partitions(site: Site, log: Log) -> None:
    topic = await new_topic(log)
    first = await joined(log, topic, group=f"{topic}-readers")
    second = Member((await site.connect()).reader(topic, group=f"{topic}-readers"))
    await read_until(lambda: owns_all([first, second]) and bool(second.owned), first, second)
    assert len(first.owned) == len(second.owned) == PARTITIONS // 2


async def test_members_of_two_groups_each_read_everything(log: Log) -> None:
    topic = await new_topic(log)
    await append(log, topic, b"a")
    members = [await joined(log, topic), await joined(log, topic)]
    await read_until(lambda: all(member.values == [b"a"] for member in members), *members)


async def test_the_partitions_of_a_member_that_leaves_pass_to_the_other(site: Site, log: Log) -> None:
    topic = await new_topic(log)
    stays = await joined(log, topic, group=f"{topic}-readers")
    leaves = Member((await site.connect()).reader(topic, group=f"{topic}-readers"))
    await read_until(lambda: owns_all([stays, leaves]) and bool(leaves.owned), stays, leaves)
    await leaves.reader.close()
    await read_until(lambda: len(stays.owned) == PARTITIONS, stays)


async def test_a_member_that_stops_reading_loses_its_partitions_and_notices_when_it_reads(site: Site) -> None:
    log = await site.connect_impatient()
    topic = await new_topic(log)
    stops = await joined(log, topic, group=f"{topic}-readers")
    goes_on = Member((await site.connect_impatient()).reader(topic, group=f"{topic}-readers"))
    await read_until(lambda: len(goes_on.owned) == PARTITIONS, goes_on)
    await read_until(lambda: stops.ever_lost == set(range(PARTITIONS)), stops, goes_on)


async def test_a_lost_partition_delivers_nothing(site: Site) -> None:
    log = await site.connect_impatient()
    topic = await new_topic(log)
    stops = await joined(log, topic, group=f"{topic}-readers")
    goes_on = Member((await site.connect_impatient()).reader(topic, group=f"{topic}-readers"))
    await read_until(lambda: len(goes_on.owned) == PARTITIONS, goes_on)
    stops.start_at = None
    await append(log, topic, b"a")
    await read_until(lambda: goes_on.values == [b"a"] and bool(stops.ever_lost), stops, goes_on)
    for _ in range(QUIET_READS):
        await asyncio.gather(stops.read(), goes_on.read())
    assert stops.values == []


async def test_a_committed_position_is_there_for_the_groups_next_member(site: Site, log: Log) -> None:
    topic = await new_topic(log)
    offsets = await append(log, topic, b"a", b"b", partition=1)
    first = await joined(log, topic, group=f"{topic}-readers")
    await first.reader.commit({1: offsets[1]})
    await first.reader.close()
    second = await joined(await site.connect(), topic, group=f"{topic}-readers")
    assert await second.reader.committed(frozenset(second.owned)) == {1: offsets[1]}


async def test_one_groups_commits_mean_nothing_to_another(log: Log) -> None:
    topic = await new_topic(log)
    await append(log, topic, b"a", partition=1)
    first, second = await joined(log, topic), await joined(log, topic)
    await first.reader.commit({1: 1})
    assert await second.reader.committed(frozenset({1})) == {}


async def test_a_position_that_the_log_does_not_hold_is_refused_by_name(log: Log) -> None:
    topic = await new_topic(log)
    await append(log, topic, b"a", partition=2)
    member = await joined(log, topic, start_at=None)
    member.reader.start({2: 1_000})
    with pytest.raises(Refused, match=rf"{topic}.*2"):
        await read_until(lambda: False, member)


async def test_a_reader_closes_within_seconds_even_before_it_has_read(log: Log) -> None:
    topic = await new_topic(log)
    reader = log.reader(topic, group=f"group-{uuid4().hex}")
    async with asyncio.timeout(CLOSE_S):
        await reader.close()


async def test_a_reader_closes_within_seconds_in_the_middle_of_reading(log: Log) -> None:
    topic = await new_topic(log)
    await append(log, topic, *[b"a"] * 50)
    member = await joined(log, topic)
    async with asyncio.timeout(CLOSE_S):
        await member.reader.close()
