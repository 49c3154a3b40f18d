"""The customer's clock, repeats, traits and imports (LANGUAGE.md 4 and 7)."""

from __future__ import annotations

import msgspec
import pytest

from services.stager.fold.partition import Partition
from services.stager.fold.profile import decode_profile, holds, new_profile
from services.stager.fold.rules import compile_rules
from services.stager.language.definition import Compare, Linger, Stage, TraitValue
from shared.errors import Malformed
from shared.event import Event
from shared.transition import EventCause
from tests.unit.fold.builders import Story, at, at_least, days, lifecycle, metric, silent_for, text

JAN = "2026-01-{:02d}T00:00:00.000Z"
SILENT = lifecycle(
    Stage("fresh"),
    Stage("silent", silent_for("last_order", days(5))),
    metrics=(metric("last_order", "last"), metric("orders", "count")),
)
PLAN = lifecycle(Stage("free"), Stage("paid", Compare("==", TraitValue(("plan",)), text("pro"))))


def test_a_repeated_id_changes_nothing() -> None:
    story = Story(SILENT)
    story.event(JAN.format(1), event_id="same")
    before = story.profiles["ann"].encode()

    story.event(JAN.format(1), event_id="same")

    assert story.profiles["ann"].encode() == before


def test_bytes_that_straddle_two_remembered_ids_are_no_id() -> None:
    assert holds(b"123456abcdef", b"abcdef")
    assert not holds(b"123456abcdef", b"456abc")


def test_a_repeat_still_lets_time_pass() -> None:
    story = Story(SILENT)
    story.event(JAN.format(1), event_id="same")

    assert [change.at for change in story.event(JAN.format(9), event_id="same")] == [JAN.format(6)]


def test_an_id_is_forgotten_after_thirty_two_others() -> None:
    story = Story(lifecycle(Stage("a"), Stage("b", at_least("orders", 34)), metrics=(metric("orders", "count"),)))
    story.event(JAN.format(1), event_id="same")
    for _ in range(32):
        story.event(JAN.format(1))

    assert [change.to_stage for change in story.event(JAN.format(1), event_id="same")] == ["b"]


def test_an_event_from_the_future_is_cut_to_when_it_came() -> None:
    story = Story(SILENT)

    (change,) = story.event(JAN.format(1), occurred=JAN.format(20))

    assert isinstance(change.cause, EventCause)
    assert change.cause.occurred_at == JAN.format(1)


def test_a_late_record_is_evaluated_at_the_partitions_clock() -> None:
    story = Story(SILENT)
    story.event(JAN.format(9), customer="bob")

    assert [change.at for change in story.event(JAN.format(1))] == [JAN.format(9)]


def test_a_historical_record_is_evaluated_when_it_occurred() -> None:
    story = Story(SILENT)

    (change,) = story.event(JAN.format(20), occurred=JAN.format(1), historical=True)

    assert (change.at, change.historical) == (JAN.format(1), True)


def test_what_a_tick_emits_moves_the_customers_clock() -> None:
    story = Story(SILENT)
    story.event(JAN.format(1))
    story.tick(JAN.format(9))

    (change,) = story.event(JAN.format(9), occurred=JAN.format(2), historical=True)

    assert (change.to_stage, change.at) == ("fresh", JAN.format(6))


def test_an_import_protects_its_customers_from_ticks() -> None:
    story = Story(SILENT)
    story.event(JAN.format(20), occurred=JAN.format(1), historical=True)

    assert story.tick("2026-01-20T00:09:59.999Z") == []


def test_a_quiet_import_is_over_after_ten_minutes() -> None:
    story = Story(SILENT)
    story.event(JAN.format(20), occurred=JAN.format(1), historical=True)

    (change,) = story.tick("2026-01-20T00:10:00.000Z")

    assert (change.at, change.historical) == (JAN.format(6), True)


def test_an_import_end_lets_the_customers_go() -> None:
    story = Story(SILENT)
    story.event(JAN.format(20), occurred=JAN.format(1), historical=True)
    story.partition.observe(Event(type="import_end"), at(JAN.format(20)))

    assert len(story.tick(JAN.format(20))) == 1


