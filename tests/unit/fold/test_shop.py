"""The example of LANGUAGE.md 1, walked through by hand."""

from __future__ import annotations

from services.stager.language.definition import Linger, Logic, Stage, Within
from tests.unit.fold.builders import Story, at_least, below, days, lifecycle, metric, segment, silent_for

SHOP = lifecycle(
    Stage("prospect"),
    Stage("active", at_least("orders_90d", 1)),
    Stage("loyal", at_least("orders_90d", 3), below("orders_90d", 2)),
    Stage(
        "at_risk",
        Logic("and", (at_least("orders", 1), silent_for("last_order", days(90)))),
        linger=Linger((days(7), days(14), days(21))),
    ),
    Stage("churned", Logic("and", (at_least("orders", 1), silent_for("last_order", days(180))))),
    metrics=(
        metric("orders", "count"),
        metric("orders_90d", "count", window=Within(days(90))),
        metric("last_order", "last"),
    ),
)
VIP = segment(
    at_least("spend_1y", 1000),
    metrics=(metric("spend_1y", "sum", path="revenue", window=Within(days(365))),),
    until=below("spend_1y", 800),
    linger=Linger((days(30),)),
)


def test_the_shop_example_moves_at_the_exact_instants() -> None:
    story = Story(SHOP)

    story.event("2026-01-01T10:00:00.000Z")
    story.event("2026-01-11T10:00:00.000Z")
    story.event("2026-01-21T10:00:00.000Z")
    story.tick("2026-12-31")

    assert story.moves() == [
        (None, "active", "2026-01-01T10:00:00.000Z"),
        ("active", "loyal", "2026-01-21T10:00:00.000Z"),
        # Both the second order leaves the window (11 January + 90 days) ..
        ("loyal", "active", "2026-04-11T10:00:00.000Z"),
        # .. and the last order is 90 days past ten days later.
        ("active", "at_risk", "2026-04-21T10:00:00.000Z"),
        ("at_risk", "churned", "2026-07-20T10:00:00.000Z"),
    ]


def test_a_stay_is_emitted_at_each_due_instant() -> None:
    story = Story(SHOP)

    story.event("2026-01-01T10:00:00.000Z")
    story.tick("2026-12-31")

    lingers = [(change.nth, change.at, change.stay_ms) for change in story.transitions if change.change == "lingered"]
    assert lingers == [
        (1, "2026-04-08T10:00:00.000Z", days(7)),
        (2, "2026-04-15T10:00:00.000Z", days(14)),
        (3, "2026-04-22T10:00:00.000Z", days(21)),
    ]


def test_the_segment_begins_silently_outside() -> None:
    story = Story(VIP)

    story.event("2026-01-01T10:00:00Z", revenue=300)
    changes = story.event("2026-01-03T10:00:00Z", revenue=700.5)

    assert [(c.from_stage, c.to_stage, c.stay_ms, c.entry, c.n) for c in changes] == [("out", "in", days(2), 1, 1)]
