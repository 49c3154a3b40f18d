"""Lifecycles compiled: stages with conditions that can be asked, their definitions kept in reach."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from services.stager.fold.expressions import Compiler
from services.stager.fold.fingerprints import fingerprint
from services.stager.fold.horizons import Condition, Read
from services.stager.language.definition import Kind, Lifecycle, Linger, Stage


@dataclass(frozen=True, slots=True)
class CompiledStage:
    """A stage. `when` and `until` None: it has none. `is_open_always`: no option of its own can close it."""

    name: str
    index: int
    when: Condition | None
    until: Condition | None
    came_from: frozenset[str] | None
    re_enter_ms: int | None
    min_stay_ms: int
    linger: Linger | None
    is_open_always: bool
    definition: Stage


@dataclass(frozen=True, slots=True)
class CompiledLifecycle:
    """A lifecycle. `furthest_first` are its stages from the last; `carry` is None where the file has none."""

    name: str
    index: int
    version: str
    fingerprint: int
    segment: bool
    forward_only: bool
    stages: Mapping[str, CompiledStage]
    furthest_first: tuple[CompiledStage, ...]
    carry: tuple[tuple[str, Read], ...] | None
    definition: Lifecycle


def compile_lifecycle(lifecycle: Lifecycle, index: int, compiler: Compiler) -> CompiledLifecycle:
    """The compiled lifecycle; `index` is its place among the rules' lifecycles."""
    stages = [_compile_stage(stage, place, compiler) for place, stage in enumerate(lifecycle.stages)]
    carry = tuple((carried.label, compiler.compile_as(carried.value, Kind.ANY).value) for carried in lifecycle.carry)
    return CompiledLifecycle(
        name=lifecycle.name,
        index=index,
        version=lifecycle.version,
        fingerprint=fingerprint(lifecycle.version),
        segment=lifecycle.segment,
        forward_only=lifecycle.forward_only,
        stages={stage.name: stage for stage in stages},
        furthest_first=tuple(reversed(stages)),
        carry=carry if lifecycle.has_carry else None,
        definition=lifecycle,
    )


def _compile_stage(stage: Stage, index: int, compiler: Compiler) -> CompiledStage:
    return CompiledStage(
        name=stage.name,
        index=index,
        when=None if stage.when is None else compiler.condition(stage.when),
        until=None if stage.until is None else compiler.condition(stage.until),
        came_from=stage.came_from,
        re_enter_ms=stage.re_enter_ms,
        min_stay_ms=stage.min_stay_ms,
        linger=stage.linger,
        is_open_always=stage.came_from is None and stage.re_enter_ms == 0,
        definition=stage,
    )
