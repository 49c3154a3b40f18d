"""What is to be said beside a value: where it is less than exact, how far a sequence has come, which events gave it.

Pure, as all of explain.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from services.stager.explain.clauses import Notes
from services.stager.explain.evidence import Folded, metric_evidence, trait_evidence
from services.stager.explain.explanation import Evidence
from services.stager.fold.lifecycles import CompiledLifecycle
from services.stager.fold.metrics import sequence
from services.stager.fold.metrics.timeline import ENTRIES_MAX
from services.stager.fold.metrics.within import Sliding
from services.stager.fold.moment import Moment
from services.stager.fold.rules import Rules, indexes_of
from services.stager.fold.touches import CompiledMetric
from services.stager.language.definition import (
    DISTINCT_MAX,
    Compare,
    Constant,
    EventNames,
    Expression,
    Kind,
    MetricValue,
    TraitValue,
)
from services.stager.language.walk import walk
from services.stager.language.written import write_duration
from shared.clock import rfc3339, within_calendar

_DISTINCT_LIMIT: Final = DISTINCT_MAX * 1_000_000  # as numbers are kept, in millionths


def notes_of(rules: Rules, lifecycle: CompiledLifecycle, moment: Moment, folded: Sequence[Folded] | None) -> Notes:
    """What is to be said of each metric and trait of one file beside its value."""
    indexes = indexes_of(lifecycle.definition, rules.index_of)

    def notes(node: MetricValue | TraitValue, clause: Expression) -> tuple[str, Evidence | None]:
        if isinstance(node, TraitValue):
            return "", None if folded is None else trait_evidence(node.path[0], folded)
        index = indexes[node.name]
        metric, memory = rules.metrics[index], moment.memories[index]
        value = metric.family.value(memory, moment.t_ms)
        note = (
            _too_many(metric, value, node, clause) or _inexact(metric, memory) or _progress(metric, memory, moment.t_ms)
        )
        return note, None if folded is None else metric_evidence(metric, folded, value=value, t_ms=moment.t_ms)

    return notes


def _too_many(metric: CompiledMetric, value: Any, node: MetricValue, clause: Expression) -> str:
    """Where there may be more different values than are kept (LANGUAGE.md 2)."""
    if metric.definition.function != "distinct" or value is None or value < _DISTINCT_LIMIT:
        return ""
    unknown = ", so this is not known" if _asks_for_more(clause, node.name) else ""
    return f"at least {DISTINCT_MAX}: no more different values are kept{unknown}"


def _inexact(metric: CompiledMetric, memory: Any) -> str:
    """Where a window keeps several events as one (LANGUAGE.md 2)."""
    if isinstance(metric.family, Sliding) and memory is not None and _may_be_merged(metric, memory):
        slot = write_duration(metric.family.slot_ms)
        return f"of more than {ENTRIES_MAX} events the oldest are kept together in slots of {slot}"
    return ""


def _may_be_merged(metric: CompiledMetric, memory: Any) -> bool:
    """Whether entries stand for several events: a count shows it; of the others, those that are many may."""
    if metric.definition.function in ("count", "regular"):
        return len(memory) > 1 and any(weight > 1 for weight in memory[1])
    return len(memory[0]) >= ENTRIES_MAX


def _asks_for_more(clause: Expression, name: str) -> bool:
    """Whether a clause compares a `distinct` that has reached its limit with what more values would decide."""
    for node in walk(clause):
        sides = (node.left, node.right) if isinstance(node, Compare) else ()
        if not any(isinstance(side, MetricValue) and side.name == name for side in sides):
            continue
        assert isinstance(node, Compare)
        for side in sides:
            if isinstance(side, Constant) and side.kind is Kind.NUMBER:
                is_least = node.operator == (">=" if side is node.right else "<=")
                is_below = node.operator == ("<" if side is node.right else ">")
                return int(side.value) > _DISTINCT_LIMIT - (not (is_least or is_below))
    return False


def _progress(metric: CompiledMetric, memory: Any, t_ms: int) -> str:
    """How far a sequence has come that is under way: its longest match that can still go on."""
    if not isinstance(metric.family, sequence.Sequence):
        return ""
    progress = metric.family.progress(memory, t_ms)
    if progress is None:
        return ""
    definition = metric.definition
    within_ms = definition.within_ms
    end_ms = None if within_ms is None else within_calendar(progress.start_ms + within_ms)
    latest = "" if end_ms is None else f", at the latest {rfc3339(end_ms)}"
    steps = f"{progress.steps} of {len(definition.steps)} steps since {rfc3339(progress.start_ms)}"
    return f"{steps}, the next one is {_named(definition.steps[progress.steps])}{latest}"


def _named(names: EventNames) -> str:
    return "any event" if names is None else " or ".join(sorted(names))
