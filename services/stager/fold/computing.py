"""Arithmetic compiled to closures: plain numbers quickly, everything else by looking at the types (LANGUAGE.md 3)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from services.stager.fold.decimals import duration_in_range, in_range
from services.stager.fold.dynamic import Instant, Span, arithmetic, number_arithmetic
from services.stager.fold.horizons import Compiled, earliest
from services.stager.fold.moment import Moment
from services.stager.language.definition import Arithmetic, Kind, Negate

if TYPE_CHECKING:
    from services.stager.fold.expressions import Compiler


def compile_arithmetic(compiler: Compiler, node: Arithmetic) -> Compiled:
    """`+ - * /`, giving what `node.kind` says."""
    if node.left.kind is Kind.NUMBER and node.right.kind is Kind.NUMBER:
        return _numbers(compiler, node)
    left, right = (compiler.compile_as(side, Kind.ANY) for side in (node.left, node.right))
    sign, kind = node.operator, node.kind
    left_value, right_value = left.value, right.value

    def value(moment: Moment) -> Any:
        return _as_kind(arithmetic(sign, left_value(moment), right_value(moment)), kind)

    return Compiled(value, earliest((left.horizon, right.horizon)))


def _numbers(compiler: Compiler, node: Arithmetic) -> Compiled:
    left, right = compiler.compile(node.left), compiler.compile(node.right)
    sign = node.operator
    left_value, right_value = left.value, right.value

    def value(moment: Moment) -> int | None:
        first, second = left_value(moment), right_value(moment)
        if first is None or second is None:
            return None
        return number_arithmetic(sign, first, second)

    return Compiled(value, earliest((left.horizon, right.horizon)))


def compile_negate(compiler: Compiler, node: Negate) -> Compiled:
    """Unary minus of a number or a duration."""
    operand = compiler.compile_as(node.operand, Kind.ANY)
    read, kind = operand.value, node.kind

    def value(moment: Moment) -> Any:
        found = read(moment)
        if type(found) is int:
            return _as_kind(in_range(-found), kind)
        if type(found) is Span and duration_in_range(found.length_ms) is not None:
            return _as_kind(Span(-found.length_ms), kind)
        return None

    return Compiled(value, operand.horizon)


def _as_kind(result: Any, kind: Kind) -> Any:
    """A dynamic result as its kind wants it; missing when it turned out to be of another."""
    if kind is Kind.ANY or result is None:
        return result
    if kind is Kind.NUMBER:
        return result if type(result) is int else None
    box = Instant if kind is Kind.TIME else Span
    return result[0] if type(result) is box else None
