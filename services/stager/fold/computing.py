"""Arithmetic written as Python: plain numbers quickly, everything else by looking at the types (LANGUAGE.md 3)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from services.stager.fold.decimals import duration_in_range, in_range
from services.stager.fold.dynamic import Instant, Span, arithmetic, number_arithmetic
from services.stager.fold.horizons import Written, earliest
from services.stager.fold.source import literal
from services.stager.language.definition import Arithmetic, Kind, Negate, Step

if TYPE_CHECKING:
    from services.stager.fold.expressions import Writer


def write_arithmetic(writer: Writer, node: Arithmetic) -> Written:
    """`+ - * /` from left to right, giving what `node.kind` says."""
    first = writer.write(node.first, inside=len(node.steps) - 1)
    text, kind, horizons = first.value, node.first.kind, [first.horizon]
    for inside, step in zip(reversed(range(len(node.steps))), node.steps, strict=True):
        operand = writer.write(step.operand, inside=inside)
        text = writer.shallow(_joined(writer, step, kind, left=text, right=operand.value), inside=inside)
        kind = step.kind
        horizons.append(operand.horizon)
    return Written(text, earliest(*horizons))


def _joined(writer: Writer, step: Step, kind: Kind, *, left: str, right: str) -> str:
    """The text of one step, giving what its kind says; `kind` is that of the left side."""
    sign, source = literal(step.operator), writer.source
    if kind is Kind.NUMBER and step.operand.kind is Kind.NUMBER:
        one, other = source.temporary(), source.temporary()
        compute = source.bind(number_arithmetic, "number_arithmetic")
        missing = f"({one} := {left}) is None or ({other} := {right}) is None"
        return f"(None if {missing} else {compute}({sign}, {one}, {other}))"
    compute = source.bind(arithmetic, "arithmetic")
    sides = f"{writer.boxed(left, kind)}, {writer.boxed(right, step.operand.kind)}"
    return _as_kind(writer, f"{compute}({sign}, {sides})", step.kind)


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
