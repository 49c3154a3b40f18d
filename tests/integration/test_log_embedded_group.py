"""Reading the embedded log in a group: cancelled reads, and members that have lost what they think they own."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from shared.clock import SystemClock
from shared.log import Entry, Topic
from shared.log_embedded import EmbeddedLog

TOPIC = Topic("t", 4)
EVERY_PARTITION = frozenset(range(4))


@pytest.fixture
async def log(tmp_path: Path) -> AsyncIterator[EmbeddedLog]:
    log = EmbeddedLog(tmp_path / "log.db", clock=SystemClock(), session_timeout_s=0.3)
    await log.open()
    await log.ensure([TOPIC])
    yield log
    await log.close()


async def append(log: EmbeddedLog) -> None:
    await log.append(TOPIC.name, [Entry(None, b"a", partition=0)], timeout_s=10)


async def test_a_cancelled_read_loses_neither_partitions_nor_records(log: EmbeddedLog) -> None:
    reader = log.reader(TOPIC.name, group="g")
    await append(log)
    arrivals = []
    for turns in range(20):
        reading = asyncio.ensure_future(reader.read(records_max=1, timeout_s=5))
        for _ in range(turns):
            await asyncio.sleep(0)
        reading.cancel()
        await asyncio.wait({reading})
        arrivals += [] if reading.cancelled() else [reading.result()]
        reader.start({p: 0 for arrival in arrivals for p in arrival.gained if not arrival.records})
    arrivals.append(await reader.read(records_max=1, timeout_s=0.1))
    assert [arrival.gained for arrival in arrivals if arrival.gained] == [{0, 1, 2, 3}]


async def test_a_partition_paused_while_a_read_is_under_way_is_left_out_of_it(log: EmbeddedLog) -> None:
    await append(log)
    reader = log.reader(TOPIC.name, group="g")
    await reader.read(records_max=1, timeout_s=5)
    reader.start({0: 0})
    async with asyncio.TaskGroup() as tasks:
        reading = tasks.create_task(reader.read(records_max=1, timeout_s=0.1))
        await asyncio.sleep(0)
        reader.pause(frozenset({0}))
    assert reading.result().records == {}


async def test_what_a_former_owner_commits_means_nothing(log: EmbeddedLog) -> None:
    former, present = log.reader(TOPIC.name, group="g"), log.reader(TOPIC.name, group="g")
    await former.read(records_max=1, timeout_s=5)
    gained: frozenset[int] = frozenset()
    async with asyncio.timeout(20):
        while gained != EVERY_PARTITION:
            gained |= (await present.read(records_max=1, timeout_s=1)).gained
    await former.commit({0: 7})
    await present.commit({1: 8})
    assert await present.committed(EVERY_PARTITION) == {1: 8}


async def test_a_silent_member_that_nobody_replaced_keeps_its_partitions(log: EmbeddedLog) -> None:
    reader = log.reader(TOPIC.name, group="g")
    await reader.read(records_max=1, timeout_s=5)
    await asyncio.to_thread(time.sleep, 0.4)  # longer than the session: silence itself is what is tested
    arrival = await reader.read(records_max=1, timeout_s=0.1)
    assert (arrival.lost, arrival.gained) == (frozenset(), frozenset())
