"""`and` and `or`: what they join are conditions (LANGUAGE.md 3)."""

from __future__ import annotations

from typing import Literal

from lark import Token, Tree

from services.stager.language.definition import Expression, Logic
from services.stager.language.judge import Judge, Part, present

_LISTS = {("either", "=="): "in", ("both", "!="): "not in"}


def check_logic(judge: Judge, tree: Tree[Token]) -> Expression | None:
    """The node of `a and b` or `a or b`; what is joined by the same word is one node."""
    operator: Literal["and", "or"] = "or" if tree.data == "either" else "and"
    operands = present([judge.truth(child) for child in tree.children])
    if operands is None:
        _suggest_list(judge, tree)
        return None
    flat: list[Expression] = []
    for operand in operands:
        if isinstance(operand, Logic) and operand.operator == operator:
            flat.extend(operand.operands)
        else:
            flat.append(operand)
    return Logic(operator, tuple(flat))


def _suggest_list(judge: Judge, tree: Tree[Token]) -> None:
    """`plan == "pro" or "team"` asks for one of several texts."""
    for before, after in zip(tree.children, tree.children[1:], strict=False):
        if isinstance(before, Tree) and before.data == "compare" and _is_text(after):
            left, sign, right = before.children
            word = _LISTS.get((str(tree.data), str(sign)))
            if word is not None and _is_text(right):
                judge.suggest(after, f"{judge.said(left)} {word} [{judge.said(right)}, {judge.said(after)}]")


def _is_text(part: Part) -> bool:
    return isinstance(part, Tree) and part.data == "text"
