"""The promises of `services/stager/store.py` about what can be asked, on both databases."""

from __future__ import annotations

import sqlite3
from typing import Any

import asyncpg
import pytest

from services.stager.store import (
    Claim,
    CountRow,
    DueRow,
    MoveRow,
    PartitionBatch,
    Position,
    QuarantineRow,
    StageCount,
    Store,
    VisitRow,
)
from tests.builders.batch import batch, profile, transition, visit
from tests.servers.fixtures_stager import NOW_MS

BY_CODE_POINT = ["B", "a", "é", "ä", "😀", "Ω", "ﬀ", "aa", "a b", "_", "'"]


async def save_next(store: Store, *, partition: int = 0, **parts: Any) -> None:
    """Claim the partition and save one record's worth of rows."""
    claim = (await store.claim([partition]))[partition]
    await store.save([batch(claim, partition, **parts)])


async def rows_of(address: str, query: str) -> list[tuple[Any, ...]]:
    """What stands in a table that the port only writes."""
    if address.startswith("sqlite"):
        connection = sqlite3.connect(address.removeprefix("sqlite+aiosqlite:///"))
        try:
            return connection.execute(query).fetchall()
        finally:
            connection.close()
    connection = await asyncpg.connect(address.replace("+asyncpg", ""))
    try:
        return [tuple(row) for row in await connection.fetch(query)]
    finally:
        await connection.close()


async def test_due_customers_come_by_deadline_and_then_by_code_point(store: Store) -> None:
    rows = [profile(name, due_ms=5) for name in BY_CODE_POINT]
    await save_next(store, profiles=[profile("late", due_ms=6), *rows, profile("z", due_ms=4)])

    due = await store.due(0, until_ms=6, historical=False, limit=99)

    assert [row.customer for row in due] == ["z", *sorted(BY_CODE_POINT), "late"]
    assert due[0] == DueRow(4, "z", b"body")


async def test_a_deadline_at_the_very_instant_is_due_and_a_later_one_is_not(store: Store) -> None:
    await save_next(store, profiles=[profile("ann", due_ms=5), profile("bob", due_ms=6), profile("cid")])
    assert await store.due(0, until_ms=5, historical=True, limit=9) == [DueRow(5, "ann", b"body")]


async def test_due_customers_are_those_of_the_partition(store: Store) -> None:
    await save_next(store, partition=1, profiles=[profile("ann", due_ms=5)])
    assert await store.due(0, until_ms=9, historical=True, limit=9) == []


