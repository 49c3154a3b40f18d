"""Explain: clauses with values, what blocks a stage, which events count, and what comes by itself."""

from __future__ import annotations

import json
from typing import Any

import pytest

from services.stager.commands.explain import explain_events
from services.stager.explain.as_json import encode
from services.stager.explain.as_text import render, say_span
from services.stager.explain.explainer import explain
from services.stager.explain.explanation import Clause, Explanation, LifecycleView, StageView
from services.stager.fold.instants import instant_of
from services.stager.fold.profile import decode_profile
from services.stager.fold.rules import Rules, compile_rules
from services.stager.language.file import load_text
from services.stager.simulate.simulation import Simulation, read_lines, simulate
from shared.clock import rfc3339
from shared.errors import Refused
from tests.oracle.generate import draw_case
from tests.oracle.real import load

SHOP = """
lifecycle: shop
metrics:
  orders: {count: Order Completed}
  orders_90d: {count: Order Completed, within: 90d}
  last_order: {last: Order Completed}
  mood: {latest: score, of: Survey Answered}
stages:
  - stage: visitor
  - stage: active
    when: orders >= 1
    min_stay: 10d
  - stage: loyal
    when: orders_90d >= 2 and traits.plan == "pro"
    until: not (orders_90d >= 1)
    re_enter: {after: 30d}
  - stage: fan
    when: mood > 8
    from: loyal
    re_enter: never
  - stage: silent
    when: orders >= 1 and since(last_order) >= 90d
    linger: [5d]
"""


def order(day: str, **fields: Any) -> dict[str, Any]:
    return {"userId": "ann", "event": "Order Completed", "timestamp": f"{day}T00:00:00Z", **fields}


def rules_of(text: str = SHOP) -> Rules:
    loaded = load_text(text, file="shop.yaml")
    assert not loaded.errors, loaded.errors[0].render()
    return compile_rules(loaded.lifecycles)


def explained(*events: dict[str, Any], at: str | None = None, rules: Rules | None = None) -> Explanation:
    lines = [json.dumps(event).encode() for event in events]
    at_ms = None if at is None else instant_of(at)
    return explain_events(lines, rules or rules_of(), customer="ann", at_ms=at_ms, on_bad_line=lambda *_: None)


def stage(explanation: Explanation, name: str) -> StageView:
    return next(view for view in explanation.lifecycles[0].stages if view.name == name)


def when(explanation: Explanation, name: str) -> Clause:
    clause = stage(explanation, name).when
    assert clause is not None
    return clause


def test_each_clause_shows_whether_it_holds_and_with_which_value() -> None:
    clause = when(explained(order("2026-01-01"), at="2026-01-02"), "loyal")

    assert (clause.joined, clause.holds, [part.holds for part in clause.parts]) == ("and", False, [False, False])
    assert [(value.text, value.value) for part in clause.parts for value in part.values] == [
        ("orders_90d", 1),
        ("traits.plan", None),
    ]


def test_a_value_names_the_events_that_gave_it_newest_first() -> None:
    explanation = explained(order("2026-01-01"), order("2026-02-01"), order("2026-04-10"), at="2026-04-10")
    evidence = when(explanation, "loyal").parts[0].values[0].evidence

    assert evidence is not None
    assert (evidence.count, [event.id for event in evidence.events]) == (2, ["000000000003", "000000000002"])


def test_a_trait_names_the_identify_whose_word_counts() -> None:
    said = {"userId": "ann", "type": "identify", "traits": {"plan": "pro"}}
    explanation = explained(
        {**said, "timestamp": "2026-01-05T00:00:00Z"},
        {**said, "timestamp": "2026-01-01T00:00:00Z", "receivedAt": "2026-01-06T00:00:00Z", "traits": {"plan": "x"}},
    )
    value = when(explanation, "loyal").parts[1].values[0]

    assert value.value == "pro"
    assert value.evidence is not None
    assert [event.id for event in value.evidence.events] == ["000000000001"]


