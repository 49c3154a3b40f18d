"""Evaluate: what one lifecycle does with one customer at one instant (LANGUAGE.md 5), and when it is to be asked again.

Knows places and compiled lifecycles; nothing of records, profiles or how transitions are written.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec

from services.stager.fold.instants import NEVER
from services.stager.fold.lifecycles import CompiledLifecycle
from services.stager.fold.profile import Place
from services.stager.language.definition import Linger

OUT = "out"  # where everyone starts in a segment (LANGUAGE.md 5)


class Change(msgspec.Struct, frozen=True, gc=False):
    """One transition as the evaluation sees it; times in milliseconds, the rest as in LANGUAGE.md 6."""

    change: Literal["moved", "lingered"]
    from_stage: str | None
    to_stage: str | None
    at_ms: int
    entry: int
    nth: int
    stay_ms: int | None
    n: int


def first_place(lifecycle: CompiledLifecycle, t_ms: int) -> Place:
    """Where a customer stands before the first evaluation: in no stage, or silently `out` of a segment."""
    stage = OUT if lifecycle.segment else None
    return Place(lifecycle.fingerprint, stage, t_ms, entries={}, left_ms={})


def follow(
    lifecycle: CompiledLifecycle,
    place: Place,
    target: str | None,
    t_ms: int,
    memories: list[Any],
    traits: Mapping[str, Any],
) -> Sequence[Change]:
    """Bring a place to the target that settling gave, and on, until nothing moves: what changes, in order.

    Lingers that are due are among it. Sets the place's next deadline.
    """
    current = place.stage
    changes: list[Change] = []
    left: set[str] = set()
    while target != current:
        if target in left:
            place.due_ms = t_ms + 1
            return changes
        if current is not None:
            left.add(current)
        changes.append(_move(lifecycle, place, target, t_ms))
        current = target
        target = lifecycle.settle.get(current, lifecycle.settle_elsewhere)(place, t_ms, memories, traits)
    stage = lifecycle.stages.get(current) if current is not None else None
    if stage is not None and stage.linger is not None:
        _linger(place, stage.linger, t_ms, changes)
        place.due_ms = min(place.due_ms, _next_linger(stage.linger, place))
    return changes


def _move(lifecycle: CompiledLifecycle, place: Place, target: str | None, t_ms: int) -> Change:
    """End the visit and begin the next."""
    came_from, stay_ms = place.stage, None
    if came_from is not None:
        stay_ms = t_ms - place.since_ms
        stage = lifecycle.stages.get(came_from)
        if stage is not None and stage.re_enter_ms:
            place.left_ms[came_from] = t_ms
    entry = 0
    if target is not None and not (lifecycle.segment and target == OUT):
        entry = place.entries[target] = place.entries.get(target, 0) + 1
    place.stage, place.since_ms, place.lingers = target, t_ms, 0
    place.n += 1
    return Change("moved", came_from, target, t_ms, entry, 0, stay_ms, place.n)


def _linger(place: Place, linger: Linger, t_ms: int, changes: list[Change]) -> None:
    """Emit every linger that is due and was not emitted in this visit, each at its due instant."""
    stage = place.stage
    assert stage is not None
    entry = place.entries.get(stage, 0)
    while (due_ms := _next_linger(linger, place)) <= t_ms:
        place.lingers += 1
        place.n += 1
        stay_ms = due_ms - place.since_ms
        changes.append(Change("lingered", stage, stage, due_ms, entry, place.lingers, stay_ms, place.n))


def _next_linger(linger: Linger, place: Place) -> int:
    """When the next linger of this visit is due, NEVER when there is none."""
    offsets, emitted = linger.offsets_ms, place.lingers
    if emitted < len(offsets):
        return place.since_ms + offsets[emitted]
    if linger.every_ms is None:
        return NEVER
    return place.since_ms + offsets[-1] + linger.every_ms * (emitted - len(offsets) + 1)
