"""What keeps a stage from being entered, or the current one from being left: `from re_enter min_stay forward_only`."""

from __future__ import annotations

from collections.abc import Iterator

from services.stager.explain.explanation import Block
from services.stager.fold.lifecycles import CompiledLifecycle, CompiledStage
from services.stager.fold.profile import Place
from services.stager.language.written import write_duration
from shared.clock import within_calendar


def blocks_of(lifecycle: CompiledLifecycle, stage: CompiledStage, place: Place, t_ms: int) -> tuple[Block, ...]:
    """What closes a stage other than the current one at an instant; empty when it is open (LANGUAGE.md 5)."""
    return tuple(_blocks(lifecycle, stage, place, t_ms))


def kept_by(lifecycle: CompiledLifecycle, stage: CompiledStage, place: Place, t_ms: int) -> Block | None:
    """What keeps a customer in the current stage at an instant although it does not hold."""
    if t_ms - place.since_ms < stage.min_stay_ms:
        return _min_stay(stage, place)
    if lifecycle.forward_only:
        return Block("forward_only", "this lifecycle only goes forward, and no stage after it is open and holds")
    return None


def _min_stay(stage: CompiledStage, place: Place) -> Block:
    stay = write_duration(stage.min_stay_ms)
    until_ms = within_calendar(place.since_ms + stage.min_stay_ms)
    return Block("min_stay", f"a visit to `{stage.name}` lasts {stay} at least", until_ms)


def _blocks(lifecycle: CompiledLifecycle, stage: CompiledStage, place: Place, t_ms: int) -> Iterator[Block]:
    current = lifecycle.stages.get(place.stage) if place.stage is not None else None
    if stage.came_from is not None and place.stage not in stage.came_from:
        doors = " or ".join(f"`{name}`" for name in sorted(stage.came_from))
        yield Block("from", f"it can be entered only from {doors}")
    if stage.re_enter_ms is None and stage.name in place.entries:
        yield Block("re_enter", "it is entered only once, and that has been")
    left_ms = place.left_ms.get(stage.name)
    if stage.re_enter_ms and left_ms is not None and t_ms < left_ms + stage.re_enter_ms:
        wait = write_duration(stage.re_enter_ms)
        yield Block("re_enter", f"only {wait} after it was left", within_calendar(left_ms + stage.re_enter_ms))
    if current is None:
        return
    if lifecycle.forward_only and stage.index < current.index:
        yield Block("forward_only", f"it stands before `{current.name}`, and this lifecycle only goes forward")
    if t_ms - place.since_ms < current.min_stay_ms:
        yield _min_stay(current, place)
