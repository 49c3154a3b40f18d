"""The real language and the real fold, behind the few calls that a comparison needs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import fields, is_dataclass
from decimal import Decimal
from typing import Any

from services.stager.fold.instants import BEGINNING
from services.stager.fold.partition import Partition
from services.stager.fold.profile import decode_profile, new_profile
from services.stager.fold.rules import compile_rules
from services.stager.language.definition import Lifecycle, Logic
from services.stager.language.file import load_text
from services.stager.simulate import simulation as program
from services.stager.simulate.line import Line, read_line
from shared.errors import Malformed
from shared.event import Event
from shared.transition import Transition, encode


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
    transitions = [_printed(transition) for transition in found]
    ids = {transition.pop("id") for transition in transitions}
    assert len(ids) == len(transitions), "an id is used twice"
    return transitions, bad


def simulate_stored(
    lifecycles: Sequence[Lifecycle], lines: Sequence[str], until_ms: int | None
) -> list[dict[str, Any]]:
    """The same, but every profile goes through its bytes after every step, and nobody is awaited in a heap."""
    rules = compile_rules(lifecycles)
    partition = Partition(rules, clock_ms=BEGINNING)
    bodies: dict[str, bytes] = {}
    found: list[Transition] = []

    def tick(tick_ms: int) -> None:
        partition.observe(None, tick_ms)
        profiles = [decode_profile(customer, body, rules) for customer, body in bodies.items()]
        awake = [profile for profile in profiles if not profile.historical or partition.wakes_historical(tick_ms)]
        found.extend(partition.lapse(awake, until_ms=tick_ms))
        bodies.update({profile.customer: profile.encode() for profile in awake})

    for line in _received(lines, until_ms):
        tick(line.received_ms)
        if line.event.type == "import_end":
            partition.observe(line.event, line.received_ms)
            continue
        body = bodies.get(line.event.customer)
        profile = decode_profile(line.event.customer, body, rules) if body else new_profile(line.event.customer)
        found.extend(partition.fold(profile, line.event, line.received_ms))
        bodies[profile.customer] = profile.encode()
    partition.observe(Event(type="import_end"), partition.clock_ms)
    if bodies:
        tick(partition.clock_ms if until_ms is None else until_ms)
    return [_printed(transition) for transition in found]


def _received(lines: Sequence[str], until_ms: int | None) -> Iterator[Line]:
    for number, text in enumerate(lines, 1):
        try:
            line = read_line(text.encode(), number) if text.strip() else None
        except Malformed:
            continue
        if line is not None and (until_ms is None or line.received_ms <= until_ms):
            yield line


def _printed(transition: Transition) -> dict[str, Any]:
    printed: dict[str, Any] = json.loads(encode(transition), parse_float=Decimal)
    return printed


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
