"""The real language and the real fold, behind the few calls that a comparison needs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from decimal import Decimal
from typing import Any

from services.stager import simulate as program
from services.stager.fold.rules import compile_rules
from services.stager.language.definition import Lifecycle, Logic
from services.stager.language.file import load_text
from shared.transition import encode


class Rejected(Exception):
    """The loader finds fault with the file."""


def load(text: str) -> tuple[Lifecycle, ...]:
    """The definitions of a file's text, by name. Errors: Rejected."""
    loaded = load_text(text, file="random.yaml")
    if loaded.errors:
        raise Rejected("\n".join(fault.render() for fault in loaded.errors))
    return loaded.lifecycles


def simulate(
    lifecycles: Sequence[Lifecycle], lines: Sequence[str], until_ms: int | None
) -> tuple[list[dict[str, Any]], list[int]]:
    """The transitions as they are printed, but for their ids, and the numbers of the bad lines."""
    bad: list[int] = []
    found = program.simulate(
        [line.encode() for line in lines],
        compile_rules(lifecycles),
        until_ms=until_ms,
        on_bad_line=lambda number, _: bad.append(number),
    )
    transitions = [json.loads(encode(transition), parse_float=Decimal) for transition in found]
    ids = {transition.pop("id") for transition in transitions}
    assert len(ids) == len(transitions), "an id is used twice"
    return transitions, bad


def canonical(node: Any) -> Any:
    """A definition without what may be written in two ways: nested `and`s, kinds, descriptions."""
    if isinstance(node, tuple):
        return tuple(canonical(part) for part in node)
    if not is_dataclass(node) or isinstance(node, type):
        return node
    if isinstance(node, Logic):
        return (node.operator, tuple(part for operand in node.operands for part in _flat(operand, node.operator)))
    kept = [each.name for each in fields(node) if each.name not in ("kind", "description")]
    return (type(node).__name__, *((name, canonical(getattr(node, name))) for name in kept))


def _flat(node: Any, operator: str) -> Sequence[Any]:
    if isinstance(node, Logic) and node.operator == operator:
        return [part for operand in node.operands for part in _flat(operand, operator)]
    return [canonical(node)]
