"""Owning: of two workers only the newer claim writes, a worker that is told of it goes on, and stopping is orderly."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

import pytest

from services.stager.worker.worker import Limits
from shared.errors import Unavailable
from shared.log import Arrival
from tests.integration.stager_rig import Rig, rig_of
from tests.unit.stager.builders import tick

TRANSITIONS = "append stageline.transitions"
DOUBTFUL = Limits(retry_first_s=0.01, retry_max_s=0.04, doubt_s=3_600)


@pytest.fixture
async def rig(tmp_path: Path, sqlite_stager_address: str) -> AsyncIterator[Rig]:
    async with rig_of(tmp_path, sqlite_stager_address, partitions=2) as rig:
        yield rig


@pytest.fixture
async def any_rig(tmp_path: Path, stager_address: str) -> AsyncIterator[Rig]:
    async with rig_of(tmp_path, stager_address, partitions=2) as rig:
        yield rig


async def _claimed(rig: Rig) -> None:
    async def is_claimed() -> bool:
        standings = await rig.store.standings()
        return len(standings) == 2

    await rig.until(is_claimed, "both partitions claimed")


async def test_a_batch_in_flight_loses_to_a_newer_claim_and_nothing_is_doubled(any_rig: Rig) -> None:
    rig = any_rig
    gate = rig.faults.hold("save")
    await rig.start()
    await rig.send(rig.order("ann"))
    await rig.send(rig.order("bob"), partition=1)
    await gate.until_reached()
    await rig.store.claim([0])  # somebody else, who then goes away
    gate.go.set()
    await rig.until_folded()

    assert await rig.check() == 2


async def test_a_lost_partition_is_doubted_while_the_others_go_on_at_once(rig: Rig) -> None:
    gate = rig.faults.hold("save")
    run = await rig.start(limits=DOUBTFUL)
    await rig.send(rig.order("ann"))
    await rig.send(rig.order("bob"), partition=1)
    await gate.until_reached()
    await rig.store.claim([0])
    gate.go.set()
    await rig.until(lambda: rig.published(1), "the other partition goes on")

    await rig.until(lambda: run.worker.not_ready == "partitions [0] are not claimed yet", "not ready")
    assert await rig.stored(0) == []


async def test_a_doubted_partition_is_claimed_again_after_a_while(rig: Rig) -> None:
    run = await rig.start()
    await _claimed(rig)
    await rig.store.claim([0])
    await rig.send(rig.order("ann"))
    await rig.until_folded()

    assert await rig.check() == 1
    await rig.until(lambda: run.worker.not_ready is None, "ready again")


async def test_a_second_worker_takes_its_share_and_nothing_is_lost_or_doubled(any_rig: Rig) -> None:
    rig = any_rig
    first = await rig.start()
    await _order_in_both(rig, range(5))
    second = await rig.start()
    await rig.until(lambda: len(second.worker._owned) == 1 == len(first.worker._owned), "shared")
    await _order_in_both(rig, range(5, 10))
    await rig.until_folded()
    await first.stop()
    await _order_in_both(rig, range(10, 12))
    await rig.until_folded()

    assert await rig.check() == 24


async def _order_in_both(rig: Rig, numbers: Iterable[int]) -> None:
    for number in numbers:
        await rig.send(rig.order(f"a{number}"))
        await rig.send(rig.order(f"b{number}"), partition=1)


async def test_a_partition_that_the_group_gives_again_is_doubted_no_longer(rig: Rig) -> None:
    run = await rig.start(limits=DOUBTFUL)
    await _claimed(rig)
    await rig.store.claim([0])
    await rig.send(rig.order("ann"))
    await rig.until(lambda: run.worker.not_ready == "partitions [0] are not claimed yet", "doubted")

    rig.faults.answer("read", Arrival(lost=frozenset({0}), gained=frozenset({0})))

    await rig.until_folded()
    assert await rig.check() == 1


async def test_a_lost_partition_is_dropped_silently_with_what_it_had_not_saved(rig: Rig) -> None:
    run = await rig.start()
    await rig.send(rig.order("ann"))
    await rig.until_folded()
    gate = rig.faults.hold("read")
    gate.answer = Arrival(lost=frozenset({0}))
    await gate.until_reached()
    run.worker._owned[0].pass_tick(tick(7))  # a position that nobody has handed over yet
    gate.go.set()

    await rig.until(lambda: 0 not in run.worker._owned, "dropped")

    await rig.send(rig.order("bob"), partition=1)
    await rig.until(lambda: rig.published(1), "the other goes on")
    assert (await rig.store.standings())[0].offset == 1
    assert run.worker.not_ready is None


async def test_a_partition_lost_and_gained_in_one_breath_is_claimed_anew_behind_what_is_in_flight(rig: Rig) -> None:
    gate = rig.faults.hold("save")
    run = await rig.start()
    await rig.send(rig.order("ann"))
    await gate.until_reached()
    rig.faults.answer("read", Arrival(lost=frozenset({0}), gained=frozenset({0})))
    await rig.until(lambda: rig.faults.left("read") == 0, "lost and gained")
    gate.go.set()
    await rig.until(lambda: 0 in run.worker._owned and run.worker._owned[0].epoch == 2, "claimed anew")

    await rig.send(rig.order("bob"))
    await rig.until_folded()
    assert rig.faults.calls.count("save") == 2  # neither was voided by our own claim
    assert await rig.check() == 2


async def test_stopping_settles_then_remembers_then_leaves_the_group(rig: Rig) -> None:
    gate = rig.faults.hold(TRANSITIONS)
    run = await rig.start()
    await rig.send(rig.order("ann"))
    await gate.until_reached()
    begun = len(rig.faults.calls)
    stopping = asyncio.ensure_future(run.stop())
    gate.go.set()
    await stopping

    ending = [call for call in rig.faults.calls[begun:] if call in ("mark_published", "commit", "close", "read")]
    assert ending[-3:] == ["mark_published", "commit", "close"]
    assert rig.faults.calls.index("append stageline.stages") < rig.faults.calls.index("close")
    assert await rig.check() == 1


async def test_the_groups_committed_positions_follow(rig: Rig) -> None:
    run = await rig.start()
    await rig.send(rig.order("ann"), rig.order("ann"))
    await rig.send(rig.order("bob"), partition=1)
    await rig.until_folded()
    await run.stop()

    reader = rig.log.reader(rig.topics.events, group="stageline-stager")
    assert await reader.committed(frozenset({0, 1})) == {0: 2, 1: 1}
    await reader.close()


async def test_stopping_while_the_database_is_away_still_leaves_the_group(rig: Rig) -> None:
    gate = rig.faults.hold("save")
    run = await rig.start()
    await rig.send(rig.order("ann"))
    await gate.until_reached()
    stopping = asyncio.ensure_future(run.stop())
    gate.error = Unavailable("gone")
    gate.go.set()
    await stopping

    assert rig.faults.calls[-1] == "close"
    other = await rig.start()
    rig.faults.clear()
    await rig.until_folded()
    assert await rig.check() == 1
    await other.stop()
