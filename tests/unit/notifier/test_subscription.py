"""Subscriptions: what their files say, and which transitions they want."""

from __future__ import annotations

from textwrap import dedent

import pytest

from services.notifier.delivery.delivery import delivery_id
from services.notifier.file.campaigns import load_text as load_campaigns
from services.notifier.file.subscriptions import LoadedSubscriptions, check_lifecycles, load_text
from services.notifier.plan.subscription import plan_subscriptions
from services.stager.language.file import load_text as load_lifecycles
from tests.builders_notifier import NOW_MS, RULES, a_lingering, a_transition

CRM = """\
subscription: crm
description: The CRM wants to know everything
lifecycles: [shop, vip]
changes: [moved]
send:
  - {channel: webhook, url: "https://crm.example/stageline"}
  - channel: kafka
"""
ALL = "subscription: all\nsend: [{channel: kafka}]\n"


def load(text: str) -> LoadedSubscriptions:
    return load_text(dedent(text), file="s.yaml")


def wanted(text: str, *transitions) -> list[tuple[str, str]]:
    loaded = load(text)
    assert loaded.faults == ()
    return [
        (decision.transition.id, decision.channel)
        for one in transitions
        for decision in plan_subscriptions(loaded.subscriptions, one, partition=0, now_ms=NOW_MS)
    ]


def test_a_subscription_gets_what_it_asks_for_by_each_of_its_channels():
    moved, lingered = a_transition(id="1"), a_lingering(id="2")
    other, vip = a_transition(id="3", lifecycle="other"), a_transition(id="4", lifecycle="vip")
    assert wanted(CRM, moved, lingered, other, vip) == [
        ("1", "webhook"), ("1", "kafka"), ("4", "webhook"), ("4", "kafka"),
    ]  # fmt: skip


def test_without_conditions_a_subscription_gets_everything_but_history():
    past = a_transition(id="3", historical=True)
    assert wanted(ALL, a_transition(id="1"), a_lingering(id="2"), past) == [("1", "kafka"), ("2", "kafka")]
    assert wanted(ALL + "historical: true\n", past) == [("3", "kafka")]


def test_its_deliveries_are_due_at_once_however_old_the_transition_is():
    old = a_transition(at="2001-01-01T00:00:00.000Z")
    (decision,) = plan_subscriptions(load(ALL).subscriptions, old, partition=0, now_ms=NOW_MS)
    assert (decision.outcome, decision.due_ms, decision.campaign) == ("pending", NOW_MS, "@all")
    assert decision.id == delivery_id(old.id, "@all", 1)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("subscription: A\nsend: [{channel: kafka}]", "`subscription` is a name"),
        ("subscription: a", "a subscription needs `send`"),
        ("subscription: a\nsend: []", "`send` is a list of 1 to 5 steps"),
        (ALL + "lifecycles: shop", "`lifecycles` is a list such as `[shop]`"),
        (ALL + "changes: [left]", "a change is one of `moved`, `lingered`"),
        (ALL + "historical: perhaps", "`historical` is `true` or `false`"),
        (ALL + "lifecycle: [shop]", "a subscription has no `lifecycle`"),
        (ALL + "---\n" + ALL, "there is a subscription `all` already"),
        ("subscription: a\nsend: [{channel: kafka, fallback: true}]", "a subscription has no `fallback`"),
        ("subscription: a\nsend: [{channel: webhook}]", "a webhook step needs `url`"),
    ],
)
def test_a_wrong_subscription_is_a_fault(text: str, said: str):
    (fault,) = load(text).faults
    assert fault.message.startswith(said)


def test_a_lifecycle_that_is_not_there_is_a_fault_at_its_place():
    (fault,) = check_lifecycles(load(CRM), ["shop", "vips"])
    assert (fault.line, fault.column, fault.suggestion) == (3, 20, "vips")


def test_the_other_readers_leave_subscriptions_alone():
    assert load_campaigns(CRM, RULES, file="s.yaml").faults == ()
    assert load_lifecycles(CRM, file="s.yaml").faults == ()
