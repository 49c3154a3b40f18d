"""Which types fit together (LANGUAGE.md 3), as tables. ANY stands for every type until it is evaluated."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import product

from services.stager.language.definition import Arithmetic, Call, Expression, Kind, MetricValue, Negate, Step
from services.stager.language.literals import Operator
from services.stager.language.walk import parts_of, walk

ORDERED = frozenset({Kind.NUMBER, Kind.TEXT, Kind.TIME, Kind.DURATION})

SAID = {
    Kind.NUMBER: "a number",
    Kind.TEXT: "a text",
    Kind.FLAG: "a flag (true or false)",
    Kind.TIME: "a time",
    Kind.DURATION: "a duration",
    Kind.LIST: "a list",
    Kind.ANY: "a value",
}

ALL = frozenset(Kind) - {Kind.ANY}
_JSON = frozenset({Kind.NUMBER, Kind.TEXT, Kind.FLAG, Kind.LIST})  # what a trait, a property or a `latest` may hold

_N, _T, _D = Kind.NUMBER, Kind.TIME, Kind.DURATION
_RESULTS: dict[tuple[str, Kind, Kind], Kind] = {
    **{(operator, _N, _N): _N for operator in "+-*/"},
    ("+", _D, _D): _D,
    ("-", _D, _D): _D,
    ("-", _T, _T): _D,
    ("+", _T, _D): _T,
    ("-", _T, _D): _T,
    ("*", _D, _N): _D,
    ("*", _N, _D): _D,
}


def arithmetic_kind(operator: Operator, *, left: Kind, right: Kind) -> Kind | None:
    """The type of the result, ANY when it depends on operands not yet known, None when nothing fits."""
    results = {_RESULTS.get((operator, *pair)) for pair in product(_meant(left), _meant(right))} - {None}
    if not results:
        return None
    return results.pop() if len(results) == 1 else Kind.ANY


def negated_kind(kind: Kind) -> Kind | None:
    """The type of unary minus, None when it does not fit."""
    return kind if kind in (Kind.NUMBER, Kind.DURATION, Kind.ANY) else None


def may_be(kind: Kind, *wanted: Kind) -> bool:
    """Whether a value of this type is, or may turn out to be, one of the wanted types."""
    return kind is Kind.ANY or kind in wanted


def agree(*, left: Kind, right: Kind) -> bool:
    """Whether the two types are, or may turn out to be, the same."""
    return left is right or Kind.ANY in (left, right)


def _meant(kind: Kind) -> tuple[Kind, ...]:
    return (_N, _T, _D) if kind is Kind.ANY else (kind,)


def possible_kinds(expression: Expression, *, unsure: Collection[str] = ()) -> frozenset[Kind]:
    """The types that the value may have when it is evaluated, none where it is always missing.

    Metrics that are `unsure` may have any.
    """
    found: dict[int, frozenset[Kind]] = {}
    for node in reversed(list(walk(expression))):  # the parts of a node come after it
        below = [found[id(part)] for part in parts_of(node)]
        found[id(node)] = ALL if isinstance(node, MetricValue) and node.name in unsure else _possible(node, below)
    return found[id(expression)]


def _possible(node: Expression, below: list[frozenset[Kind]]) -> frozenset[Kind]:
    if isinstance(node, Arithmetic):
        return _after(node.steps, below)
    if isinstance(node, Negate):
        return below[0] & {_N, _D}
    if isinstance(node, Call) and node.function == "if":
        return below[1] | below[2]
    return _JSON if node.kind is Kind.ANY else frozenset({node.kind})


def _after(steps: Sequence[Step], below: Sequence[frozenset[Kind]]) -> frozenset[Kind]:
    kinds = below[0]
    for step, operand in zip(steps, below[1:], strict=True):
        results = (_RESULTS.get((step.operator, left, right)) for left, right in product(kinds, operand))
        kinds = frozenset(kind for kind in results if kind is not None)
    return kinds