def test_a_repeated_event_counts_once_as_evidence() -> None:
    explanation = explained(order("2026-01-01", messageId="a"), order("2026-01-01", messageId="a"))
    evidence = when(explanation, "active").values[0].evidence

    assert evidence is not None
    assert evidence.count == 1


def test_a_clause_says_when_its_answer_turns_by_itself() -> None:
    silence = when(explained(order("2026-01-01"), at="2026-01-02"), "silent")

    assert [rfc3339(part.turns_ms)[:10] if part.turns_ms else None for part in silence.parts] == [None, "2026-04-01"]


def test_what_counts_the_visit_does_not_turn_after_the_visit_has_ended() -> None:
    rules = rules_of("segment: a\nwhen: in_stage() >= 1d\nuntil: in_stage() >= 1h\n")
    explanation = explained(order("2026-01-01"), at="2026-01-02T00:30", rules=rules)
    view, shown = explanation.lifecycles[0], stage(explanation, "in")

    assert view.next_move is not None
    assert (view.next_move.to_stage, rfc3339(view.next_move.at_ms)) == ("out", "2026-01-02T01:00:00.000Z")
    assert shown.when is not None
    assert shown.until is not None
    assert (shown.when.turns_ms, shown.until.turns_ms) == (None, view.next_move.at_ms)


def test_what_does_not_count_the_visit_turns_after_its_end_too() -> None:
    rules = rules_of(SHOP.replace("when: mood > 8", "when: since(last_order) >= 120d"))
    explanation = explained(order("2026-01-01"), at="2026-01-02", rules=rules)

    assert rfc3339(when(explanation, "fan").turns_ms or 0)[:10] == "2026-05-01"


def test_a_look_ahead_that_was_given_up_says_how_far_it_went() -> None:
    rules = rules_of("lifecycle: a\nstages: [{stage: a, linger: {after: 1d, every: 1d, times: forever}}]\n")
    explanation = explained(order("2026-01-01"), at="2026-01-01", rules=rules)
    found = json.loads(encode(explanation))["lifecycles"]["a"]

    until = "2039-09-10T00:00:00.000Z"  # 5,000 days
    assert f"If nothing happens: no move until {until}, and later was not looked at\n" in render(explanation)
    assert "If nothing happens: linger 1 of this visit at 2026-01-02T00:00:00.000Z (in 1d)\n" in render(explanation)
    assert (found["foreseen_whole"], found["foreseen_until"]) == (False, until)


def test_the_next_move_is_foretold_with_the_lingers_before_it() -> None:
    view = explained(order("2026-01-01"), at="2026-04-02").lifecycles[0]

    assert (view.stage, view.next_move, view.next_linger and rfc3339(view.next_linger.at_ms)) == (
        "silent",
        None,
        "2026-04-06T00:00:00.000Z",
    )


def test_what_closes_a_stage_is_named() -> None:
    identify = {"userId": "ann", "type": "identify", "traits": {"plan": "pro"}, "timestamp": "2026-01-01T00:00:00Z"}
    explanation = explained(identify, order("2026-01-01"), order("2026-01-03"), at="2026-01-04")
    active, loyal = stage(explanation, "active"), stage(explanation, "loyal")

    assert active.place == "current"
    assert loyal.holds
    assert [(block.option, block.until_ms and rfc3339(block.until_ms)[:10]) for block in loyal.blocks] == [
        ("min_stay", "2026-01-11")
    ]
    assert [block.option for block in stage(explanation, "fan").blocks] == ["from", "min_stay"]


