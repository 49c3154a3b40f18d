"""The worker alone, on the embedded log: partitions that change hands, and a database that goes away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from services.notifier.channel_console import ConsoleChannel
from services.notifier.deliveries import PartitionDecisions
from services.notifier.deliveries_sql import SqlDeliveries
from services.notifier.delivery import ChannelName, Result
from services.notifier.sender import Sender
from services.notifier.worker import Worker
from shared.database import make_engine
from shared.errors import Unavailable
from tests.builders_notifier import a_campaign, a_decision, a_transition
from tests.integration.notifier_rig import TOPICS, Rig, rig_of


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    async with rig_of(tmp_path, "") as rig:
        yield rig


@asynccontextmanager
async def reading(rig: Rig, deliveries: SqlDeliveries) -> AsyncIterator[Worker]:
    """A worker that reads until the block ends."""
    reader, stop = rig.log.reader(TOPICS.transitions, group="stageline-notifier"), asyncio.Event()
    worker = Worker(reader, deliveries, [a_campaign()], clock=rig.clock, on_news=stop.is_set, reclaim_s=0.05)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(worker.run(stop))
        yield worker
        stop.set()
    await reader.close()
    await deliveries.close()


class TakenOver(SqlDeliveries):
    """Somebody else claims the partition just before the first decision, and never comes back."""

    attempts = 0

    async def decide(self, batches: Sequence[PartitionDecisions]) -> None:
        self.attempts += 1
        if self.attempts == 1:
            await self.claim([batches[0].partition])
        await super().decide(batches)


async def test_a_partition_that_nobody_else_goes_on_with_is_claimed_again(rig: Rig) -> None:
    deliveries = TakenOver(make_engine(rig.address))
    async with reading(rig, deliveries):
        await rig.publish(a_transition(id="1", seq=1), partition=1)
        await rig.settled("pending")
    assert deliveries.attempts == 2


class Away(SqlDeliveries):
    """The database does not answer the first decision."""

    attempts = 0

    async def decide(self, batches: Sequence[PartitionDecisions]) -> None:
        self.attempts += 1
        if self.attempts == 1:
            raise Unavailable("away")
        await super().decide(batches)


async def test_what_the_database_did_not_take_is_read_again_and_decided(rig: Rig) -> None:
    deliveries = Away(make_engine(rig.address))
    async with reading(rig, deliveries) as worker:
        await rig.publish(a_transition(id="1", seq=1), a_transition(id="2", seq=2), partition=1)
        await rig.settled("pending", "pending")
        assert worker.positions()[1] == 2


class CannotRecordAtOnce(SqlDeliveries):
    """The database is away when the first result comes."""

    refusals = 0

    async def record(self, results: Sequence[Result]) -> None:
        if not self.refusals:
            self.refusals += 1
            raise Unavailable("away")
        await super().record(results)


async def test_a_result_that_cannot_be_recorded_at_once_is_recorded_later_and_sent_once(rig: Rig) -> None:
    deliveries = CannotRecordAtOnce(make_engine(rig.address))
    claim = (await deliveries.claim([0]))[0]
    await deliveries.decide([PartitionDecisions(0, claim.epoch, claim.position, claim.position, [a_decision()])])
    stop = asyncio.Event()
    sender = Sender(deliveries, ChannelName.CONSOLE, ConsoleChannel(rig.lines.append), clock=rig.clock)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(sender.run(stop))
        await rig.settled("sent")
        stop.set()
    await deliveries.close()
    assert (len(rig.lines), deliveries.refusals) == (1, 1)
