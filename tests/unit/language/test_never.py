"""Warnings of what never holds: where one is given it is so, and it says what was probably meant."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.stager.fold.expressions import Compiler
from services.stager.fold.moment import Moment
from services.stager.language.definition import Kind
from services.stager.language.expression import check_truth
from services.stager.language.file import load_text
from services.stager.language.scope import WHERE, Scope

SCOPE = Scope(
    {"orders": Kind.NUMBER, "last_order": Kind.TIME, "nps": Kind.ANY, "lost": Kind.ANY}, unsure=frozenset({"lost"})
)

LITERALS = st.sampled_from(["1", "2.5", '"a"', '"2026-01-31"', "true", "1d", 'date("2026-01-31")'])
VALUES = st.recursive(
    st.sampled_from(["a", "b", "c.d", "lower(a)", "date(b)"]) | LITERALS,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from("+-*/"), inner).map(lambda parts: f"({' '.join(parts)})"),
        inner.map(lambda part: f"-({part})"),
        st.tuples(inner, inner).map(lambda parts: f"if(f, {', '.join(parts)})"),
    ),
    max_leaves=4,
)
TESTS = st.one_of(
    st.tuples(VALUES, st.sampled_from(["==", "!=", "<", "<=", ">", ">="]), VALUES).map(" ".join),
    st.tuples(VALUES, st.sampled_from(["in", "not in"]), st.lists(LITERALS, min_size=1, max_size=2).map(", ".join)).map(
        lambda parts: f"{parts[0]} {parts[1]} [{parts[2]}]"
    ),
    st.tuples(st.sampled_from(["contains", "starts_with"]), VALUES, VALUES).map(
        lambda parts: f"{parts[0]}({parts[1]}, {parts[2]})"
    ),
    VALUES,
)
SENT = st.sampled_from([None, 0, 1, 2.5, -1, "", "a", "A", "2026-01-31", True, False, [], ["a"], {"d": 1}, {"d": "a"}])


def holds(expression: Any, sent: dict[str, Any]) -> bool:
    moment = Moment()
    moment.properties = sent
    return Compiler({}).condition(expression).holds(moment)


@settings(deadline=None)
@given(TESTS, st.fixed_dictionaries({"a": SENT, "b": SENT, "c": SENT, "f": SENT}))
def test_what_is_said_never_to_hold_is_false_for_every_event(written: str, sent: dict[str, Any]) -> None:
    expression, problems = check_truth(written, WHERE)

    if expression is not None and any("never holds" in problem.message for problem in problems):
        assert not holds(expression, sent)


# text: (the part that is warned of, part of the message, suggestion)
NEVER: dict[str, tuple[str, str, str | None]] = {
    'utm-source == "google"': ("utm-source", "backquotes: `utm-source`", None),
    'cart.utm-source in ["a"]': ("cart.utm-source", "backquotes: cart.`utm-source`", None),
    'contains(utm-source, "a")': ("utm-source", "backquotes: `utm-source`", None),
    'lower(utm-source) == "a"': ("utm-source", "never has a value; a name with a hyphen", None),
    "is-vip": ("is-vip", "backquotes: `is-vip`", None),
    'a + b == "x"': ("a + b", "never a text", None),
    "-a == true": ("-a", "never a flag", None),
    'a > date("2026-01-01")': ("a", "`date()`", "date(a)"),
    "date(a) < b.c": ("b.c", "`date()`", "date(b.c)"),
    "a == 1d": ("a", "never a duration", None),
    "a in [1d, 2d]": ("a", "never a duration", None),
    "b == a * 1d": ("b", "never a duration", None),
    "a + 1d > b": ("a + 1d", "never has a value", None),
}


@pytest.mark.parametrize("written", NEVER)
def test_what_never_holds_is_warned_of_with_what_was_meant(written: str) -> None:
    text, part, suggestion = NEVER[written]

    expression, (problem,) = check_truth(written, WHERE)

    assert expression is not None
    assert (problem.severity, problem.text, problem.suggestion) == ("warning", text, suggestion)
    assert part in problem.message


@pytest.mark.parametrize(
    ("written", "suggestion"),
    [
        ('traits.renewal > date("2026-01-01")', "date(traits.renewal)"),
        ("last_order < nps", "date(nps)"),
        ("traits.x not in [1d]", None),
        ("last_order - traits.x > 1d", None),
    ],
)
def test_a_trait_or_a_latest_is_never_a_time_or_a_duration(written: str, suggestion: str | None) -> None:
    expression, (problem,) = check_truth(written, SCOPE)

    assert expression is not None
    assert (problem.severity, problem.suggestion) == ("warning", suggestion)


@pytest.mark.parametrize(
    "written",
    [
        "traits.x == traits.y",
        "traits.a - traits.b > 3",
        "traits.a-traits.b > 3",
        "traits.a-1 > 3",
        "traits.a-orders > 3",
        "traits.a * 1d > 2d",
        "traits.x in [1d, 3]",
        "if(traits.a, traits.b, 1) == true",
        "since(traits.x) > 1d",
        "exists(traits.a - traits.b)",
        "date(traits.x) > last_order",
        "lost > last_order",
    ],
)
def test_what_can_hold_is_not_warned_of(written: str) -> None:
    assert check_truth(written, SCOPE)[1] == []


def test_a_metric_that_is_wrong_itself_is_not_said_never_to_hold() -> None:
    loaded = load_text('segment: s\nmetrics:\n  m: {lst: A}\nwhen: m > date("2026-01-01")\n', file="f.yaml")

    assert ["no metric function" in fault.message for fault in loaded.faults] == [True]


@pytest.mark.parametrize(("written", "named"), [("a != null", "null"), ("null", "null"), ("a == none", "none")])
def test_a_property_that_looks_like_nothing_is_warned_of_until_it_stands_in_backquotes(
    written: str, named: str
) -> None:
    expression, (problem,) = check_truth(written, WHERE)

    assert expression is not None
    assert (problem.severity, problem.text) == ("warning", named)
    assert "exists(x)" in problem.message
    assert check_truth(written.replace(named, f"`{named}`"), WHERE)[1] == []
