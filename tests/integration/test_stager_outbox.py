"""The outbox: what is committed reaches the topics, whoever publishes it, and whatever ends in between."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.stager.store import Claim
from services.stager.worker.publisher import Publisher
from shared.errors import FenceLost
from shared.log import Entry
from shared.transition import decode
from tests.fakes.faulty import Faulty
from tests.integration.stager_rig import Rig, rig_of

TRANSITIONS, STAGES = "append stageline.transitions", "append stageline.stages"


@pytest.fixture
async def rig(tmp_path: Path, stager_address: str) -> AsyncIterator[Rig]:
    async with rig_of(tmp_path, stager_address) as rig:
        yield rig


@pytest.fixture
async def small_rig(tmp_path: Path, sqlite_stager_address: str) -> AsyncIterator[Rig]:
    async with rig_of(tmp_path, sqlite_stager_address) as rig:
        yield rig


async def test_what_was_committed_and_not_published_is_published_by_the_next_owner(rig: Rig) -> None:
    await rig.send(*(rig.order(f"c{number}") for number in range(5)))
    gate = rig.faults.hold(TRANSITIONS)
    run = await rig.start()
    await gate.until_reached()
    await run.kill()
    assert (len(await rig.stored()), await rig.published()) == (5, [])

    await rig.start()
    await rig.until_folded()

    assert await rig.check() == 5


async def test_only_what_is_missing_on_the_topic_is_published_again(small_rig: Rig) -> None:
    rig = small_rig
    await rig.send(*(rig.order(f"c{number}") for number in range(3)))
    gate = rig.faults.hold(STAGES)  # the transitions are there, and nobody knows
    run = await rig.start()
    await gate.until_reached()
    await run.kill()

    await rig.start()
    await rig.until_folded()

    assert len(await rig.records(rig.topics.transitions)) == 3
    assert await rig.check() == 3


async def test_the_newest_stage_arrives_though_the_owner_ended_between_the_topics(rig: Rig) -> None:
    await rig.send(rig.order("ann"))
    gate = rig.faults.hold(STAGES)
    run = await rig.start()
    await gate.until_reached()
    await run.kill()
    assert await rig.stages() == {}

    await rig.start()
    await rig.until_folded()

    assert (await rig.stages())["shop/ann"]["stage"] == "customer"


async def test_a_broker_that_is_away_for_one_append_costs_nothing(rig: Rig) -> None:
    rig.faults.fail(TRANSITIONS)
    rig.faults.fail(STAGES, skip=1)
    await rig.start()
    for number in range(3):
        await rig.send(rig.order(f"c{number}"))
        await rig.until_folded()

    assert rig.faults.left(TRANSITIONS) == rig.faults.left(STAGES) == 0
    assert await rig.check() == 3


async def test_an_append_that_arrived_without_an_answer_is_not_repeated(small_rig: Rig) -> None:
    rig = small_rig
    rig.faults.fail(TRANSITIONS, after=True)
    await rig.start()
    await rig.send(rig.order("ann"), rig.order("bob"))
    await rig.until_folded()

    assert len(await rig.records(rig.topics.transitions)) == 2
    assert await rig.check() == 2


async def test_an_owner_with_nothing_new_to_do_remembers_what_it_has_caught_up(small_rig: Rig) -> None:
    rig = small_rig
    await rig.send(rig.order("ann"))
    gate = rig.faults.hold(STAGES, after=True)  # all is written, not remembered
    run = await rig.start()
    await gate.until_reached()
    await run.kill()
    assert (await rig.store.standings())[0].published_seq == 0

    run = await rig.start()
    await rig.until_folded()

    assert (await rig.store.standings())[0].published_seq == 1


async def test_a_drained_owner_leaves_nothing_to_catch_up(small_rig: Rig) -> None:
    rig = small_rig
    await rig.send(rig.order("ann"))
    run = await rig.start()
    await rig.until(rig.stored, "saved")
    await run.stop()

    assert (await rig.store.standings())[0].published_seq == 1
    assert len(await rig.records(rig.topics.stages)) == 1


async def _leave_unpublished(rig: Rig, count: int) -> Claim:
    """Some committed and unpublished transitions, and the claim of their next owner."""
    await rig.send(*(rig.order(f"c{number}") for number in range(count)))
    gate = rig.faults.hold(TRANSITIONS)
    run = await rig.start()
    await gate.until_reached()
    await run.kill()
    rig.faults.clear()
    return (await rig.store.claim([0]))[0]


async def test_a_long_outbox_is_caught_up_in_steps_that_are_remembered(small_rig: Rig) -> None:
    rig = small_rig
    claim = await _leave_unpublished(rig, 7)
    rig.faults.fail(TRANSITIONS, skip=2)
    publisher = Publisher(Faulty(rig.log, rig.faults), rig.store, rig.topics, rows_max=3)

    with pytest.raises(Exception, match="does not answer"):
        await publisher.catch_up(0, claim)
    assert (await rig.store.standings())[0].published_seq == 6

    await publisher.catch_up(0, (await rig.store.claim([0]))[0])
    assert len(await rig.records(rig.topics.transitions)) == 7
    assert await rig.check() == 7


async def test_a_long_catch_up_ends_when_somebody_else_has_claimed(small_rig: Rig) -> None:
    rig = small_rig
    claim = await _leave_unpublished(rig, 4)
    await rig.store.claim([0])

    with pytest.raises(FenceLost):
        await Publisher(rig.log, rig.store, rig.topics).catch_up(0, claim)

    assert await rig.published() == []


async def test_the_topics_tail_is_found_behind_what_somebody_else_wrote_there(small_rig: Rig) -> None:
    rig = small_rig
    claim = await _leave_unpublished(rig, 4)
    publisher = Publisher(rig.log, rig.store, rig.topics, tail_records=2)
    bodies = await rig.stored()
    entries = [Entry(b"x", body, partition=0) for body in (*bodies[:3], b"no transition")]
    await rig.log.append(rig.topics.transitions, entries, timeout_s=5)

    await publisher.catch_up(0, claim)

    values = [record.value for record in await rig.records(rig.topics.transitions)]
    assert values == [*bodies[:3], b"no transition", bodies[3]]


async def test_a_published_record_says_what_it_is_and_which_trace_it_belongs_to(small_rig: Rig) -> None:
    rig = small_rig
    traced = Entry(None, rig.order("ann"), headers=[("traceparent", b"00-1-2-01")], partition=0)
    await rig.log.append(rig.topics.events, [traced], timeout_s=5)
    await rig.start()
    await rig.until_folded()
    await rig.pass_time(6_000)

    entered, quiet, lingered = await rig.records(rig.topics.transitions)
    assert {record.key for record in (entered, quiet, lingered)} == {b"ann"}
    first = decode(entered.value)
    assert dict(entered.headers) == {
        "ce_id": first.id.encode(), "ce_source": b"/stageline/stager", "ce_type": b"stageline.transition.moved",
        "ce_time": first.at.encode(), "ce_specversion": b"1.0", "content-type": b"application/json",
        "traceparent": b"00-1-2-01",
    }  # fmt: skip
    assert [dict(each.headers)["ce_type"] for each in (quiet, lingered)] == [
        b"stageline.transition.moved",
        b"stageline.transition.lingered",
    ]
    assert "traceparent" not in dict(quiet.headers)
