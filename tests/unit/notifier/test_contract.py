"""The send contract: what is judged, in which order, and what is said of it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from services.notifier.campaign.campaign import Campaign, Cap, QuietHours, Sample
from services.notifier.campaign.condition import TRANSITION_FIELDS, Condition
from services.notifier.delivery.customers import CustomerNow
from services.notifier.delivery.delivery import Outcome
from services.notifier.plan.contract import MILLION, End, Hold, Judgement, Send, draw, judge
from services.stager.condition import compile_condition
from shared.clock import DAY_MS, HOUR_MS, MINUTE_MS, rfc3339, to_ms
from tests.builders_notifier import NOW_MS, a_campaign, a_delivery, a_lingering, a_transition

HERE = CustomerNow(entry=1)
NIGHT = QuietHours(21 * 60, 8 * 60, zone="UTC", trait=("timezone",))
MIDNIGHT_MS = to_ms(datetime(2027, 1, 15, tzinfo=UTC))
NONE_DISABLED: Mapping[str, str] = {}


def condition(text: str) -> Condition:
    holds, problems = compile_condition(text, fields=TRANSITION_FIELDS, carried=None, lifecycle="shop")
    assert holds is not None, problems
    return Condition(text, holds)


def ask(
    campaign: Campaign | None = None, customer: CustomerNow = HERE, *, now_ms: int = NOW_MS, **given: Any
) -> Judgement:
    delivery = a_delivery(**given)
    return judge(delivery, campaign or a_campaign(), customer, disabled=NONE_DISABLED, now_ms=now_ms)


def outcome(judgement: Judgement) -> str:
    return judgement.outcome if isinstance(judgement, End) else type(judgement).__name__


def test_what_nothing_speaks_against_is_sent():
    assert ask() == Send()


def test_a_customer_who_has_left_the_stage_gets_nothing():
    assert outcome(ask(customer=CustomerNow(entry=None))) == Outcome.LEFT


def test_a_customer_who_has_left_and_come_back_is_on_another_visit():
    assert ask(customer=CustomerNow(entry=2)) == End(
        Outcome.LEFT, "visit 1 to `at_risk` is over, this is visit 2"
    )  # fmt: skip


def test_a_message_about_leaving_is_true_until_the_customer_is_back():
    assert ask(customer=CustomerNow(entry=None), while_in=False) == Send()
    assert outcome(ask(customer=CustomerNow(entry=2), while_in=False)) == Outcome.LEFT


def test_a_campaign_that_was_removed_sends_nothing():
    assert outcome(judge(a_delivery(), None, HERE, disabled={}, now_ms=NOW_MS)) == Outcome.OFF


@pytest.mark.parametrize(
    "given",
    [{"is_paused": True}, {"start_ms": NOW_MS + 1}, {"end_ms": NOW_MS}, {"steps": ()}],
    ids=["paused", "not yet begun", "over", "without that step"],
)
def test_a_campaign_that_is_off_sends_nothing(given: dict[str, Any]):
    assert outcome(ask(a_campaign(**given))) == Outcome.OFF


def test_a_transition_of_before_the_start_is_not_sent_after_it():
    campaign = a_campaign(start_ms=NOW_MS + 1)
    assert outcome(ask(campaign, now_ms=NOW_MS + HOUR_MS)) == Outcome.OFF


def test_a_campaign_sends_within_its_dates():
    assert ask(a_campaign(start_ms=NOW_MS, end_ms=NOW_MS + 1)) == Send()


def test_age_is_judged_again_at_sending():
    campaign = a_campaign(too_old_ms=HOUR_MS)
    assert ask(campaign, now_ms=NOW_MS + HOUR_MS) == Send()
    assert outcome(ask(campaign, now_ms=NOW_MS + HOUR_MS + 1)) == Outcome.TOO_OLD


def test_what_is_sent_again_by_hand_is_as_fresh_as_the_order():
    campaign = a_campaign(too_old_ms=HOUR_MS)
    assert ask(campaign, now_ms=NOW_MS + DAY_MS, fresh_ms=NOW_MS + DAY_MS) == Send()


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("traits.plan == 'pro'", True),
        ("spend_1y >= 200", True),
        ("spend_1y > 200", False),
        ("orders > 1", False),  # not carried: missing
        ("from == 'active' and to == 'at_risk' and entry == 1", True),
        ("stay >= 1s and nth == 0", True),
        ("in_stage() < 1h", True),
        ("since(traits.seen) >= 1d", True),
        ("traits.n", False),  # a number is no truth
    ],
)
def test_where_is_over_traits_carried_metrics_and_the_transition(text: str, holds: bool):
    customer = CustomerNow(1, {"plan": "pro", "n": 1, "seen": rfc3339(NOW_MS - DAY_MS)})
    judged = ask(a_campaign(where=condition(text)), customer, transition=a_transition(carried={"spend_1y": 200}))
    assert outcome(judged) == ("Send" if holds else Outcome.FILTERED)


def test_where_is_asked_of_the_traits_as_they_are_when_sending():
    campaign = a_campaign(where=condition("traits.plan == 'pro'"))
    assert [outcome(ask(campaign, CustomerNow(1, {"plan": plan}))) for plan in ("pro", "free")] == ["Send", "filtered"]


def test_a_linger_knows_how_long_the_visit_has_lasted():
    campaign = a_campaign(where=condition("in_stage() >= 7d and stay == 7d"))
    assert ask(campaign, transition=a_lingering(stay_ms=7 * DAY_MS)) == Send()


@pytest.mark.parametrize(("said", "sent"), [(True, True), (False, False), ("true", False), (None, False)])
def test_without_consent_nothing_goes_out(said: object, sent: bool):
    campaign = a_campaign(consent=condition("traits.email_opt_in"))
    judged = ask(campaign, CustomerNow(1, {"email_opt_in": said}))
    assert outcome(judged) == ("Send" if sent else Outcome.NO_CONSENT)


def test_hold_counts_from_the_transition():
    campaign = a_campaign(hold_ms=10 * MINUTE_MS)
    assert ask(campaign, now_ms=NOW_MS + MINUTE_MS) == Hold(
        NOW_MS + 10 * MINUTE_MS, f"held until {rfc3339(NOW_MS + 10 * MINUTE_MS)}"
    )
    assert ask(campaign, now_ms=NOW_MS + 10 * MINUTE_MS) == Send()


def test_a_transition_of_a_clock_ahead_of_ours_waits_for_nothing():
    assert ask(now_ms=NOW_MS - 500) == Send()


def at_hour(hour: int, **traits: Any) -> Judgement:
    now_ms = MIDNIGHT_MS + hour * HOUR_MS
    customer = CustomerNow(1, traits)
    return ask(a_campaign(quiet_hours=NIGHT), customer, now_ms=now_ms, at_ms=now_ms, fresh_ms=now_ms)


def test_quiet_hours_are_those_of_the_customers_own_zone():
    assert at_hour(12, timezone="Europe/Berlin") == Send()
    held = at_hour(12, timezone="Asia/Tokyo")  # 21:00 there
    assert isinstance(held, Hold)
    assert held.due_ms == MIDNIGHT_MS + 23 * HOUR_MS


def test_a_customer_without_a_zone_has_the_default():
    assert isinstance(at_hour(22), Hold)
    assert at_hour(12) == Send()


@pytest.mark.parametrize("zone", ["Mars/Olympus", "Europe", "", 7, "../etc/passwd"])
def test_an_unknown_zone_falls_back_and_is_reported(zone: object):
    sent, held = at_hour(12, timezone=zone), at_hour(22, timezone=zone)
    assert isinstance(sent, Send)
    assert "unknown zone" in sent.note
    assert isinstance(held, Hold)
    assert "unknown zone" in held.reason


def test_the_shares_of_a_sample_are_what_they_say_and_stable():
    sample = Sample("winter", share=MILLION // 2, control=MILLION // 10)
    places = [draw(sample, f"customer-{number}") for number in range(5_000)]
    assert places == [draw(sample, f"customer-{number}") for number in range(5_000)]
    assert 0.47 < sum(place < sample.share for place in places) / 5_000 < 0.53
    assert 0.08 < sum(sample.share <= place < sample.share + sample.control for place in places) / 5_000 < 0.12


def test_another_experiment_draws_other_customers():
    draws = [[draw(Sample(name, 1, 0), f"c{number}") < MILLION // 2 for number in range(200)] for name in ("a", "b")]
    assert draws[0] != draws[1]


def test_the_control_group_is_recorded_and_the_others_are_left_out():
    place = draw(Sample("s", 0, 0), "ann")
    judged = [
        ask(a_campaign(sample=Sample("s", share, control)))
        for share, control in ((place + 1, 0), (place, MILLION - place), (0, place))
    ]
    assert [outcome(one) for one in judged] == ["Send", Outcome.CONTROL, Outcome.NOT_SAMPLED]


def test_only_who_would_have_been_sent_to_is_in_the_control_group():
    campaign = a_campaign(sample=Sample("s", 0, MILLION), consent=condition("traits.ok"))
    assert outcome(ask(campaign)) == Outcome.NO_CONSENT


def test_the_cap_is_asked_last_and_of_the_database():
    cap = Cap(2, DAY_MS)
    assert ask(a_campaign(cap=cap)) == Send(cap)


def test_a_target_that_wants_no_more_gets_no_more():
    delivery = a_delivery(target="https://x.example")
    judged = judge(delivery, a_campaign(), HERE, disabled={"https://x.example": "status 410"}, now_ms=NOW_MS)
    assert judged == End(Outcome.DEAD, "the target is disabled: status 410")


def test_the_order_is_visit_campaign_age_where_consent_hold_quiet_hours():
    """What comes first in the contract is the reason that is told."""
    night_ms = MIDNIGHT_MS + 23 * HOUR_MS
    everything = {
        "is_paused": True, "too_old_ms": 1, "where": condition("traits.no"), "consent": condition("traits.no"),
        "hold_ms": 2 * DAY_MS, "quiet_hours": NIGHT,
    }  # fmt: skip
    gone = CustomerNow(None)
    told = []
    for mended in (None, *everything, "done"):
        campaign, customer = a_campaign(**everything), gone if mended is None else HERE
        told.append(outcome(ask(campaign, customer, now_ms=night_ms, at_ms=night_ms, fresh_ms=night_ms - DAY_MS)))
        if mended is not None and mended in everything:
            everything.pop(mended)
    assert told == ["left", "off", "too_old", "filtered", "no_consent", "Hold", "Hold", "Send"]
