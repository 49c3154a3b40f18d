"""The naive interpreter against transitions worked out by hand from LANGUAGE.md."""

from __future__ import annotations

import json
from typing import Any

from services.stager.language.definition import (
    Compare,
    Constant,
    InStage,
    Kind,
    Lifecycle,
    Linger,
    Metric,
    MetricValue,
    Since,
    Stage,
    Within,
)
from tests.oracle.interpreter import simulate

HOUR_MS = 3_600_000
A = frozenset({"a"})
COUNT = Metric("n", "count", Kind.NUMBER, (A,), window=Within(HOUR_MS))
LAST = Metric("last", "last", Kind.TIME, (A,))


def at_least(metric: str, number: int) -> Compare:
    return Compare(">=", MetricValue(metric, Kind.NUMBER), Constant(number * 1_000_000, Kind.NUMBER))


def line(timestamp: str, **more: Any) -> str:
    return json.dumps({"event": "a", "userId": "u", "timestamp": timestamp, **more})


def run(lifecycle: Lifecycle, *lines: str, until: int | None = None) -> list[tuple[Any, ...]]:
    transitions, _ = simulate([lifecycle], lines, until)
    return [(one["from"], one["to"], one["at"], one["cause"]["kind"]) for one in transitions]


def test_an_event_leaves_its_window_exactly_at_its_end() -> None:
    lifecycle = Lifecycle("x", (Stage("idle"), Stage("busy", at_least("n", 1))), (COUNT,))
    moves = run(lifecycle, line("2026-01-01T00:00:00Z"), line("2026-01-01T05:00:00Z", userId="v"))
    assert moves[:2] == [
        (None, "busy", "2026-01-01T00:00:00.000Z", "event"),
        ("busy", "idle", "2026-01-01T01:00:00.000Z", "time"),
    ]


def test_more_than_an_hour_of_silence_begins_a_millisecond_after_an_hour() -> None:
    silent = Compare(">", Since(MetricValue("last", Kind.TIME)), Constant(HOUR_MS, Kind.DURATION))
    lifecycle = Lifecycle("x", (Stage("idle"), Stage("gone", silent)), (LAST,))
    moves = run(lifecycle, line("2026-01-01T00:00:00Z"), line("2026-01-01T05:00:00Z", userId="v"))
    assert moves[1] == ("idle", "gone", "2026-01-01T01:00:00.001Z", "time")


def test_a_move_by_time_cancels_the_linger_that_is_due_at_the_same_instant() -> None:
    silent = Compare(">=", Since(MetricValue("last", Kind.TIME)), Constant(HOUR_MS, Kind.DURATION))
    stages = (Stage("idle", linger=Linger((HOUR_MS,))), Stage("gone", silent))
    moves = run(Lifecycle("x", stages, (LAST,)), line("2026-01-01T00:00:00Z"), until=1_767_240_000_000)
    assert [move[1] for move in moves] == ["idle", "gone"]


def test_a_stage_left_in_the_same_evaluation_is_entered_a_millisecond_later() -> None:
    stayed = Compare(">=", InStage(), Constant(HOUR_MS, Kind.DURATION))
    fresh = Compare("<", InStage(), Constant(HOUR_MS, Kind.DURATION))
    lifecycle = Lifecycle("x", (Stage("low"), Stage("high", fresh, until=stayed)), ())
    moves = run(lifecycle, line("2026-01-01T00:00:00Z"), until=1_767_229_200_000)
    assert moves == [
        (None, "low", "2026-01-01T00:00:00.000Z", "event"),
        ("low", "high", "2026-01-01T00:00:00.000Z", "event"),
        ("high", "low", "2026-01-01T01:00:00.000Z", "time"),
    ]


def test_a_customer_of_a_running_import_is_left_alone_by_ticks() -> None:
    lifecycle = Lifecycle("x", (Stage("idle"), Stage("busy", at_least("n", 1))), (COUNT,))
    past = line("2025-01-01T00:00:00Z", receivedAt="2026-01-01T00:00:00Z", historical=True)
    live = line("2026-01-01T00:09:59.999Z", userId="v", event="b")
    transitions, _ = simulate([lifecycle], [past, live], None)
    assert [(one["customer"], one["at"]) for one in transitions] == [
        ("u", "2025-01-01T00:00:00.000Z"),
        ("v", "2026-01-01T00:09:59.999Z"),
        ("u", "2025-01-01T01:00:00.000Z"),
    ]
    assert transitions[2]["historical"] is True
