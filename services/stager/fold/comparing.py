"""Comparisons and membership: what they answer, and when the answer changes by itself (LANGUAGE.md 3)."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from services.stager.fold.dynamic import Instant, comparison
from services.stager.fold.horizons import Compiled, Read, earliest
from services.stager.fold.instants import NEVER, instant_of
from services.stager.fold.moment import Moment
from services.stager.language.definition import Compare, Constant, Entered, Expression, InStage, Kind, Logic, Membership
from services.stager.language.definition import Since as SinceNode

if TYPE_CHECKING:
    from services.stager.fold.expressions import Compiler

DECISIONS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_MIRRORED: Final = {"==": "==", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}

# At which instants, counted from T + D, the answer of `since(T) op D` changes (LANGUAGE.md 3).
_TURNS: Final = {">=": (0,), "<": (0,), ">": (1,), "<=": (1,), "==": (0, 1), "!=": (0, 1)}


def compile_compare(compiler: Compiler, node: Compare) -> Compiled:
    """A comparison; different types and missing sides make it false."""
    if isinstance(node.left, SinceNode | InStage):
        return _moving(compiler, node.left, node.operator, node.right)
    if isinstance(node.right, SinceNode | InStage):
        return _moving(compiler, node.right, _MIRRORED[node.operator], node.left)
    kinds = {node.left.kind, node.right.kind}
    if len(kinds) == 1 and not kinds & {Kind.ANY, Kind.LIST}:
        return _plain(compiler, node)
    left, right = (compiler.compile_as(side, Kind.ANY) for side in (node.left, node.right))
    compare = comparison(node.operator, DECISIONS[node.operator])
    left_value, right_value = left.value, right.value
    return Compiled(
        lambda moment: compare(left_value(moment), right_value(moment)), earliest((left.horizon, right.horizon))
    )


def _plain(compiler: Compiler, node: Compare) -> Compiled:
    """Both sides of one known kind: no look at types."""
    decide = DECISIONS[node.operator]
    left, right = compiler.compile(node.left), compiler.compile(node.right)
    left_value, right_value = left.value, right.value
    if isinstance(node.right, Constant):
        constant = node.right.value
        horizon = left.horizon
        if left.threshold is not None and type(constant) is int:
            horizon = left.threshold(node.operator, constant)

        def compare_constant(moment: Moment) -> bool:
            found = left_value(moment)
            return found is not None and decide(found, constant)

        return Compiled(compare_constant, horizon)

    def compare(moment: Moment) -> bool:
        found, other = left_value(moment), right_value(moment)
        return found is not None and other is not None and decide(found, other)

    return Compiled(compare, earliest((left.horizon, right.horizon)))


def _moving(compiler: Compiler, node: SinceNode | InStage, sign: str, other: Expression) -> Compiled:
    """A duration that moves with time against a constant one: the answer turns at T + D or T - D."""
    assert isinstance(other, Constant), "a moving duration is compared with a constant"
    if other.kind is not Kind.DURATION:
        return Compiled(lambda _: False)
    length = int(other.value)
    ahead = isinstance(node, SinceNode) and node.ahead
    if ahead:  # T - now op D says the same as now - T op' -D
        sign, length = _MIRRORED[sign], -length
    decide, turns = DECISIONS[sign], _TURNS[sign]
    start = compiler.compile(Entered()) if isinstance(node, InStage) else _instant(compiler, node.of)
    start_value, start_horizon = start.value, start.horizon

    def compare(moment: Moment) -> bool:
        begin = start_value(moment)
        return begin is not None and decide(moment.t_ms - begin, length)

    def horizon(moment: Moment) -> int:
        begin = start_value(moment)
        if begin is None:
            return NEVER
        return next((begin + length + turn for turn in turns if begin + length + turn > moment.t_ms), NEVER)

    return Compiled(compare, earliest((horizon, start_horizon)))


def _instant(compiler: Compiler, node: Expression) -> Compiled:
    """A time, or something that may turn out to be one or a text that names one."""
    if node.kind is Kind.TIME:
        return compiler.compile(node)
    compiled = compiler.compile_as(node, Kind.ANY)
    return Compiled(instant_reader(compiled.value), compiled.horizon)


def instant_reader(value: Read) -> Read:
    """Read a dynamic value as a time: a time itself, or the text of one; else missing."""

    def read(moment: Moment) -> int | None:
        found = value(moment)
        if type(found) is str:
            return instant_of(found)
        return found.at_ms if type(found) is Instant else None

    return read


def compile_membership(compiler: Compiler, node: Membership) -> Compiled:
    """`in` and `not in`: false when missing, and `not in` also when no option has the item's type."""
    if isinstance(node.item, SinceNode | InStage):
        return _moving_membership(compiler, node)
    item = compiler.compile_as(node.item, Kind.ANY)
    boxed = [compiler.compile_as(option, Kind.ANY).value(Moment()) for option in node.options]
    wanted = {(type(option), option) for option in boxed}
    types = {type(option) for option in boxed}
    read, negated = item.value, node.negated

    def is_in(moment: Moment) -> bool:
        found = read(moment)
        kind = type(found)
        return kind in types and ((kind, found) in wanted) is not negated

    return Compiled(is_in, item.horizon)


def _moving_membership(compiler: Compiler, node: Membership) -> Compiled:
    sign, joined = ("!=", "and") if node.negated else ("==", "or")
    parts = tuple(Compare(sign, node.item, option) for option in node.options)  # type: ignore[arg-type]
    return compiler.compile(Logic(joined, parts) if len(parts) > 1 else parts[0])  # type: ignore[arg-type]