def test_a_stage_entered_once_or_left_too_lately_is_closed_by_re_enter() -> None:
    identify = {"userId": "ann", "type": "identify", "traits": {"plan": "pro"}, "timestamp": "2026-01-01T00:00:00Z"}
    survey = {"userId": "ann", "event": "Survey Answered", "timestamp": "2026-01-15T00:00:00Z"}
    explanation = explained(
        identify,
        order("2026-01-01"),
        order("2026-01-03"),
        {**survey, "properties": {"score": 9}},
        {**survey, "timestamp": "2026-01-16T00:00:00Z", "properties": {"score": 1}},
        at="2026-01-17",
    )

    assert {block.option for block in stage(explanation, "fan").blocks} == {"from", "re_enter", "min_stay"}
    assert [(block.option, rfc3339(block.until_ms or 0)[:10]) for block in stage(explanation, "loyal").blocks] == [
        ("re_enter", "2026-02-14"),
        ("min_stay", "2026-01-26"),
    ]
    text = render(explanation)
    assert "cannot be entered again before 2026-02-14T00:00:00.000Z (re_enter: only 30d after it was left)\n" in text
    assert (
        "cannot be entered before 2026-01-26T00:00:00.000Z (min_stay: a visit to `active` lasts 10d at least)\n" in text
    )


def test_a_lifecycle_that_only_goes_forward_closes_what_lies_behind() -> None:
    text = "lifecycle: a\nforward_only: true\nmetrics: {n: {count: x}}\nstages: [{stage: a}, {stage: b, when: n > 0}]"
    explanation = explained({**order("2026-01-01"), "event": "x"}, rules=rules_of(text))

    assert [block.option for block in stage(explanation, "a").blocks] == ["forward_only"]


def test_a_stage_held_only_by_its_until_says_so() -> None:
    identify = {"userId": "ann", "type": "identify", "traits": {"plan": "pro"}, "timestamp": "2026-01-01T00:00:00Z"}
    late = {**identify, "traits": {"plan": "free"}, "timestamp": "2026-02-01T00:00:00Z"}
    explanation = explained(identify, order("2026-01-01"), order("2026-01-03"), late)

    assert stage(explanation, "loyal").because == "until"


def test_what_keeps_a_customer_in_a_stage_that_no_longer_holds_is_named() -> None:
    stages = "stages: [{stage: a}, {stage: b, when: n == 1, min_stay: 5d}]"
    events = (order("2026-01-01"), order("2026-01-02"))
    by_stay = explained(*events, rules=rules_of(f"lifecycle: a\nmetrics: {{n: {{count: Order Completed}}}}\n{stages}"))
    forward = "lifecycle: a\nforward_only: true\nmetrics: {n: {count: Order Completed}}\n"
    by_way = explained(*events, at="2026-01-20", rules=rules_of(forward + stages))

    assert "=> b: no longer holds; kept by `min_stay` until 2026-01-06T00:00:00.000Z" in render(by_stay)
    assert "=> b: no longer holds; kept by `forward_only`\n" in render(by_way)
    kept_by = json.loads(encode(by_stay))["lifecycles"]["a"]["stages"][1]["kept_by"]
    assert (kept_by["option"], kept_by["until"]) == ("min_stay", "2026-01-06T00:00:00.000Z")


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        ("traits.vip", 'traits.vip is "true" (a text, not the flag `true`)'),
        ("not traits.age", "traits.age is 25 (a number, not the flag `true`)"),
        ('if(traits.vip, "a", "b") == "a"', 'traits.vip is "true" (a text, not the flag `true`)'),
        ('traits.age != "25"', "traits.age is 25 (a number, compared with a text)"),
        ("mood > 8", 'mood is "9" (a text, compared with a number)'),
        ('traits.age not in ["x"]', "traits.age is 25 (a number, and no item of the list is one)"),
        ("traits.seats * 2 > 3", 'traits.seats is "12" (a text, not a number)'),
        ('starts_with(traits.age, "x")', "traits.age is 25 (a number, not a text)"),
        ('contains(traits.age, "x")', "traits.age is 25 (a number, neither a list nor a text)"),
        ("time_to(traits.due) <= 7d", 'traits.due is "25.03.2026" (this text is no time, as `2026-01-31` is)'),
        ("since(traits.age) > 7d", "traits.age is 25 (a number, not a text that says a time, such as `2026-01-31`)"),
        ("traits.big > 3", "traits.big is 1774396800000 (beyond ±10^12: it counts as missing)"),
        ("traits.tags == traits.tags", "(a list, which is never compared)"),
        ("traits.on > traits.off", "traits.on is true (a flag, which has no order)"),
        ("contains(traits.vip, traits.age)", "traits.age is 25 (a number, not a text)"),
    ],
)
def test_a_value_of_which_a_condition_can_make_nothing_says_why(condition: str, said: str) -> None:
    traits = {
        "vip": "true", "age": 25, "seats": "12", "due": "25.03.2026", "big": 1774396800000, "tags": [1], "on": True,
        "off": False,
    }  # fmt: skip
    identify = {"userId": "ann", "type": "identify", "traits": traits, "timestamp": "2026-01-01T00:00:00Z"}
    survey = {**order("2026-01-01"), "event": "Survey Answered", "properties": {"score": "9"}}
    head = "lifecycle: a\nmetrics: {mood: {latest: score, of: Survey Answered}}\n"
    rules = rules_of(f"{head}carry: [mood]\nstages:\n  - {{stage: a}}\n  - stage: b\n    when: >-\n      {condition}\n")

    assert f"{said}\n" in render(explained(identify, survey, rules=rules))


