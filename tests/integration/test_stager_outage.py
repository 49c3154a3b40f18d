"""Outages: whatever call fails, the worker waits a little longer each time, stops when told to, and then goes on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.stager.worker.worker import POLL_TIMEOUT_MIN_S, POLL_TIMEOUT_S, Limits
from tests.integration.stager_rig import Rig, rig_of

AT_ONCE = Limits(retry_first_s=0, retry_max_s=0, doubt_s=0.05, remember_every_s=0)
ENDLESS = Limits(retry_first_s=3_600, retry_max_s=3_600)


@pytest.fixture
async def rig(tmp_path: Path, sqlite_stager_address: str) -> AsyncIterator[Rig]:
    async with rig_of(tmp_path, sqlite_stager_address) as rig:
        yield rig


@pytest.fixture
async def any_rig(tmp_path: Path, stager_address: str) -> AsyncIterator[Rig]:
    async with rig_of(tmp_path, stager_address) as rig:
        yield rig


async def test_a_save_that_was_committed_without_an_answer_is_not_repeated(any_rig: Rig) -> None:
    rig = any_rig
    rig.faults.fail("save", after=True)
    await rig.start()
    await rig.send(rig.order("ann"), rig.order("bob"))
    await rig.until_folded()

    assert await rig.check() == 2


async def test_a_save_that_failed_is_done_again_though_nothing_more_arrives(any_rig: Rig) -> None:
    rig = any_rig
    run = await rig.start()
    await rig.send(rig.order("ann"))
    await rig.until_folded()
    rig.faults.fail("save")

    await rig.send(rig.order("bob"))
    await rig.until_folded()

    assert rig.faults.left("save") == 0
    assert await rig.check() == 2
    await rig.until(lambda: run.worker.not_ready is None, "ready")


@pytest.mark.parametrize(
    "call",
    [
        "claim", "load", "prove", "next_due", "transitions_after", "mark_published", "read",
        "ends stageline.transitions", "ends stageline.events", "fetch stageline.events", "append stageline.transitions",
        "append stageline.stages",
    ],
)  # fmt: skip
async def test_after_any_failing_call_the_worker_goes_on(rig: Rig, call: str) -> None:
    gate = rig.faults.hold("append stageline.transitions")
    run = await rig.start()
    await rig.send(rig.order("ann"))
    await gate.until_reached()
    await run.kill()
    rig.faults.clear()  # a killed owner has left something to catch up
    rig.faults.fail(call, times=3)

    await rig.start()
    await rig.send(rig.order("ann"), rig.event("bob", "Product Viewed"))
    await rig.until(lambda: rig.faults.left(call) == 0 or not _is_called(call), f"{call} failed three times")
    await rig.until_folded()

    assert await rig.check() == 2


def _is_called(call: str) -> bool:
    """These two are for partitions that were never read."""
    return call not in ("ends stageline.events", "fetch stageline.events")


async def test_a_failure_waits_for_what_is_in_flight_so_that_no_claim_of_ours_voids_it(rig: Rig) -> None:
    gate = rig.faults.hold("save")
    await rig.start(limits=AT_ONCE)
    await rig.send(rig.order("ann"))
    await gate.until_reached()
    rig.faults.fail("load")
    await rig.send(rig.order("bob"))
    await rig.until(lambda: rig.faults.left("load") == 0, "failed")
    await rig.records(rig.topics.events)  # a worker that does not wait has claimed by now
    gate.go.set()
    await rig.until_folded()

    assert rig.faults.calls.count("claim") == 2
    assert await rig.check() == 2


@pytest.mark.parametrize("call", ["append stageline.events", "due"])
async def test_a_failure_at_a_tick_delays_the_silence_and_changes_nothing_else(any_rig: Rig, call: str) -> None:
    rig = any_rig
    await rig.start()
    await rig.send(rig.order("ann"))
    await rig.until_folded()
    rig.faults.fail(call, times=2)

    await rig.pass_time(5_000)

    assert rig.faults.left(call) == 0
    assert (await rig.stages())["shop/ann"]["stage"] == "quiet"
    assert await rig.check() == 2


async def test_waits_grow_up_to_a_bound_and_begin_small_after_a_success(rig: Rig) -> None:
    run = await rig.start(limits=Limits(retry_first_s=0.001, retry_max_s=0.006))
    waits: list[float] = []
    for _ in range(2):
        rig.faults.fail("claim", times=6)
        run.worker._owned.clear()  # as after a failure
        while rig.faults.left("claim"):
            if not waits or run.worker._retry_s != waits[-1]:
                waits.append(run.worker._retry_s)
            await asyncio.sleep(0)
        await rig.until(lambda: run.worker.not_ready is None, "ready")

    assert waits == [0.001, 0.002, 0.004, 0.006, 0.001, 0.002, 0.004, 0.006]


async def test_waits_grow_also_when_only_saving_fails(rig: Rig) -> None:
    run = await rig.start(limits=Limits(retry_first_s=0.001, retry_max_s=0.004))
    await rig.until(lambda: run.worker.not_ready is None, "ready")
    rig.faults.fail("save", times=6)
    await rig.send(rig.order("ann"))
    seen: set[float] = set()
    while rig.faults.left("save"):
        seen.add(run.worker._retry_s)
        await asyncio.sleep(0)

    assert max(seen) == 0.004
    await rig.until_folded()


async def test_the_worker_is_not_ready_until_a_batch_gets_through_again(rig: Rig) -> None:
    run = await rig.start()
    await rig.until(lambda: run.worker.not_ready is None, "ready")
    rig.faults.fail("save")
    gate = rig.faults.hold("save")
    await rig.send(rig.order("ann"))
    await gate.until_reached()
    claims = rig.faults.calls.count("read")
    await rig.until(lambda: rig.faults.calls.count("read") > claims + 1, "some turns while it is on its way")

    assert run.worker.not_ready == "save does not answer"
    gate.go.set()
    await rig.until(lambda: run.worker.not_ready is None, "ready")


async def test_stop_is_heard_while_waiting(rig: Rig) -> None:
    rig.faults.fail("claim")
    run = await rig.start(limits=ENDLESS)
    await rig.until(lambda: run.worker.not_ready == "claim does not answer", "waiting")

    await run.stop()

    assert rig.faults.calls[-1] == "close"


async def test_an_overdue_deadline_whose_tick_is_unread_does_not_make_the_loop_spin(rig: Rig) -> None:
    run = await rig.start()
    await rig.send(rig.order("ann"))
    await rig.until_folded()
    gate = rig.faults.hold("read")
    await gate.until_reached()
    worker = run.worker
    assert worker._poll_timeout_s() == POLL_TIMEOUT_S
    rig.clock.advance(4_990)
    assert worker._poll_timeout_s() == 0.01
    rig.clock.advance(10)
    assert worker._poll_timeout_s() == POLL_TIMEOUT_MIN_S

    await worker._ticker.tick(worker._working(), now_ms=rig.clock.now_ms())

    assert worker._poll_timeout_s() == POLL_TIMEOUT_S
    gate.go.set()
    await rig.pass_time(0)
