"""KafkaLog while a real broker dies, hangs or is cut off: deadlines hold, and so does the order of what is repeated."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from uuid import uuid4

import pytest

from shared.errors import Unavailable
from shared.log import Entry, Topic
from shared.log_kafka import KafkaLog
from tests.servers.fixtures_kafka import need_broker
from tests.servers.kafka import KafkaServer, free_ports
from tests.servers.proxy import Fault, Proxy

pytestmark = [pytest.mark.kafka, pytest.mark.xdist_group("kafka")]

TIMEOUT_S = 1.0
SLACK_S = 0.5  # what a busy machine adds to a deadline
RECOVERY_S = 30.0
CLOSE_S = 8.0


@dataclass(frozen=True)
class Site:
    server: KafkaServer
    proxy: Proxy

    def connect(self) -> KafkaLog:
        return KafkaLog(self.server.bootstrap)


@pytest.fixture(scope="module")
async def site() -> AsyncIterator[Site]:
    """One broker that clients reach through the proxy only."""
    need_broker()
    proxy_port, port = free_ports(2)
    server, proxy = KafkaServer(port=port, advertised_port=proxy_port), Proxy(port=proxy_port, target_port=port)
    try:
        server.start()
        await proxy.start()
        yield Site(server, proxy)
    finally:
        await proxy.close()
        server.close()


@pytest.fixture
async def log(site: Site) -> AsyncIterator[KafkaLog]:
    log = site.connect()
    await log.open()
    yield log
    site.proxy.suffer(Fault.NONE)
    await log.close()


async def new_topic(log: KafkaLog) -> str:
    topic = f"faults-{uuid4().hex}"
    await log.ensure([Topic(topic, 2)])
    return topic


async def append(log: KafkaLog, topic: str, *values: int, timeout_s: float = TIMEOUT_S) -> None:
    await log.append(topic, [Entry(None, b"%d" % value, partition=0) for value in values], timeout_s=timeout_s)


async def append_again_and_again(log: KafkaLog, topic: str, *values: int, timeout_s: float = TIMEOUT_S) -> None:
    """As a publisher does: the same records until they are acknowledged."""
    deadline = time.monotonic() + RECOVERY_S
    while True:
        try:
            return await append(log, topic, *values, timeout_s=timeout_s)
        except Unavailable:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.05)


async def everything(log: KafkaLog, topic: str) -> list[int]:
    end = (await log.ends(topic))[0]
    values: list[int] = []
    position = 0
    while position < end and (records := await log.fetch(topic, 0, position, records_max=1_000)):
        values += [int(record.value or b"") for record in records]
        position = records[-1].offset + 1
    return values


def as_a_subscriber_keeps_them(values: list[int]) -> list[int]:
    """DESIGN.md 7: skip what is not above the last seen."""
    kept: list[int] = []
    for value in values:
        if not kept or value > kept[-1]:
            kept.append(value)
    return kept


@pytest.mark.parametrize("fault", [Fault.BLACK_HOLE, Fault.HALF_OPEN, Fault.RESET])
async def test_an_append_ends_in_time_whatever_the_network_does(site: Site, log: KafkaLog, fault: Fault) -> None:
    topic = await new_topic(log)
    await append(log, topic, 1)
    site.proxy.suffer(fault)
    began = time.monotonic()
    with pytest.raises(Unavailable):
        await append(log, topic, 2)
    assert time.monotonic() - began < TIMEOUT_S + SLACK_S


@pytest.mark.parametrize("fault", [Fault.BLACK_HOLE, Fault.HALF_OPEN, Fault.RESET])
async def test_an_append_works_again_after_the_network_heals(site: Site, log: KafkaLog, fault: Fault) -> None:
    topic = await new_topic(log)
    await append(log, topic, 1)
    site.proxy.suffer(fault)
    with pytest.raises(Unavailable):
        await append(log, topic, 2)
    site.proxy.suffer(Fault.NONE)
    await append_again_and_again(log, topic, 2)
    assert as_a_subscriber_keeps_them(await everything(log, topic)) == [1, 2]


async def test_the_first_append_of_all_ends_in_time_too(site: Site, log: KafkaLog) -> None:
    topic = await new_topic(log)
    site.proxy.suffer(Fault.BLACK_HOLE)
    began = time.monotonic()
    with pytest.raises(Unavailable):
        await append(log, topic, 1)
    assert time.monotonic() - began < TIMEOUT_S + SLACK_S


async def test_a_log_opens_in_time_or_not_at_all(site: Site) -> None:
    site.proxy.suffer(Fault.RESET)
    try:
        with pytest.raises(Unavailable):
            await site.connect().open()
    finally:
        site.proxy.suffer(Fault.NONE)


async def test_a_caller_in_a_hurry_does_not_fail_the_others(site: Site, log: KafkaLog) -> None:
    topic = await new_topic(log)
    await append(log, topic, 1)
    site.proxy.latency_s = 0.1
    try:
        others = asyncio.gather(*(append(log, topic, value, timeout_s=20) for value in range(2, 7)))
        with pytest.raises(Unavailable):
            await append(log, topic, 9, timeout_s=0.02)
        await others
    finally:
        site.proxy.latency_s = 0.0


async def test_repeats_never_stand_before_what_they_repeat(site: Site, log: KafkaLog) -> None:
    topic = await new_topic(log)
    await append(log, topic, 0)
    faults = [Fault.BLACK_HOLE, Fault.HALF_OPEN, Fault.RESET]

    async def break_and_heal() -> None:
        for fault in faults:
            await asyncio.sleep(0.3)  # let some appends through
            site.proxy.suffer(fault)
            await asyncio.sleep(0.9)  # longer than the deadline below, so that appends are given up
            site.proxy.suffer(Fault.NONE)

    numbers = 0
    async with asyncio.TaskGroup() as tasks:
        breaking = tasks.create_task(break_and_heal())
        while not breaking.done():
            fresh = range(numbers + 1, numbers + 4)
            await append_again_and_again(log, topic, *fresh, timeout_s=0.6)
            numbers = fresh[-1]
    assert as_a_subscriber_keeps_them(await everything(log, topic)) == list(range(numbers + 1))


async def test_what_was_given_up_never_arrives_behind_what_came_later(site: Site, log: KafkaLog) -> None:
    topic = await new_topic(log)
    await append(log, topic, 1)
    stranded = site.proxy.strand(Fault.BLACK_HOLE)
    with pytest.raises(Unavailable):
        await append(log, topic, 2)
    await append_again_and_again(log, topic, 2)
    await append_again_and_again(log, topic, 3)
    await site.proxy.release(stranded)  # the broker gets the request that hung on the old connection
    assert await everything(log, topic) == [1, 2, 3]


async def test_a_killed_broker_fails_appends_in_time_and_serves_them_again(site: Site, log: KafkaLog) -> None:
    topic = await new_topic(log)
    await append(log, topic, 1)
    site.server.kill()
    began = time.monotonic()
    with pytest.raises(Unavailable):
        await append(log, topic, 2)
    took_s = time.monotonic() - began
    await asyncio.to_thread(site.server.start)
    await append_again_and_again(log, topic, 2)
    assert took_s < TIMEOUT_S + SLACK_S
    assert as_a_subscriber_keeps_them(await everything(log, topic)) == [1, 2]


async def test_a_read_keeps_its_bound_and_the_log_closes_while_the_network_is_gone(site: Site) -> None:
    log = site.connect()
    topic = await new_topic(log)
    await append(log, topic, 1)
    reader = log.reader(topic, group=topic)
    gained: set[int] = set()
    while gained != {0, 1}:
        gained |= (await reader.read(records_max=10, timeout_s=1)).gained
    site.proxy.suffer(Fault.BLACK_HOLE)
    try:
        began = time.monotonic()
        await reader.read(records_max=10, timeout_s=0.5)
        read_s = time.monotonic() - began
        await reader.commit({0: 1})
        began = time.monotonic()
        await log.close()
        close_s = time.monotonic() - began
    finally:
        site.proxy.suffer(Fault.NONE)
    assert read_s < 0.5 + SLACK_S
    assert close_s < CLOSE_S


async def test_a_reader_that_was_cut_off_goes_on_when_the_network_heals(site: Site, log: KafkaLog) -> None:
    topic = await new_topic(log)
    reader = log.reader(topic, group=topic)
    gained: set[int] = set()
    while gained != {0, 1}:
        gained |= (await reader.read(records_max=10, timeout_s=1)).gained
    reader.start({0: 0, 1: 0})
    site.proxy.suffer(Fault.RESET)
    await reader.read(records_max=10, timeout_s=0.5)
    site.proxy.suffer(Fault.NONE)
    await append_again_and_again(log, topic, 7)
    values: list[bytes | None] = []
    deadline = time.monotonic() + RECOVERY_S
    while not values and time.monotonic() < deadline:
        arrival = await reader.read(records_max=10, timeout_s=0.5)
        reader.start(dict.fromkeys(arrival.gained, 0))
        values += [record.value for record in arrival.records.get(0, [])]
    assert set(values) == {b"7"}
