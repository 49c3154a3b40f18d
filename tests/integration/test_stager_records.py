"""Records: how they are cut into batches changes no byte, and a bad one costs its neighbours nothing."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest

from services.stager.worker.owned import BAD_RECORDS_MAX
from services.stager.worker.worker import POLL_TIMEOUT_S
from shared.errors import Refused
from shared.log import Arrival, Topic
from tests.fakes.faulty import Gate
from tests.integration.stager_rig import Rig, rig_of

TICK = b'{"type":"tick"}'
PARTITIONS = 3


@pytest.fixture
async def rig(tmp_path: Path, sqlite_stager_address: str) -> AsyncIterator[Rig]:
    async with rig_of(tmp_path, sqlite_stager_address, partitions=PARTITIONS) as rig:
        yield rig


@pytest.fixture
async def any_rig(tmp_path: Path, stager_address: str) -> AsyncIterator[Rig]:
    async with rig_of(tmp_path, stager_address) as rig:
        yield rig


async def _write_history(rig: Rig, *, steps: int) -> None:
    """Some minutes of orders, views, repeats, imports, ticks and rubbish in every partition."""
    dice = random.Random(steps)
    for _ in range(steps):
        for partition in range(rig.topics.partitions):
            names = [f"p{partition}-{dice.randrange(6)}" for _ in range(3)]
            values = [rig.order(names[0]), rig.event(names[1], "Product Viewed")]
            values.append(rig.order(names[2], at_ms=rig.clock.now_ms() - 30_000, historical=True))
            values += [dice.choice(values), TICK]
            await rig.send(*dice.sample(values, dice.randrange(1, 5)), partition=partition)
        rig.clock.advance(dice.choice([0, 1, 900, 2_500]))
    for partition in range(rig.topics.partitions):
        await rig.send(b'{"type":"import_end"}', TICK, partition=partition)


@pytest.mark.parametrize("batch_records_max", [1, 7, 8_000])
@pytest.mark.parametrize("cache_bytes_max", [100_000_000, 0])
async def test_batches_and_evictions_change_no_byte(rig: Rig, batch_records_max: int, cache_bytes_max: int) -> None:
    await _write_history(rig, steps=12)
    await rig.start(batch_records_max=batch_records_max, cache_bytes_max=cache_bytes_max)
    await rig.until_folded()

    assert await rig.check() > 90


@pytest.mark.parametrize("call", ["save", "append stageline.transitions", "append stageline.stages", "load"])
async def test_kills_at_every_third_step_change_no_byte(rig: Rig, call: str) -> None:
    await _write_history(rig, steps=6)
    for _ in range(8):
        gate = rig.faults.hold(call, skip=2)
        run = await rig.start(batch_records_max=7)
        await rig.until(partial(_is_at, gate, rig), "a kill or the end")
        await run.kill()
        rig.faults.clear()
    await rig.start()
    await rig.until_folded()

    assert await rig.check() > 50


def _is_at(gate: Gate, rig: Rig) -> bool:
    """Whether the call has come, or nothing is left to do."""
    return gate.reached.is_set() or rig.faults.calls[-9:].count("read") > 7


async def test_bad_records_are_quarantined_and_their_neighbours_folded(any_rig: Rig) -> None:
    rig = any_rig
    bad = [
        b"no json \x00\xff",
        rig.order("a\0b"),
        b'{"type":"track","id":"1","customer":"ann"}',
        _with_traits(rig, b"[1]"),
        rig.event("ann", "alias", kind="alias"),
        rig.event("ann", "forget", kind="forget"),
        _with_traits(rig, b'{"a":' + b"[" * 994 + b"]" * 994 + b"}"),
    ]
    values = [value for each in bad for value in (rig.order("ann"), each, rig.order("bob"))]
    await rig.start()
    offsets = await rig.send(*values)
    await rig.until_folded()

    rows = await rig.quarantined()
    assert [(row["record_offset"], bytes(row["value"])) for row in rows] == list(zip(offsets[1::3], bad, strict=True))
    assert all(row["reason"] for row in rows)
    assert len(await rig.stored()) == 2
    assert (await rig.store.standings())[0].offset == len(values)


def _with_traits(rig: Rig, traits: bytes) -> bytes:
    return rig.event("ann", "$identify", kind="identify")[:-1] + b',"traits":' + traits + b"}"


async def test_a_partition_of_nothing_but_rubbish_stops_loudly_and_the_others_go_on(rig: Rig) -> None:
    run = await rig.start()
    await rig.send(rig.order("ann"), *[b"?"] * BAD_RECORDS_MAX)
    await rig.until(lambda: run.worker.not_ready is not None and "stopped" in run.worker.not_ready, "stopped")
    await rig.send(rig.order("bob"), partition=1)
    await rig.send(rig.order("cyd"))
    await rig.until(lambda: rig.published(1), "the other goes on")
    rig.clock.advance(5_000)
    await rig.until(lambda: _is_quiet(rig, "shop/bob"), "the other has its ticks")

    assert (await rig.store.standings())[0].offset == 1 + BAD_RECORDS_MAX
    assert len(await rig.quarantined()) == BAD_RECORDS_MAX
    assert run.worker.not_ready == "partitions [0] stopped: nearly every record is unusable, see the quarantine"
    assert await rig.ticks(0) == []  # it would be read by nobody
    assert run.worker._poll_timeout_s() == POLL_TIMEOUT_S  # nobody is to be woken for it either


async def test_a_stopped_partition_stays_stopped_after_an_outage_and_begins_anew_with_another_owner(rig: Rig) -> None:
    run = await rig.start()
    await rig.send(*[b"?"] * BAD_RECORDS_MAX)
    await rig.until(lambda: run.worker.not_ready is not None and "stopped" in run.worker.not_ready, "stopped")
    await rig.send(rig.order("ann"))
    rig.faults.fail("save")
    await rig.send(rig.order("bob"), partition=1)
    await rig.until(lambda: rig.published(1), "over")
    await rig.turns()
    assert await rig.stored(0) == []

    rig.faults.answer("read", Arrival(lost=frozenset({0}), gained=frozenset({0})))
    await rig.until(lambda: rig.published(0), "begun anew")


async def _is_quiet(rig: Rig, key: str) -> bool:
    stages = await rig.stages(1)
    return key in stages and stages[key]["stage"] == "quiet"


async def test_a_new_database_begins_with_the_first_record_that_the_log_still_has(any_rig: Rig) -> None:
    rig = any_rig
    await rig.send(*(rig.order(f"old{number}") for number in range(5)))
    await rig.log.ensure([Topic(rig.topics.events, 1, retention_ms=1_000)])
    rig.clock.advance(10_000)
    await rig.send(rig.order("ann"), rig.order("bob"))
    first = await rig.log.fetch(rig.topics.events, 0, 0, records_max=1)
    assert first[0].offset == 5

    await rig.start()
    await rig.until_folded()

    assert sorted(await rig.profiles()) == ["ann", "bob"]
    assert await rig.check() == 2


async def test_a_new_database_on_a_partition_of_which_nothing_is_left_begins_at_its_end(rig: Rig) -> None:
    await rig.send(*(rig.order(f"old{number}") for number in range(5)))
    await rig.log.ensure([Topic(rig.topics.events, PARTITIONS, retention_ms=0)])
    rig.clock.advance(10_000)
    await _purge_all(rig)
    run = await rig.start()
    await rig.until(lambda: run.worker.not_ready is None and run.worker._owned, "ready")

    await rig.send(rig.order("ann"))
    await rig.until(lambda: rig.published(0), "folded")

    assert sorted(await rig.profiles()) == ["ann"]


async def _purge_all(rig: Rig) -> None:
    """What retention leaves of a topic to which nobody writes: on Kafka, nothing."""
    with sqlite3.connect(rig.folder / "log.db") as connection:
        connection.execute("DELETE FROM record")
        connection.execute("UPDATE partition SET first_offset = next_offset")
    connection.close()


async def test_records_lost_behind_a_stored_position_end_the_worker(rig: Rig) -> None:
    run = await rig.start()
    await rig.send(rig.order("ann"), partition=1)
    await rig.until(lambda: rig.published(1), "published")
    await run.stop()
    await rig.send(*(rig.order("ann") for _ in range(5)), partition=1)
    await rig.log.ensure([Topic(rig.topics.events, PARTITIONS, retention_ms=1_000)])
    rig.clock.advance(10_000)
    await rig.send(rig.order("ann"), partition=1)

    run = await rig.start()
    with pytest.raises(ExceptionGroup, match=r".") as caught:
        await run.task

    assert caught.group_contains(Refused, match=r"events partition 1 holds 6 to [78], nothing at position 1")
