"""Subscriptions and replay through a whole notifier; the tables that replay and preview read, on both databases."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import insert

from services.notifier.commands.campaigns import preview_campaign, replay_subscription
from services.notifier.file.campaigns import load_paths
from services.notifier.file.load import load_subscriptions
from services.notifier.operate.replay import Beginning, Replayed
from services.notifier.settings import NotifierSettings
from services.notifier.store_sql.transitions import SqlTransitions
from services.stager.store_sql.tables import customers, positions, transitions
from shared.clock import DAY_MS, HOUR_MS, rfc3339
from shared.database import make_engine, writing
from shared.errors import Refused
from shared.partition import partition_for
from shared.transition import Transition, encode
from tests.builders_notifier import NOW_MS, RULES, a_transition
from tests.integration.notifier_rig import Rig, rig_of
from tests.receiver import Receiver

BEGAN_MS = NOW_MS - DAY_MS
CRM = """
subscription: crm
lifecycles: [shop]
send: [{channel: webhook, url: "URL"}]
"""


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with Receiver() as receiver:
        yield receiver


@pytest.fixture
async def rig(tmp_path: Path, receiver: Receiver) -> AsyncIterator[Rig]:
    async with rig_of(tmp_path, CRM.replace("URL", receiver.url)) as rig:
        yield rig


def moves(*seqs: int, **given: object) -> list[Transition]:
    return [
        a_transition(id=f"move-{seq}", seq=seq, n=seq, at=rfc3339(BEGAN_MS + seq * HOUR_MS), **given) for seq in seqs
    ]


async def keep(address: str, *kept: Transition, partition: int = 0) -> None:
    """Write these transitions as the stager does."""
    engine = make_engine(address)
    rows = [
        {
            "seq": one.seq, "at_ms": BEGAN_MS + one.seq * HOUR_MS, "recorded_ms": NOW_MS, "partition": partition,
            "customer": one.customer, "lifecycle": one.lifecycle, "body": encode(one),
        }
        for one in kept
    ]  # fmt: skip
    position = {
        "partition": partition, "epoch": 1, "next_offset": 0, "clock_ms": 0, "seq": kept[-1].seq, "published_seq": 0,
    }  # fmt: skip
    async with writing(engine) as connection:
        await connection.execute(insert(transitions), rows)
        await connection.execute(insert(positions), [position])
    await engine.dispose()


async def test_a_subscription_is_sent_every_change_though_the_customer_has_moved_on(
    rig: Rig, receiver: Receiver
) -> None:
    back = a_transition(id="back", seq=2, n=3, from_stage="at_risk", to_stage="active")
    other = a_transition(id="other", seq=3, lifecycle="other")
    async with rig.running():
        await rig.publish(*moves(1), back, other)
        rows = await rig.settled("sent", "sent")
    assert {post.body["data"]["id"] for post in receiver.posts} == {"move-1", "back"}
    assert all(post.is_genuine for post in receiver.posts)
    assert {row.campaign for row in rows} == {"@crm"}


async def test_a_backlog_of_days_is_sent_to_a_subscription(rig: Rig) -> None:
    await rig.publish(*moves(1))
    rig.clock.advance(30 * DAY_MS)
    async with rig.running():
        await rig.settled("sent")


async def test_a_change_that_a_receiver_refuses_for_days_comes_in_the_end_under_one_id(
    rig: Rig, receiver: Receiver
) -> None:
    receiver.answers.append((500, {}))
    async with rig.running():
        await rig.publish(*moves(1))
        await rig.settled("failed")
        rig.clock.advance(HOUR_MS)
        await rig.settled("sent")
    assert len({post.id for post in receiver.posts}) == 1


async def test_a_replay_sends_again_under_the_old_ids_and_what_was_never_sent_too(rig: Rig, receiver: Receiver) -> None:
    await keep(rig.address, *moves(1, 2, 3))
    async with rig.running():
        await rig.publish(*moves(2, 3))
        await rig.settled("sent", "sent")
        before = {post.body["data"]["id"]: post.id for post in receiver.posts}
        (crm,) = load_subscriptions(rig.settings)
        done = await replay_subscription(rig.settings, crm, begin=Beginning())
        rig.clock.advance(365 * DAY_MS)  # the command reads the machine's clock, and this notifier's is another
        await receiver.posted(5)
        await rig.settled("sent", "sent", "sent")
    assert done == Replayed(transitions=3, again=2, new=1)
    after = {post.body["data"]["id"]: post.id for post in receiver.posts}
    assert set(after) == {"move-1", "move-2", "move-3"}
    assert before.items() <= after.items()


@pytest.mark.parametrize(
    ("begin", "count"),
    [
        (Beginning(at_ms=BEGAN_MS + 2 * HOUR_MS), 2),
        (Beginning(at_ms=BEGAN_MS + 2 * HOUR_MS + 1), 1),
        (Beginning(partition=0, seq=3), 1),
        (Beginning(partition=0, seq=4), 0),
    ],
)
async def test_a_replay_begins_exactly_where_it_is_told(rig: Rig, begin: Beginning, count: int) -> None:
    await keep(rig.address, *moves(1, 2, 3))
    (crm,) = load_subscriptions(rig.settings)
    assert (await replay_subscription(rig.settings, crm, begin=begin)).new == count
    assert (await replay_subscription(rig.settings, crm, begin=begin)) == Replayed(transitions=count)  # still pending


async def test_a_replay_of_a_partition_that_has_nothing_is_refused(rig: Rig) -> None:
    await keep(rig.address, *moves(1))
    (crm,) = load_subscriptions(rig.settings)
    with pytest.raises(Refused, match=r"partition 3 .* in \[0\]"):
        await replay_subscription(rig.settings, crm, begin=Beginning(partition=3))


async def test_the_stagers_tables_are_read_alike_on_both_databases(stager_address: str) -> None:
    await keep(stager_address, *moves(1, 2), *moves(3, customer="bob"), partition=2)
    engine = make_engine(stager_address)
    async with writing(engine) as connection:
        row = {"partition": 2, "customer": "ann", "traits": msgspec.json.encode({"name": "Ann"})}
        await connection.execute(insert(customers), [row])
    tables = SqlTransitions(engine)
    assert await tables.partitions() == [2]
    assert [one.seq for one in await tables.after(2, seq=1, at_ms=0, limit=9)] == [2, 3]
    assert [one.seq for one in await tables.after(2, seq=0, at_ms=BEGAN_MS + 2 * HOUR_MS, limit=1)] == [2]
    assert [one.seq for one in await tables.newest_of("ann", partition=2, lifecycle="shop")] == [2, 1]
    assert await tables.traits("ann", partition=2) == {"name": "Ann"}
    assert await tables.traits("zoe", partition=2) is None
    await engine.dispose()


async def test_without_the_stagers_tables_a_replay_is_refused(tmp_path: Path) -> None:
    engine = make_engine(f"sqlite+aiosqlite:///{tmp_path}/empty.db")
    with pytest.raises(Refused, match="stageline migrate"):
        await SqlTransitions(engine).open()
    await engine.dispose()


MAIL = """
campaign: win-back
on: {lifecycle: shop, stage: at_risk, change: moved}
send: [{channel: email, subject: Hello, text: "Dear {{ traits.name }}, you came from {{ transition.from }}"}]
"""


async def test_a_preview_shows_a_real_customers_newest_transition_with_the_traits_of_now(
    stager_address: str, tmp_path: Path
) -> None:
    (tmp_path / "c.yaml").write_text(MAIL)
    settings = NotifierSettings(database=stager_address, partitions=4, campaigns=str(tmp_path))
    place = partition_for(b"ann", 4)
    later = a_transition(id="later", seq=3, from_stage="at_risk", to_stage="active")
    await keep(stager_address, *moves(1), *moves(2, from_stage="loyal"), later, partition=place)
    engine = make_engine(stager_address)
    async with writing(engine) as connection:
        row = {"partition": place, "customer": "ann"}
        traits = msgspec.json.encode({"name": "Ann", "email": "ann@example.com"})
        await connection.execute(insert(customers), [row | {"traits": traits}])
    await engine.dispose()
    (campaign,) = load_paths([tmp_path], RULES).campaigns
    text, is_whole = await preview_campaign(settings, campaign, customer="ann", transitions=None)
    assert is_whole
    assert "email to ann@example.com" in text
    assert "Dear Ann, you came from loyal" in text
    with pytest.raises(Refused, match="none of the 0 transitions"):
        await preview_campaign(settings, campaign, customer="nobody", transitions=None)


LINK = """
campaign: told
on: {lifecycle: shop, stage: at_risk, change: moved}
send: [{channel: console, text: "{{ unsubscribe_link }}"}]
"""


async def test_a_template_with_a_link_that_nobody_has_set_up_is_refused_at_start(tmp_path: Path) -> None:
    async with rig_of(tmp_path, LINK) as rig:
        with pytest.raises(ExceptionGroup) as caught:
            async with rig.running():
                await asyncio.Event().wait()
    (refused,) = caught.value.exceptions
    assert isinstance(refused, Refused)
    assert "STAGELINE_UNSUBSCRIBE_URL" in str(refused)
