"""What each metric counts, and until when (LANGUAGE.md 2). A metric is seen through what a transition carries."""

from __future__ import annotations

from typing import Any

from services.stager.fold.rules import compile_rules
from services.stager.language.definition import Calendar, Carried, Compare, Kind, Metric, PropertyValue, Stage, Within
from tests.unit.fold.builders import Story, at, at_least, days, lifecycle, metric, text, value

JAN = "2026-01-{:02d}T00:00:00.000Z"


def probe(watched: Metric) -> Story:
    """A story whose every Ping moves the customer to and fro, carrying the metric."""
    pings = metric("pings", "count", "Ping")
    stages = (Stage("idle"), Stage("pinged", Compare(">", value("pings"), value("answers"))))
    carried = (Carried("watched", value("watched", watched.kind)),)
    answers = metric("answers", "count", "Pong")
    return Story(lifecycle(*stages, metrics=(pings, answers, watched), carry=carried, has_carry=True))


def read(story: Story, received: str) -> Any:
    """The metric's value at an instant."""
    carried = story.event(received, "Ping")[-1].carried
    story.event(received, "Pong")
    assert isinstance(carried, dict)
    return carried["watched"]


def test_a_sum_is_exact_in_millionths() -> None:
    story = probe(metric("watched", "sum", path="price"))
    for price in (0.1, 0.2, 0.3):
        story.event(JAN.format(1), price=price)

    assert read(story, JAN.format(2)) == 0.6


def test_text_where_a_number_is_summed_does_not_count() -> None:
    story = probe(metric("watched", "sum", path="price"))
    story.event(JAN.format(1), price="12")

    assert read(story, JAN.format(2)) == 0


def test_a_flag_is_no_number() -> None:
    story = probe(metric("watched", "sum", path="price"))
    story.event(JAN.format(1), price=True)

    assert read(story, JAN.format(2)) == 0


def test_an_average_is_rounded_half_to_even() -> None:
    story = probe(metric("watched", "avg", path="price"))
    for price in (0.000001, 0.000002):
        story.event(JAN.format(1), price=price)

    assert read(story, JAN.format(2)) == 0.000002


def test_a_path_reaches_into_objects() -> None:
    story = probe(metric("watched", "max", path="cart.total"))
    story.event(JAN.format(1), cart={"total": 7})

    assert read(story, JAN.format(2)) == 7


def test_distinct_tells_a_flag_from_a_number_and_a_text() -> None:
    story = probe(metric("watched", "distinct", path="x"))
    for x in (True, 1, "1", 1.0, None, [1]):
        story.event(JAN.format(1), x=x)

    assert read(story, JAN.format(2)) == 3


def test_latest_goes_by_when_it_occurred_not_by_when_it_came() -> None:
    story = probe(metric("watched", "latest", path="score"))
    story.event(JAN.format(2), score=9)
    story.event(JAN.format(3), occurred=JAN.format(1), score=2)

    assert read(story, JAN.format(4)) == 9


def test_where_looks_at_the_events_properties() -> None:
    condition = Compare("==", PropertyValue(("currency",)), text("EUR"))
    story = probe(metric("watched", "count", where=condition))
    story.event(JAN.format(1), currency="EUR")
    story.event(JAN.format(1), currency="USD")

    assert read(story, JAN.format(2)) == 1


def test_an_event_is_out_of_its_window_exactly_when_the_window_has_passed() -> None:
    story = probe(metric("watched", "count", window=Within(days(2))))
    story.event(JAN.format(1))

    assert (read(story, "2026-01-02T23:59:59.999Z"), read(story, JAN.format(3))) == (1, 0)


def test_a_window_that_ends_earlier_is_entered_later() -> None:
    story = probe(metric("watched", "count", window=Within(days(2), ago_ms=days(1))))
    story.event(JAN.format(1))

    assert [read(story, JAN.format(day)) for day in (1, 2, 3, 4)] == [0, 1, 1, 0]


def test_a_calendar_day_begins_at_local_midnight() -> None:
    story = probe(metric("watched", "count", window=Calendar("day"), zone="America/Sao_Paulo"))
    story.event("2026-01-05T10:00:00Z")

    assert [read(story, at) for at in ("2026-01-06T02:59:59.999Z", "2026-01-06T03:00:00.000Z")] == [1, 0]


def test_an_earlier_day_is_due_at_midnights_not_at_every_millisecond() -> None:
    was_here = Stage("was_here", at_least("once", 1))
    once = metric("once", "count", window=Calendar("day", back=3), zone="UTC")
    story = Story(lifecycle(Stage("idle"), was_here, metrics=(once,)))
    story.event(JAN.format(1))

    story.tick("2026-01-02T23:00:00Z")
    due_ms = story.profiles["ann"].due_ms
    story.tick(JAN.format(9))

    assert due_ms == at(JAN.format(3))
    assert story.moves()[1:] == [("idle", "was_here", JAN.format(4)), ("was_here", "idle", JAN.format(5))]


def test_regular_counts_the_periods_back_from_now() -> None:
    story = probe(metric("watched", "regular", period_ms=days(7), periods=3))
    for day in (1, 2, 9):
        story.event(JAN.format(day))

    assert [read(story, JAN.format(day)) for day in (9, 16, 23, 31)] == [2, 2, 1, 0]


def test_a_sequence_is_completed_by_its_last_step() -> None:
    steps = (frozenset(("View",)), frozenset(("Cart",)))
    story = probe(metric("watched", "sequence", steps=steps, within_ms=days(1)))
    story.event(JAN.format(1), "View")
    story.event(JAN.format(3), "Cart")
    missed = read(story, JAN.format(3))
    story.event(JAN.format(4), "View")
    story.event(JAN.format(5), "Cart")

    assert (missed, read(story, JAN.format(6))) == (None, JAN.format(5))


def test_changed_ignores_the_same_value_again() -> None:
    story = probe(Metric("watched", "changed", Kind.TIME, path=("plan",)))
    story.identify(JAN.format(1), plan="free")
    story.identify(JAN.format(2), plan="free")

    assert read(story, JAN.format(3)) == JAN.format(1)


def test_a_removed_trait_has_changed() -> None:
    story = probe(Metric("watched", "changed", Kind.TIME, path=("plan",)))
    story.identify(JAN.format(1), plan="free")
    story.identify(JAN.format(2), plan=None)

    assert read(story, JAN.format(3)) == JAN.format(2)


def test_a_window_keeps_its_total_when_its_oldest_entries_are_merged() -> None:
    story = probe(metric("watched", "sum", path="price", window=Within(days(30))))
    for second in range(600):
        story.event(1_767_225_600_000 + second * 1000, price=1)

    assert read(story, JAN.format(2)) == 600


def test_a_limit_on_a_window_is_due_when_it_is_crossed_not_when_an_event_leaves() -> None:
    buyer = Stage("buyer", at_least("recent", 2))
    story = Story(lifecycle(Stage("idle"), buyer, metrics=(metric("recent", "count", window=Within(days(10))),)))
    for day in (1, 2, 3, 4):
        story.event(JAN.format(day))

    assert story.profiles["ann"].due_ms == at(JAN.format(13))


def test_equal_metrics_of_two_files_are_folded_once() -> None:
    first = lifecycle(Stage("a"), metrics=(metric("bought", "count"),), name="one")
    second = lifecycle(Stage("a"), metrics=(metric("orders", "count"),), name="two")

    assert len(compile_rules([first, second]).metrics) == 1
