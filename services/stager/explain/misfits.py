"""Why a condition can make nothing of a value: a text where a number is compared, a date that is no time.

Only values of unknown type (traits and `latest`) can be at fault: the others were checked when the file was read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final

from services.stager.explain.explanation import ValueKind
from services.stager.fold.comparing import instant_in
from services.stager.fold.dynamic import Instant, Span
from services.stager.language.definition import (
    Arithmetic,
    Call,
    Compare,
    Expression,
    InStage,
    Kind,
    Logic,
    Membership,
    Not,
    Since,
)
from services.stager.language.walk import parts_of, walk
from services.stager.language.written import write

Look = Callable[[Expression], Any]
"""The dynamic value of an expression at the moment that is explained."""

_KINDS: Final[dict[type, ValueKind]] = {
    int: "number", str: "text", bool: "flag", Instant: "time", Span: "duration", list: "list", dict: "object",
}  # fmt: skip
_Finding = tuple[Expression, str]


def kind_of(value: Any) -> ValueKind | None:
    """The type of a dynamic value; None when it is missing."""
    return _KINDS.get(type(value))


def misfits(condition: Expression, look: Look) -> dict[str, str]:
    """By their text, the parts of a condition whose value does not fit there, and what is wrong with it."""
    found: dict[str, str] = {}
    for node, reason in (*_no_flag((condition,), look), *(one for part in walk(condition) for one in _in(part, look))):
        if node.kind is Kind.ANY and kind_of(look(node)) is not None:
            found.setdefault(write(node), reason)
    return found


def _in(part: Expression, look: Look) -> Iterable[_Finding]:
    """What does not fit directly below a part."""
    if isinstance(part, Since):
        return _no_time(part.of, look)
    if isinstance(part, Logic | Not):
        return _no_flag(parts_of(part), look)
    if isinstance(part, Compare):
        return _unlike(part, look)
    if isinstance(part, Membership):
        return _unlike_all(part, look)
    if isinstance(part, Arithmetic):
        return _other_than(("number", "time", "duration"), "not a number", parts_of(part), look)
    return _in_call(part, look) if isinstance(part, Call) else ()


def _in_call(call: Call, look: Look) -> Iterable[_Finding]:
    arguments = call.arguments
    if call.function == "date":
        return _no_time(arguments[0], look)
    if call.function == "if":
        return _no_flag(arguments[:1], look)
    if call.function == "contains":
        searched = _other_than(("text", "list"), "neither a list nor a text", arguments[:1], look)
        is_text = kind_of(look(arguments[0])) == "text"
        return (*searched, *(_other_than(("text",), "not a text", arguments[1:], look) if is_text else ()))
    return () if call.function == "exists" else _other_than(("text",), "not a text", arguments, look)


def _no_time(node: Expression, look: Look) -> Iterator[_Finding]:
    value = look(node)
    if type(value) is str and instant_in(value) is None:
        yield node, "this text is no time, as `2026-01-31` is"
    elif type(value) not in (str, Instant):
        yield node, f"{_said(value)}, not a text that says a time, such as `2026-01-31`"


def _no_flag(nodes: Iterable[Expression], look: Look) -> Iterator[_Finding]:
    return _other_than(("flag",), "not the flag `true`", (node for node in nodes if node.kind is Kind.ANY), look)


def _unlike(part: Compare, look: Look) -> Iterator[_Finding]:
    if isinstance(part.left, Since | InStage) or isinstance(part.right, Since | InStage):
        return
    left, right = look(part.left), look(part.right)
    if left is None or right is None:
        return
    if type(left) is type(right):
        if (reason := _incomparable(left, part.operator)) is not None:
            yield part.left, reason
            yield part.right, reason
        return
    yield part.left, f"{_said(left)}, compared with {_said(right)}"
    yield part.right, f"{_said(right)}, compared with {_said(left)}"


def _incomparable(value: Any, operator: str) -> str | None:
    """Why two values of this one type are not compared so; None where they are."""
    if isinstance(value, list | dict):
        return f"{_said(value)}, which is never compared"
    return "a flag, which has no order" if isinstance(value, bool) and operator not in ("==", "!=") else None


def _unlike_all(part: Membership, look: Look) -> Iterator[_Finding]:
    if isinstance(part.item, Since | InStage):
        return
    value = look(part.item)
    if all(type(look(option)) is not type(value) for option in part.options):
        yield part.item, f"{_said(value)}, and no item of the list is one"


def _other_than(
    kinds: Sequence[ValueKind | None], reason: str, nodes: Iterable[Expression], look: Look
) -> Iterator[_Finding]:
    for node in nodes:
        value = look(node)
        if kind_of(value) not in kinds:
            yield node, f"{_said(value)}, {reason}"


def _said(value: Any) -> str:
    kind = kind_of(value)
    return f"an {kind}" if kind == "object" else f"a {kind}"
