"""Which types fit together (LANGUAGE.md 3), as tables. ANY stands for every type until it is evaluated."""

from __future__ import annotations

from itertools import product

from services.stager.language.definition import Kind
from services.stager.language.literals import Operator

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
