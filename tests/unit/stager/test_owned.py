"""An owned partition: what it hands out to be saved, what it keeps in memory, and when it needs a tick."""

from __future__ import annotations

from typing import Any

import pytest

from services.stager.fold.partition import IMPORT_QUIET_MS
from services.stager.fold.rules import compile_rules
from services.stager.language.definition import Stage
from services.stager.store import Claim, DueRow, Kept, Position
from services.stager.worker.cache import ENTRY_OVERHEAD_BYTES
from services.stager.worker.owned import BAD_RECORDS_MAX, Folded, OwnedPartition
from services.stager.worker.stretch import decode_record
from shared.clock import rfc3339
from shared.event import Event, encode
from tests.unit.fold.builders import at_least, days, lifecycle, metric, silent_for
from tests.unit.stager.builders import LogRecord, tick

NOW_MS = 1_800_000_000_000
QUIET_MS = days(1)
RULES = compile_rules(
    [
        lifecycle(
            Stage("new"),
            Stage("active", at_least("orders", 1)),
            Stage("quiet", silent_for("last_order", QUIET_MS)),
            metrics=(metric("orders", "count"), metric("last_order", "last")),
        )
    ]
)


def owner(*, cache_bytes: int = 1_000_000, position: Position | None = None) -> OwnedPartition:
    claim = Claim(position or Position(), 3, 0)
    return OwnedPartition(0, claim, rules=RULES, segments=frozenset(), cache_bytes_max=cache_bytes)


def record(offset: int, customer: str = "ann", *, at_ms: int = NOW_MS, kind: Any = "track", **fields: Any) -> LogRecord:
    event = Event(kind, f"e{offset}", customer, fields.pop("name", "Order Completed"), rfc3339(at_ms), **fields)
    return LogRecord(offset=offset, timestamp=at_ms, value=encode(event))


def fold(owned: OwnedPartition, *records: LogRecord) -> None:
    owned.fold([decode_record(each) for each in records])


def taken(owned: OwnedPartition, *records: LogRecord) -> Folded:
    fold(owned, *records)
    return owned.take()


def test_a_profile_is_new_exactly_once() -> None:
    owned = owner()
    first = taken(owned, record(0), record(1)).batch
    second = taken(owned, record(2), record(3, "bob")).batch  # the first may still be in flight
    third = taken(owned, record(4), record(5, "bob")).batch
    assert [[(row.customer, row.is_new) for row in batch.profiles] for batch in (first, second, third)] == [
        [("ann", True)],
        [("ann", False), ("bob", True)],
        [("ann", False), ("bob", False)],
    ]


def test_a_profile_read_from_the_store_is_not_new() -> None:
    [row] = taken(owner(), record(0)).batch.profiles
    owned = owner(position=Position(offset=1))
    owned.remember({"ann": Kept(row.body, row.due_ms, historical=False)})
    assert [each.is_new for each in taken(owned, record(1)).batch.profiles] == [False]


def test_what_is_in_flight_is_not_asked_of_the_store() -> None:
    owned = owner(cache_bytes=0)
    taken(owned, record(0))
    assert owned.missing(["ann", "bob"]) == ["bob"]
    fold(owned, record(1, "bob"))
    assert owned.missing(["ann", "bob"]) == []


def test_a_full_cache_lets_go_only_of_what_is_saved() -> None:
    owned = owner(cache_bytes=0)
    taken(owned, record(0))
    taken(owned, record(1, "bob"))  # handing this out says that the one before is saved
    assert owned.missing(["ann", "bob"]) == ["ann"]


def test_what_was_read_for_a_batch_stays_until_it_is_folded() -> None:
    [row] = taken(owner(), record(0)).batch.profiles
    owned = owner(cache_bytes=0)
    owned.remember({"ann": Kept(row.body, row.due_ms, historical=False)})
    assert owned.missing(["ann"]) == []


def test_a_small_cache_keeps_the_newest() -> None:
    size = len(taken(owner(), record(0)).batch.profiles[0].body) + ENTRY_OVERHEAD_BYTES
    owned = owner(cache_bytes=size + 10)
    for offset, name in enumerate(("ann", "bob", "cyd")):
        taken(owned, record(offset, name))
    assert owned.missing(["ann", "bob", "cyd"]) == ["ann"]


