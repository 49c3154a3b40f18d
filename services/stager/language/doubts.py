"""Warnings of what is allowed and most likely not meant: a text without quotes, a number within them, `1.000`.

Promise: nothing here changes what an expression means, and what plain files say is not warned of.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from lark import Token, Tree

from services.stager.language.definition import Constant, Expression, Kind, PropertyValue
from services.stager.language.judge import Judge, Part
from services.stager.language.scope import FLAG_WORDS

_HOLDERS = ("properties", "event", "props")  # what others write before a property's name
_THOUSANDS = re.compile(r"([1-9][0-9]{0,2})\.000")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?")  # a postal code may begin with 0


def warn_of_sides(judge: Judge, tree: Tree[Token], *, left: Expression, right: Expression) -> None:
    """Warn of a text that lost its quotes on the right of a comparison, and of a number that got some."""
    left_part, sign, right_part = tree.children
    if isinstance(right, PropertyValue) and not isinstance(left, Constant):
        _warn_of_bare_text(judge, right_part, right, beside=left)
    if sign not in ("==", "!="):
        for part, node, other in ((left_part, left, right), (right_part, right, left)):
            _warn_of_quoted_number(judge, part, node, beside=other)


def _warn_of_bare_text(judge: Judge, part: Part, node: PropertyValue, *, beside: Expression) -> None:
    """The properties of one event are spelt alike: what has capitals beside one without is a text."""
    word, other = judge.said(part), beside.path[-1] if isinstance(beside, PropertyValue) else ""
    if node.path != (word,):  # dots or backquotes: somebody means a property
        return
    is_flag = word in FLAG_WORDS
    if is_flag or _capitals(word) > _capitals(other):
        hint = "a flag is `true` or `false`, a text stands in quotes" if is_flag else "a text stands in quotes"
        message = f"`{word}` is read as a property of the event; {hint}"
        judge.report(part, message, suggestion=f'"{word}"', severity="warning")


def _capitals(word: str) -> int:
    """2 for capitals only, 1 where the first letter is one, else 0."""
    return (word[:1].isupper()) + (len(word) > 1 and word.isupper())


def _warn_of_quoted_number(judge: Judge, part: Part, node: Expression, *, beside: Expression) -> None:
    if not isinstance(node, Constant) or not isinstance(node.value, str) or beside.kind is not Kind.ANY:
        return
    if _NUMBER.fullmatch(node.value):
        message = 'this compares texts, letter by letter (`"9"` is above `"18"`); a number stands without quotes'
        judge.report(part, message, suggestion=node.value, severity="warning")


def warn_of_thousands(judge: Judge, part: Part) -> None:
    """Warn of a dot that was meant to set off thousands."""
    if found := _THOUSANDS.fullmatch(judge.said(part)):
        message = f"`{found[0]}` is {found[1]}: the dot begins the decimals"
        judge.report(part, message, suggestion=f"{found[1]}_000", severity="warning")


def warn_of_holder(judge: Judge, part: Part, path: Sequence[str]) -> None:
    """Warn of a property that is written with what holds it."""
    if bare := bare_path(path):
        judge.report(part, f"properties are written bare: `{bare}`", suggestion=bare, severity="warning")


def bare_path(path: Sequence[str]) -> str | None:
    """The property's name without what holds it; None when that is not written."""
    return ".".join(path[1:]) if len(path) > 1 and path[0] in _HOLDERS else None