@pytest.mark.parametrize("condition", ['traits.vip == "true"', "exists(traits.age)", "traits.age > 8", "traits.gone"])
def test_a_value_that_fits_is_shown_without_a_reason(condition: str) -> None:
    identify = {"userId": "ann", "type": "identify", "traits": {"vip": "true", "age": 25}, "timestamp": "2026-01-01"}
    rules = rules_of(f"lifecycle: a\nstages:\n  - {{stage: a}}\n  - {{stage: b, when: {condition!r}}}\n")

    (value,) = when(explained(identify, rules=rules), "b").values
    assert value.note == ""


def test_the_kind_of_a_value_is_its_type_as_far_as_anything_is_known() -> None:
    identify = {"userId": "ann", "type": "identify", "traits": {"plan": "pro"}, "timestamp": "2026-01-01T00:00:00Z"}
    condition = "traits.plan == traits.gone or orders_90d > 2 or since(last_order) > 1d"
    rules = rules_of(SHOP.replace('orders_90d >= 2 and traits.plan == "pro"', condition))

    values = [value for part in when(explained(identify, rules=rules), "loyal").parts for value in part.values]
    assert [(value.text, value.kind) for value in values] == [
        ("traits.plan", "text"),
        ("traits.gone", None),
        ("orders_90d", "number"),
        ("since(last_order)", "duration"),
        ("last_order", "time"),
    ]


def test_a_full_window_and_a_full_set_say_that_they_are_less_than_exact() -> None:
    text = """
lifecycle: a
metrics: {n: {count: x, within: 512d}, d: {distinct: p, of: x}}
stages: [{stage: a, when: n > 0 and d > 0}]"""
    events = [{**order("2026-01-01"), "event": "x", "properties": {"p": number}} for number in range(600)]
    parts = when(explained(*events, rules=rules_of(text)), "a").parts

    assert "slots of 1d" in parts[0].values[0].note
    assert parts[1].values[0].note == "at least 512: no more different values are kept"


WINDOW = "lifecycle: a\nmetrics: {n: {count: x, within: 2d}}\nstages: [{stage: a, when: n > 0}]"


def minutely(count: int) -> list[dict[str, Any]]:
    begin_ms = instant_of("2026-01-01") or 0
    times = (rfc3339(begin_ms + 60_000 * minute) for minute in range(count))
    return [{"userId": "ann", "event": "x", "timestamp": at} for at in times]


def test_a_window_that_is_full_to_the_last_place_is_exact() -> None:
    (value,) = when(explained(*minutely(512), rules=rules_of(WINDOW)), "a").values

    assert (value.value, value.note) == (512, "")


