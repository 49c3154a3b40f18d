"""Checked expressions written as text again, the way somebody would have put them in a file.

What is written reads back as the same expression (a test holds that). Knows nothing of customers or values.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, Final

from services.stager.language.definition import (
    Arithmetic,
    Call,
    Compare,
    Constant,
    Entered,
    Expression,
    InStage,
    Kind,
    Logic,
    Membership,
    MetricValue,
    Negate,
    Not,
    PropertyValue,
    Since,
    TraitValue,
)
from services.stager.language.literals import MILLION, UNITS_MS
from shared.clock import DAY_MS, rfc3339

_PLAIN_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_KEYWORDS: Final = frozenset({"and", "or", "not", "in", "true", "false"})

# How tightly each form binds: what binds less than its surroundings stands in parentheses.
_OR, _AND, _NOT, _COMPARE, _SUM, _PRODUCT, _MINUS, _ATOM = range(8)


def write(expression: Expression) -> str:
    """The text of an expression, with no more parentheses than it needs."""
    return _write(expression)[0]


def write_duration(length_ms: int) -> str:
    """`90d`, `1h30m`, `-1d`, `0ms`: as few units as say it exactly, without weeks."""
    if length_ms == 0:
        return "0ms"
    rest, parts = abs(length_ms), []
    for unit in ("d", "h", "m", "s", "ms"):
        amount, rest = divmod(rest, UNITS_MS[unit])
        if amount:
            parts.append(f"{amount}{unit}")
    return ("-" if length_ms < 0 else "") + "".join(parts)


def write_instant(at_ms: int) -> str:
    """`2026-01-31` for midnight, else `2026-01-31T10:20:30.123Z`; milliseconds where no calendar reaches."""
    try:
        text = rfc3339(at_ms)
    except OverflowError:
        return f"{at_ms}ms"
    return text[:10] if at_ms % DAY_MS == 0 else text


def write_number(millionths: int) -> str:
    """A decimal with no more than six places."""
    whole, rest = divmod(abs(millionths), MILLION)
    decimals = f".{rest:06d}".rstrip("0").rstrip(".")
    return f"{'-' if millionths < 0 else ''}{whole}{decimals}"


def write_name(words: tuple[str, ...]) -> str:
    """A dotted name, its odd parts in backquotes."""
    return ".".join(word if _PLAIN_NAME.fullmatch(word) and word not in _KEYWORDS else f"`{word}`" for word in words)


def _write(node: Expression) -> tuple[str, int]:
    return _WRITERS[type(node)](node)


def _inside(node: Expression, binding: int) -> str:
    return _bound(*_write(node), binding)


def _bound(text: str, own: int, binding: int) -> str:
    return text if own >= binding else f"({text})"


def _constant(node: Constant) -> tuple[str, int]:
    value = node.value
    if node.kind is Kind.TEXT:
        return json.dumps(value, ensure_ascii=False), _ATOM
    if node.kind is Kind.FLAG:
        return ("true" if value else "false"), _ATOM
    assert isinstance(value, int)
    if node.kind is Kind.TIME:
        return f'date("{write_instant(value)}")', _ATOM
    text = write_duration(value) if node.kind is Kind.DURATION else write_number(value)
    return text, _MINUS if value < 0 else _ATOM


def _since(node: Since) -> tuple[str, int]:
    return f"{'time_to' if node.ahead else 'since'}({write(node.of)})", _ATOM


def _logic(node: Logic) -> tuple[str, int]:
    binding = _OR if node.operator == "or" else _AND
    return f" {node.operator} ".join(_inside(operand, binding + 1) for operand in node.operands), binding


def _compare(node: Compare) -> tuple[str, int]:
    return f"{_inside(node.left, _SUM)} {node.operator} {_inside(node.right, _SUM)}", _COMPARE


def _membership(node: Membership) -> tuple[str, int]:
    word = "not in" if node.negated else "in"
    return f"{_inside(node.item, _SUM)} {word} [{', '.join(map(write, node.options))}]", _COMPARE


def _arithmetic(node: Arithmetic) -> tuple[str, int]:
    text, own = _write(node.first)
    for step in node.steps:
        binding = _SUM if step.operator in ("+", "-") else _PRODUCT
        text = f"{_bound(text, own, binding)} {step.operator} {_inside(step.operand, binding + 1)}"
        own = binding
    return text, own


_WRITERS: Final[dict[type, Callable[[Any], tuple[str, int]]]] = {
    Constant: _constant,
    MetricValue: lambda node: (write_name((node.name,)), _ATOM),
    TraitValue: lambda node: (f"traits.{write_name(node.path)}", _ATOM),
    PropertyValue: lambda node: (write_name(node.path), _ATOM),
    Since: _since,
    InStage: lambda _: ("in_stage()", _ATOM),
    Entered: lambda _: ("entered()", _ATOM),
    Call: lambda node: (f"{node.function}({', '.join(map(write, node.arguments))})", _ATOM),
    Compare: _compare,
    Membership: _membership,
    Logic: _logic,
    Not: lambda node: (f"not {_inside(node.operand, _ATOM)}", _NOT),
    Arithmetic: _arithmetic,
    Negate: lambda node: (f"-{_inside(node.operand, _MINUS)}", _MINUS),
}
