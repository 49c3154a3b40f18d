"""The real language and the real fold, behind the few calls that a comparison needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from typing import Any

from services.stager.language.definition import Logic


class Rejected(Exception):
    """The loader finds fault with the file."""


def canonical(node: Any) -> Any:
    """A definition without what may be written in two ways: nested `and`s, kinds, descriptions, order of metrics."""
    if isinstance(node, tuple):
        return tuple(canonical(part) for part in node)
    if not is_dataclass(node) or isinstance(node, type):
        return node
    if isinstance(node, Logic):
        return (node.operator, tuple(part for operand in node.operands for part in _flat(operand, node.operator)))
    return (
        type(node).__name__,
        *(
            (each.name, canonical(getattr(node, each.name)))
            for each in fields(node)
            if each.name not in ("kind", "description")
        ),
    )


def _flat(node: Any, operator: str) -> Sequence[Any]:
    if isinstance(node, Logic) and node.operator == operator:
        return [part for operand in node.operands for part in _flat(operand, operator)]
    return [canonical(node)]
