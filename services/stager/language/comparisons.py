"""Comparisons and membership: which types may meet, and where a duration that moves may stand (LANGUAGE.md 3)."""

from __future__ import annotations

from typing import Literal

from lark import Token, Tree

from services.stager.language.definition import (
    Arithmetic,
    Compare,
    Constant,
    Expression,
    InStage,
    Kind,
    Membership,
    Negate,
    PropertyValue,
    Since,
)
from services.stager.language.doubts import warn_of_sides
from services.stager.language.judge import Judge, Part
from services.stager.language.kinds import ORDERED, SAID, agree, may_be
from services.stager.language.literals import MILLION, is_quantity, nearest_duration, nearest_time
from services.stager.language.never import FLIPPED, warn_of_bounds, warn_of_comparison, warn_of_membership
from services.stager.language.scope import ARITIES, NOTHINGS
from services.stager.language.walk import walk

_OPERATORS: dict[str, Literal["==", "!=", "<", "<=", ">", ">="]] = {
    "==": "==", "!=": "!=", "<": "<", "<=": "<=", ">": ">", ">=": ">=",
}  # fmt: skip
_NO_TEXTS = NOTHINGS | frozenset(ARITIES) | {"traits"}
_NO_RESULT = "too large for a number or a duration (at most 1_000_000_000_000_000ms), or divided by zero"
_MOVING = ("since", "time_to", "in_stage")
_MOVES = "moves with time: it may only be compared with a constant duration (`90d`)"


def check_comparison(judge: Judge, tree: Tree[Token]) -> Expression | None:
    """The node of `a >= b`, or None when the two may not be compared."""
    left_part, sign, right_part = tree.children
    left, right = judge.value(left_part), judge.value(right_part)
    if left is None or right is None:
        _suggest_text(judge, right_part, beside=left)
        _check_other(judge, left_part, other_part=right_part, other=right)
        _check_other(judge, right_part, other_part=left_part, other=left)
        return None
    operator = _OPERATORS[str(sign)]
    if isinstance(left, Since) and isinstance(right, Since):
        fits = _refuse_two_moving(judge, tree, left=left, right=right)
    elif isinstance(left, Since | InStage):
        fits = _fits_moving(judge, left_part, other_part=right_part, other=right)
    elif isinstance(right, Since | InStage):
        fits = _fits_moving(judge, right_part, other_part=left_part, other=left)
    else:
        fits = _fits(judge, tree, left=left, right=right)
        if fits:
            warn_of_comparison(judge, tree, left=left, right=right)
            warn_of_bounds(judge, tree, left=left, right=right)
            warn_of_sides(judge, tree, left=left, right=right)
    return Compare(operator, left, right) if fits else None


def _suggest_text(judge: Judge, part: Part, *, beside: Expression | None) -> None:
    """A word that is no name, beside something that can be a text, is a text without its quotes."""
    word = judge.said(part)
    if beside is not None and may_be(beside.kind, Kind.TEXT) and word.isidentifier() and word not in _NO_TEXTS:
        judge.suggest(part, f'"{word}"')


def _check_other(judge: Judge, broken_part: Part, *, other_part: Part, other: Expression | None) -> None:
    """What is compared with `since(..)` can be wrong, too, when what stands inside is."""
    if other is None or not isinstance(broken_part, Tree) or broken_part.data != "call":
        return
    function = judge.said(broken_part.children[0])
    if function in _MOVING and function in judge.scope.functions:
        _fits_moving(judge, broken_part, other_part=other_part, other=other)


def _fits_moving(judge: Judge, moving_part: Part, *, other_part: Part, other: Expression) -> bool:
    """Only against a constant can the next instant at which the answer changes be computed."""
    if isinstance(other, Constant) and other.kind is Kind.DURATION:
        return True
    moving = judge.said(moving_part)
    if isinstance(other, Constant) and other.kind is Kind.NUMBER:
        message = f"`{moving}` is a duration, and a duration needs a unit (ms, s, m, h, d, w)"
        judge.report(other_part, message, suggestion=_with_unit(other))
    elif isinstance(other, Constant):
        meant = nearest_duration(other.value) if isinstance(other.value, str) else None
        judge.report(other_part, f"`{moving}` is a duration, but this is {SAID[other.kind]}", suggestion=meant)
    elif _is_all_literal(other):
        judge.report(other_part, f"`{judge.said(other_part)}` has no result: {_NO_RESULT}")
    else:
        judge.report(other_part, f"`{moving}` {_MOVES}")
    return False


