"""Expressions that are wrong: where, how much of them, why, and what was meant (LANGUAGE.md 3)."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.stager.language.definition import Kind
from services.stager.language.expression import check_truth
from services.stager.language.problem import Problem
from services.stager.language.scope import WHERE, Scope

SCOPE = Scope({"orders": Kind.NUMBER, "last_order": Kind.TIME, "nps": Kind.ANY})

# text: (offset, offending text, part of the message, suggestion)
BAD: dict[str, tuple[int, str, str, str | None]] = {
    # names
    "ordres >= 1": (0, "ordres", "no metric", "orders"),
    "true and last_ordr > entered()": (9, "last_ordr", "no metric", "last_order"),
    "trait.plan == 1": (0, "trait.plan", "only traits", "traits.plan"),
    "orders.x == 1": (0, "orders.x", "only traits", None),
    "traits == 1": (0, "traits", "traits.plan", None),
    "traits.plan == pro": (15, "pro", "a text stands in quotes", '"pro"'),
    "traits.plan in [pro]": (16, "pro", "a text stands in quotes", '"pro"'),
    "orders == pro": (10, "pro", "no metric", None),
    "traits.plan == 'a' or 'b'": (22, "'b'", "condition", "traits.plan in ['a', 'b']"),
    "traits.plan != 'a' and 'b'": (23, "'b'", "condition", "traits.plan not in ['a', 'b']"),
    "traits.utm-source == 'a'": (0, "traits.utm-source", "backquotes: traits.`utm-source`", None),
    "traits.utm - source == 'a'": (13, "source", "no metric", None),
    "nps == null": (7, "null", "exists(x)", None),
    "stage == 'visitor'": (0, "stage", "as in `from: visitor`", None),
    "now > last_order": (0, "now", "`since(x)`", None),
    "traits.vip == yes": (14, "yes", 'a text stands in quotes: `"yes"`', "true"),
    "nps == True": (7, "True", "lower case", "true"),
    "in_stage >= 3d": (0, "in_stage", "parentheses", "in_stage()"),
    "lowr(nps) == 'a'": (0, "lowr", "no function", "lower"),
    "Orders > 1": (0, "Orders", "no metric", "orders"),
    "count(nps) > 1": (0, "count", "`orders: {count: Order Completed}`", None),
    "orders(3) == 1": (0, "orders", "no function", None),
    "traits.größe == 1": (7, "größe", "backquotes", None),
    "traits.in == 1": (7, "in", "backquotes", None),
    "traits.2fa == 1": (7, "2fa", "backquotes", None),
    "and == 1": (0, "and", "backquotes", None),
    # grammar
    "": (0, "", "expected here", None),
    "traits.plan is 'pro'": (12, "is", "no operator", "=="),
    "traits.plan is not 'pro'": (12, "is not", "no operator", "!="),
    "traits.plan is null": (12, "is", "ask `exists(x)`", None),
    "traits.plan ends with 'o'": (12, "ends", "`ends_with(", None),
    "orders between 1 and 3": (7, "between", "`n >= 1 and n <= 3`", None),
    "traits.Plan Name == 'pro'": (12, "Name", "traits.`Plan Name`", None),
    "traits.`` == 1": (7, "``", "a name is missing", None),
    "traits.$x == 1": (7, "$x", "backquotes: `$x`", None),
    "traits.plan == “pro”": (15, "“pro”", "straight quotes", '"pro"'),
    "traits.plan == ‘pro’": (15, "‘pro’", "straight quotes", '"pro"'),
    "traits.plan == “pro": (15, "“", "typographic quote", None),
    "orders ≥ 3": (7, "≥", "no operator", ">="),
    "orders – 3 > 1": (7, "–", "no minus sign", "-"),
    "orders × 3 > 1": (7, "×", "no operator", "*"),
    "orders\u00a0> 1": (6, "\u00a0", "U+00A0", None),
    "orders > 1\u200b": (10, "\u200b", "U+200B", None),
    "traits.tags contains 'a'": (12, "contains", 'write `contains(traits.tags, "b")`', None),
    "since last_order >= 3d": (0, "since", "write `since(last_order)`", None),
    "orders >= 1,000": (11, ",", "without commas", None),
    "orders > 0,5": (9, "0,5", "begin with a dot", "0.5"),
    "orders > 3, orders < 5": (10, ",", "joined with `and`", None),
    "orders > 10%": (11, "%", "written as a decimal: `0.1`", None),
    "traits.email ~ 'a'": (13, "~", "`starts_with(x, y)`", None),
    "traits.email like 'a'": (13, "like", "`starts_with(x, y)`", None),
    "traits.email.startsWith('a')": (13, "startsWith", "write `starts_with(", None),
    "traits.tags[0] == 'a'": (11, "[", 'ask `contains(x, "b")`', None),
    "traits.plan not == 'a'": (16, "==", 'write `plan != "a"`', None),
    "since(last_order) >= 90d and < 120d": (29, "<", "repeat it", None),
    "since(Order Completed) > 1d": (12, "Completed", "{last: Order Completed}`, then `since(last_order", None),
    "now() > last_order": (0, "now", "`since(x)`", None),
    "in_stage() > 1h 30m": (13, "1h 30m", "without blanks", "1h30m"),
    "in_stage() > 90days": (13, "90days", "neither a number", "90d"),
    "in_stage() > 1 month": (15, "month", "differ in length", None),
    "in_stage() > 90 days": (13, "90 days", "without blanks", "90d"),
    "since(last_order) >= 1y": (21, "1y", "months and years differ", None),
    "orders = 3": (7, "=", "no operator", "=="),
    "orders => 3": (7, "=>", "no operator", ">="),
    "orders <> 3": (7, "<>", "no operator", "!="),
    "nps && nps": (4, "&&", "no operator", "and"),
    "nps || nps": (4, "||", "no operator", "or"),
    "!nps": (0, "!", "no operator", "not"),
    "nps AND nps": (4, "AND", "lower case", "and"),
    "NOT (nps)": (0, "NOT", "lower case", "not"),
    "nps NOT in [1]": (4, "NOT", "lower case", "not"),
    "nps ! 3": (4, "!", "no operator", "not"),
    "orders >= => 3": (10, "=>", "no operator", ">="),
    "nps adn nps": (4, "adn", "missing between", "and"),
    "orders > 1 n < 3": (11, "n", "missing between", None),
    "orders 3": (7, "3", "missing between", None),
    "1 < orders < 3": (11, "<", "not chained", None),
    "orders == nps in [1]": (14, "in", "not chained", None),
    "orders >": (8, "", "too early", None),
    "(orders > 1": (0, "(", "never closed", None),
    "contains(nps, 'a'": (8, "(", "never closed", None),
    "nps in [1, 2": (7, "[", "never closed", None),
    "orders > 1)": (10, ")", "closes nothing", None),
    "nps in (1, 2)": (7, "(", "square brackets", None),
    "nps in []": (8, "]", "expected", None),
    "nps in [1,]": (10, "]", "expected", None),
    "nps == [1]": (7, "[", "only after `in`", None),
    "nps == 'a": (7, "'", "never closed", None),
    "nps == `a": (7, "`", "never closed", None),
    "nps % 2 == 1": (4, "%", "no meaning", None),
    "nps == not nps": (7, "not", "parentheses", None),
    # literals
    r"nps == 'it\'s'": (7, r"'it\'s'", "escape", None),
    r"nps == '\ud800'": (7, r"'\ud800'", "half a character", None),
    "orders > 1_000_000_000_000.000001": (9, "1_000_000_000_000.000001", "lies between", None),
    "orders > 1000000000001": (9, "1000000000001", "lies between", None),
    "orders > 0.1234567": (9, "0.1234567", "six decimals", None),
    "orders > 1e6": (9, "1e6", "neither a number", None),
    "orders > 1__0": (9, "1__0", "neither a number", None),
    "in_stage() > 1.5d": (13, "1.5d", "whole numbers", None),
    "in_stage() > 90D": (13, "90D", "units", "90d"),
    "in_stage() > 9999999999999999d": (13, "9999999999999999d", "at most", None),
    'last_order > date("2026-13-01")': (18, '"2026-13-01"', "no time", None),
    'last_order > date("2026-01-31T10:20+14:60")': (18, '"2026-01-31T10:20+14:60"', "no time", None),
    'last_order > date("2026-01-31T10:20+0200")': (
        18,
        '"2026-01-31T10:20+0200"',
        "+02:00",
        '"2026-01-31T10:20+02:00"',
    ),
    'last_order > date("31.1.2026")': (18, '"31.1.2026"', "no time", '"2026-01-31"'),
    'last_order > date("2026/1/5 10:20")': (18, '"2026/1/5 10:20"', "no time", '"2026-01-05 10:20"'),
    'last_order > date("2026-01-01T10")': (18, '"2026-01-01T10"', "no time", None),
    # types
    'orders >= "3"': (10, '"3"', '`orders` is a number and `"3"` is a text', "3"),
    'last_order == "2026-01-01"': (14, '"2026-01-01"', "is a time and", 'date("2026-01-01")'),
    'last_order > "31.1.2026"': (13, '"31.1.2026"', "is a time and", 'date("2026-01-31")'),
    "last_order >= 90d": (0, "last_order", "`90d` is a duration", "since(last_order)"),
    "last_order == orders": (14, "orders", "they cannot be compared", None),
    "last_order > 2026-01-31": (13, "2026-01-31", 'a date is written `date("2026-01-31")`', None),
    "nps < true": (6, "true", "order", None),
    "(orders > 1) < (nps > 1)": (1, "orders > 1", "order", None),
    "orders": (0, "orders", "as in `orders >= 1`", None),
    "orders and nps": (0, "orders", "condition", None),
    "not last_order": (4, "last_order", "as in `exists(last_order)`", None),
    "orders + 1d > 1d": (7, "+", "between a number and a duration", None),
    "1d + last_order > last_order": (3, "+", "between a duration and a time", None),
    "nps + last_order > nps": (4, "+", "between a value and a time", None),
    "1d / 2 > 1d": (3, "/", "between a duration and a number", None),
    "-last_order > 1d": (0, "-last_order", "minus", None),
    "orders in [1, 'a']": (14, "'a'", "a text", None),
    "nps in [orders]": (8, "orders", "literals", None),
    "nps in [1 / 0]": (8, "1 / 0", "divided by zero", None),
    "if(orders, 1, 2) == 1": (3, "orders", "condition", None),
    "if(nps, 1, 'a') == 1": (11, "'a'", "one type", None),
    "exists() or nps": (0, "exists()", "one value", None),
    "since(last_order, nps) > 1d": (0, "since(last_order, nps)", "one value", None),
    "in_stage(1) > 1d": (0, "in_stage(1)", "nothing", None),
    "date(last_order) > entered()": (5, "last_order", "takes a text", None),
    "lower(orders) == 'a'": (6, "orders", "takes a text", None),
    "contains(orders, 'a')": (9, "orders", "a list or a text", None),
    "contains('abc', 1)": (16, "1", "only contain a text", None),
    # what moves with time
    "since(orders) > 1d": (6, "orders", "takes a time", None),
    "since('2026-01-01') > 1d": (6, "'2026-01-01'", "takes a time", 'date("2026-01-01")'),
    "since(last_order + 1d) > 1d": (6, "last_order + 1d", "no arithmetic", None),
    "since(if(nps, last_order + 1d, last_order)) > 1d": (14, "last_order + 1d", "no arithmetic", None),
    "since(last_order) > 1": (20, "1", "a unit", "1d"),
    "since(last_order) > '30d'": (20, "'30d'", "a text", "30d"),
    "since(last_order) > 1d * 11574075": (20, "1d * 11574075", "too large", None),
    "since(last_order) > 1d * (1 / 0)": (20, "1d * (1 / 0)", "divided by zero", None),
    "since(last_order) > since(nps)": (20, "since(nps)", "constant duration", None),
    "since(last_order) > since(entered())": (20, "since(entered())", "themselves: `last_order < entered()`", None),
    "in_stage() > nps": (13, "nps", "constant duration", None),
    "since(last_order) + 1d > 2d": (0, "since(last_order)", "moves with time", None),
    "-in_stage() > 2d": (1, "in_stage()", "moves with time", None),
    "in_stage() in [1d]": (0, "in_stage()", "moves with time", None),
    "exists(since(nps))": (7, "since(nps)", "moves with time", None),
    "if(nps, in_stage(), 1d) > 1d": (8, "in_stage()", "moves with time", None),
}


def only_problem(written: str, scope: Scope = SCOPE) -> Problem:
    expression, (problem,) = check_truth(written, scope)
    assert expression is None
    return problem


@pytest.mark.parametrize("written", BAD)
def test_a_wrong_expression_says_where_and_why(written: str) -> None:
    offset, text, part, suggestion = BAD[written]

    problem = only_problem(written)

    assert (problem.offset, problem.text, problem.suggestion) == (offset, text, suggestion)
    assert part in problem.message


@pytest.mark.parametrize(
    ("written", "part"),
    [
        ("since(x) > 1d", "not available in `where`"),
        ("entered() == 1", "not available in `where`"),
        ("traits.plan == 1", "not available in `where`"),
        ("x == True", "lower case"),
        ("currency in [EUR]", "are literals"),
    ],
)
def test_what_where_cannot_have_is_said(written: str, part: str) -> None:
    assert part in only_problem(written, WHERE).message


@pytest.mark.parametrize("written", ["traits.d > 2026-01-31", "orders in [2026-01-31]", "(2026-01-31) < nps"])
def test_a_date_that_is_a_subtraction_is_warned_of(written: str) -> None:
    expression, problems = check_truth(written, SCOPE)

    assert expression is not None
    assert [(problem.severity, problem.text, problem.offset) for problem in problems] == [
        ("warning", "2026-01-31", written.index("2026"))
    ]
    assert 'date("2026-01-31")' in problems[0].message


@pytest.mark.parametrize(
    "written", ['date("2026-01-31") < last_order', "traits.`2026-01-31` == 1", "orders > 2026 - 01"]
)
def test_what_is_no_date_is_not_warned_of(written: str) -> None:
    assert check_truth(written, SCOPE)[1] == []


def test_all_wrong_names_of_an_expression_are_reported_in_order() -> None:
    _, problems = check_truth("ordres > 1 and lst_order > 3d and nps", SCOPE)

    assert [problem.text for problem in problems] == ["ordres", "lst_order"]


def test_a_missing_unit_is_reported_beside_the_wrong_name_that_it_is_compared_with() -> None:
    _, problems = check_truth("since(lst_order) >= 90", SCOPE)

    assert [(problem.text, problem.suggestion) for problem in problems] == [("lst_order", "last_order"), ("90", "90d")]


@pytest.mark.parametrize(
    ("written", "part"),
    [
        ("nps or " + "x" * 2_000, "2,000 characters"),
        ("(" * 21 + "nps" + ")" * 21, "more than 20"),
    ],
)
def test_limits_are_named(written: str, part: str) -> None:
    assert part in only_problem(written).message


WORDS = st.sampled_from(
    ["and", "or", "not", "in", "(", ")", "[", "]", ",", ".", "+", "-", "*", "/", "==", "<", "=", "orders", "nps",
     "traits", "since", "if", "exists", "date", "'a'", "1", "2.5", "3d", "`x`", "\\", "é", "“a”", "``", "$x", "≥", "&&",
     "\u00a0", "is", "not", "NOT", "AND", "days", "null", "with", "adn"]
)  # fmt: skip


@settings(deadline=None)
@given(st.lists(WORDS, max_size=25).map(" ".join), st.booleans())
def test_no_expression_makes_the_checker_raise(written: str, in_where: bool) -> None:
    expression, problems = check_truth(written, WHERE if in_where else SCOPE)

    assert (expression is None) == any(problem.severity == "error" for problem in problems)
    for problem in problems:
        assert written[problem.offset :].startswith(problem.text)