def test_the_largest_import_time_survives_an_import_end() -> None:
    partition = Partition(compile_rules([SILENT]))
    past = Event(type="track", historical=True)
    partition.observe(past, 1_000_000)
    partition.observe(Event(type="import_end"), 1_000_000)

    partition.observe(past, 900_000)

    assert partition.import_ms == 1_000_000


def test_silence_after_the_import_is_not_historical() -> None:
    story = Story(SILENT)
    story.event(JAN.format(4), occurred=JAN.format(1), historical=True)

    assert [change.historical for change in story.tick(JAN.format(9))] == [False]


def test_an_older_identify_does_not_overwrite_a_newer_trait() -> None:
    story = Story(PLAN)
    story.identify(JAN.format(2), plan="pro")
    story.identify(JAN.format(3), occurred=JAN.format(1), plan="free", city="Oslo")

    assert msgspec.json.decode(story.profiles["ann"].traits_json()) == {"city": "Oslo", "plan": "pro"}


def test_an_older_identify_does_not_bring_a_removed_trait_back() -> None:
    story = Story(PLAN)
    story.identify(JAN.format(2), plan=None)
    story.identify(JAN.format(3), occurred=JAN.format(1), plan="pro")

    assert story.profiles["ann"].traits_json() == b"{}"


@pytest.mark.parametrize(
    "event",
    [
        Event(type="track", id="1", customer="ann", name="Order Completed", occurred_at="soon"),
        Event(type="identify", id="1", name="$identify", occurred_at=JAN.format(1), traits=msgspec.Raw(b"[]")),
        Event(type="track", id="1", customer="ann", name="$identify", occurred_at=JAN.format(1)),
    ],
)
def test_a_malformed_record_changes_nothing(event: Event) -> None:
    partition, profile = Partition(compile_rules([PLAN])), new_profile("ann")

    with pytest.raises(Malformed):
        partition.fold(profile, event, at(JAN.format(1)))

    assert (partition.clock_ms, profile.is_new, profile.due_ms) == (0, True, None)


def test_properties_are_not_opened_when_nobody_asks() -> None:
    partition, profile = Partition(compile_rules([SILENT])), new_profile("ann")
    broken = Event(
        type="track", id="1", customer="ann", name="Other", occurred_at=JAN.format(1), properties=msgspec.Raw(b"[]")
    )

    assert len(partition.fold(profile, broken, at(JAN.format(1)))) == 1


def test_a_lapse_stops_at_its_bound() -> None:
    story = Story(lifecycle(Stage("free", linger=Linger((days(1), days(2))))))
    for customer in ("ann", "bob"):
        story.event(JAN.format(1), customer=customer)

    changes = story.partition.lapse(
        story.profiles.values(), until_ms=at(JAN.format(9)), bound=(at(JAN.format(3)), "ann")
    )

    assert [(change.customer, change.nth) for change in changes] == [("ann", 1), ("bob", 1), ("ann", 2)]


def test_an_edited_lifecycle_keeps_the_metrics_that_mean_the_same() -> None:
    story = Story(SILENT)
    story.event(JAN.format(1))
    renamed = metric("bought", "count")
    edited = lifecycle(Stage("new"), Stage("buyer", at_least("bought", 2)), metrics=(renamed,), version="2")
    rules = compile_rules([edited])

    profile = decode_profile("ann", story.profiles["ann"].encode(), rules)
    event = Event(type="track", id="2", customer="ann", name="Order Completed", occurred_at=JAN.format(2))
    changes = Partition(rules).fold(profile, event, at(JAN.format(2)))

    assert [(change.from_stage, change.to_stage, change.n) for change in changes] == [("fresh", "buyer", 2)]


def test_a_lifecycle_that_comes_back_goes_on_with_its_chain() -> None:
    story = Story(SILENT)
    story.event(JAN.format(1))
    without = decode_profile("ann", story.profiles["ann"].encode(), compile_rules([]))

    again = decode_profile("ann", without.encode(), story.rules)

    assert [place and place.n for place in again.places] == [1]
