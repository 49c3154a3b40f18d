"""Which events gave a metric or a trait its value: they are looked at again, one by one.

Only where the events are at hand (`stageline explain`, stories); a stored profile remembers values, not events.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

from services.stager.explain.explanation import Evidence, Witness
from services.stager.fold.calendars import period_of
from services.stager.fold.dynamic import of_json, reach
from services.stager.fold.moment import Moment
from services.stager.fold.records import members_of
from services.stager.fold.rules import TRACKED
from services.stager.fold.touches import CompiledMetric
from services.stager.language.definition import Between, Calendar, Metric, Within
from shared.event import Event

WITNESSES_MAX: Final = 3  # as many as a reader looks at; the count says how many more there are

_NUMERIC: Final = frozenset({"sum", "avg", "min", "max"})


class Folded(NamedTuple):
    """An event that was folded (no repeat), and when it occurred, cut to when it was received."""

    event: Event
    occurred_ms: int


def metric_evidence(metric: CompiledMetric, folded: Sequence[Folded], *, value: Any, t_ms: int) -> Evidence:
    """The events behind a metric's value at an instant; `value` is the value as the fold has it."""
    definition = metric.definition
    if definition.function == "changed":
        trait = definition.path[0]
        return _evidence(one for one in folded if one.occurred_ms == value and trait in _traits(one.event))
    matching = [one for one in folded if _matches(metric, one)]
    if definition.function in ("first", "last", "sequence"):
        return _evidence(one for one in matching if one.occurred_ms == value)
    if definition.function == "latest":
        return _evidence(matching[-1:] if not matching else [max(matching, key=_newest)])
    return _evidence(one for one in matching if _is_inside(definition, one.occurred_ms, t_ms))


def trait_evidence(name: str, folded: Sequence[Folded]) -> Evidence:
    """The identify whose word about a trait counts."""
    mentions = [one for one in folded if name in _traits(one.event)]
    return _evidence([max(mentions, key=_newest)] if mentions else [])


def _evidence(found: Iterable[Folded]) -> Evidence:
    events = sorted(found, key=_newest, reverse=True)
    witnesses = (Witness(one.event.id, one.event.name, one.occurred_ms) for one in events[:WITNESSES_MAX])
    return Evidence(len(events), tuple(witnesses))


def _newest(one: Folded) -> tuple[int, str]:
    return one.occurred_ms, one.event.id


def _traits(event: Event) -> dict[str, Any]:
    return members_of(event) if event.type == "identify" else {}


def _matches(metric: CompiledMetric, one: Folded) -> bool:
    """Whether an event counts for a metric, its time apart."""
    definition, event = metric.definition, one.event
    names = definition.steps[-1] if definition.function == "sequence" else _all_names(definition)
    if not (event.type in TRACKED if names is None else event.name in names):
        return False
    members = members_of(event)
    if metric.where is not None:
        moment = Moment()
        moment.properties = members
        if not metric.where(moment):
            return False
    return not definition.path or _fits(definition.function, of_json(reach(members, definition.path)))


def _all_names(definition: Metric) -> frozenset[str] | None:
    return definition.steps[0]


def _fits(function: str, value: Any) -> bool:
    if function in _NUMERIC:
        return type(value) is int
    if function == "distinct":
        return type(value) in (int, str, bool)
    return value is not None and type(value) is not dict


def _is_inside(definition: Metric, occurred_ms: int, t_ms: int) -> bool:
    window = definition.window
    if definition.function == "regular":
        return t_ms - definition.periods * definition.period_ms < occurred_ms <= t_ms
    if isinstance(window, Within):
        until_ms = t_ms - window.ago_ms
        return until_ms - window.within_ms < occurred_ms <= until_ms
    if isinstance(window, Between):
        return window.start_ms <= occurred_ms < window.end_ms
    if isinstance(window, Calendar):
        zone = ZoneInfo(definition.zone or "UTC")
        return period_of(occurred_ms, zone, window.unit) == period_of(t_ms, zone, window.unit) - window.back
    return True