def _refuse_two_moving(judge: Judge, tree: Tree[Token], *, left: Since, right: Since) -> bool:
    """Of two times that both are known, the times themselves say which is further off."""
    left_part, sign, right_part = tree.children
    message = f"`{judge.said(left_part)}` {_MOVES}"
    if left.ahead is right.ahead and left.of.kind is right.of.kind is Kind.TIME:
        assert isinstance(left_part, Tree)
        assert isinstance(right_part, Tree)
        meant = str(sign) if left.ahead else FLIPPED[str(sign)]
        times = f"{judge.said(left_part.children[1])} {meant} {judge.said(right_part.children[1])}"
        message += f"; compare the times themselves: `{times}`"
    judge.report(right_part, message)
    return False


def _with_unit(number: Constant) -> str | None:
    assert isinstance(number.value, int)
    return f"{number.value // MILLION}d" if number.value % MILLION == 0 else None


def _fits(judge: Judge, tree: Tree[Token], *, left: Expression, right: Expression) -> bool:
    left_part, sign, right_part = tree.children
    operator, sides = str(sign), ((left_part, left), (right_part, right))
    if not agree(left=left.kind, right=right.kind):
        one, other = (f"`{judge.said(part)}` is {SAID[node.kind]}" for part, node in sides)
        part, suggestion = _meant(judge, tree, left=left, right=right)
        judge.report(part, f"{one} and {other}: they cannot be compared", suggestion=suggestion)
        return False
    if operator in ("==", "!="):
        return True
    for part, node in sides:
        if node.kind is not Kind.ANY and node.kind not in ORDERED:
            judge.report(part, f"`{operator}` needs an order, and {SAID[node.kind]} has none")
            return False
    return True


def _meant(judge: Judge, tree: Tree[Token], *, left: Expression, right: Expression) -> tuple[Part, str | None]:
    """The side that is wrong, and what it would look like with the other's type, where that is plain to see."""
    left_part, _, right_part = tree.children
    for part, node, other in ((left_part, left, right), (right_part, right, left)):
        if isinstance(node, Constant) and isinstance(node.value, str):
            if other.kind is Kind.TIME and (time := nearest_time(node.value)) is not None:
                return part, f'date("{time}")'
            if other.kind in (Kind.NUMBER, Kind.DURATION) and is_quantity(node.value):
                return part, node.value
        if node.kind is Kind.TIME and isinstance(other, Constant) and other.kind is Kind.DURATION:
            return part, f"since({judge.said(part)})"
    return (left_part if isinstance(left, Constant) else right_part), None


def check_membership(judge: Judge, tree: Tree[Token]) -> Expression | None:
    """The node of `a in [..]` or `a not in [..]`, or None when an item is no literal or cannot fit."""
    item_part, list_part = tree.children[0], tree.children[-1]
    assert isinstance(list_part, Tree)
    item = judge.still(item_part)
    options = [_option(judge, part, item=item) for part in list_part.children]
    found = tuple(option for option in options if option is not None)
    if item is None or len(found) < len(options):
        return None
    warn_of_membership(judge, item_part, item, found)
    return Membership(item, found, negated=tree.data == "not_member")


def _option(judge: Judge, part: Part, *, item: Expression | None) -> Constant | None:
    node = judge.still(part)
    if node is None:
        _suggest_text(judge, part, beside=item)
        return None
    if not isinstance(node, Constant):
        why = f"this has no result: {_NO_RESULT}" if _is_all_literal(node) else "this is none"
        meant = f'"{node.path[0]}"' if isinstance(node, PropertyValue) and len(node.path) == 1 else None
        message = f"the items of a list are literals (numbers, texts, flags, durations, dates); {why}"
        judge.report(part, message, suggestion=meant)
        return None
    if item is not None and not agree(left=item.kind, right=node.kind):
        judge.report(part, f"this is {SAID[node.kind]}, but what is looked for is {SAID[item.kind]}")
        return None
    return node


def _is_all_literal(node: Expression) -> bool:
    return all(isinstance(part, Constant | Arithmetic | Negate) for part in walk(node))
