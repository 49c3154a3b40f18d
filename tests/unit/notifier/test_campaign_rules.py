"""The rules of a campaign file: what they mean, and what is said about a wrong one."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from services.notifier.campaign.campaign import Campaign, Cap, QuietHours, Sample
from services.notifier.campaign.condition import Surroundings
from services.notifier.file.campaigns import Loaded, Rules, load_text
from services.stager.condition import compile_condition
from shared.clock import DAY_MS, MINUTE_MS, to_ms

SMALL = """
campaign: hello
on: {lifecycle: shop, stage: active, change: moved}
send: [{channel: console}]
"""
SHOP = {"shop": Surroundings(["active", "at_risk"], {"orders": "number", "last_order": "time"})}


def load(rules: str, *, on: str = "", small: str = SMALL) -> Loaded:
    text = small.replace("change: moved", f"change: moved{on}") + rules + "\n"
    return load_text(text, Rules(compile_condition, SHOP), file="c.yaml")


def campaign(rules: str, **given: str) -> Campaign:
    loaded = load(rules, **given)
    assert [fault.render() for fault in loaded.faults] == []
    (found,) = loaded.campaigns
    return found


def said(rules: str, **given: str) -> tuple[str, str | None]:
    loaded = load(rules, **given)
    assert loaded.campaigns == ()
    (fault,) = loaded.faults
    return fault.message, fault.suggestion


def test_times_and_numbers_are_read():
    found = campaign("hold: 10m\ncap: {messages: 2, within: 7d}\npriority: 9\npaused: true")
    assert (found.hold_ms, found.cap, found.priority, found.is_paused) == (
        10 * MINUTE_MS, Cap(2, 7 * DAY_MS), 9, True,
    )  # fmt: skip


def test_a_cap_may_count_all_campaigns():
    assert campaign("cap: {messages: 1, within: 1d, of: all}").cap == Cap(1, DAY_MS, of_all=True)


def test_quiet_hours_have_a_zone_of_the_customer_or_of_the_file():
    of_customer = campaign('quiet_hours: {from: "21:00", to: "08:00", zone: traits.home.zone, default: Europe/Berlin}')
    of_file = campaign('quiet_hours: {from: "21:00", to: "08:00", zone: Asia/Tokyo}')
    assert of_customer.quiet_hours == QuietHours(1260, 480, "Europe/Berlin", ("home", "zone"))
    assert of_file.quiet_hours == QuietHours(1260, 480, "Asia/Tokyo")


def test_an_end_without_a_time_of_day_is_the_end_of_that_day():
    found = campaign("start: 2026-12-01T09:00+01:00\nend: 2026-12-24")
    assert found.start_ms == to_ms(datetime(2026, 12, 1, 8, tzinfo=UTC))
    assert found.end_ms == to_ms(datetime(2026, 12, 25, tzinfo=UTC))


def test_a_sample_leaves_the_others_as_its_control_group():
    assert campaign("sample: 80%").sample == Sample("hello", 800_000, 200_000)
    assert campaign("sample: {share: 2.5%, control: 10%, name: spring}").sample == Sample("spring", 25_000, 100_000)


def test_the_stages_of_a_trigger_may_be_one_or_several_or_none():
    assert campaign("", on=", from: at_risk").trigger.came_from == {"at_risk"}
    assert campaign("", on=", from: [at_risk, null], entry: first").trigger.came_from == {"at_risk", None}


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ("hold: soon", "`hold` is a duration"),
        ('quiet_hours: {from: "25:00", to: "08:00"}', "`from` is a time of day"),
        ('quiet_hours: {from: "08:00", to: "08:00"}', "end when they begin"),
        ('quiet_hours: {from: "21:00"}', "`quiet_hours` needs `to`"),
        ("quiet_hours: night", "`quiet_hours` is a mapping"),
        ("cap: {messages: 0, within: 7d}", "`messages` is a whole number"),
        ("cap: {messages: 2}", "`cap` needs `within`"),
        ("sample: half", "`sample` is a share"),
        ("sample: {share: 60%, control: 50%}", "more than everybody"),
        ("start: tomorrow", "`start` is a date"),
        ("start: 2026-02-02\nend: 2026-02-01", "`end` lies before `start`"),
        ("priority: 10", "`priority` is 1"),
        ("paused: maybe", "`paused` is `true` or `false`"),
        ("where: orders >", "ends too early"),
        ("where: orders", "a condition is expected"),
        ("consent: traits.a + 1", "a condition is expected"),
    ],
)
def test_a_wrong_rule_is_a_fault(rules: str, message: str):
    assert message in said(rules)[0]


def test_a_zone_that_is_none_is_a_fault_with_a_suggestion():
    assert said('quiet_hours: {from: "21:00", to: "08:00", zone: Europe/Berlim}')[1] == "Europe/Berlin"


def test_a_metric_that_is_not_carried_is_a_fault_with_a_suggestion():
    message, suggestion = said("where: order >= 3")
    assert (message.partition(" (")[0], suggestion) == ("`shop` carries no metric `order`", "orders")


def test_a_condition_is_checked_with_the_types_of_what_is_carried():
    assert "does not work" in said("where: last_order + orders > 3")[0]


def test_a_fault_in_a_condition_stands_at_its_place():
    (fault,) = load("where: traits.x and orderz > 1").faults
    assert (fault.line, fault.column, fault.text) == (5, 21, "orderz")


@pytest.mark.parametrize(
    ("on", "message"),
    [
        (", to: active", "needs `change: left`"),
        (", entry: second", "`entry` is one of"),
        (", from: nowhere", "`shop` has no stage `nowhere`"),
        (", from: {}", "is a stage or a list of stages"),
    ],
)
def test_a_wrong_trigger_is_a_fault(on: str, message: str):
    assert message in said("", on=on)[0]


def test_the_first_step_cannot_be_a_fallback():
    assert "the first step" in said("", small=SMALL.replace("console}", "console, fallback: true}"))[0]


def test_a_later_step_can():
    steps = "[{channel: console}, {channel: console, fallback: true}, {channel: console, fallback: false}]"
    assert campaign("", small=SMALL.replace("[{channel: console}]", steps)).fallbacks == {2}
