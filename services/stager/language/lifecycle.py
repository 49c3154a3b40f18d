"""One document of a file: a lifecycle or a segment (LANGUAGE.md 1), from YAML nodes to a checked `Lifecycle`."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache
from importlib import resources

from services.stager.language.definition import (
    Carried,
    Expression,
    Kind,
    Lifecycle,
    Metric,
    MetricValue,
    Stage,
    TraitValue,
)
from services.stager.language.expression import check_name
from services.stager.language.fields import Fields, read_name, report_problems
from services.stager.language.metric import AnyMetric, bounds_of, read_metrics
from services.stager.language.scope import Scope
from services.stager.language.stage import STAGE_KEYS, read_description, read_stage, read_stages
from services.stager.language.version import version_of
from services.stager.language.walk import metrics_named
from shared.document.nodes import Faults, Listing, Mapping, Scalar, Severity, nearest

LIFECYCLE_KEYS = ("lifecycle", "metrics", "stages", "forward_only", "zone", "carry", "description")
SEGMENT_KEYS = (
    "segment", "metrics", "when", "until", "re_enter", "min_stay", "linger", "zone", "carry", "description",
)  # fmt: skip
OUT, IN = "out", "in"
_OFFSET = re.compile(r"(?:[A-Za-z]+ ?)?[+-][0-9:]+")
_PLACES = {
    **dict.fromkeys(("EST", "EDT"), "America/New_York"), **dict.fromkeys(("CST", "CDT"), "America/Chicago"),
    **dict.fromkeys(("MST", "MDT"), "America/Denver"), **dict.fromkeys(("PST", "PDT"), "America/Los_Angeles"),
    "BST": "Europe/London", "CEST": "Europe/Berlin", "IST": "Asia/Kolkata", "JST": "Asia/Tokyo",
}  # fmt: skip


def read_lifecycle(document: Mapping, faults: Faults, *, kind: str) -> Lifecycle:
    """The lifecycle of a document of the kind `lifecycle` or `segment`. It is right when no error is reported."""
    is_segment = kind == "segment"
    what, known = ("segment", SEGMENT_KEYS) if is_segment else ("lifecycle", LIFECYCLE_KEYS)
    fields = Fields(document, faults, what=f"a {what}", known=known, belongs=None if is_segment else _of_a_stage)
    zone = _zone(fields)
    node = document.get("metrics")
    has_metrics = node is not None and not (isinstance(node, Scalar) and node.meaning is None)
    metrics: tuple[Metric, ...] = ()
    kinds: dict[str, Kind] = AnyMetric() if node is None and "metrics" in fields else {}
    if node is not None and has_metrics:
        metrics, kinds = read_metrics(node, faults, zone=zone)
    forward_only = bool(fields.flag("forward_only"))
    names = {metric.name for metric in metrics}
    scope = Scope(kinds, unsure=frozenset(kinds) - names, bounds=bounds_of(metrics))
    stages = _segment_stages(fields, scope) if is_segment else _stages(fields, scope, forward_only=forward_only)
    name_node = fields.node(what)
    lifecycle = Lifecycle(
        name=(read_name(name_node, faults, what=f"a {what}'s name") or "") if name_node is not None else "",
        stages=stages,
        metrics=metrics,
        segment=is_segment,
        forward_only=forward_only,
        carry=_carry(fields, kinds),
        has_carry="carry" in fields,
        description=read_description(fields),
    )
    return replace(lifecycle, version=version_of(lifecycle))


def _of_a_stage(key: Scalar, _near: str | None) -> str | None:
    """What to say of a stage's key that stands beside `stages`."""
    is_meant = key.value in STAGE_KEYS and key.value != "stage"
    return f"`{key.value}` belongs to a stage: indent it like the stage's other keys" if is_meant else None


def warn_of_unused(document: Mapping, lifecycle: Lifecycle, faults: Faults) -> None:
    """A warning for every metric that nothing reads."""
    conditions = [condition for stage in lifecycle.stages for condition in (stage.when, stage.until)]
    used = metrics_named(*conditions, *(carried.value for carried in lifecycle.carry))
    metrics = document.get("metrics")
    for key, _ in metrics.entries if isinstance(metrics, Mapping) else ():
        if key.value not in used:
            faults.add(key, f"nothing reads the metric `{key.value}`", text=key.value, severity="warning")


def _stages(fields: Fields, scope: Scope, *, forward_only: bool) -> tuple[Stage, ...]:
    node = fields.node("stages")
    if node is None:
        if "stages" not in fields:
            fields.faults.add(fields.key("lifecycle"), "a lifecycle needs `stages`")
        return ()
    return read_stages(node, fields.faults, scope=scope, forward_only=forward_only)


def _segment_stages(fields: Fields, scope: Scope) -> tuple[Stage, ...]:
    if "when" not in fields:
        fields.faults.add(fields.key("segment"), "a segment needs `when`: who belongs to it")
    return (Stage(OUT), replace(read_stage(fields, name=IN, scope=scope), description=""))


def _zone(fields: Fields) -> str:
    zone = fields.text("zone")
    if zone is None:
        return "UTC"
    node, place = fields.mapping.get("zone") or fields.mapping, _PLACES.get(zone.upper())
    if zone not in zones():
        message = f"there is no time zone `{zone}`; zones are named as in `Europe/Berlin`"
        suggestion = None if _OFFSET.fullmatch(zone) else place or nearest(zone, zones())
        fields.faults.add(node, message, suggestion=suggestion)
        return "UTC"
    if place is not None:
        message = f"`{zone}` has no summer time; a zone is named by a place in it, as in `{place}`"
        fields.faults.add(node, message, suggestion=place, severity="warning")
    return zone


@cache
def zones() -> frozenset[str]:
    """The names of all IANA time zones, from the tzdata package: the same on every machine."""
    return frozenset(resources.files("tzdata").joinpath("zones").read_text(encoding="utf-8").split())


def _carry(fields: Fields, kinds: dict[str, Kind]) -> tuple[Carried, ...]:
    node = fields.node("carry")
    if node is None:
        return ()
    if not isinstance(node, Listing):
        fields.faults.add(node, "`carry` is a list, as in `[traits.email, orders]`")
        return ()
    carried: dict[str, Carried] = {}
    values: set[Expression] = set()
    for item in node.items:
        if not isinstance(item, Scalar) or item.meaning is None:
            fields.faults.add(item, "`carry` names metrics and traits, as in `[traits.email, orders]`")
            continue
        value, problems = check_name(item.value, Scope(kinds))
        report_problems(item, problems, fields.faults)
        if item.value in carried or value in values:
            # Under another label it is one more line in what is carried: odd, and no error.
            severity: Severity = "error" if item.value in carried else "warning"
            fields.faults.add(item, f"`{item.value.strip()}` is carried already", severity=severity)
        if isinstance(value, MetricValue | TraitValue):
            carried[item.value] = Carried(item.value, value)
            values.add(value)
    return tuple(carried.values())
