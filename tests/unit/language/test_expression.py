"""Expressions that are right, and the nodes they become (LANGUAGE.md 3)."""

from __future__ import annotations

import pytest

from services.stager.language.definition import (
    Arithmetic,
    Call,
    Compare,
    Constant,
    Entered,
    Expression,
    InStage,
    Kind,
    Logic,
    Membership,
    MetricValue,
    Negate,
    Not,
    PropertyValue,
    Since,
    Step,
    TraitValue,
)
from services.stager.language.expression import check_truth
from services.stager.language.literals import Operator
from services.stager.language.scope import WHERE, Scope

DAY = 86_400_000
ORDERS = MetricValue("orders", Kind.NUMBER)
LAST = MetricValue("last_order", Kind.TIME)
NPS = MetricValue("nps", Kind.ANY)
PLAN = TraitValue(("plan",))
SCOPE = Scope({"orders": Kind.NUMBER, "last_order": Kind.TIME, "nps": Kind.ANY, "and": Kind.NUMBER, "date": Kind.TIME})


def number(value: float) -> Constant:
    return Constant(round(value * 1_000_000), Kind.NUMBER)


def text(value: str) -> Constant:
    return Constant(value, Kind.TEXT)


def duration(value: int) -> Constant:
    return Constant(value, Kind.DURATION)


def operation(operator: Operator, left: Expression, right: Expression, kind: Kind) -> Arithmetic:
    return Arithmetic(left, (Step(operator, right, kind),))


def checked(written: str, scope: Scope = SCOPE) -> Expression:
    expression, problems = check_truth(written, scope)
    assert problems == []
    assert expression is not None
    return expression


TRUE = Constant(True, Kind.FLAG)
A = Compare(">", ORDERS, number(1))
B = Compare("==", PLAN, text("pro"))

