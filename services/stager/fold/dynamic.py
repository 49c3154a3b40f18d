"""Values whose type is known only when they are looked at: traits, properties and `latest` (LANGUAGE.md 3).

Shape: a number is an `int` of millionths, text a `str`, a flag a `bool`, a list a `list` of such values, a time an
`Instant`, a duration a `Span`, an object a `dict`; missing is None. Types are told apart with `type(..) is`, because
Python takes a flag for an integer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from services.stager.fold.decimals import MILLION, divide, duration_in_range, in_range, of_float, of_int
from services.stager.fold.decimals import to_json as number_to_json
from shared.clock import rfc3339

Dynamic = Any  # JSON's values have no common type that a checker could hold on to


class Instant(NamedTuple):
    """A time among values of unknown type."""

    at_ms: int


class Span(NamedTuple):
    """A duration among values of unknown type."""

    length_ms: int


def of_json(raw: Dynamic) -> Dynamic:
    """A decoded JSON value as a dynamic one."""
    kind = type(raw)
    if kind is float:
        return of_float(raw)
    if kind is int:
        return of_int(raw)
    if kind is str or kind is bool or raw is None:
        return raw
    if kind is list:
        return [of_json(item) for item in raw]
    return {key: of_json(member) for key, member in raw.items()}


def to_json(value: Dynamic) -> Dynamic:
    """A dynamic value as JSON shows it: times RFC 3339, durations in milliseconds."""
    kind = type(value)
    if kind is int:
        return number_to_json(value)
    if kind is Instant:
        return rfc3339(value.at_ms)
    if kind is Span:
        return value.length_ms
    if kind is list:
        return [to_json(item) for item in value]
    if kind is dict:
        return {key: to_json(member) for key, member in value.items()}
    return value


def reach(members: Mapping[str, Dynamic], path: Sequence[str]) -> Dynamic:
    """The decoded JSON value that a path leads to, None when it leads nowhere."""
    found: Dynamic = members
    for step in path:
        if type(found) is not dict:
            return None
        found = found.get(step)
    return found


_EQUALITY: Final = ("==", "!=")


def comparison(operator: str, decide: Callable[[Dynamic, Dynamic], bool]) -> Callable[[Dynamic, Dynamic], bool]:
    """`decide` for values of one type; false for missing, for different types, and where the type has no such order."""
    comparable = {int, str, Instant, Span} | ({bool} if operator in _EQUALITY else set())

    def compare(left: Dynamic, right: Dynamic) -> bool:
        kind = type(left)
        return kind is type(right) and kind in comparable and decide(left, right)

    return compare


def arithmetic(operator: str, left: Dynamic, right: Dynamic) -> Dynamic:
    """The result, or None where something is missing, does not fit, or is beyond the range."""
    kinds = (type(left), type(right))
    if kinds == (int, int):
        return number_arithmetic(operator, left, right)
    if operator == "*" and kinds in ((Span, int), (int, Span)):
        span, factor = (left, right) if kinds[0] is Span else (right, left)
        return _span(divide(span.length_ms * factor, MILLION))
    if operator not in "+-":
        return None
    sign = 1 if operator == "+" else -1
    if kinds == (Span, Span):
        return _span(left.length_ms + sign * right.length_ms)
    if kinds == (Instant, Span):
        at_ms = duration_in_range(left.at_ms + sign * right.length_ms)
        return None if at_ms is None else Instant(at_ms)
    if kinds == (Instant, Instant) and operator == "-":
        return _span(left.at_ms - right.at_ms)
    return None


def number_arithmetic(operator: str, left: int, right: int) -> int | None:
    """`+ - * /` of two numbers in millionths."""
    if operator == "+":
        return in_range(left + right)
    if operator == "-":
        return in_range(left - right)
    if operator == "*":
        return in_range(divide(left * right, MILLION))
    return in_range(divide(left * MILLION, right)) if right else None


def _span(length_ms: int) -> Span | None:
    return None if duration_in_range(length_ms) is None else Span(length_ms)