def test_a_window_says_so_as_long_as_it_keeps_events_together() -> None:
    late = {"userId": "ann", "event": "x", "timestamp": "2026-01-03T06:00:00Z"}
    (value,) = when(explained(*minutely(2_000), late, rules=rules_of(WINDOW)), "a").values

    assert "are kept together in slots of" in value.note


@pytest.mark.parametrize(
    ("condition", "is_known"),
    [
        ("d >= 700", False), ("d > 512", False), ("d != 512", False), ("513 <= d", False), ("d <= 512", False),
        ("d >= 512", True), ("d < 512", True), ("512 <= d", True), ("d > 500", True),
        ("d >= 5 and traits.n < 700", True),
    ],
)  # fmt: skip
def test_more_different_values_than_are_kept_are_said_to_be_not_known(condition: str, is_known: bool) -> None:
    metrics, stages = "metrics: {d: {distinct: p, of: x}}", f"stages: [{{stage: a, when: {condition}}}]"
    rules = rules_of(f"lifecycle: a\n{metrics}\n{stages}")
    events = [{**order("2026-01-01"), "event": "x", "properties": {"p": number}} for number in range(600)]
    note = "at least 512: no more different values are kept" + ("" if is_known else ", so this is not known")

    assert f"d is 512 ({note})\n" in render(explained(*events, rules=rules))
    assert "d is 2\n" in render(explained(*events[:2], rules=rules))


@pytest.mark.parametrize("option", ["re_enter: {after: 3000000d}", "min_stay: 3000000d", "linger: 3000000d"])
def test_what_comes_beyond_every_calendar_is_not_told(option: str) -> None:
    text = "metrics: {last: {last: Order Completed}, s: {sequence: [Order Completed, B], within: 3000000d}}\n"
    middle = f"{{stage: b, when: since(last) < 1d and not exists(s), {option}}}"
    stages = f"stages: [{{stage: a}}, {middle}, {{stage: c, when: exists(s)}}]"
    rules = rules_of(f"lifecycle: x\n{text}{stages}")

    explanation = explained(order("2026-01-01"), at="2026-01-05", rules=rules)

    assert "10000" not in render(explanation)
    assert json.loads(encode(explanation))["customer"] == "ann"


SIGN_UP = """
lifecycle: a
metrics: {done: {sequence: [Visited, [Tried, Asked], Bought], within: 5d}}
stages: [{stage: a, when: exists(done)}]"""


@pytest.mark.parametrize(
    ("names", "at", "said"),
    [
        ("Tried", "2026-01-02", "done is missing\n"),
        (
            "Visited",
            "2026-01-02",
            "(1 of 3 steps since 2026-01-01T00:00:00.000Z, the next one is Asked or Tried, at the latest 2026-01-06",
        ),
        ("Visited Asked", "2026-01-06", "2 of 3 steps since 2026-01-01T00:00:00.000Z, the next one is Bought"),
        ("Visited Asked", "2026-01-06T00:00:00.001Z", "done is missing\n"),
        ("Visited Asked - - Visited", "2026-01-06", "2 of 3 steps since 2026-01-01T00:00:00.000Z, the next"),
        ("Visited Asked - - Visited", "2026-01-07", "1 of 3 steps since 2026-01-05T00:00:00.000Z, the next"),
        ("Visited Asked Bought", "2026-01-03", "done is 2026-01-03T00:00:00.000Z\n"),
        (
            "Visited Asked Bought Visited",
            "2026-01-04",
            "done is 2026-01-03T00:00:00.000Z (1 of 3 steps since 2026-01-04",
        ),
    ],
)
def test_a_sequence_under_way_says_how_far_it_has_come(names: str, at: str, said: str) -> None:
    events = [{**order(f"2026-01-0{day}"), "event": name} for day, name in enumerate(names.split(), start=1)]

    assert said in render(explained(*events, at=at, rules=rules_of(SIGN_UP)))


