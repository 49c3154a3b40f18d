"""Writes, for each stage of a lifecycle, the function that settles a customer who stands in it (LANGUAGE.md 5).

It looks from the furthest stage on for the target; when that is the current stage, it also sets the place's deadline:
the earliest instant at which this answer can change without a record. Lingers are not its concern.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from services.stager.fold.expressions import Writer
from services.stager.fold.horizons import Truth
from services.stager.fold.instants import BEGINNING, NEVER
from services.stager.fold.source import indented, literal
from services.stager.language.definition import Expression, Lifecycle, Stage

# Characters: each stage's function holds the conditions of the others. Python reads so many in a tenth of a second.
_REPEATED_MAX: Final = 100_000
_ARGUMENTS: Final = "place, t_ms, memories, traits"
EVALUATED: Final = "t_ms, memories, traits, since_ms"  # what conditions may name


def written_stages(lifecycle: Lifecycle, writer: Writer) -> dict[str | None, str]:
    """Write a function for each stage, and one for who stands in none of them (None); their names."""
    stages = _Stages(lifecycle, writer)
    names: dict[str | None, str] = {}
    for index, stage in enumerate(lifecycle.stages):
        name = f"settle_{index}"
        promise = f"{lifecycle.name}: a customer in {stage.name}."
        writer.source.function(name, _ARGUMENTS, stages.inside(index), promise=promise)
        names[stage.name] = name
    promise = f"{lifecycle.name}: a customer in no stage."
    writer.source.function("settle_elsewhere", _ARGUMENTS, stages.elsewhere(), promise=promise)
    names[None] = "settle_elsewhere"
    return names


class _Stages:
    """The stages of one lifecycle, their conditions written."""

    def __init__(self, lifecycle: Lifecycle, writer: Writer) -> None:
        self._forward_only = lifecycle.forward_only
        self._stages = lifecycle.stages
        self._when = _truths([stage.when for stage in lifecycle.stages], writer)
        self._until = _truths([stage.until for stage in lifecycle.stages], writer)
        self._never = writer.source.bind(NEVER, "NEVER")
        self._beginning = writer.source.bind(BEGINNING, "BEGINNING")

    def inside(self, index: int) -> list[str]:
        """The body for a customer in this stage."""
        stage, lines = self._stages[index], []
        if stage.min_stay_ms:
            lines += [
                f"if t_ms < (stays_ms := since_ms + {stage.min_stay_ms}):",
                "    place.due_ms = stays_ms",
                f"    return {literal(stage.name)}",
            ]
        further = self._furthest_first(range(index + 1, len(self._stages)), stage.name)
        earlier = self._furthest_first(range(index), stage.name)
        lines += [line for other in further for line in self._target(other)]
        if not self._forward_only and (holds := self._holds_on(index)) is not None:
            lines += [f"if not {holds}:"]
            lines += indented(_reachable([*(line for other in earlier for line in self._target(other)), "return None"]))
        ends = [line for other in further for line in self._turn(other)]
        if not self._forward_only:
            ends += self._holding_end(index)
        return _visiting("place.since_ms", [*lines, *self._deadline(ends), f"return {literal(stage.name)}"])

    def elsewhere(self) -> list[str]:
        """The body for a customer in no stage, or in one that the lifecycle had before it was edited."""
        others = self._furthest_first(range(len(self._stages)), None)
        lines = [line for other in others for line in self._target(other)]
        lines += self._deadline([line for other in others for line in self._turn(other)])
        lines += ["return place.stage" if self._forward_only else "return None"]
        return _visiting("None if place.stage is None else place.since_ms", lines)

    def _furthest_first(self, among: range, current: str | None) -> list[int]:
        """Those that `from` does not close to the current stage, from the furthest."""
        return [other for other in reversed(among) if _is_reached(self._stages[other], current)]

    def _target(self, other: int) -> list[str]:
        """Go there when it holds and is open."""
        stage, when = self._stages[other], self._when[other]
        asked = [] if when is None else [when.holds]
        if stage.re_enter_ms is None:
            asked.append(f"{literal(stage.name)} not in place.entries")
        elif stage.re_enter_ms:
            asked.append(f"{self._opens(stage)} <= t_ms")
        go = f"return {literal(stage.name)}"
        return [f"if {' and '.join(asked)}:", f"    {go}"] if asked else [go]

    def _turn(self, other: int) -> list[str]:
        """When it opens; once open, when it may begin to hold."""
        stage, when = self._stages[other], self._when[other]
        ends = _sooner(when.horizon) if when is not None and when.horizon is not None else []
        if stage.re_enter_ms == 0:
            return ends
        if stage.re_enter_ms is None:
            return [f"if {literal(stage.name)} not in place.entries:", *indented(ends)] if ends else []
        opening = [f"if (opens_ms := {self._opens(stage)}) > t_ms:", *indented(_sooner("opens_ms"))]
        return [*opening, "else:", *indented(ends)] if ends else opening

    def _opens(self, stage: Stage) -> str:
        return f"place.left_ms.get({literal(stage.name)}, {self._beginning}) + {stage.re_enter_ms}"

    def _holds_on(self, index: int) -> str | None:
        """Text: whether the current stage still holds, by `when` or because its `until` does not; None: for ever."""
        when, until = self._when[index], self._until[index]
        if when is None:
            return None
        return when.holds if until is None else f"({when.holds} or not {until.holds})"

    def _holding_end(self, index: int) -> list[str]:
        """How long the current stage surely holds by itself: as long as the more lasting of its two reasons."""
        when, until = self._when[index], self._until[index]
        if when is None:
            return []
        if until is None:
            return [] if when.horizon is None else _sooner(when.horizon)
        over = self._beginning  # also before the epoch
        reasons = f"{self._end(when)} if {when.holds} else {over}, {over} if {until.holds} else {self._end(until)}"
        return _sooner(f"max({reasons})")

    def _end(self, truth: Truth) -> str:
        return self._never if truth.horizon is None else truth.horizon

    def _deadline(self, ends: Sequence[str]) -> list[str]:
        if not ends:
            return [f"place.due_ms = {self._never}"]
        return [f"due_ms = {self._never}", *ends, "place.due_ms = due_ms"]


def _truths(conditions: Sequence[Expression | None], writer: Writer) -> list[Truth | None]:
    """The conditions written; as functions of their own where they would be repeated too often."""
    truths = [None if condition is None else writer.truth(condition) for condition in conditions]
    length = sum(len(f"{truth.holds}{truth.horizon}") for truth in truths if truth is not None)
    if length * len(truths) <= _REPEATED_MAX:
        return truths
    return [None if truth is None else _apart(truth, writer) for truth in truths]


def _apart(truth: Truth, writer: Writer) -> Truth:
    return Truth(writer.apart(truth.holds), None if truth.horizon is None else writer.apart(truth.horizon))


def _visiting(since: str, lines: Sequence[str]) -> list[str]:
    """The reachable lines, with the begin of the visit before them where one asks for it."""
    reachable = _reachable(lines)
    return [f"since_ms = {since}", *reachable] if any("since_ms" in line for line in reachable) else reachable


def _reachable(lines: Sequence[str]) -> list[str]:
    """The lines up to the first that always returns."""
    returns = (place for place, line in enumerate(lines) if line.startswith("return "))
    return list(lines[: next(returns) + 1])


def _is_reached(stage: Stage, current: str | None) -> bool:
    return stage.came_from is None or (current is not None and current in stage.came_from)


def _sooner(end: str) -> list[str]:
    return [f"if (end_ms := {end}) < due_ms:", "    due_ms = end_ms"]
