"""Every instant at which something might change by itself: far too many of them, and none left out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass

from services.stager.language.definition import (
    Arithmetic,
    Calendar,
    Call,
    Constant,
    Expression,
    InStage,
    Kind,
    Lifecycle,
    Linger,
    Metric,
    Since,
    Stage,
    Within,
)
from tests.oracle import values
from tests.oracle.expressions import Moment, evaluate, time_of
from tests.oracle.lines import Record
from tests.oracle.metrics import date_changes, local_date, matches


def metric_instants(metric: Metric, events: Sequence[Record]) -> Iterator[int]:
    """When events enter, leave, or change their place in the metric's window."""
    if metric.function in ("changed", "sequence"):
        return
    for event in events:
        u = event.occurred_at
        if not matches(metric, event):
            continue
        if metric.function == "regular":
            yield from (u + i * metric.period_ms for i in range(metric.periods + 1))
        if isinstance(metric.window, Within):
            yield u + metric.window.ago_ms
            yield u + metric.window.ago_ms + metric.window.within_ms
        if isinstance(metric.window, Calendar):
            yield from _calendar_instants(metric.window, metric.zone, u)


def _calendar_instants(window: Calendar, zone: str | None, u: int) -> Iterator[int]:
    index = values.period_index(window.unit, local_date(zone, u)) + window.back
    yield from date_changes(zone, values.first_date(window.unit, index))
    yield from date_changes(zone, values.first_date(window.unit, index + 1))


def condition_nodes(lifecycle: Lifecycle) -> list[Expression]:
    """All that the conditions of a lifecycle are made of."""
    return [node for stage in lifecycle.stages for root in (stage.when, stage.until) for node in walk(root)]


def condition_instants(nodes: Sequence[Expression], moment: Moment) -> Iterator[int]:
    """T + D, T - D and one millisecond after each, for every moving duration and every constant of the file."""
    durations = {int(node.value) for node in nodes if isinstance(node, Constant) and node.kind is Kind.DURATION}
    times: set[int] = {moment.began} if moment.began is not None else set()
    for node in nodes:
        if isinstance(node, Since):
            times |= _possible_times(node.of, moment)
    if not any(isinstance(node, Since | InStage) for node in nodes):
        return
    for at in times:
        for duration in durations:
            yield from (at + duration, at + duration + 1, at - duration, at - duration + 1)


def _possible_times(of: Expression, moment: Moment) -> set[int]:
    if isinstance(of, Call) and of.function == "if":
        return _possible_times(of.arguments[1], moment) | _possible_times(of.arguments[2], moment)
    if isinstance(of, Arithmetic):
        raise NotImplementedError("since and time_to take no arithmetic")
    at = time_of(evaluate(of, moment))
    return set() if at is None else {at}


def walk(node: object) -> Iterator[Expression]:
    """An expression and all that it is made of."""
    if isinstance(node, tuple):
        for part in node:
            yield from walk(part)
    elif is_dataclass(node) and not isinstance(node, type):
        yield node  # type: ignore[misc]
        for each in fields(node):
            yield from walk(getattr(node, each.name))


def stay_instants(stage: Stage, began: int, emitted: int) -> Iterator[int]:
    """The end of the minimal stay, and the next linger."""
    if stage.min_stay_ms:
        yield began + stage.min_stay_ms
    due = linger_offset(stage.linger, emitted)
    if due is not None:
        yield began + due


def linger_offset(linger: Linger | None, emitted: int) -> int | None:
    """How long after the visit began the next linger is due, when so many have been emitted."""
    if linger is None:
        return None
    if emitted < len(linger.offsets_ms):
        return linger.offsets_ms[emitted]
    if linger.every_ms is None:
        return None
    return linger.offsets_ms[-1] + (emitted - len(linger.offsets_ms) + 1) * linger.every_ms


def re_entry_instants(lifecycle: Lifecycle, left: Mapping[str, int]) -> Iterator[int]:
    """When a stage that was left opens again."""
    for stage in lifecycle.stages:
        if stage.re_enter_ms and stage.name in left:
            yield left[stage.name] + stage.re_enter_ms