async def test_historical_customers_are_due_only_when_asked_for(store: Store) -> None:
    rows = [profile(str(number), due_ms=number // 2, historical=number % 3 == 0) for number in range(10)]
    await save_next(store, profiles=rows)

    live = await store.due(0, until_ms=99, historical=False, limit=99)
    every = await store.due(0, until_ms=99, historical=True, limit=99)

    assert [row.customer for row in live] == ["1", "2", "4", "5", "7", "8"]
    assert [row.customer for row in every] == [str(number) for number in range(10)]


@pytest.mark.parametrize("historical", [False, True])
async def test_no_more_customers_come_due_than_the_limit(store: Store, historical: bool) -> None:
    await save_next(
        store, profiles=[profile(str(number), due_ms=number, historical=number == 0) for number in range(5)]
    )

    due = await store.due(0, until_ms=99, historical=historical, limit=2)

    assert [row.customer for row in due] == (["0", "1"] if historical else ["1", "2"])


async def test_the_next_deadline_is_the_earliest_of_the_partition(store: Store) -> None:
    await save_next(
        store, profiles=[profile("ann", due_ms=7), profile("bob", due_ms=3, historical=True), profile("cid")]
    )

    assert await store.next_due(0, historical=False) == 7
    assert await store.next_due(0, historical=True) == 3


async def test_there_is_no_next_deadline_where_none_is_written(store: Store) -> None:
    await save_next(store, profiles=[profile("ann")])
    assert [await store.next_due(0, historical=each) for each in (False, True)] == [None, None]


async def test_transitions_are_paged_in_order_of_seq(store: Store) -> None:
    rows = [transition(seq) for seq in range(1, 8)]
    await save_next(store, seq=7, transitions=rows)
    await save_next(store, partition=1, seq=1, transitions=[transition(1, "bob")])

    first = await store.transitions_after(0, seq=0, limit=4)
    second = await store.transitions_after(0, seq=first[-1].seq, limit=4)

    assert first + second == rows
    assert await store.transitions_after(0, seq=7, limit=4) == []


async def test_stage_counts_add_up_over_batches_and_partitions_without_zeros(store: Store) -> None:
    new, lost = "new", "lost"
    await save_next(store, counts=[CountRow("shop", new, 2), CountRow("shop", new, 1), CountRow("shop", lost, 1)])
    await save_next(store, partition=1, counts=[CountRow("shop", new, 4), CountRow("vip", "in", 1)])
    await save_next(store, counts=[CountRow("shop", new, -1), CountRow("shop", lost, -1)])

    assert sorted(await store.stage_counts()) == [StageCount("shop", "new", 6), StageCount("vip", "in", 1)]


async def test_moves_add_up_over_batches_partitions_and_hours(store: Store) -> None:
    await save_next(store, moves=[MoveRow("shop", "", "new", 0, 2, 0), MoveRow("shop", "new", "lost", 0, 1, 50)])
    await save_next(store, moves=[MoveRow("shop", "new", "lost", 0, 1, 7), MoveRow("shop", "new", "lost", 0, 1, 1)])
    await save_next(store, partition=1, moves=[MoveRow("shop", "new", "lost", 3_600_000, 2, 2)])

    assert sorted(await store.moves()) == [
        MoveRow("shop", "", "new", 0, 2, 0),
        MoveRow("shop", "new", "lost", 0, 5, 60),
    ]


async def test_moves_are_kept_by_the_hour(stager_address: str, store: Store) -> None:
    await save_next(store, moves=[MoveRow("shop", "a", "b", 0, 1, 5), MoveRow("shop", "a", "b", 3_600_000, 1, 6)])
    await save_next(store, moves=[MoveRow("shop", "a", "b", 0, 1, 5)])

    found = await rows_of(stager_address, "SELECT hour_ms, moves, stay_ms FROM stage_moves ORDER BY hour_ms")
    assert found == [(0, 2, 10), (3_600_000, 1, 6)]


async def test_a_visit_follows_its_customer_from_stage_to_stage(stager_address: str, store: Store) -> None:
    await save_next(store, visits=[visit("ann", "new"), visit("bob", "new"), visit("cid", "new")])
    moved = VisitRow("ann", "shop", "new", "lost", since_ms=9, entry=2, n=3)
    await save_next(store, visits=[moved, visit("bob", None, was="new"), visit("cid", "new", was="new", n=2)])

    found = await rows_of(
        stager_address,
        "SELECT stage, customer, since_ms, entry, n FROM visits WHERE partition = 0 ORDER BY stage, customer",
    )
    assert found == [("lost", "ann", 9, 2, 3), ("new", "cid", 5, 1, 2)]


async def test_customers_who_change_places_in_one_batch_do_not_collide(stager_address: str, store: Store) -> None:
    await save_next(store, visits=[visit("ann", "a"), visit("bob", "b")])
    await save_next(store, visits=[visit("ann", "b", was="a"), visit("bob", "a", was="b")])

    found = await rows_of(stager_address, "SELECT stage, customer FROM visits ORDER BY stage")
    assert found == [("a", "bob"), ("b", "ann")]


async def test_the_newest_traits_of_a_customer_stand(stager_address: str, store: Store) -> None:
    await save_next(store, traits=[("ann", b'{"a":1}'), ("bob", b"{}")])
    await save_next(store, traits=[("ann", b'{"a":2}')])

    found = await rows_of(stager_address, "SELECT customer, traits FROM customers ORDER BY customer")
    assert found == [("ann", b'{"a":2}'), ("bob", b"{}")]


async def test_what_cannot_be_used_is_kept_with_reason_offset_and_bytes(stager_address: str, store: Store) -> None:
    await save_next(store, quarantine=[QuarantineRow(3, "no JSON", b"\x00{")])

    found = await rows_of(stager_address, "SELECT partition, record_offset, reason, value, recorded_ms FROM quarantine")
    assert found == [(0, 3, "no JSON", b"\x00{", NOW_MS)]


async def test_a_reason_may_quote_anything(stager_address: str, store: Store) -> None:
    await save_next(store, quarantine=[QuarantineRow(3, "no \x00 and \ud800", b"")])
    assert await rows_of(stager_address, "SELECT reason FROM quarantine") == [("no \\x00 and \\ud800",)]


async def test_a_transition_is_kept_with_the_time_it_was_recorded(stager_address: str, store: Store) -> None:
    await save_next(store, seq=1, transitions=[transition(1, at_ms=4)])
    assert await rows_of(stager_address, "SELECT at_ms, recorded_ms FROM transitions") == [(4, NOW_MS)]


async def test_large_numbers_survive(store: Store) -> None:
    far = 2**62
    claim = (await store.claim([0]))[0]
    await store.save(
        [PartitionBatch(0, claim.epoch, 0, Position(far, far, far, far), profiles=[profile("a", due_ms=far)])]
    )

    assert await store.claim([0]) == {0: Claim(Position(far, far, far, far), 2, 0)}
    assert await store.next_due(0, historical=False) == far
