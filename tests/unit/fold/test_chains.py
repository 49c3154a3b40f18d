"""Arithmetic of any shape gives what its operations give one by one, however it is written (LANGUAGE.md 2 and 3)."""

from __future__ import annotations

from typing import Any

from hypothesis import assume, example, given
from hypothesis import strategies as st

from services.stager.fold.dynamic import Instant, Span
from services.stager.fold.expressions import Compiler
from services.stager.fold.moment import Moment
from services.stager.language.definition import Call, Expression, Kind
from services.stager.language.expression import check_truth
from services.stager.language.scope import Scope
from tests.oracle import values
from tests.oracle.values import Value

DAY_MS = 86_400_000
TRAITS = {"two": 2, "third": 0.333333, "big": 999_999_999_999, "none": None, "text": "2", "day": "2026-03-01"}
LEAVES: dict[str, Value] = {
    **{f"traits.{name}": values.read(raw) for name, raw in TRAITS.items()},
    "date(traits.day)": (Kind.TIME, values.parse_time("2026-03-01")),
    'date("2026-01-31")': (Kind.TIME, values.parse_time("2026-01-31")),
    "3": (Kind.NUMBER, 3_000_000),
    "0.000007": (Kind.NUMBER, 7),
    "1d": (Kind.DURATION, DAY_MS),
}
BINDS = {"+": 1, "-": 1, "*": 2, "/": 2}
TIGHTEST = 4

NODES: st.SearchStrategy[Any] = st.recursive(
    st.sampled_from(sorted(LEAVES)),
    lambda nodes: st.one_of(
        st.tuples(nodes, st.sampled_from("+-*/"), nodes),
        st.tuples(nodes, st.sampled_from("+-"), st.sampled_from(sorted(LEAVES))),  # long chains
        st.tuples(st.just("-"), nodes),
    ),
    max_leaves=40,
)


def value_of(node: Any) -> Value:
    match node:
        case str(leaf):
            return LEAVES[leaf]
        case (_, operand):
            return values.negate(value_of(operand))
        case (left, operator, right):
            return values.calculate(operator, value_of(left), value_of(right))
    raise AssertionError(node)


def sparing(node: Any) -> tuple[str, int]:
    """With the parentheses that it needs, and how tightly it binds."""
    match node:
        case str(leaf):
            return leaf, TIGHTEST
        case (_, operand):
            return f"-{within(operand, TIGHTEST)}", TIGHTEST - 1
        case (left, operator, right):
            binds = BINDS[operator]
            return f"{within(left, binds)}{operator}{within(right, binds + 1)}", binds
    raise AssertionError(node)


def within(node: Any, least: int) -> str:
    text, binds = sparing(node)
    return text if binds >= least else f"({text})"


def lavish(node: Any) -> str:
    """With all the parentheses that one may write."""
    match node:
        case str(leaf):
            return leaf
        case (_, operand):
            return f"(-{lavish(operand)})"
        case (left, operator, right):
            return f"({lavish(left)} {operator} {lavish(right)})"
    raise AssertionError(node)


def arithmetic_of(text: str) -> Expression | None:
    found, _ = check_truth(f"exists({text})", Scope({}))
    assert found is None or isinstance(found, Call)
    return None if found is None else found.arguments[0]


def plain(found: Any) -> Value:
    if isinstance(found, Instant):
        return (Kind.TIME, found.at_ms)
    if isinstance(found, Span):
        return (Kind.DURATION, found.length_ms)
    if isinstance(found, str):
        return (Kind.TEXT, found)
    return None if found is None else (Kind.NUMBER, found)


@example((("date(traits.day)", "-", 'date("2026-01-31")'), "*", "traits.two"))
@example((("traits.third", "*", ("date(traits.day)", "-", 'date("2026-01-31")')), "+", "1d"))
@given(NODES)
def test_arithmetic_gives_what_its_operations_give_one_by_one(node: Any) -> None:
    expression = arithmetic_of(sparing(node)[0])
    assume(expression is not None)
    assert expression is not None
    moment = Moment()
    moment.traits = dict(TRAITS)

    assert plain(Compiler({}).compile_as(expression, Kind.ANY).value(moment)) == value_of(node)


@given(NODES)
def test_parentheses_that_change_nothing_make_no_other_expression(node: Any) -> None:
    one, other = arithmetic_of(sparing(node)[0]), arithmetic_of(lavish(node))
    assume(other is not None)  # there may be too many of them

    assert one == other
