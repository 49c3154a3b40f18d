"""Lifecycles compiled: for each stage a function that says where a customer in it belongs, and until when.

Their text is made of the conditions' text, once, when a file is loaded; it is kept to be read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from services.stager.fold.expressions import Compiler, WriteMetric, Writer
from services.stager.fold.fingerprints import fingerprint
from services.stager.fold.profile import Place
from services.stager.fold.settling import EVALUATED, written_stages
from services.stager.fold.source import Source, literal
from services.stager.language.definition import Kind, Lifecycle, Linger, Stage

Settle: TypeAlias = Callable[[Place, int, list[Any], Mapping[str, Any]], str | None]
"""(place, t_ms, memories, traits): the target. When that is the current stage, the place gets its deadline too."""

Carry: TypeAlias = Callable[[int, list[Any], Mapping[str, Any]], dict[str, Any]]
"""(t_ms, memories, traits): what a transition takes along, dynamic values by label."""


@dataclass(frozen=True, slots=True)
class CompiledStage:
    """A stage and its place among the others."""

    name: str
    index: int
    came_from: frozenset[str] | None
    re_enter_ms: int | None
    min_stay_ms: int
    linger: Linger | None
    definition: Stage


@dataclass(frozen=True, slots=True)
class CompiledLifecycle:
    """A lifecycle. `settle` has a function for each stage, `settle_elsewhere` is for who stands in none of them;
    `lingering` are the stages with lingers, `carry` is None where the file has none. `compiler` is for those who ask
    for parts of a condition; `text` is the Python of all these functions.
    """

    name: str
    index: int
    version: str
    fingerprint: int
    segment: bool
    forward_only: bool
    stages: Mapping[str, CompiledStage]
    settle: Mapping[str | None, Settle]
    settle_elsewhere: Settle
    lingering: frozenset[str | None]
    carry: Carry | None
    compiler: Compiler
    text: str
    definition: Lifecycle


def compile_lifecycle(lifecycle: Lifecycle, index: int, metrics: Mapping[str, WriteMetric]) -> CompiledLifecycle:
    """The compiled lifecycle; `index` is its place among the rules' lifecycles, `metrics` are its own by name."""
    source = Source()
    for name in sorted(metrics, key=lambda name: metrics[name](source).value):
        source.note(f"{metrics[name](source).value}: {name}")
    writer = Writer(source, metrics, EVALUATED)
    names = written_stages(lifecycle, writer)
    _write_carry(lifecycle, writer)
    built = source.build()
    return CompiledLifecycle(
        name=lifecycle.name,
        index=index,
        version=lifecycle.version,
        fingerprint=fingerprint(lifecycle.version),
        segment=lifecycle.segment,
        forward_only=lifecycle.forward_only,
        stages={stage.name: _compile_stage(stage, place) for place, stage in enumerate(lifecycle.stages)},
        settle={stage: built[name] for stage, name in names.items() if stage is not None},
        settle_elsewhere=built[names[None]],
        lingering=frozenset(stage.name for stage in lifecycle.stages if stage.linger is not None),
        carry=built["carry"] if lifecycle.has_carry else None,
        compiler=Compiler(metrics),
        text=source.text,
        definition=lifecycle,
    )


def _write_carry(lifecycle: Lifecycle, writer: Writer) -> None:
    carried = [f"{literal(one.label)}: {writer.write_as(one.value, Kind.ANY).value}," for one in lifecycle.carry]
    writer.source.function("carry", "t_ms, memories, traits", ["return {", *(f"    {line}" for line in carried), "}"])


def _compile_stage(stage: Stage, index: int) -> CompiledStage:
    return CompiledStage(
        name=stage.name,
        index=index,
        came_from=stage.came_from,
        re_enter_ms=stage.re_enter_ms,
        min_stay_ms=stage.min_stay_ms,
        linger=stage.linger,
        definition=stage,
    )
