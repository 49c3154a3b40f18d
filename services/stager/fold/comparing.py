"""Comparisons and membership: what they answer, and when the answer changes by itself (LANGUAGE.md 3)."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from services.stager.fold.dynamic import Instant, Span, comparison
from services.stager.fold.horizons import Written, earliest
from services.stager.fold.instants import NEVER, instant_of
from services.stager.fold.source import literal
from services.stager.language.definition import Compare, Constant, Entered, Expression, InStage, Kind, Logic, Membership
from services.stager.language.definition import Since as SinceNode

if TYPE_CHECKING:
    from services.stager.fold.expressions import Writer

_DECISIONS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_COMPARISONS: Final = {sign: comparison(sign, decide) for sign, decide in _DECISIONS.items()}
_MIRRORED: Final = {"==": "==", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}

_BOXES: Final[dict[Kind, Callable[[Any], Any]]] = {Kind.TIME: Instant, Kind.DURATION: Span}

# At which instants, counted from T + D, the answer of `since(T) op D` changes (LANGUAGE.md 3): the first and the last.
_TURNS: Final = {">=": (0, 0), "<": (0, 0), ">": (1, 1), "<=": (1, 1), "==": (0, 1), "!=": (0, 1)}


def write_compare(writer: Writer, node: Compare) -> Written:
    """A comparison; different types and missing sides make it false."""
    if isinstance(node.left, SinceNode | InStage):
        return _moving(writer, node.left, node.operator, node.right)
    if isinstance(node.right, SinceNode | InStage):
        return _moving(writer, node.right, _MIRRORED[node.operator], node.left)
    kinds = {node.left.kind, node.right.kind}
    if len(kinds) == 1 and not kinds & {Kind.ANY, Kind.LIST}:
        return _plain(writer, node)
    left, right = (writer.write_as(side, Kind.ANY) for side in (node.left, node.right))
    if node.operator == "==" and left.raw is not None and isinstance(node.right, Constant) and _is_text(node.right):
        return Written(f"({left.raw} == {right.value})")  # in JSON, only a text equals a text
    compare = writer.source.bind(_COMPARISONS[node.operator], f"compare_{_DECISIONS[node.operator].__name__}")
    return Written(f"{compare}({left.value}, {right.value})", earliest(left.horizon, right.horizon))


def _is_text(node: Constant) -> bool:
    return node.kind is Kind.TEXT


def _plain(writer: Writer, node: Compare) -> Written:
    """Both sides of one known kind: no look at types."""
    left, right = writer.write(node.left), writer.write(node.right)
    if isinstance(node.right, Constant):
        if left.against is not None and type(node.right.value) is int:
            return left.against(node.operator, node.right.value)
        found, name = writer.source.named(left.value)
        return Written(f"({found} is not None and {name} {node.operator} {right.value})", left.horizon)
    (one, first), (other, second) = writer.source.named(left.value), writer.source.named(right.value)
    text = f"({one} is not None and {other} is not None and {first} {node.operator} {second})"
    return Written(text, earliest(left.horizon, right.horizon))


def _moving(writer: Writer, node: SinceNode | InStage, sign: str, other: Expression) -> Written:
    """A duration that moves with time against a constant one: the answer turns at T + D or T - D."""
    assert isinstance(other, Constant), "a moving duration is compared with a constant"
    if other.kind is not Kind.DURATION:
        return Written("False")
    length = int(other.value)
    if isinstance(node, SinceNode) and node.ahead:  # T - now op D says the same as now - T op' -D
        sign, length = _MIRRORED[sign], -length
    start = writer.write(Entered()) if isinstance(node, InStage) else _instant(writer, node.of)
    begin, name = writer.source.named(start.value)
    holds = f"({begin} is not None and t_ms - {name} {sign} {literal(length)})"
    return Written(holds, earliest(_turn(writer, start.value, length, _TURNS[sign]), start.horizon))


def _turn(writer: Writer, start: str, length: int, turns: tuple[int, int]) -> str:
    never = writer.source.bind(NEVER, "NEVER")
    begin, name = writer.source.named(start)
    first, last = (f"{name} + {literal(length + turn)}" for turn in turns)
    end = last if first == last else f"{first} if {first} > t_ms else {last}"
    return f"({never} if {begin} is None or {last} <= t_ms else {end})"


def _instant(writer: Writer, node: Expression) -> Written:
    """A time, or something that may turn out to be one or a text that names one."""
    if node.kind is Kind.TIME:
        return writer.write(node)
    written = writer.write_as(node, Kind.ANY)
    return Written(f"{writer.source.bind(instant_in, 'instant_in')}({written.value})", written.horizon)


def instant_in(found: Any) -> int | None:
    """A dynamic value as a time: a time itself, or the text of one; else missing."""
    if type(found) is str:
        return instant_of(found)
    return found.at_ms if type(found) is Instant else None


def write_membership(writer: Writer, node: Membership) -> Written:
    """`in` and `not in`: false when missing, and `not in` also when no option has the item's type."""
    if isinstance(node.item, SinceNode | InStage):
        return _moving_membership(writer, node)
    item, found = writer.write_as(node.item, Kind.ANY), writer.source.temporary()
    boxed = [_BOXES.get(option.kind, lambda plain: plain)(option.value) for option in node.options]
    wanted = writer.source.bind(frozenset((type(option), option) for option in boxed), "options")
    types = writer.source.bind(frozenset(type(option) for option in boxed), "types")
    sign = "not in" if node.negated else "in"
    text = f"(type({found} := {item.value}) in {types} and (type({found}), {found}) {sign} {wanted})"
    return Written(text, item.horizon)


def _moving_membership(writer: Writer, node: Membership) -> Written:
    sign, joined = ("!=", "and") if node.negated else ("==", "or")
    parts = tuple(Compare(sign, node.item, option) for option in node.options)  # type: ignore[arg-type]
    return writer.write(Logic(joined, parts) if len(parts) > 1 else parts[0])  # type: ignore[arg-type]
