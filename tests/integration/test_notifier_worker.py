"""The worker alone, on the embedded log: partitions that change hands, and a database that goes away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from services.notifier.channel.channel import Answer
from services.notifier.channel.console import ConsoleChannel
from services.notifier.delivery.customers import CustomerNow, Whose
from services.notifier.delivery.deliveries import PartitionDecisions
from services.notifier.delivery.delivery import ChannelName, Result
from services.notifier.delivery.message import Message
from services.notifier.sending.gate import Gate
from services.notifier.sending.retry import ATTEMPTS_MAX
from services.notifier.sending.sender import UNJUDGED_MS, Sender
from services.notifier.store_sql.customers import SqlCustomers
from services.notifier.store_sql.deliveries import SqlDeliveries
from services.notifier.unsubscribe import UnsubscribeLinks
from services.notifier.worker import Worker
from shared.database import make_engine
from shared.errors import Unavailable
from shared.log import Topic, first_kept
from tests.builders_notifier import NOW_MS, a_campaign, a_decision, a_transition
from tests.integration.notifier_rig import TOPICS, Rig, rig_of


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    async with rig_of(tmp_path, "") as rig:
        yield rig


@asynccontextmanager
async def reading(rig: Rig, deliveries: SqlDeliveries) -> AsyncIterator[Worker]:
    """A worker that reads until the block ends."""
    reader, stop = rig.log.reader(TOPICS.transitions, group="stageline-notifier"), asyncio.Event()
    worker = Worker(
        reader, deliveries, [a_campaign()], clock=rig.clock, on_news=stop.is_set, reclaim_s=0.05,
        first_kept=partial(first_kept, rig.log, TOPICS.transitions),
    )  # fmt: skip
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


async def test_a_new_notifier_begins_with_the_first_transition_that_is_kept(rig: Rig) -> None:
    await rig.log.ensure([Topic(TOPICS.transitions, TOPICS.partitions, retention_ms=1_000)])
    await rig.publish(a_transition(id="1", seq=1), a_transition(id="2", seq=2), partition=1)
    rig.clock.advance(10_000)
    await rig.publish(a_transition(id="3", seq=3), partition=1)
    async with reading(rig, SqlDeliveries(make_engine(rig.address))):
        (row,) = await rig.settled("pending")
    assert row.transition == "3"


async def test_a_beginning_that_the_database_did_not_take_is_looked_for_again(rig: Rig) -> None:
    await rig.log.ensure([Topic(TOPICS.transitions, TOPICS.partitions, retention_ms=1_000)])
    await rig.publish(a_transition(id="1", seq=1), partition=1)
    rig.clock.advance(10_000)
    await rig.publish(a_transition(id="2", seq=2), partition=1)
    deliveries = Away(make_engine(rig.address))
    async with reading(rig, deliveries):
        await rig.settled("pending")
    assert deliveries.attempts == 3  # the beginning, the beginning again, the transition


class CannotRecordAtOnce(SqlDeliveries):
    """The database is away when the first result comes."""

    calls = 0

    async def record(self, results: Sequence[Result]) -> None:
        self.calls += 1
        if self.calls == 1:
            raise Unavailable("away")
        await super().record(results)


def a_sender(rig: Rig, deliveries: SqlDeliveries, channel: ConsoleChannel, **given: Any) -> Sender:
    gate = Gate(deliveries, rig.seen, {"win-back": a_campaign()}, clock=rig.clock)
    name, links = ChannelName("console"), UnsubscribeLinks()
    return Sender(deliveries, gate, name, channel, links=links, clock=rig.clock, **given)


async def decide_one(rig: Rig, deliveries: SqlDeliveries) -> None:
    await rig.customers.move(a_transition())
    claim = (await deliveries.claim([0]))[0]
    await deliveries.decide([PartitionDecisions(0, claim.epoch, claim.position, claim.position, [a_decision()])])


async def test_a_result_that_cannot_be_recorded_at_once_is_recorded_later_and_sent_once(rig: Rig) -> None:
    deliveries, stop = CannotRecordAtOnce(make_engine(rig.address)), asyncio.Event()
    await decide_one(rig, deliveries)
    sender = a_sender(rig, deliveries, ConsoleChannel(rig.lines.append))
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(sender.run(stop))
        await rig.settled("sent")
        stop.set()
    await deliveries.close()
    assert (len(rig.lines), deliveries.calls) == (1, 2)


class StopsSoonAfter(ConsoleChannel):
    """The process is told to stop while the receiver is still thinking."""

    def __init__(self, stop: asyncio.Event, lines: list[str]) -> None:
        super().__init__(lines.append)
        self._stop = stop

    async def send(self, message: Message, *, now_ms: int) -> Answer:
        self._stop.set()
        await asyncio.sleep(0.1)
        return await super().send(message, now_ms=now_ms)


async def test_what_is_under_way_when_stopping_is_finished_and_recorded(rig: Rig) -> None:
    deliveries, stop = SqlDeliveries(make_engine(rig.address)), asyncio.Event()
    await decide_one(rig, deliveries)
    sender = a_sender(rig, deliveries, StopsSoonAfter(stop, rig.lines))
    await sender.run(stop)
    await deliveries.close()
    assert [row.outcome for row in await rig.rows()] == ["sent"]


class StumblesOver(ConsoleChannel):
    """Has a fault that one customer's messages meet, while those of the others are on their way."""

    def __init__(self, customer: str, lines: list[str]) -> None:
        super().__init__(lines.append)
        self._customer = customer

    async def send(self, message: Message, *, now_ms: int) -> Answer:
        if message.transition.customer == self._customer:
            raise KeyError("an adapter's mistake")
        await asyncio.sleep(0.1)
        return await super().send(message, now_ms=now_ms)


