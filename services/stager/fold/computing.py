"""Arithmetic written as Python: plain numbers quickly, everything else by looking at the types (LANGUAGE.md 3)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from services.stager.fold.decimals import duration_in_range, in_range
from services.stager.fold.dynamic import Instant, Span, arithmetic, number_arithmetic
from services.stager.fold.horizons import Written, earliest
from services.stager.fold.source import literal
from services.stager.language.definition import Arithmetic, Kind, Negate

if TYPE_CHECKING:
    from services.stager.fold.expressions import Writer


def write_arithmetic(writer: Writer, node: Arithmetic) -> Written:
    """`+ - * /`, giving what `node.kind` says."""
    sign = literal(node.operator)
    if node.left.kind is Kind.NUMBER and node.right.kind is Kind.NUMBER:
        left, right = writer.write(node.left), writer.write(node.right)
        one, other = writer.source.temporary(), writer.source.temporary()
        compute = writer.source.bind(number_arithmetic, "number_arithmetic")
        missing = f"({one} := {left.value}) is None or ({other} := {right.value}) is None"
        text = f"(None if {missing} else {compute}({sign}, {one}, {other}))"
    else:
        left, right = (writer.write_as(side, Kind.ANY) for side in (node.left, node.right))
        compute = writer.source.bind(arithmetic, "arithmetic")
        text = _as_kind(writer, f"{compute}({sign}, {left.value}, {right.value})", node.kind)
    return Written(text, earliest(left.horizon, right.horizon))


def write_negate(writer: Writer, node: Negate) -> Written:
    """Unary minus of a number or a duration."""
    operand = writer.write_as(node.operand, Kind.ANY)
    text = f"{writer.source.bind(negated, 'negated')}({operand.value})"
    return Written(_as_kind(writer, text, node.kind), operand.horizon)


def negated(found: Any) -> Any:
    """A dynamic number or duration with the other sign; missing when it is neither."""
    if type(found) is int:
        return in_range(-found)
    if type(found) is Span and duration_in_range(found.length_ms) is not None:
        return Span(-found.length_ms)
    return None


def _as_kind(writer: Writer, text: str, kind: Kind) -> str:
    """A dynamic result as its kind wants it; missing when it turned out to be of another."""
    if kind is Kind.ANY:
        return text
    return f"{writer.source.bind(_AS_KIND[kind], f'as_{kind}')}({text})"


def _as_number(found: Any) -> int | None:
    return found if type(found) is int else None


def _as_time(found: Any) -> int | None:
    return found[0] if type(found) is Instant else None


def _as_duration(found: Any) -> int | None:
    return found[0] if type(found) is Span else None


_AS_KIND = {Kind.NUMBER: _as_number, Kind.TIME: _as_time, Kind.DURATION: _as_duration}