def test_a_batch_says_where_it_began_and_where_it_ends() -> None:
    owned = owner(position=Position(offset=4, clock_ms=5, seq=7))
    batch = taken(owned, record(6), record(9, "bob")).batch
    assert (batch.epoch, batch.was_offset) == (3, 4)
    assert batch.position == Position(offset=10, clock_ms=NOW_MS, seq=9)
    assert [row.seq for row in batch.transitions] == [8, 9]
    assert not owned.has_unsaved()
    assert taken(owned, record(10)).batch.was_offset == 10


def test_the_partitions_clock_never_goes_back() -> None:
    owned = owner(position=Position(offset=4, clock_ms=NOW_MS + 9))
    assert taken(owned, record(4, at_ms=NOW_MS)).batch.position.clock_ms == NOW_MS + 9


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"no json", "not an event"),
        (b"[" * 100_000, "not an event"),
        (None, "no value"),
        (b'{"type":"track","id":"1"}', "needs id, customer"),
        (record(0, "a\0b").value, "no NUL"),
        (record(0, "x" * 600).value, "at most 512 bytes"),
        (record(0).value.replace(b"2027", b"soon"), "occurred_at is no time"),
        (record(0, kind="alias").value, "alias is not understood"),
        (record(0, kind="forget").value, "forget is not understood"),
        (b'{"type":"dance"}', "not an event"),
    ],
)
def test_a_record_that_cannot_be_used_harms_no_neighbour(value: bytes | None, reason: str) -> None:
    owned = owner()
    bad = LogRecord(offset=5, timestamp=NOW_MS + 7, value=value)
    batch = taken(owned, record(4, "ann"), bad, record(6, "bob", at_ms=NOW_MS)).batch
    [row] = batch.quarantine
    assert (row.offset, row.value) == (5, value or b"")
    assert reason in row.reason
    assert [each.customer for each in batch.transitions] == ["ann", "bob"]
    assert batch.position.clock_ms == NOW_MS + 7  # what cannot be used has still a time


def test_traits_that_are_no_object_change_nothing() -> None:
    owned = owner()
    value = record(1, kind="identify", name="$identify").value.replace(b'"source"', b'"traits":[1],"source"')
    value = value if b"traits" in value else value[:-1] + b',"traits":[1]}'
    batch = taken(owned, LogRecord(offset=1, timestamp=NOW_MS, value=value)).batch
    assert (len(batch.quarantine), batch.profiles, batch.transitions) == (1, [], [])


def test_a_thousand_bad_records_in_a_row_break_the_partition() -> None:
    owned = owner()
    fold(owned, *(LogRecord(offset=offset, value=b"?") for offset in range(BAD_RECORDS_MAX - 1)))
    assert not owned.is_broken
    fold(owned, LogRecord(offset=BAD_RECORDS_MAX, value=b"?"))
    assert owned.is_broken


@pytest.mark.parametrize("kind", ["alias", "forget"])
def test_records_that_are_only_not_folded_yet_never_break_the_partition(kind: str) -> None:
    owned = owner()
    fold(owned, *(record(offset, kind=kind) for offset in range(BAD_RECORDS_MAX + 1)))
    assert not owned.is_broken
    assert len(owned.take().batch.quarantine) == BAD_RECORDS_MAX + 1


def test_what_is_not_folded_yet_does_not_excuse_the_bad_records_around_it() -> None:
    owned = owner()
    fold(owned, *(LogRecord(offset=offset, value=b"?") for offset in range(BAD_RECORDS_MAX - 1)))
    fold(owned, record(BAD_RECORDS_MAX, kind="alias"), LogRecord(offset=BAD_RECORDS_MAX + 1, value=b"?"))
    assert owned.is_broken


def test_one_good_record_begins_the_count_anew() -> None:
    owned = owner()
    fold(owned, *(LogRecord(offset=offset, value=b"?") for offset in range(BAD_RECORDS_MAX - 1)))
    fold(owned, record(BAD_RECORDS_MAX), LogRecord(offset=BAD_RECORDS_MAX + 1, value=b"?"))
    assert not owned.is_broken


