"""Explain: why a customer stands where they do, clause by clause, and what time alone will do to them next.

Pure: rules, a profile and an instant in, a frozen `Explanation` out; the profile is left as it is. Must not know files,
stores or clocks. The values come from the same compiled expressions that the fold asks.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from services.stager.explain.blocks import blocks_of, kept_by
from services.stager.explain.clauses import Clauses, Notes
from services.stager.explain.evidence import Folded, metric_evidence, trait_evidence
from services.stager.explain.explanation import Evidence, Explanation, LifecycleView, StageView
from services.stager.explain.foresee import lapsed, outlook
from services.stager.fold.evaluation import first_place
from services.stager.fold.lifecycles import CompiledLifecycle, CompiledStage
from services.stager.fold.metrics.aggregates import DISTINCT_MAX
from services.stager.fold.metrics.timeline import ENTRIES_MAX
from services.stager.fold.metrics.within import Sliding
from services.stager.fold.moment import Moment
from services.stager.fold.profile import Place, Profile
from services.stager.fold.rules import Rules, indexes_of
from services.stager.fold.touches import CompiledMetric
from services.stager.language.definition import MetricValue, TraitValue
from services.stager.language.written import write_duration
from shared.clock import rfc3339
from shared.errors import Refused


def explain(rules: Rules, profile: Profile, at_ms: int, *, folded: Sequence[Folded] | None = None) -> Explanation:
    """Why this customer is where they are at an instant, in every lifecycle and segment.

    The instant is not before the last thing that happened to the profile; up to it, time passes and nothing else.
    `folded` are the customer's events, where they are at hand: then each value names those that gave it.
    Errors: Refused for an instant that the profile has already left behind, or that is too far ahead.
    """
    now = at_instant(rules, profile, at_ms)
    views = (_lifecycle(rules, now, lifecycle, at_ms, folded) for lifecycle in rules.lifecycles)
    return Explanation(profile.customer, at_ms, tuple(views))


def at_instant(rules: Rules, profile: Profile, at_ms: int) -> Profile:
    """A copy of the profile as it is at an instant if nothing happens until then. Errors: Refused, as for `explain`."""
    if at_ms < profile.clock_ms:
        reached = rfc3339(profile.clock_ms)
        raise Refused(f"{profile.customer} is at {reached} already; what was before needs the events")
    return lapsed(profile, rules, at_ms)


def moment_of(profile: Profile, place: Place, at_ms: int) -> Moment:
    """What expressions may read of a customer in one lifecycle at an instant."""
    moment = Moment()
    moment.t_ms, moment.memories, moment.traits = at_ms, profile.memories, profile.traits.values
    moment.since_ms = None if place.stage is None else place.since_ms
    return moment


def _lifecycle(
    rules: Rules, profile: Profile, lifecycle: CompiledLifecycle, at_ms: int, folded: Sequence[Folded] | None
) -> LifecycleView:
    known = profile.places[lifecycle.index]
    place = known or first_place(lifecycle, at_ms)
    moment = moment_of(profile, place, at_ms)
    clauses = Clauses(lifecycle.compiler, moment, _notes(rules, lifecycle, moment, folded))
    ahead = outlook(profile, rules, lifecycle.index)
    stages = [
        stage for stage in lifecycle.stages.values() if not lifecycle.segment or stage.definition.when is not None
    ]
    return LifecycleView(
        name=lifecycle.name,
        version=lifecycle.version,
        segment=lifecycle.segment,
        stage=place.stage,
        since_ms=None if place.stage is None else place.since_ms,
        entry=0 if place.stage is None else place.entries.get(place.stage, 0),
        stages=tuple(_stage(lifecycle, stage, place, clauses, at_ms) for stage in stages),
        next_move=ahead.move,
        next_linger=ahead.linger,
        is_foreseen_whole=ahead.is_whole,
        is_pending=known is None or known.version != lifecycle.fingerprint,
    )


def _stage(
    lifecycle: CompiledLifecycle, stage: CompiledStage, place: Place, clauses: Clauses, at_ms: int
) -> StageView:  # fmt: skip
    current = lifecycle.stages.get(place.stage) if place.stage is not None else None
    definition = stage.definition
    when = None if definition.when is None else clauses.of(definition.when)
    until = None if definition.until is None else clauses.of(definition.until)
    is_kept = stage is current and until is not None and not until.holds
    because = "always" if when is None else "when" if when.holds else "until" if is_kept else None
    position = "further" if current is None or stage.index > current.index else "earlier"
    return StageView(
        name=stage.name,
        place="current" if stage is current else position,  # type: ignore[arg-type]
        holds=because is not None,
        because=because,  # type: ignore[arg-type]
        when=when,
        until=until,
        blocks=() if stage is current else blocks_of(lifecycle, stage, place, at_ms),
        kept_by=kept_by(lifecycle, stage, place, at_ms) if stage is current and because is None else None,
    )


def _notes(rules: Rules, lifecycle: CompiledLifecycle, moment: Moment, folded: Sequence[Folded] | None) -> Notes:
    """What is to be said of each metric and trait of one file beside its value."""
    indexes = indexes_of(lifecycle.definition, rules.index_of)

    def notes(node: MetricValue | TraitValue) -> tuple[str, Evidence | None]:
        if isinstance(node, TraitValue):
            return "", None if folded is None else trait_evidence(node.path[0], folded)
        index = indexes[node.name]
        metric, memory = rules.metrics[index], moment.memories[index]
        value = metric.family.value(memory, moment.t_ms)
        note = _inexact(metric, memory, value)
        return note, None if folded is None else metric_evidence(metric, folded, value=value, t_ms=moment.t_ms)

    return notes


def _inexact(metric: CompiledMetric, memory: Any, value: Any) -> str:
    """Where a value is less than exact (LANGUAGE.md 2)."""
    if metric.definition.function == "distinct" and value is not None and value >= DISTINCT_MAX * 1_000_000:
        return f"at least {DISTINCT_MAX}"
    if isinstance(metric.family, Sliding) and memory is not None and len(memory[0]) >= ENTRIES_MAX:
        slot = write_duration(metric.family.slot_ms)
        return f"more than {ENTRIES_MAX} events: the oldest are kept together in slots of {slot}"
    return ""