async def test_a_fault_of_ours_costs_the_message_that_meets_it_an_attempt_and_its_neighbours_nothing(rig: Rig) -> None:
    deliveries, stop = SqlDeliveries(make_engine(rig.address)), asyncio.Event()
    moves = [a_transition(id=name, customer=name) for name in ("ann", "bob", "cid")]
    await rig.customers.move(*moves)
    await deliveries.add(
        [a_decision(id=name, customer=name, seq=seq) for seq, name in enumerate(("ann", "bob", "cid"))]
    )
    sender = a_sender(rig, deliveries, StumblesOver("bob", rig.lines))
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(sender.run(stop))
        rows = await rig.until(lambda rows: all(row.finished_ms for row in rows), "an attempt at each")
        stop.set()
    await deliveries.close()
    assert {row.customer: row.outcome for row in rows} == {"ann": "sent", "bob": "failed", "cid": "sent"}
    assert len(rig.lines) == 2


class CountsWhatIsUnderWay(ConsoleChannel):
    """Notes how many messages it had at once."""

    running = most = 0

    async def send(self, message: Message, *, now_ms: int) -> Answer:
        self.running += 1
        self.most = max(self.most, self.running)
        await asyncio.sleep(0.02)
        self.running -= 1
        return await super().send(message, now_ms=now_ms)


async def test_a_channel_is_given_no_more_at_once_than_it_can_do(rig: Rig) -> None:
    deliveries, stop = SqlDeliveries(make_engine(rig.address)), asyncio.Event()
    await rig.customers.move(a_transition())
    await deliveries.add([a_decision(seq=seq) for seq in range(1, 9)])
    channel = CountsWhatIsUnderWay(rig.lines.append)
    sender = a_sender(rig, deliveries, channel, at_once_max=2)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(sender.run(stop))
        await rig.settled(*["sent"] * 8)
        stop.set()
    await deliveries.close()
    assert channel.most == 2


class AwayCustomers(SqlCustomers):
    """The stager's tables do not answer for a while."""

    is_away = True

    async def look(self, wanted: Collection[Whose]) -> dict[Whose, CustomerNow]:
        if self.is_away:
            raise Unavailable("away")
        return await super().look(wanted)


async def test_an_outage_of_the_stagers_tables_costs_a_delivery_no_attempt(rig: Rig) -> None:
    engine, stop = make_engine(rig.address), asyncio.Event()
    deliveries = SqlDeliveries(engine)
    await decide_one(rig, deliveries)
    rig.seen = customers = AwayCustomers(engine)
    sender = a_sender(rig, deliveries, ConsoleChannel(rig.lines.append))
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(sender.run(stop))
        (held,) = await rig.settled("held")
        customers.is_away = False
        rig.clock.advance(UNJUDGED_MS)
        (sent,) = await rig.settled("sent")
        stop.set()
    await deliveries.close()
    assert (held.attempts, sent.attempts) == (0, 1)


async def test_a_message_whose_attempts_leave_no_result_is_given_up_in_the_end(rig: Rig) -> None:
    deliveries, stop = SqlDeliveries(make_engine(rig.address)), asyncio.Event()
    await decide_one(rig, deliveries)
    for _ in range(ATTEMPTS_MAX):  # each time the process dies at it
        await deliveries.take(ChannelName("console"), lambda lanes: dict.fromkeys(lanes, 1), now_ms=NOW_MS, lease_ms=0)
    sender = a_sender(rig, deliveries, ConsoleChannel(rig.lines.append))
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(sender.run(stop))
        await rig.settled("dead")
        stop.set()
    await deliveries.close()
    assert rig.lines == []
