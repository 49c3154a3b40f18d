"""Function calls: how many arguments, of which types, and where they may stand (LANGUAGE.md 3)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import get_args

from lark import Token, Tree

from services.stager.language.definition import (
    Call,
    Constant,
    Entered,
    Expression,
    InStage,
    Kind,
    MetricFunction,
    Since,
)
from services.stager.language.judge import Judge, Part, present
from services.stager.language.kinds import SAID, agree, may_be
from services.stager.language.literals import read_time, why_no_time
from services.stager.language.never import warn_of_kind
from services.stager.language.scope import ARITIES, ASK_SINCE, EXAMPLES
from shared.document.nodes import nearest

_OTHERS = "; a document sees its own metrics only: repeat them here"
_METRICS = "; what is counted is a metric with a name, as in `orders: {count: Order Completed}`"
_INSTEAD_OF = {
    "now": ASK_SINCE, "today": ASK_SINCE, "in_segment": _OTHERS, "segment": _OTHERS, "stage": _OTHERS,
}  # fmt: skip


def check_call(judge: Judge, tree: Tree[Token]) -> Expression | None:
    """The node of a call, or None when its name, its arguments or its place is wrong."""
    name, *arguments = tree.children
    function = judge.said(name)
    if function not in ARITIES:
        is_metric = function.lower() in get_args(MetricFunction)
        advice = _METRICS if is_metric else _INSTEAD_OF.get(function.lower(), "")
        near = None if is_metric else nearest(function, judge.scope.functions)
        judge.report(name, f"there is no function `{function}`{advice}", suggestion=near)
        return None
    if function not in judge.scope.functions:
        judge.report(name, f"`{function}` is not available in `where`, which sees one event alone")
        return None
    if len(arguments) != ARITIES[function]:
        judge.report(tree, f"`{function}` takes {_counted(ARITIES[function])}, as in `{EXAMPLES[function]}`")
        return None
    return _CHECKS[function](judge, arguments, function)


def _counted(arity: int) -> str:
    return {0: "nothing", 1: "one value", 2: "two values", 3: "three values"}[arity]


def _visit(_judge: Judge, _arguments: Sequence[Part], function: str) -> Expression:
    return InStage() if function == "in_stage" else Entered()


def _since(judge: Judge, arguments: Sequence[Part], function: str) -> Expression | None:
    (argument,) = arguments
    if sum_ := _arithmetic_in(argument):
        judge.report(sum_, f"`{function}` takes no arithmetic; compare the duration instead: `{function}(x) >= 90d`")
        return None
    node = judge.still(argument)
    if node is None:
        return None
    if may_be(node.kind, Kind.TIME):
        return Since(node, ahead=function == "time_to")
    as_time = _as_date(node)
    judge.report(argument, f"`{function}` takes a time, but this is {SAID[node.kind]}", suggestion=as_time)
    return None


def _arithmetic_in(part: Part) -> Part | None:
    """The arithmetic that would make this part's value, if any."""
    if not isinstance(part, Tree):
        return None
    if part.data in ("sum", "product", "negative"):
        return part
    if part.data == "call" and part.children[0] == "if":
        return next((found for branch in part.children[2:] if (found := _arithmetic_in(branch))), None)
    return None


def _as_date(node: Expression) -> str | None:
    if isinstance(node, Constant) and isinstance(node.value, str) and read_time(node.value) is not None:
        return f'date("{node.value}")'
    return None


def _if(judge: Judge, arguments: Sequence[Part], _function: str) -> Expression | None:
    nodes = present([judge.truth(arguments[0]), *(judge.still(branch) for branch in arguments[1:])])
    if nodes is None:
        return None
    _, one, other = nodes
    if not agree(left=one.kind, right=other.kind):
        message = f"both results of `if` have one type, but these are {SAID[one.kind]} and {SAID[other.kind]}"
        judge.report(arguments[2], message)
        return None
    return Call("if", tuple(nodes), one.kind if one.kind is other.kind else Kind.ANY)


def _exists(judge: Judge, arguments: Sequence[Part], _function: str) -> Expression | None:
    node = judge.still(arguments[0])
    return Call("exists", (node,), Kind.FLAG) if node is not None else None


def _date(judge: Judge, arguments: Sequence[Part], _function: str) -> Expression | None:
    node = _text(judge, arguments[0], "date")
    if isinstance(node, Constant):
        at = read_time(str(node.value))
        if at is None:
            message, meant = why_no_time(str(node.value))
            judge.report(arguments[0], f"this is no time: {message}", suggestion=f'"{meant}"' if meant else None)
            return None
        return Constant(at, Kind.TIME)
    return Call("date", (node,), Kind.TIME) if node is not None else None


def _lower(judge: Judge, arguments: Sequence[Part], _function: str) -> Expression | None:
    node = _text(judge, arguments[0], "lower")
    return Call("lower", (node,), Kind.TEXT) if node is not None else None


def _contains(judge: Judge, arguments: Sequence[Part], _function: str) -> Expression | None:
    nodes = present([judge.still(argument) for argument in arguments])
    if nodes is None:
        return None
    whole, part = nodes
    if not may_be(whole.kind, Kind.LIST, Kind.TEXT):
        judge.report(arguments[0], f"`contains` looks into a list or a text, but this is {SAID[whole.kind]}")
        return None
    if whole.kind is Kind.TEXT and not may_be(part.kind, Kind.TEXT):
        judge.report(arguments[1], f"a text can only contain a text, but this is {SAID[part.kind]}")
        return None
    warn_of_kind(judge, arguments[0], whole, Kind.TEXT, Kind.LIST)
    return Call("contains", (whole, part), Kind.FLAG)


def _begins_or_ends(judge: Judge, arguments: Sequence[Part], function: str) -> Expression | None:
    nodes = present([_text(judge, argument, function, outcome="holds") for argument in arguments])
    if nodes is None:
        return None
    return Call("starts_with" if function == "starts_with" else "ends_with", tuple(nodes), Kind.FLAG)


def _text(judge: Judge, argument: Part, function: str, *, outcome: str = "has a value") -> Expression | None:
    node = judge.still(argument)
    if node is None:
        return None
    if may_be(node.kind, Kind.TEXT):
        warn_of_kind(judge, argument, node, Kind.TEXT, outcome=outcome)
        return node
    judge.report(argument, f"`{function}` takes a text, but this is {SAID[node.kind]}")
    return None


_CHECKS: dict[str, Callable[[Judge, Sequence[Part], str], Expression | None]] = {
    "since": _since,
    "time_to": _since,
    "in_stage": _visit,
    "entered": _visit,
    "if": _if,
    "exists": _exists,
    "date": _date,
    "lower": _lower,
    "contains": _contains,
    "starts_with": _begins_or_ends,
    "ends_with": _begins_or_ends,
}
