"""Evaluate: what one lifecycle does with one customer at one instant (LANGUAGE.md 5), and when it is to be asked again.

Knows places, moments and compiled conditions; nothing of records, profiles or how transitions are written.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from services.stager.fold.horizons import end_of
from services.stager.fold.instants import NEVER
from services.stager.fold.lifecycles import CompiledLifecycle, CompiledStage
from services.stager.fold.moment import Moment
from services.stager.fold.profile import Place
from services.stager.language.definition import Linger

OUT = "out"  # where everyone starts in a segment (LANGUAGE.md 5)


class Change(NamedTuple):
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


def evaluate(lifecycle: CompiledLifecycle, place: Place, moment: Moment) -> list[Change]:
    """Bring a place up to the moment: what changes, in order. Sets the place's next deadline."""
    changes: list[Change] = []
    left: set[str] = set()
    place.version = lifecycle.fingerprint
    while True:
        moment.since_ms = None if place.stage is None else place.since_ms
        target = _target(lifecycle, place, moment)
        if target == place.stage:
            break
        if target in left:
            place.due_ms = moment.t_ms + 1
            return changes
        if place.stage is not None:
            left.add(place.stage)
        changes.append(_move(lifecycle, place, target, moment.t_ms))
    stage = lifecycle.stages.get(place.stage) if place.stage is not None else None
    if stage is not None and stage.linger is not None:
        _linger(place, stage.linger, moment.t_ms, changes)
    place.due_ms = _deadline(lifecycle, place, stage, moment)
    return changes


def _target(lifecycle: CompiledLifecycle, place: Place, moment: Moment) -> str | None:
    """The furthest open stage that holds; the current one while it may not be left."""
    current = place.stage
    for stage in lifecycle.furthest_first:
        if stage.name == current:
            if _is_kept(lifecycle, stage, place, moment):
                return current
        elif (stage.when is None or stage.when.holds(moment)) and (
            stage.is_open_always or _opening(stage, place, moment.t_ms) <= moment.t_ms
        ):
            if current is not None and _is_staying(lifecycle, place, moment.t_ms):
                return current
            return stage.name
    if lifecycle.forward_only or _is_staying(lifecycle, place, moment.t_ms):
        return current
    return None


def _is_kept(lifecycle: CompiledLifecycle, stage: CompiledStage, place: Place, moment: Moment) -> bool:
    """Whether no earlier stage is to be looked at: forward only, a stay not yet long enough, or it holds."""
    if lifecycle.forward_only or _holds_on(stage, moment):
        return True
    return moment.t_ms - place.since_ms < stage.min_stay_ms


def _is_staying(lifecycle: CompiledLifecycle, place: Place, t_ms: int) -> bool:
    """Whether the current stage's `min_stay` still forbids every move."""
    stage = lifecycle.stages.get(place.stage) if place.stage is not None else None
    return stage is not None and t_ms - place.since_ms < stage.min_stay_ms


def _holds_on(stage: CompiledStage, moment: Moment) -> bool:
    """Whether the current stage still holds: by `when`, or because its `until` does not yet."""
    if stage.when is None or stage.when.holds(moment):
        return True
    return stage.until is not None and not stage.until.holds(moment)


def _opening(stage: CompiledStage, place: Place, t_ms: int) -> int:
    """From when on another stage than the current is open; NEVER while the customer stays where he is."""
    if stage.came_from is not None and place.stage not in stage.came_from:
        return NEVER
    if stage.re_enter_ms is None:
        return NEVER if stage.name in place.entries else t_ms
    left_ms = place.left_ms.get(stage.name)
    return t_ms if left_ms is None else left_ms + stage.re_enter_ms


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


def _deadline(lifecycle: CompiledLifecycle, place: Place, current: CompiledStage | None, moment: Moment) -> int:
    """The earliest instant after the moment at which this settled place can change without a record."""
    due_ms = NEVER
    if current is not None:
        if current.linger is not None:
            due_ms = _next_linger(current.linger, place)
        if moment.t_ms - place.since_ms < current.min_stay_ms:
            return min(due_ms, place.since_ms + current.min_stay_ms)
    for stage in lifecycle.furthest_first:
        if stage is current:
            # While the current stage holds, what stands before it does not matter.
            return due_ms if lifecycle.forward_only else min(due_ms, _holding_end(stage, moment))
        opening_ms = moment.t_ms if stage.is_open_always else _opening(stage, place, moment.t_ms)
        if opening_ms > moment.t_ms:
            due_ms = min(due_ms, opening_ms)
        elif stage.when is not None and stage.when.horizon is not None:
            due_ms = min(due_ms, stage.when.horizon(moment))
    return due_ms


def _holding_end(stage: CompiledStage, moment: Moment) -> int:
    """How long the current stage surely holds by itself: as long as the more lasting of its two reasons."""
    if stage.when is None:
        return NEVER
    end_ms = end_of(stage.when, moment) if stage.when.holds(moment) else 0
    if stage.until is not None and not stage.until.holds(moment):
        end_ms = max(end_ms, end_of(stage.until, moment))
    return end_ms