def test_a_sequence_without_a_span_names_no_latest_time() -> None:
    rules = rules_of(SIGN_UP.replace(", within: 5d", "").replace("Bought", '"*"'))
    events = [{**order("2026-01-01"), "event": name} for name in ("Visited", "Tried")]

    assert "the next one is any event)\n" in render(explained(*events, at="2030-01-01", rules=rules))


def test_somebody_never_heard_of_is_refused() -> None:
    with pytest.raises(Refused, match="nothing was received"):
        explained(order("2026-01-01", userId="bob"))
    with pytest.raises(Refused, match="by then"):
        explained(order("2026-01-02"), at="2026-01-01")


def test_events_that_were_received_only_later_are_a_hint() -> None:
    imported = {"historical": True, "receivedAt": "2026-04-11T08:00:00Z"}

    hint = r"by then \(events of that time were received on 2026-04-11T08:00:00.000Z; --at goes by when"
    with pytest.raises(Refused, match=hint):
        explained(order("2026-01-01", **imported), at="2026-01-05")
    with pytest.raises(Refused, match=r"by then$"):
        explained(order("2026-01-06", **imported), at="2026-01-05")


def test_somebody_never_heard_of_may_have_been_meant_otherwise() -> None:
    with pytest.raises(Refused, match=r"'ann' \(did you mean `Ann`\?\)"):
        explained(order("2026-01-01", userId="Ann"), order("2026-01-01", userId="bob"))
    with pytest.raises(Refused, match=r"'ann' by then \(did you mean `anna`\?\)"):
        explained(order("2026-01-01", userId="anna"), order("2026-01-02", userId="Ann"), at="2026-01-01")


def test_the_past_of_a_stored_profile_is_refused() -> None:
    rules = rules_of()
    profile = _profile_of(rules, [json.dumps(order("2026-01-05")).encode()])

    with pytest.raises(Refused, match="needs the events"):
        explain(rules, profile, instant_of("2026-01-04") or 0)


def test_a_changed_definition_is_pending_until_the_next_event() -> None:
    rules, other = rules_of(), rules_of(SHOP.replace("orders >= 1\n    min_stay", "orders >= 2\n    min_stay"))
    profile = _profile_of(rules, [json.dumps(order("2026-01-05")).encode()])
    again = decode_profile("ann", profile.encode(), other)

    assert explain(rules, profile, profile.clock_ms).lifecycles[0].is_pending is False
    assert explain(other, again, again.clock_ms).lifecycles[0].is_pending is True


def test_explaining_leaves_the_profile_as_it_is() -> None:
    rules = rules_of()
    profile = _profile_of(rules, [json.dumps(order("2026-01-05")).encode()])
    before = profile.encode()
    explain(rules, profile, (instant_of("2027-01-01") or 0))

    assert profile.encode() == before


def test_as_text_it_marks_what_holds_and_what_does_not() -> None:
    text = render(explained(order("2026-01-01"), at="2026-01-20"))

    assert "shop: active since 2026-01-01T00:00:00.000Z (19d)" in text
    assert "If nothing happens: moves to silent at 2026-04-01T00:00:00.000Z (in 71d)" in text
    assert "  => active: holds" in text
    assert "[ ] orders_90d >= 2" in text
    assert "traits.plan is missing" in text
    assert "closed by from: it can be entered only from `loyal`" in text


def test_all_moves_of_one_instant_are_foretold_and_the_first_target_is_shown() -> None:
    rules = rules_of(
        "lifecycle: steps\nmetrics: {last: {last: Order Completed}}\nstages:\n"
        "  - {stage: back, when: in_stage() >= 1d, until: in_stage() >= 0ms, from: start}\n"
        "  - {stage: start, when: since(last) < 1d}\n"
        "  - {stage: on, from: back, when: since(last) >= 1d}\n"
    )
    text = render(explained(order("2026-01-01"), at="2026-01-01", rules=rules))

    assert "If nothing happens: moves to back, then on at 2026-01-02T00:00:00.000Z (in 1d)" in text
    assert "     back: does not hold" in text