GOOD: dict[str, Expression] = {
    "orders > 1": A,
    "(((orders > 1)))": A,
    "orders>1": A,
    "orders\n  > 1": A,
    "true": TRUE,
    "nps": NPS,
    "traits.opt_in": TraitValue(("opt_in",)),
    "traits.a.b == 1": Compare("==", TraitValue(("a", "b")), number(1)),
    "traits.`Plan Name`.`in` == 1": Compare("==", TraitValue(("Plan Name", "in")), number(1)),
    "`orders` > 1": A,
    "`and` > 1": Compare(">", MetricValue("and", Kind.NUMBER), number(1)),
    "date > entered()": Compare(">", MetricValue("date", Kind.TIME), Entered()),
    # precedence and shape
    'orders > 1 and traits.plan == "pro" and true': Logic("and", (A, B, TRUE)),
    'orders > 1 and (traits.plan == "pro" and true)': Logic("and", (A, B, TRUE)),
    'true or orders > 1 and traits.plan == "pro"': Logic("or", (TRUE, Logic("and", (A, B)))),
    "not orders > 1": Not(A),
    "not not orders > 1": Not(Not(A)),
    "not not not orders > 1": Not(A),
    "(orders > 1) == true": Compare("==", A, TRUE),
    "1 + 2 * 3 > orders": Compare(">", number(7), ORDERS),
    "1 - 2 - 3 > orders": Compare(">", number(-4), ORDERS),
    "orders + 1 * orders > 1": Compare(
        ">", operation("+", ORDERS, operation("*", number(1), ORDERS, Kind.NUMBER), Kind.NUMBER), number(1)
    ),
    "orders - 1 - 2 * orders / nps > 1": Compare(
        ">",
        Arithmetic(
            ORDERS,
            (
                Step("-", number(1), Kind.NUMBER),
                Step(
                    "-",
                    Arithmetic(number(2), (Step("*", ORDERS, Kind.NUMBER), Step("/", NPS, Kind.NUMBER))),
                    Kind.NUMBER,
                ),
            ),
        ),
        number(1),
    ),
    "(orders + 1) * 2 - 1 > 1": Compare(
        ">",
        Arithmetic(
            ORDERS,
            (
                Step("+", number(1), Kind.NUMBER),
                Step("*", number(2), Kind.NUMBER),
                Step("-", number(1), Kind.NUMBER),
            ),
        ),
        number(1),
    ),
    "-orders < -1": Compare("<", Negate(ORDERS, Kind.NUMBER), number(-1)),
    "---orders < 1": Compare("<", Negate(ORDERS, Kind.NUMBER), number(1)),
    # literals
    "orders == 1_000.25": Compare("==", ORDERS, number(1000.25)),
    "orders == 1_000_000_000_000": Compare("==", ORDERS, Constant(10**18, Kind.NUMBER)),
    "orders == 0.000001": Compare("==", ORDERS, Constant(1, Kind.NUMBER)),
    "orders == 1 / 3": Compare("==", ORDERS, Constant(333_333, Kind.NUMBER)),
    "orders == 0.000005 / 10": Compare("==", ORDERS, Constant(0, Kind.NUMBER)),
    "orders == 0.000015 / 10": Compare("==", ORDERS, Constant(2, Kind.NUMBER)),
    "orders == -0.000015 * 0.1": Compare("==", ORDERS, Constant(-2, Kind.NUMBER)),
    r"""traits.x == 'a"b\n\u00e9\\'""": Compare("==", TraitValue(("x",)), text('a"b\né\\')),
    r'''traits.x == "a'b\"\ud83d\ude00"''': Compare("==", TraitValue(("x",)), text("a'b\"😀")),
    # what has no result stays to be found missing
    "orders > 1 / 0": Compare(">", ORDERS, operation("/", number(1), number(0), Kind.NUMBER)),
    # time
    "since(last_order) >= 90d": Compare(">=", Since(LAST), duration(90 * DAY)),
    "1d * 2 < time_to(traits.renews)": Compare("<", duration(2 * DAY), Since(TraitValue(("renews",)), ahead=True)),
    "since(nps) == -1h30m": Compare("==", Since(NPS), duration(-5_400_000)),
    "since(entered()) > 1w2d3h4m5s6ms": Compare(">", Since(Entered()), duration(788_645_006)),
    "in_stage() >= 0.5 * 2d": Compare(">=", InStage(), duration(DAY)),
    'last_order > date("1970-01-02")': Compare(">", LAST, Constant(DAY, Kind.TIME)),
    'last_order > date("1970-01-01 01:00:00.0019+01:00") + 1d': Compare(">", LAST, Constant(DAY + 1, Kind.TIME)),
    "last_order + 1d > entered()": Compare(">", operation("+", LAST, duration(DAY), Kind.TIME), Entered()),
    "entered() - last_order > 1d": Compare(">", operation("-", Entered(), LAST, Kind.DURATION), duration(DAY)),
    "nps * 2 > 1": Compare(">", operation("*", NPS, number(2), Kind.ANY), number(1)),
    "nps / nps > 1": Compare(">", operation("/", NPS, NPS, Kind.NUMBER), number(1)),
    # membership and functions
    'traits.x in ["a", 1, true, 1d, 2 * 3]': Membership(
        TraitValue(("x",)), (text("a"), number(1), TRUE, duration(DAY), number(6)), negated=False
    ),
    'last_order not in [date("1970-01-01")]': Membership(LAST, (Constant(0, Kind.TIME),), negated=True),
    "not nps in [1]": Not(Membership(NPS, (number(1),), negated=False)),
    "exists(traits.x)": Call("exists", (TraitValue(("x",)),), Kind.FLAG),
    'contains(traits.tags, "b")': Call("contains", (TraitValue(("tags",)), text("b")), Kind.FLAG),
    'starts_with(lower(nps), "b")': Call("starts_with", (Call("lower", (NPS,), Kind.TEXT), text("b")), Kind.FLAG),
    "date(nps) > last_order": Compare(">", Call("date", (NPS,), Kind.TIME), LAST),
    "if(orders > 1, 1, nps) > 1": Compare(">", Call("if", (A, number(1), NPS), Kind.ANY), number(1)),
    "if(orders > 1, 1, 2) > 1": Compare(">", Call("if", (A, number(1), number(2)), Kind.NUMBER), number(1)),
    "since(if(orders > 1, last_order, entered())) > 1d": Compare(
        ">", Since(Call("if", (A, LAST, Entered()), Kind.TIME)), duration(DAY)
    ),
}


def test_what_never_holds_is_an_expression_like_any_other() -> None:
    expected = Compare(">", operation("-", NPS, duration(DAY), Kind.ANY), Entered())

    assert check_truth("nps - 1d > entered()", SCOPE)[0] == expected


@pytest.mark.parametrize("written", GOOD)
def test_an_expression_becomes_these_nodes(written: str) -> None:
    assert checked(written) == GOOD[written]


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ('currency == "EUR"', Compare("==", PropertyValue(("currency",)), text("EUR"))),
        ("cart.total > 1", Compare(">", PropertyValue(("cart", "total")), number(1))),
        ("`traits`.x == 1", Compare("==", PropertyValue(("traits", "x")), number(1))),
        ("`true`", PropertyValue(("true",))),
        ("since == 1", Compare("==", PropertyValue(("since",)), number(1))),
    ],
)
def test_bare_names_in_where_are_properties(written: str, expected: Expression) -> None:
    assert checked(written, WHERE) == expected


def test_two_thousand_characters_and_twenty_parentheses_are_allowed() -> None:
    nested = "(" * 20 + "orders > 1" + ")" * 20

    assert checked(nested + " " * 3_000) == A
    assert checked("orders > 1" + " " * 1_989 + "\n") == A


def test_a_long_chain_is_flat_for_logic() -> None:
    expression = checked(" or ".join(["orders > 1"] * 140))

    assert isinstance(expression, Logic)
    assert len(expression.operands) == 140
