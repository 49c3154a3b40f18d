"""However the log is cut into batches and a tick's customers into chunks, the transitions are the same bytes."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as some

from services.stager.fold.rules import compile_rules
from services.stager.store import Claim, DueRow, Kept, Position
from services.stager.worker.owned import Folded, OwnedPartition
from services.stager.worker.stretch import Decoded
from shared.clock import rfc3339
from shared.event import Event
from shared.transition import encode
from tests.unit.fold.test_laws import LIFECYCLES, START, STEPS, Step

RULES = compile_rules(LIFECYCLES)


@dataclass(frozen=True)
class Entry:
    """A record as the log gives it."""

    offset: int
    timestamp: int
    event: Event
    key: bytes | None = None
    value: bytes | None = b""
    headers: tuple[Any, ...] = ()


class Shelf:
    """Stored profiles, and the transitions in the order in which they were saved."""

    def __init__(self) -> None:
        self.kept: dict[str, Kept] = {}
        self.transitions: list[bytes] = []

    def save(self, folded: Folded) -> None:
        for row in folded.batch.profiles:
            self.kept[row.customer] = Kept(row.body, row.due_ms, row.historical)
        for customer, due_ms in folded.batch.due_only:
            self.kept[customer] = self.kept[customer]._replace(due_ms=due_ms)
        self.transitions += [encode(transition) for transition in folded.transitions]

    def due(self, until_ms: int, *, historical: bool, limit: int) -> list[DueRow]:
        rows = [
            DueRow(kept.due_ms, customer, kept.body)
            for customer, kept in self.kept.items()
            if kept.due_ms is not None and kept.due_ms <= until_ms and (historical or not kept.historical)
        ]
        return sorted(rows)[:limit]


def entries(steps: list[Step]) -> list[Entry]:
    """The records of the steps, ending with a tick long after."""
    found, now = [], START
    for count, (on, kind, late, amount) in enumerate([*steps, (6_000, "tick", 0, 0)]):
        now += on * 60_000
        occurred_at, customer = rfc3339(now - late * 60_000), f"c{amount % 3}"
        if kind == "tick":
            event = Event(type="tick")
        elif kind == "identify":
            traits = msgspec.Raw(json.dumps({"plan": ("pro", "free", None)[amount % 3]}).encode())
            event = Event("identify", f"e{count}", customer, "$identify", occurred_at, traits=traits)
        else:
            event_id = f"r{count // 2}" if kind == "repeat" else f"e{count}"
            properties = msgspec.Raw(b'{"price": %d}' % amount)
            event = Event(
                "track", event_id, customer, "Order Completed", occurred_at, properties, historical=kind == "past"
            )
        found.append(Entry(count, now, event))
    return found


def worked_off(log: list[Entry], *, cuts: Collection[int], limit: int, handovers: Collection[int] = ()) -> list[bytes]:
    """The transitions when a batch ends after each of `cuts`, a tick's customers come `limit` at a time, and another
    owner takes over after each of `handovers`.
    """
    shelf, owned = Shelf(), owner(Claim(Position(), 1, 0))
    for entry in log:
        if entry.event.type == "tick":
            shelf.save(owned.take())
            lapse(shelf, owned, entry, limit)
        else:
            missing = owned.missing([entry.event.customer])
            owned.remember({name: shelf.kept[name] for name in missing if name in shelf.kept})
            owned.fold([Decoded(entry, entry.event)])
        if entry.offset in cuts or entry.offset in handovers:
            folded = owned.take()
            shelf.save(folded)
            if entry.offset in handovers:
                owned = owner(Claim(folded.batch.position, 2, 0))
    shelf.save(owned.take())
    return shelf.transitions


def owner(claim: Claim) -> OwnedPartition:
    return OwnedPartition(0, claim, rules=RULES, segments=frozenset({"vip"}), cache_bytes_max=1_000_000)


def lapse(shelf: Shelf, owned: OwnedPartition, tick: Entry, limit: int) -> None:
    while True:
        historical = owned.wakes_historical(tick.timestamp)
        due = shelf.due(tick.timestamp, historical=historical, limit=limit)
        is_last = len(due) < limit
        if due:
            shelf.save(owned.lapse(due, tick_ms=tick.timestamp, is_last=is_last))
        if is_last:
            break
    owned.pass_tick(tick)


@settings(deadline=None, max_examples=60)
@given(STEPS, some.sets(some.integers(0, 40)), some.integers(1, 4))
def test_any_split_into_batches_and_chunks_gives_the_same_transitions(
    steps: list[Step], cuts: set[int], limit: int
) -> None:
    log = entries(steps)

    assert worked_off(log, cuts=cuts, limit=limit) == worked_off(log, cuts=(), limit=100)


@settings(deadline=None, max_examples=60)
@given(STEPS, some.sets(some.integers(0, 40)))
def test_any_change_of_owner_gives_the_same_transitions(steps: list[Step], handovers: set[int]) -> None:
    log = entries(steps)

    assert worked_off(log, cuts=(), limit=100, handovers=handovers) == worked_off(log, cuts=(), limit=100)