def test_until_is_shown_where_it_matters_and_said_to_be_in_vain_while_when_holds() -> None:
    rules = rules_of(
        "lifecycle: kept\nmetrics: {n: {count: Order Completed}}\nstages:\n"
        "  - {stage: kept, when: n >= 1, until: in_stage() >= 1d}\n"
        "  - {stage: more, when: n >= 5, until: n >= 9}\n"
    )
    text = render(explained(order("2026-01-01"), at="2026-01-03", rules=rules))

    assert "=> kept: holds (its `until` is true, but anyone who meets `when` stays)" in text
    assert text.count("until:") == 1


def test_as_json_it_has_the_same_members() -> None:
    found = json.loads(encode(explained(order("2026-01-01"), at="2026-01-20")))
    shop = found["lifecycles"]["shop"]

    assert (found["customer"], found["at"]) == ("ann", "2026-01-20T00:00:00.000Z")
    assert shop["next_move"] == {
        "change": "moved",
        "to": "silent",
        "at": "2026-04-01T00:00:00.000Z",
        "nth": 0,
        "then": [],
    }
    assert [view["stage"] for view in shop["stages"] if view["place"] != "earlier"] == [
        "active",
        "loyal",
        "fan",
        "silent",
    ]
    assert shop["stages"][3]["blocked_by"][0]["option"] == "from"


def test_a_span_is_said_in_two_units() -> None:
    assert [say_span(span) for span in (0, 999, 61_000, 90_061_000, -3_600_000)] == [
        "0ms",
        "999ms",
        "1m 1s",
        "1d 1h",
        "-1h",
    ]


@pytest.mark.parametrize("first", range(0, 60, 20))
def test_what_is_foretold_is_what_simulate_then_does(first: int) -> None:
    foretold = 0
    for seed in range(first, first + 20):
        case = draw_case(seed)
        rules = compile_rules(load(case.text))
        lines = [line.encode() for line in case.lines]
        for customer in ("u1", "u2", "7"):
            for view in _views(lines, rules, customer):
                foretold += view.next_move is not None
                _compare_with_simulate(lines, rules, customer, view, seed)
    assert foretold > 0


def _views(lines: list[bytes], rules: Rules, customer: str) -> tuple[LifecycleView, ...]:
    try:
        explanation = explain_events(lines, rules, customer=customer, at_ms=None, on_bad_line=lambda *_: None)
    except Refused:
        return ()
    json.loads(encode(explanation))
    render(explanation)
    return explanation.lifecycles


def _compare_with_simulate(lines: list[bytes], rules: Rules, customer: str, view: LifecycleView, seed: int) -> None:
    """The lifecycle's last stage and the first move that time alone makes are those of `simulate`."""
    so_far = simulate(lines, rules, until_ms=None, on_bad_line=lambda *_: None)
    chain = [change for change in so_far if (change.customer, change.lifecycle) == (customer, view.name)]
    expected_stage = chain[-1].to_stage if chain else "out" if view.segment else None
    assert view.stage == expected_stage, f"seed {seed}"
    if view.next_move is None:
        return
    later = simulate(lines, rules, until_ms=view.next_move.at_ms, on_bad_line=lambda *_: None)
    moves = [change for change in later if (change.customer, change.lifecycle) == (customer, view.name)][len(chain) :]
    moved = [(change.to_stage, change.at) for change in moves if change.change == "moved"]
    at = rfc3339(view.next_move.at_ms)
    assert moved == [(target, at) for target in (view.next_move.to_stage, *view.next_move.then)], f"seed {seed}"


def _profile_of(rules: Rules, lines: list[bytes]) -> Any:
    simulation = Simulation(rules)
    for line in read_lines(lines, lambda *_: None):
        simulation.take(line)
    return simulation.profiles["ann"]
