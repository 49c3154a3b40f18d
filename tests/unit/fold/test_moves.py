"""Moves, visits and lingers (LANGUAGE.md 5), and what a transition says of them (6)."""

from __future__ import annotations

from services.stager.language.definition import (
    Compare,
    Constant,
    Entered,
    InStage,
    Kind,
    Linger,
    Since,
    Stage,
    TraitValue,
)
from tests.unit.fold.builders import Story, days, duration, lifecycle, metric, segment, silent_for, text, value

ORDERS = (metric("orders", "count"), metric("last_order", "last"))
JAN = "2026-01-{:02d}T00:00:00.000Z"
PRO = Compare("==", TraitValue(("plan",)), text("pro"))


def test_a_stage_with_from_is_closed_to_others() -> None:
    story = Story(lifecycle(Stage("a"), Stage("c", PRO, came_from=frozenset(("b",)))))

    story.identify(JAN.format(1), plan="pro")

    assert story.moves() == [(None, "a", JAN.format(1))]


def test_a_stage_never_entered_again_stays_closed() -> None:
    story = Story(lifecycle(Stage("free"), Stage("trial", PRO, re_enter_ms=None)))

    for day, plan in enumerate(("pro", "free", "pro"), start=1):
        story.identify(JAN.format(day), plan=plan)

    assert [move[1] for move in story.moves()] == ["trial", "free"]


def test_a_stage_opens_again_by_itself_after_its_pause() -> None:
    story = Story(lifecycle(Stage("free"), Stage("paid", PRO, re_enter_ms=days(5))))
    for day, plan in enumerate(("pro", "free", "pro"), start=1):
        story.identify(JAN.format(day), plan=plan)

    story.tick(JAN.format(20))

    assert story.moves()[-1] == ("free", "paid", JAN.format(7))


def test_forward_only_never_goes_back() -> None:
    story = Story(lifecycle(Stage("free"), Stage("paid", PRO), forward_only=True))

    story.identify(JAN.format(1), plan="pro")
    story.identify(JAN.format(2), plan="free")

    assert [move[1] for move in story.moves()] == ["paid"]


def test_a_least_stay_puts_the_move_off() -> None:
    story = Story(lifecycle(Stage("free"), Stage("paid", PRO, min_stay_ms=days(3))))
    story.identify(JAN.format(1), plan="pro")
    story.identify(JAN.format(2), plan="free")

    story.tick(JAN.format(10))

    assert story.moves()[-1] == ("paid", "free", JAN.format(4))


def test_a_least_stay_lets_lingers_through() -> None:
    story = Story(lifecycle(Stage("free", min_stay_ms=days(9), linger=Linger((days(1),)))))
    story.identify(JAN.format(1), plan="pro")

    assert [change.at for change in story.tick(JAN.format(5))] == [JAN.format(2)]


def test_a_move_by_time_wins_over_a_linger_of_the_same_instant() -> None:
    stages = (Stage("fresh", linger=Linger((days(2),))), Stage("silent", silent_for("last_order", days(2))))
    story = Story(lifecycle(*stages, metrics=ORDERS))
    story.event(JAN.format(1))

    assert [change.change for change in story.tick(JAN.format(9))] == ["moved"]


def test_a_record_at_the_instant_of_a_linger_comes_after_it() -> None:
    story = Story(lifecycle(Stage("free", linger=Linger((days(2),))), Stage("paid", PRO)))
    story.identify(JAN.format(1), plan="free")

    assert [change.change for change in story.identify(JAN.format(3), plan="pro")] == ["lingered", "moved"]


def test_a_stay_that_goes_on_for_ever_is_told_each_time() -> None:
    story = Story(lifecycle(Stage("free", linger=Linger((days(1),), every_ms=days(2)))))
    story.identify(JAN.format(1), plan="free")

    assert [change.at for change in story.tick(JAN.format(7))] == [JAN.format(2), JAN.format(4), JAN.format(6)]


def test_stages_that_chase_each_other_go_on_a_millisecond_later() -> None:
    fresh = Compare("<", InStage(), duration(2))
    restless = Stage("restless", fresh, until=Compare("==", Constant(1, Kind.NUMBER), Constant(1, Kind.NUMBER)))
    story = Story(lifecycle(Stage("calm"), restless))

    story.identify(JAN.format(1), plan="free")
    story.tick("2026-01-01T00:00:00.003Z")

    assert story.moves()[2:] == [
        ("restless", "calm", "2026-01-01T00:00:00.002Z"),
        ("calm", "restless", "2026-01-01T00:00:00.003Z"),
    ]


def test_longer_than_is_true_a_millisecond_after_as_long_as() -> None:
    longer = Compare(">", Since(value("last_order", Kind.TIME)), duration(days(1)))
    story = Story(lifecycle(Stage("fresh"), Stage("silent", longer), metrics=ORDERS))
    story.event(JAN.format(1))

    assert [change.at for change in story.tick(JAN.format(9))] == ["2026-01-02T00:00:00.001Z"]


def test_entry_counts_the_visits_to_a_stage() -> None:
    story = Story(lifecycle(Stage("free"), Stage("paid", PRO)))

    for day, plan in enumerate(("pro", "free", "pro"), start=1):
        story.identify(JAN.format(day), plan=plan)

    assert [(change.to_stage, change.entry) for change in story.transitions] == [("paid", 1), ("free", 1), ("paid", 2)]


def test_an_id_depends_only_on_the_customers_own_chain() -> None:
    alone, among = Story(lifecycle(Stage("free"))), Story(lifecycle(Stage("free")))

    among.identify(JAN.format(1), customer="bob")
    ours, theirs = alone.identify(JAN.format(2)), among.identify(JAN.format(2))

    assert [change.id for change in ours] == [change.id for change in theirs]


def test_a_record_at_the_instant_of_a_move_evaluates_anew_what_looks_at_its_visit() -> None:
    """The second record comes after a silent evaluation a millisecond later; the first one's was cut short."""
    at_once = Compare("==", Since(Entered(), ahead=True), duration(0))
    story = Story(segment(at_once, until=Compare("!=", Since(Entered()), duration(5 * days(1)))))
    story.event(JAN.format(1), historical=True)
    story.tick(JAN.format(2))

    story.event(JAN.format(2), "Other", occurred=JAN.format(1), historical=True)

    assert [(move[1], move[2][-5:]) for move in story.moves()] == [
        ("in", ".000Z"),
        ("out", ".001Z"),
        ("in", ".001Z"),
    ]