def test_the_next_tick_is_at_the_earliest_deadline_handed_out() -> None:
    owned = owner()
    assert owned.next_tick_ms() is None
    taken(owned, record(0, at_ms=NOW_MS + 5), record(1, "bob", at_ms=NOW_MS))
    assert owned.next_tick_ms() == NOW_MS + QUIET_MS
    taken(owned, record(2, "bob", at_ms=NOW_MS + 9))  # a later deadline is left where it is written
    assert owned.next_tick_ms() == NOW_MS + QUIET_MS


def test_a_historical_customer_is_woken_ten_minutes_after_the_import() -> None:
    owned = owner()
    old_ms = NOW_MS - days(10)
    event = Event("track", "e", "ann", "Order Completed", rfc3339(old_ms), historical=True)
    taken(owned, LogRecord(offset=0, timestamp=NOW_MS, value=encode(event)))
    assert owned.next_tick_ms() == NOW_MS + IMPORT_QUIET_MS
    assert not owned.wakes_historical(NOW_MS + IMPORT_QUIET_MS - 1)
    assert owned.wakes_historical(NOW_MS + IMPORT_QUIET_MS)
    fold(owned, LogRecord(offset=1, timestamp=NOW_MS, value=b'{"type":"import_end"}'))
    assert owned.next_tick_ms() == old_ms + QUIET_MS


def test_a_live_deadline_needs_its_tick_while_an_import_runs() -> None:
    owned = owner(position=Position(import_ms=NOW_MS))
    owned.set_due(present_ms=NOW_MS + 1, any_ms=NOW_MS - 100)
    assert owned.next_tick_ms() == NOW_MS + 1


def _due(owned: OwnedPartition, *names: str) -> list[DueRow]:
    """Their rows, as saved."""
    rows = taken(owned, *(record(place, name, at_ms=NOW_MS) for place, name in enumerate(names))).batch.profiles
    return sorted(DueRow(row.due_ms or 0, row.customer, row.body) for row in rows)


def test_a_lapse_gives_the_changed_profiles_and_only_the_deadlines_of_the_others() -> None:
    owned = owner()
    [ann] = _due(owned, "ann")
    stale = DueRow(NOW_MS, "bob", taken(owned, record(5, "bob", at_ms=NOW_MS + 50)).batch.profiles[0].body)
    batch = owned.lapse([stale, ann], tick_ms=NOW_MS + QUIET_MS, is_last=True).batch
    assert [(row.customer, row.is_new, row.due_ms) for row in batch.profiles] == [("ann", False, None)]
    assert batch.due_only == [("bob", NOW_MS + 50 + QUIET_MS)]
    assert batch.was_offset == batch.position.offset == 6


def test_a_lapsed_profile_is_read_from_the_store_again() -> None:
    owned = owner()
    due = _due(owned, "ann", "bob")
    owned.lapse(due[:1], tick_ms=NOW_MS + QUIET_MS, is_last=True)
    assert owned.missing(["ann", "bob"]) == ["ann"]


def test_nobody_is_taken_past_the_last_row_unless_it_is_the_last() -> None:
    owned = owner()
    [ann] = _due(owned, "ann")
    row = DueRow(NOW_MS, "ann", ann.body)  # written early: the true deadline lies behind this chunk
    assert owned.lapse([row], tick_ms=NOW_MS + days(9), is_last=False).transitions == []
    assert len(owned.lapse([row], tick_ms=NOW_MS + days(9), is_last=True).transitions) == 1


def test_a_passed_tick_moves_the_position_and_the_clock() -> None:
    owned = owner()
    owned.pass_tick(tick(8, timestamp=NOW_MS))
    assert owned.has_unsaved()
    assert owned.take().batch.position == Position(offset=9, clock_ms=NOW_MS)


def test_a_traceparent_follows_its_transition() -> None:
    plain, traced = record(0), record(1, "bob")
    traced = LogRecord(1, NOW_MS, value=traced.value, headers=(("x", b"y"), ("traceparent", b"00-1")))
    assert taken(owner(), plain, traced).traceparents == {2: b"00-1"}
