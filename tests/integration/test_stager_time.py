"""Time: ticks wake whoever is due, in order and in bounded transactions, and leave an import in its own past."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.stager.fold.partition import IMPORT_QUIET_MS
from services.stager.worker.ticker import TICK_INTERVAL_MS
from services.stager.worker.worker import Limits
from shared.clock import DAY_MS
from shared.transition import decode
from tests.integration.stager_rig import Rig, rig_of

SMALL = Limits(retry_first_s=0.01, retry_max_s=0.04, doubt_s=0.05, remember_every_s=0, lapse_rows_max=3)
IMPORT_END = b'{"type":"import_end"}'


@pytest.fixture
async def rig(tmp_path: Path, sqlite_stager_address: str) -> AsyncIterator[Rig]:
    async with rig_of(tmp_path, sqlite_stager_address) as rig:
        yield rig


@pytest.fixture
async def any_rig(tmp_path: Path, stager_address: str) -> AsyncIterator[Rig]:
    async with rig_of(tmp_path, stager_address) as rig:
        yield rig


async def _order(rig: Rig, count: int) -> None:
    """Customers in another order than their deadlines, some of which are the same."""
    for number in range(count):
        await rig.send(rig.order(f"c{(number * 7) % count:02d}"))
        rig.clock.advance(number % 2)


async def test_a_tick_that_wakes_many_is_worked_off_in_small_transactions_in_one_order(any_rig: Rig) -> None:
    rig = any_rig
    await _order(rig, 10)
    await rig.start(limits=SMALL)
    await rig.until_folded()
    saves = rig.faults.calls.count("save")

    await rig.pass_time(60_000)

    assert rig.faults.calls.count("save") - saves >= 10 * 4 / 3
    assert await rig.check() == 10 + 10 * 4  # quiet, two lingers, gone
    assert len(await rig.ticks()) == 1
    woken = [(each.at, each.customer) for each in map(decode, (await rig.stored())[10:])]
    assert woken == sorted(woken)


@pytest.mark.parametrize("chunk", [0, 1, 2, 5])
async def test_a_kill_between_two_chunks_goes_on_where_it_stopped(rig: Rig, chunk: int) -> None:
    await _order(rig, 8)
    run = await rig.start(limits=SMALL)
    await rig.until_folded()
    gate = rig.faults.hold("save", skip=chunk)
    rig.clock.advance(60_000)
    await gate.until_reached()
    await run.kill()
    assert len(await rig.stored()) < 8 + 8 * 4

    await rig.start(limits=SMALL)
    await rig.until_folded()
    await rig.pass_time(0)

    assert await rig.check() == 8 + 8 * 4


async def test_a_stop_is_heard_between_two_chunks_and_the_next_owner_goes_on(rig: Rig) -> None:
    await _order(rig, 8)
    run = await rig.start(limits=SMALL)
    await rig.until_folded()
    gate = rig.faults.hold("save")
    rig.clock.advance(60_000)
    await gate.until_reached()
    run.stopping.set()
    gate.go.set()
    await run.stop()
    assert len(await rig.stored()) < 8 + 8 * 4

    await rig.start(limits=SMALL)
    await rig.until_folded()
    await rig.pass_time(0)

    assert await rig.check() == 8 + 8 * 4


async def test_the_rows_of_one_transaction_are_bounded_over_all_partitions(
    tmp_path: Path, sqlite_stager_address: str
) -> None:
    async with rig_of(tmp_path, sqlite_stager_address, partitions=2) as rig:
        for partition in (0, 1):
            await rig.send(*(rig.order(f"c{number}-{partition}") for number in range(6)), partition=partition)
        await rig.start(limits=Limits(remember_every_s=0, lapse_rows_max=4))
        await rig.until_folded()
        saves = rig.faults.calls.count("save")

        await rig.pass_time(60_000)

        assert rig.faults.calls.count("save") - saves >= 12 * 4 / 4


async def test_exactly_as_many_due_as_fit_are_one_lapse(rig: Rig) -> None:
    await rig.send(*(rig.order(f"c{number}") for number in range(3)))
    await rig.start(limits=SMALL)
    await rig.until_folded()

    await rig.pass_time(5_000)

    assert await rig.check() == 6


async def test_events_around_a_tick_in_one_read_are_folded_before_and_behind_it(rig: Rig) -> None:
    await rig.send(rig.order("ann"), rig.order("bob"))
    rig.clock.advance(4_999)
    await rig.send(rig.order("ann"))
    rig.clock.advance(1)
    await rig.send(b'{"type":"tick"}', rig.order("bob"), b'{"type":"tick"}', rig.order("cyd"))
    await rig.start()
    await rig.until_folded()

    assert await rig.check() == 2 + 1 + 1 + 1  # bob goes quiet at the first tick and comes back, ann does not


async def test_a_deadline_that_has_moved_on_is_only_armed_anew(rig: Rig) -> None:
    await rig.start()
    await rig.send(rig.order("ann"))
    await rig.until_folded()
    rig.clock.advance(4_000)
    await rig.send(rig.order("ann"))
    await rig.until_folded()
    written = await rig.profiles()
    assert written["ann"]["due_ms"] == rig.clock.now_ms() + 1_000

    await rig.pass_time(1_000)

    after = await rig.profiles()
    assert after["ann"]["due_ms"] == rig.clock.now_ms() + 4_000
    assert after["ann"]["body"] == written["ann"]["body"]
    rig.clock.advance(TICK_INTERVAL_MS)
    await rig.turns()
    assert (await rig.check(), len(await rig.ticks())) == (1, 1)


async def test_nobody_due_makes_no_tick(rig: Rig) -> None:
    run = await rig.start()
    await rig.send(rig.event("ann", "Product Viewed"))
    await rig.until_folded()
    await rig.pass_time(DAY_MS)  # the view leaves the window of the segment
    ticks = len(await rig.ticks())
    rig.clock.advance(DAY_MS)
    await rig.turns()
    assert len(await rig.ticks()) == ticks <= 1
    assert run.worker.not_ready is None


async def test_an_import_is_left_alone_until_its_end_and_then_lives_through_its_past(any_rig: Rig) -> None:
    rig = any_rig
    await rig.start()
    old_ms = rig.clock.now_ms() - DAY_MS
    await rig.send(rig.order("old", at_ms=old_ms, historical=True), rig.order("live"))
    await rig.until_folded()

    await rig.pass_time(20_000)
    assert (await rig.stages())["shop/old"]["stage"] == "customer"
    assert (await rig.stages())["shop/live"]["stage"] == "gone"
    ticks = len(await rig.ticks())
    rig.clock.advance(TICK_INTERVAL_MS)
    await rig.turns()
    assert len(await rig.ticks()) == ticks  # a customer in the past asks for none

    await rig.send(IMPORT_END)
    rig.clock.advance(TICK_INTERVAL_MS)
    await rig.until(lambda: _is_gone(rig, "shop/old"), "woken")
    await rig.until_folded()
    assert await rig.check() == 2 + 2 * 4
    assert all(decode(body).historical for body in await rig.stored() if decode(body).customer == "old")


async def _is_gone(rig: Rig, key: str) -> bool:
    stages = await rig.stages()
    return key in stages and stages[key]["stage"] == "gone"


async def test_an_import_without_an_end_is_over_ten_minutes_after_its_last_record(rig: Rig) -> None:
    await rig.start()
    await rig.send(rig.order("old", at_ms=rig.clock.now_ms() - DAY_MS, historical=True))
    await rig.until_folded()
    rig.clock.advance(IMPORT_QUIET_MS - 1)
    await rig.turns()
    assert await rig.ticks() == []

    rig.clock.advance(1)
    await rig.until(lambda: _is_gone(rig, "shop/old"), "woken")
    await rig.until_folded()

    assert await rig.check() == 1 + 4


async def test_an_import_that_runs_is_left_alone_also_by_the_next_owner(rig: Rig) -> None:
    run = await rig.start()
    await rig.send(rig.order("old", at_ms=rig.clock.now_ms() - DAY_MS, historical=True), rig.order("live"))
    await rig.until_folded()
    await run.stop()

    await rig.start()
    await rig.pass_time(20_000)

    assert (await rig.stages())["shop/old"]["stage"] == "customer"
    assert await rig.check() == 2 + 4


async def test_an_import_that_ended_before_a_restart_is_still_over(rig: Rig) -> None:
    await rig.send(rig.order("old", at_ms=rig.clock.now_ms() - DAY_MS, historical=True), IMPORT_END)
    gate = rig.faults.hold("append stageline.events")
    run = await rig.start()
    await gate.until_reached()  # it wants to tick
    await run.kill()

    await rig.start()
    await rig.until(lambda: _is_gone(rig, "shop/old"), "woken")
    await rig.until_folded()

    assert await rig.check() == 1 + 4


async def test_a_deadline_that_falls_due_while_nobody_works_is_met_by_the_next_owner(rig: Rig) -> None:
    run = await rig.start()
    await rig.send(rig.order("ann"))
    await rig.until_folded()
    await run.stop()
    rig.clock.advance(60_000)
    await rig.send(rig.event("bob", "Product Viewed"))  # unread before the tick

    await rig.start()
    await rig.pass_time(0)

    assert await rig.check() == 1 + 1 + 4


async def test_a_tick_unread_by_a_killed_owner_is_read_by_the_next(rig: Rig) -> None:
    gate = rig.faults.hold("append stageline.events", after=True)
    run = await rig.start()
    await rig.send(rig.order("ann"))
    await rig.until_folded()
    rig.clock.advance(5_000)
    await gate.until_reached()
    await run.kill()

    await rig.start()
    await rig.until_folded()
    await rig.pass_time(0)

    assert await rig.check() == 2
