"""Warnings of what is allowed and never holds, because what a trait or property can be is known (LANGUAGE.md 3).

Promise: what a warning calls never true is false for every customer and event. Types that are known on both sides are
no matter of this module: those are errors.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from lark import Token, Tree

from services.stager.language.definition import (
    Arithmetic,
    Constant,
    Expression,
    Kind,
    MetricValue,
    Negate,
    PropertyValue,
    TraitValue,
)
from services.stager.language.judge import Judge, Part
from services.stager.language.kinds import ORDERED, SAID, possible_kinds
from services.stager.language.scope import Bounds
from services.stager.language.written import write_name, write_number

FLIPPED = {"==": "==", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}  # what the sides say when exchanged

_BARE = (TraitValue, PropertyValue, MetricValue)
_HYPHENATED = re.compile(r"\w+(?:\.\w+)*(?:-\w+(?:\.\w+)*)+")


def warn_of_comparison(judge: Judge, tree: Tree[Token], *, left: Expression, right: Expression) -> None:
    """Warn where the two sides can never have one type that can be compared so."""
    left_part, sign, right_part = tree.children
    comparable = ORDERED | ({Kind.FLAG} if sign in ("==", "!=") else frozenset())
    one, other = _kinds(judge, left) & comparable, _kinds(judge, right) & comparable
    if not one & other:
        if _telling(right, other) < _telling(left, one):
            _warn(judge, right_part, right, one, "holds")
        else:
            _warn(judge, left_part, left, other, "holds")


def warn_of_bounds(judge: Judge, tree: Tree[Token], *, left: Expression, right: Expression) -> None:
    """Warn where a metric is compared with a number that it never reaches."""
    left_part, sign, right_part = tree.children
    for part, node, other, operator in (
        (left_part, left, right, str(sign)),
        (right_part, right, left, FLIPPED[str(sign)]),
    ):
        bounds = judge.scope.bounds.get(node.name) if isinstance(node, MetricValue) else None
        if bounds is None or not isinstance(other, Constant) or other.kind is not Kind.NUMBER:
            continue
        assert isinstance(other.value, int)
        if _is_out_of_reach(bounds, operator, other.value):
            most = "" if bounds.most is None else f" and never above {write_number(bounds.most)}"
            message = f"`{judge.said(part)}` is never below {write_number(bounds.least)}{most}, so this never holds"
            judge.report(tree, message, severity="warning")


def _is_out_of_reach(bounds: Bounds, operator: str, number: int) -> bool:
    least, most = bounds.least, number if bounds.most is None else bounds.most
    return {
        "<": number <= least,
        "<=": number < least,
        "==": not least <= number <= most,
        ">": bounds.most is not None and number >= most,
        ">=": number > most,
    }.get(operator, False)


def warn_of_membership(judge: Judge, part: Part, item: Expression, options: Sequence[Constant]) -> None:
    """Warn where no option can ever have the item's type."""
    kinds = frozenset(option.kind for option in options)
    if not kinds & _kinds(judge, item):
        _warn(judge, part, item, kinds, "holds")


def warn_of_kind(judge: Judge, part: Part, node: Expression, *wanted: Kind, outcome: str = "holds") -> None:
    """Warn where something can never have one of the wanted types, and what so never has its `outcome`."""
    if not _kinds(judge, node) & set(wanted):
        _warn(judge, part, node, frozenset(wanted), outcome)


def _kinds(judge: Judge, node: Expression) -> frozenset[Kind]:
    return possible_kinds(node, unsure=judge.scope.unsure)


def _telling(node: Expression, kinds: frozenset[Kind]) -> tuple[bool, bool, bool]:
    """The lesser of two sides is the one to speak of: it has no value, or a type that it does not show."""
    return bool(kinds), not (isinstance(node, _BARE) and node.kind is Kind.ANY), node.kind is not Kind.ANY


def _warn(judge: Judge, part: Part, node: Expression, wanted: frozenset[Kind], outcome: str) -> None:
    said, suggestion = judge.said(part), None
    kinds = " or ".join(SAID[kind] for kind in Kind if kind in wanted)
    message = f"`{said}` is never {kinds}, so this never {outcome}"
    if isinstance(node, Arithmetic) and (name := hyphenated(said)):
        message = (
            f"`{said}` is a subtraction, so this never {outcome}; a name with a hyphen stands in backquotes: {name}"
        )
    elif not _kinds(judge, node):
        message = (
            f"`{said}` never has a value: by itself nothing that was sent is a time or a duration (`date()` reads one)"
        )
    elif isinstance(node, _BARE) and wanted == {Kind.TIME}:
        message += "; a text is read as a time with `date()`"
        suggestion = f"date({said})"
    elif isinstance(node, Arithmetic | Negate):
        message += ": arithmetic makes numbers, times and durations"
    judge.report(part, message, suggestion=suggestion, severity="warning")


def hyphenated(said: str) -> str | None:
    """The name with hyphens that looks like this subtraction, written as it must be; None when it looks like none."""
    return write_name(tuple(said.split("."))) if _HYPHENATED.fullmatch(said) else None
