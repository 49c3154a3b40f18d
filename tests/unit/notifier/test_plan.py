"""What PLAN promises: who is answered, under which id, and what is only recorded."""

from __future__ import annotations

import pytest

from services.notifier.campaign.campaign import Change, Trigger
from services.notifier.delivery.delivery import ChannelName, Outcome
from services.notifier.plan.plan import plan
from shared.clock import HOUR_MS
from shared.errors import Malformed
from tests.builders_notifier import NOW_MS, a_campaign, a_lingering, a_step, a_transition


def names(campaigns: list, transition: object) -> list[str]:
    return [decision.campaign for decision in plan(campaigns, transition, partition=0, now_ms=NOW_MS)]


def test_a_move_into_the_stage_is_answered():
    assert names([a_campaign(change=Change.MOVED)], a_transition()) == ["win-back"]


def test_a_move_out_of_the_stage_is_answered_by_a_campaign_on_leaving_only():
    leaving = a_transition(from_stage="at_risk", to_stage="churned")
    assert names([a_campaign("in", change=Change.MOVED), a_campaign("out", change=Change.LEFT)], leaving) == ["out"]


def test_leaving_for_no_stage_is_leaving():
    assert names([a_campaign(change=Change.LEFT)], a_transition(from_stage="at_risk", to_stage=None)) == ["win-back"]


def test_lingering_is_neither_moving_nor_leaving():
    campaigns = [a_campaign(change.value, change=change) for change in Change]
    assert names(campaigns, a_lingering()) == ["lingered"]


@pytest.mark.parametrize(("nth", "answered"), [(1, []), (2, ["win-back"]), (None, ["win-back"])])
def test_nth_picks_one_linger_of_the_visit(nth: int | None, answered: list[str]):
    assert names([a_campaign(change=Change.LINGERED, nth=nth)], a_lingering(nth=2)) == answered


def test_another_lifecycle_with_the_same_stage_is_not_answered():
    assert names([a_campaign()], a_transition(lifecycle="hotel")) == []


def test_each_step_becomes_a_delivery_of_its_channel():
    campaign = a_campaign(
        steps=(
            a_step(),
            a_step("webhook", "https://example.com/a"),
            a_step("webhook", "https://b.example"),
        )
    )
    decisions = plan([campaign], a_transition(), partition=0, now_ms=NOW_MS)
    assert [(d.step, d.channel, d.target) for d in decisions] == [
        (1, ChannelName("console"), ""),
        (2, ChannelName("webhook"), "https://example.com/a"),
        (3, ChannelName("webhook"), "https://b.example"),
    ]
    assert len({d.id for d in decisions}) == 3


def test_a_delivery_keeps_its_id_whenever_it_is_decided():
    first, again = (plan([a_campaign()], a_transition(), partition=0, now_ms=now) for now in (NOW_MS, NOW_MS + HOUR_MS))
    assert first[0].id == again[0].id
    # Written out: another id after an upgrade would make every receiver take repeats for news.
    assert str(first[0].id) == "ac5f28c2-e727-530f-9905-20dc3a97df2c"


def test_editing_a_campaign_changes_no_id():
    edited = a_campaign(steps=(a_step("webhook", "https://example.com/new"),), too_old_ms=1, hold_ms=5, priority=9)
    ids = {plan([one], a_transition(), partition=0, now_ms=NOW_MS)[0].id for one in (a_campaign(), edited)}
    assert len(ids) == 1


@pytest.mark.parametrize(
    ("narrowed", "answered"),
    [
        ({"is_first_entry": True}, {1}),
        ({"came_from": frozenset({"active"})}, {1, 2}),
        ({"came_from": frozenset({None, "loyal"})}, {3}),
    ],
)
def test_a_move_is_narrowed_by_its_entry_and_where_it_came_from(narrowed: dict, answered: set[int]):
    campaign = a_campaign(trigger=Trigger("shop", "at_risk", Change.MOVED, **narrowed))
    moves = [a_transition(seq=1), a_transition(seq=2, entry=2), a_transition(seq=3, from_stage=None, entry=3)]
    assert {move.seq for move in moves if names([campaign], move)} == answered


def test_leaving_is_narrowed_by_where_it_leads():
    campaign = a_campaign(trigger=Trigger("shop", "at_risk", Change.LEFT, went_to=frozenset({"active"})))
    moves = [a_transition(from_stage="at_risk", to_stage=to) for to in ("active", "churned", None)]
    assert [names([campaign], move) for move in moves] == [["win-back"], [], []]


def test_a_held_message_is_due_when_its_hold_is_over():
    (decision,) = plan([a_campaign(hold_ms=HOUR_MS)], a_transition(), partition=0, now_ms=NOW_MS + 5)
    assert (decision.outcome, decision.due_ms) == (Outcome.HELD, NOW_MS + HOUR_MS)


def test_a_message_about_a_segment_is_true_inside_or_outside_of_it():
    joined = a_transition(lifecycle="vip", from_stage="out", to_stage="in", entry=1)
    parted = a_transition(lifecycle="vip", from_stage="in", to_stage="out", entry=0)
    told = [
        (decision.stage, decision.while_in)
        for stage, change, move in [
            ("in", Change.MOVED, joined), ("out", Change.LEFT, joined), ("in", Change.LEFT, parted),
            ("out", Change.MOVED, parted),
        ]
        for decision in plan(
            [a_campaign(trigger=Trigger("vip", stage, change))], move, partition=0, now_ms=NOW_MS
        )
    ]  # fmt: skip
    assert told == [("in", True), ("in", True), ("in", False), ("in", False)]


def test_other_transitions_and_campaigns_have_other_ids():
    usual = plan([a_campaign("a"), a_campaign("b")], a_transition(), partition=0, now_ms=NOW_MS)
    other = plan([a_campaign("a")], a_transition(id="another"), partition=0, now_ms=NOW_MS)
    assert len({d.id for d in [*usual, *other]}) == 3


def test_a_fresh_transition_is_due_at_once():
    (decision,) = plan([a_campaign()], a_transition(), partition=0, now_ms=NOW_MS + 5)
    assert (decision.outcome, decision.due_ms) == (Outcome.PENDING, NOW_MS + 5)


def test_a_transition_is_sent_up_to_too_old_and_recorded_beyond():
    campaign = a_campaign(too_old_ms=HOUR_MS)
    outcomes = [plan([campaign], a_transition(), partition=0, now_ms=NOW_MS + HOUR_MS + late)[0] for late in (0, 1)]
    assert [(d.outcome, d.due_ms is None) for d in outcomes] == [(Outcome.PENDING, False), (Outcome.TOO_OLD, True)]


def test_history_is_recorded_and_never_sent():
    (decision,) = plan([a_campaign()], a_transition(historical=True), partition=0, now_ms=NOW_MS)
    assert (decision.outcome, decision.due_ms) == (Outcome.HISTORICAL, None)


@pytest.mark.parametrize("at", ["soon", "2026-01-01T00:00:00"])
def test_a_transition_without_an_instant_is_malformed(at: str):
    with pytest.raises(Malformed, match="`at`"):
        plan([a_campaign()], a_transition(at=at), partition=0, now_ms=NOW_MS)
