"""What the deliveries promise (services/notifier/delivery/deliveries.py), over both databases."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from uuid import uuid4

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from services.notifier.campaign.step import Step
from services.notifier.delivery.deliveries import Claim, OutcomeCount, PartitionDecisions, Position
from services.notifier.delivery.delivery import ChannelName, Decision, Delivery, Outcome, Result, followers_of
from services.notifier.plan.plan import plan
from services.notifier.store_sql.deliveries import MIGRATIONS, SqlDeliveries
from services.notifier.store_sql.tables import metadata
from shared.database import make_engine
from shared.errors import FenceLost, Refused, Unavailable
from shared.migrate import migrate
from tests.builders_notifier import NOW_MS, a_campaign, a_decision, a_transition

LEASE_MS = 60_000


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "postgres":
        return str(request.getfixturevalue("postgres_address"))
    return f"sqlite+aiosqlite:///{tmp_path}/stageline.db"


@pytest.fixture
async def deliveries(address: str) -> AsyncIterator[SqlDeliveries]:
    engine = make_engine(address)
    await migrate(engine, MIGRATIONS)
    deliveries = SqlDeliveries(engine)
    await deliveries.open()
    yield deliveries
    await deliveries.close()


async def keep(deliveries: SqlDeliveries, *decisions: Decision, partition: int = 0) -> None:
    """Decide these as the owner of a partition that nobody else wants."""
    claim = (await deliveries.claim([partition]))[partition]
    position = Position(claim.position.offset + 1, claim.position.seq + 1)
    await deliveries.decide([PartitionDecisions(partition, claim.epoch, claim.position, position, decisions)])


async def take(
    deliveries: SqlDeliveries, *, now_ms: int = NOW_MS, limit: int = 10, channel: str = "console"
) -> list[Delivery]:
    def share(lanes: Sequence[str]) -> Mapping[str, int]:
        return dict.fromkeys(lanes, limit)

    return await deliveries.take(ChannelName(channel), share, now_ms=now_ms, lease_ms=LEASE_MS)


def result(delivery: Delivery, outcome: Outcome, *, due_ms: int | None = None, reason: str = "") -> Result:
    return Result(
        id=delivery.id, take=delivery.take, outcome=outcome, reason=reason, finished_ms=NOW_MS + 9, due_ms=due_ms,
        is_attempt=True, followers=followers_of(delivery),
    )  # fmt: skip


async def outcomes(deliveries: SqlDeliveries) -> list[Outcome]:
    rows = await deliveries.newest(customer=None, campaign=None, outcome=None, limit=100)
    return [row.outcome for row in rows]


async def test_a_database_without_the_tables_is_refused(address: str) -> None:
    deliveries = SqlDeliveries(make_engine(address))
    with pytest.raises(Refused, match="stageline migrate"):
        await deliveries.open()
    await deliveries.close()


async def test_a_new_partition_begins_at_the_start(deliveries: SqlDeliveries) -> None:
    assert await deliveries.claim([2, 5]) == {2: Claim(Position(0, 0), 1), 5: Claim(Position(0, 0), 1)}


async def test_a_claim_stands_where_the_last_decision_left_off_under_a_higher_epoch(deliveries: SqlDeliveries) -> None:
    epoch = (await deliveries.claim([0]))[0].epoch
    await deliveries.decide([PartitionDecisions(0, epoch, Position(), Position(7, 4))])
    assert await deliveries.claim([0]) == {0: Claim(Position(7, 4), epoch + 1)}


async def test_an_owner_who_has_been_replaced_decides_nothing_at_all(deliveries: SqlDeliveries) -> None:
    old = await deliveries.claim([0, 1])
    await deliveries.claim([0])
    batches = [PartitionDecisions(p, old[p].epoch, Position(), Position(1, 1), [a_decision()]) for p in (0, 1)]
    with pytest.raises(FenceLost) as caught:
        await deliveries.decide(batches)
    assert caught.value.partitions == {0}
    assert await outcomes(deliveries) == []
    assert (await deliveries.claim([1]))[1].position == Position()


async def test_the_same_batch_cannot_be_decided_twice(deliveries: SqlDeliveries) -> None:
    claim = (await deliveries.claim([0]))[0]
    batch = PartitionDecisions(0, claim.epoch, claim.position, Position(1, 1), [a_decision()])
    await deliveries.decide([batch])
    with pytest.raises(FenceLost):
        await deliveries.decide([batch])


async def test_a_delivery_that_is_there_stays_as_it_is(deliveries: SqlDeliveries) -> None:
    decision, other = a_decision(), a_decision()
    await keep(deliveries, decision)
    await deliveries.record([result((await take(deliveries))[0], Outcome.SENT)])
    await keep(deliveries, decision, other)
    assert sorted(await outcomes(deliveries)) == [Outcome.PENDING, Outcome.SENT]


async def test_what_is_taken_is_what_was_decided(deliveries: SqlDeliveries) -> None:
    campaign = a_campaign(steps=(Step(ChannelName("webhook"), "https://example.com/ü"),))
    decision = a_decision(campaign, carried={"traits.name": "Zoë", "orders": 3}, customer="zoë")
    await keep(deliveries, decision)
    assert await take(deliveries, channel="webhook") == [
        Delivery(
            id=decision.id, campaign="win-back", step=1, channel=ChannelName("webhook"), target="https://example.com/ü",
            endpoint="https://example.com", partition=0, stage="at_risk", while_in=True, transition=decision.transition,
            at_ms=NOW_MS, fresh_ms=NOW_MS, attempt=1, take=1,
        )
    ]  # fmt: skip


async def test_a_taken_delivery_is_hidden_until_its_lease_ends(deliveries: SqlDeliveries) -> None:
    await keep(deliveries, a_decision())
    (first,) = await take(deliveries)
    assert await take(deliveries, now_ms=NOW_MS + LEASE_MS - 1) == []
    (again,) = await take(deliveries, now_ms=NOW_MS + LEASE_MS)
    assert (again.id, again.attempt) == (first.id, 2)


async def test_what_is_not_due_or_goes_by_other_channels_is_not_taken(deliveries: SqlDeliveries) -> None:
    await keep(deliveries, a_decision(), a_decision(historical=True))
    assert await take(deliveries, now_ms=NOW_MS - 1) == []
    assert await take(deliveries, channel="webhook") == []
    assert len(await take(deliveries)) == 1


async def test_the_steps_of_a_campaign_and_the_transitions_of_a_partition_are_taken_in_order(
    deliveries: SqlDeliveries,
) -> None:
    campaign = a_campaign(steps=(Step(ChannelName("console")), Step(ChannelName("console"))))
    moves = [a_transition(id=str(uuid4()), seq=seq) for seq in (1, 2, 3)]
    decisions = [decision for move in moves for decision in plan([campaign], move, partition=0, now_ms=NOW_MS)]
    await keep(deliveries, *reversed(decisions))
    first, rest = await take(deliveries, limit=4), await take(deliveries)
    assert [delivery.id for delivery in [*first, *rest]] == [decision.id for decision in decisions]


async def test_senders_at_once_share_the_work_without_doubling_any(deliveries: SqlDeliveries) -> None:
    await keep(deliveries, *(a_decision(seq=seq) for seq in range(1, 41)))
    takings = await asyncio.gather(*(take(deliveries, limit=7) for _ in range(4)))
    taken = [delivery.id for taking in takings for delivery in taking]
    assert len(taken) == len(set(taken)) > 7
    assert all(len(taking) <= 7 for taking in takings)


async def test_a_sent_delivery_is_never_taken_again(deliveries: SqlDeliveries) -> None:
    await keep(deliveries, a_decision())
    await deliveries.record([result((await take(deliveries))[0], Outcome.SENT, reason="status 204")])
    assert await take(deliveries, now_ms=NOW_MS + 10 * LEASE_MS) == []
    (row,) = await deliveries.newest(customer="ann", campaign=None, outcome=None, limit=1)
    assert (row.outcome, row.reason, row.attempts, row.due_ms) == (Outcome.SENT, "status 204", 1, None)
    assert row.finished_ms == NOW_MS + 9


async def test_a_failed_delivery_comes_back_when_it_is_due(deliveries: SqlDeliveries) -> None:
    await keep(deliveries, a_decision())
    await deliveries.record([result((await take(deliveries))[0], Outcome.FAILED, due_ms=NOW_MS + 5_000)])
    assert await take(deliveries, now_ms=NOW_MS + 4_999) == []
    assert [delivery.attempt for delivery in await take(deliveries, now_ms=NOW_MS + 5_000)] == [2]


async def test_a_sender_that_comes_too_late_changes_nothing(deliveries: SqlDeliveries) -> None:
    await keep(deliveries, a_decision())
    (late,) = await take(deliveries)
    (punctual,) = await take(deliveries, now_ms=NOW_MS + LEASE_MS)
    await deliveries.record([result(punctual, Outcome.SENT)])
    await deliveries.record([result(late, Outcome.FAILED, due_ms=NOW_MS)])
    assert await outcomes(deliveries) == [Outcome.SENT]


async def test_deliveries_are_listed_newest_first_and_narrowed(deliveries: SqlDeliveries) -> None:
    old = a_decision(now_ms=NOW_MS - 5, at="2027-01-15T07:59:00.000Z")
    new = a_decision(a_campaign("other"), customer="bob")
    await keep(deliveries, old, new)

    async def listed(**wanted: object) -> list[object]:
        usual = {"customer": None, "campaign": None, "outcome": None, "limit": 10}
        return [row.id for row in await deliveries.newest(**{**usual, **wanted})]

    assert await listed() == [new.id, old.id]
    assert await listed(limit=1) == [new.id]
    assert await listed(customer="ann") == await listed(campaign="win-back") == [old.id]
    assert await listed(customer="bob", outcome=Outcome.SENT) == []


async def test_deliveries_are_counted_by_campaign_and_outcome(deliveries: SqlDeliveries) -> None:
    await keep(deliveries, a_decision(), a_decision(), a_decision(historical=True), a_decision(a_campaign("a")))
    assert await deliveries.counts() == [
        OutcomeCount("a", Outcome.PENDING, 1),
        OutcomeCount("win-back", Outcome.HISTORICAL, 1),
        OutcomeCount("win-back", Outcome.PENDING, 2),
    ]


async def test_a_database_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    for address in (f"sqlite+aiosqlite:///{tmp_path}/none/x.db", "postgresql+asyncpg://x:y@127.0.0.1:1/x"):
        deliveries = SqlDeliveries(make_engine(address))
        with pytest.raises(Unavailable):
            await deliveries.claim([0])
        await deliveries.close()


async def test_the_migrations_make_the_tables_that_the_program_expects(deliveries: SqlDeliveries, address: str) -> None:
    engine = make_engine(address)
    async with engine.connect() as connection:
        differences = await connection.run_sync(
            lambda sync: compare_metadata(MigrationContext.configure(sync, opts={"compare_type": True}), metadata)
        )
    await engine.dispose()
    assert [one for one in differences if "alembic_version" not in repr(one)] == []
