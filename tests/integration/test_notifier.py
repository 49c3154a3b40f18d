"""The whole notifier: from the topic to a real receiver, through crashes, repeats and outages (promises 3, 6, 7)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, event

from services.notifier.delivery.deliveries import PartitionDecisions
from services.notifier.delivery.delivery import Result
from services.notifier.sending.sender import LEASE_MS
from services.notifier.store_sql.deliveries import SqlDeliveries
from shared.clock import DAY_MS, HOUR_MS
from shared.database import make_engine
from shared.errors import FenceLost, Refused, Unavailable
from tests.builders_notifier import a_transition
from tests.integration.notifier_rig import Rig, rig_of
from tests.receiver import Receiver

CONSOLE = """
campaign: told
on: {lifecycle: shop, stage: at_risk, change: moved}
send: [{channel: console}]
"""
WEBHOOK = """
campaign: hooked
on: {lifecycle: shop, stage: at_risk, change: moved}
send: [{channel: webhook, url: "URL"}]
"""


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with Receiver() as receiver:
        yield receiver


@pytest.fixture
async def console(tmp_path: Path) -> AsyncIterator[Rig]:
    async with rig_of(tmp_path, CONSOLE) as rig:
        yield rig


@pytest.fixture
async def webhook(tmp_path: Path, receiver: Receiver) -> AsyncIterator[Rig]:
    async with rig_of(tmp_path, WEBHOOK.replace("URL", receiver.url)) as rig:
        yield rig


def moves(*seqs: int) -> list:
    return [a_transition(id=f"move-{seq}", seq=seq) for seq in seqs]


async def test_a_move_reaches_the_receiver_signed_and_is_kept_as_sent(webhook: Rig, receiver: Receiver) -> None:
    async with webhook.running():
        await webhook.publish(*moves(1))
        (post,) = await receiver.posted(1)
        (row,) = await webhook.settled("sent")
    assert post.is_genuine
    assert (post.id, post.body["data"]["id"]) == (str(row.id), "move-1")


async def test_a_receiver_that_fails_twice_is_asked_three_times_under_one_id(webhook: Rig, receiver: Receiver) -> None:
    receiver.answers.extend([(500, {}), (503, {"Retry-After": "3600"})])
    async with webhook.running():
        await webhook.publish(*moves(1))
        (first,) = await webhook.settled("failed")
        webhook.clock.advance(10_000)
        await receiver.posted(2)
        (second,) = await webhook.until(lambda rows: rows[0].reason == "status 503", "a 503")
        webhook.clock.advance(HOUR_MS)
        (third,) = await webhook.settled("sent")
    assert first.reason == "status 500"
    assert second.due_ms == (second.finished_ms or 0) + HOUR_MS
    assert (third.attempts, {post.id for post in receiver.posts}) == (3, {str(third.id)})
    assert all(post.is_genuine for post in receiver.posts)


class CrashBeforeRecord(SqlDeliveries):
    """The process dies when the first result is to be recorded."""

    async def record(self, results: Sequence[Result]) -> None:
        raise MemoryError("killed")


async def test_a_crash_between_sending_and_recording_sends_again_under_the_same_id(
    webhook: Rig, receiver: Receiver
) -> None:
    await webhook.publish(*moves(1))
    with pytest.raises(ExceptionGroup):
        async with webhook.running(CrashBeforeRecord(make_engine(webhook.address))):
            await asyncio.Event().wait()
    webhook.clock.advance(LEASE_MS)
    async with webhook.running():
        (row,) = await webhook.settled("sent")
    assert [post.id for post in receiver.posts] == [str(row.id)] * 2
    assert row.attempts == 2


async def test_what_is_published_twice_is_sent_once(console: Rig) -> None:
    async with console.running():
        await console.publish(*moves(1, 2), *moves(1, 2))
        await console.publish(*moves(2, 3))
        await console.settled("sent", "sent", "sent")
    assert [line["transition"]["seq"] for line in console.printed()] == [1, 2, 3]


async def test_a_restart_goes_on_where_it_stopped(console: Rig) -> None:
    async with console.running():
        await console.publish(*moves(1))
        await console.settled("sent")
    await console.publish(*moves(2))
    async with console.running():
        await console.settled("sent", "sent")
    assert [line["transition"]["seq"] for line in console.printed()] == [1, 2]


class AnswerLost(SqlDeliveries):
    """The first transaction is kept, but its answer never arrives."""

    is_lost = False

    async def decide(self, batches: Sequence[PartitionDecisions]) -> None:
        await super().decide(batches)
        if not self.is_lost:
            self.is_lost = True
            raise Unavailable("the connection broke after the commit")


async def test_a_commit_whose_answer_is_lost_is_not_decided_again(console: Rig) -> None:
    async with console.running(AnswerLost(make_engine(console.address))):
        await console.publish(*moves(1))
        await console.settled("sent")
        await console.publish(*moves(2))
        await console.settled("sent", "sent")
    assert [line["transition"]["seq"] for line in console.printed()] == [1, 2]


class SlowToAnswer(SqlDeliveries):
    """Refuses the first calls of each kind, as a database that is still starting."""

    calls = 0

    async def open(self) -> None:
        self.calls += 1
        if self.calls == 1:
            raise Unavailable("still starting")
        await super().open()


async def test_a_database_that_comes_up_late_is_waited_for(console: Rig) -> None:
    await console.publish(*moves(1))
    async with console.running(SlowToAnswer(make_engine(console.address))):
        early = (await console.get("/readyz")).status_code
        await console.settled("sent")
        late = (await console.get("/readyz")).status_code
    assert (early, late) == (503, 200)


async def test_records_that_are_no_transitions_cost_their_neighbours_nothing(console: Rig) -> None:
    async with console.running():
        await console.publish(b"{", *moves(1), b"null", *moves(2))
        await console.settled("sent", "sent")


async def test_a_backlog_is_recorded_as_too_old_and_not_sent(console: Rig) -> None:
    await console.publish(*moves(1))
    console.clock.advance(3 * DAY_MS + 1)
    async with console.running():
        await console.settled("too_old")
    assert console.lines == []


async def test_stopping_waits_for_what_is_under_way_and_records_it(webhook: Rig, receiver: Receiver) -> None:
    receiver.gate.clear()
    async with webhook.running() as stop:
        await webhook.publish(*moves(1))
        await receiver.posted(1)
        stop.set()
        receiver.gate.set()
    assert [row.outcome for row in await webhook.rows()] == ["sent"]


async def test_two_notifiers_share_the_work_and_double_nothing(console: Rig) -> None:
    async with console.running(), console.running():
        for partition in range(4):
            seqs = range(1, 6)
            await console.publish(
                *(a_transition(id=f"{partition}-{seq}", seq=seq) for seq in seqs), partition=partition
            )
        await console.settled(*["sent"] * 20)
    assert len({line["delivery"] for line in console.printed()}) == len(console.printed()) == 20


async def test_a_notifier_whose_partition_was_taken_over_decides_nothing_on_it(console: Rig) -> None:
    zombie = SqlDeliveries(make_engine(console.address))
    old = (await zombie.claim([0]))[0]
    async with console.running():
        await console.publish(*moves(1))
        await console.settled("sent")
    with pytest.raises(FenceLost):
        await zombie.decide([PartitionDecisions(0, old.epoch, old.position, old.position)])
    await zombie.close()


async def test_deliveries_can_be_asked_for(console: Rig) -> None:
    async with console.running():
        await console.publish(*moves(1, 2))
        await console.settled("sent", "sent")
        listed = (await console.get("/deliveries?customer=ann&outcome=sent&limit=1")).json()
        summary = (await console.get("/deliveries/summary")).json()
        metrics = (await console.get("/metrics")).text
        wrong = await console.get("/deliveries?outcome=lost")
    assert [(row["transition"], row["campaign"], row["attempts"]) for row in listed] == [("move-2", "told", 1)]
    assert summary == [{"campaign": "told", "outcome": "sent", "deliveries": 2}]
    assert 'stageline_notifier_deliveries_total{channel="console",outcome="sent"}' in metrics
    assert wrong.status_code == 422


async def test_a_campaign_file_with_faults_is_refused_at_start_with_all_of_them(tmp_path: Path) -> None:
    async with rig_of(tmp_path, "campaign: A\non: {}\nsend: []\n") as rig:
        with pytest.raises(ExceptionGroup) as caught:
            async with rig.running():
                await asyncio.Event().wait()
    (refused,) = caught.value.exceptions
    assert isinstance(refused, Refused)
    assert str(refused).count("error:") == 5


async def test_the_whole_notifier_stands_on_one_engine_whose_pool_bounds_its_connections(console: Rig) -> None:
    used: set[Engine] = set()

    def note(connection: Connection) -> None:
        used.add(connection.engine)

    event.listen(Engine, "engine_connect", note)
    try:
        async with console.running():
            while (await console.get("/readyz")).status_code != 200:
                pass
            await console.get("/deliveries")
    finally:
        event.remove(Engine, "engine_connect", note)
    assert len(used) == 1
