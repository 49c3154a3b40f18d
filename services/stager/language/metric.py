"""Metrics of a file (LANGUAGE.md 2): from `{count: Order Completed, within: 90d}` to a `Metric`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from services.stager.language.definition import DISTINCT_MAX, EventNames, Kind, Metric, MetricFunction
from services.stager.language.doubts import bare_path
from services.stager.language.events import read_events
from services.stager.language.fields import METRIC_NAME, NO_SPACE, Fields, is_tight, items_of, read_name, read_text_node
from services.stager.language.literals import MILLION
from services.stager.language.scope import WHERE, Bounds
from services.stager.language.window import WINDOW_KEYS, read_window
from shared.document.nodes import Faults, Listing, Mapping, Node, nearest

_WORD = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_COMPUTED = re.compile(r" [*/+] ")
METRICS_MAX = 200  # LANGUAGE.md 3


@dataclass(frozen=True, slots=True)
class _Form:
    """How one function is written. `of`: its own key names a property, and `of` the events."""

    kind: Kind
    of: bool = False
    options: tuple[str, ...] = ("where",)


_WINDOWED = ("where", *WINDOW_KEYS)
_FORMS: dict[MetricFunction, _Form] = {
    "count": _Form(Kind.NUMBER, options=_WINDOWED),
    "sum": _Form(Kind.NUMBER, of=True, options=_WINDOWED),
    "avg": _Form(Kind.NUMBER, of=True, options=_WINDOWED),
    "min": _Form(Kind.NUMBER, of=True, options=_WINDOWED),
    "max": _Form(Kind.NUMBER, of=True, options=_WINDOWED),
    "distinct": _Form(Kind.NUMBER, of=True, options=_WINDOWED),
    "first": _Form(Kind.TIME),
    "last": _Form(Kind.TIME),
    "latest": _Form(Kind.ANY, of=True),
    "changed": _Form(Kind.TIME, options=()),
    "days": _Form(Kind.NUMBER, options=_WINDOWED),
    "regular": _Form(Kind.NUMBER, options=("where", "period", "periods", "at_least")),
    "sequence": _Form(Kind.TIME, options=("where", "within")),
}
_MEANT = {"from": "of", "event": "of", "events": "of", "window": "within", "filter": "where"}
_FUNCTIONS_MEANT: dict[str, MetricFunction] = {
    "total": "sum", "average": "avg", "mean": "avg", "minimum": "min", "maximum": "max", "unique": "distinct",
    "number": "count", "newest": "latest", "earliest": "first",
}  # fmt: skip
_OPTIONS = ("of", "where", *WINDOW_KEYS, "period", "periods", "at_least")


class AnyMetric(dict[str, Kind]):
    """Knows every name: where the metrics could not be read, none can be said to be absent."""

    def get(self, _: str, __: Any = None) -> Any:
        """The type of a wrong metric, which fits everywhere."""
        return Kind.ANY


class _Kinds(dict[str, Kind]):
    """The types of metrics by name; what is nearly a name that was no right one is known too, as ANY."""

    def __init__(self) -> None:
        super().__init__()
        self.misnamed: list[str] = []

    def get(self, name: str, default: Any = None) -> Any:
        known = super().get(name, default)
        return Kind.ANY if known is None and nearest(name, self.misnamed) else known


def metric_keys() -> dict[MetricFunction, tuple[str, ...]]:
    """For each function the keys that its mapping may have, its own first."""
    return {name: (name, *(("of",) if form.of else ()), *form.options) for name, form in _FORMS.items()}


def read_metrics(node: Node, faults: Faults, *, zone: str) -> tuple[tuple[Metric, ...], dict[str, Kind]]:
    """The metrics that are right, and the type of every one that is named: ANY for a wrong one, so that its name is
    known all the same.
    """
    if not isinstance(node, Mapping):
        faults.add(node, "`metrics` holds lines such as `orders: {count: Order Completed}`")
        return (), AnyMetric()
    if len(node.entries) > METRICS_MAX:
        message = f"a lifecycle or a segment has at most {METRICS_MAX} metrics"
        faults.add(node.entries[METRICS_MAX][0], message)
    metrics, kinds = [], _Kinds()
    for key, value in node.entries:
        kinds[key.value] = Kind.ANY
        for word in _WORD.findall(key.value):  # a condition that uses `my-orders` names two metrics
            kinds.setdefault(word, Kind.ANY)
        name = read_name(key, faults, what="a metric's name", pattern=METRIC_NAME)
        if name is None:
            kinds.misnamed.append(key.value)
        metric = _read_metric(value, faults, name=name or "", zone=zone)
        if metric is not None:
            kinds[key.value] = Kind.ANY if key.value in node.repeated else metric.kind
            metrics.append(metric)
    return tuple(metrics), kinds


def _read_metric(node: Node, faults: Faults, *, name: str, zone: str) -> Metric | None:
    if not isinstance(node, Mapping):
        faults.add(node, "a metric is written like `{count: Order Completed, within: 90d}`")
        return None
    written: list[MetricFunction] = [function for function in _FORMS if node.get(function) is not None]
    if len(written) != 1:
        _report_function(node, faults, written=written)
        return None
    (function,) = written
    form = _FORMS[function]
    known = metric_keys()[function]
    fields = Fields(node, faults, what=f"`{function}`", known=known, meant=_MEANT, misplaced=_misplaced(form, name))
    metric = _with_events(Metric(name, function, form.kind), fields, form=form)
    metric = replace(metric, where=fields.condition("where", WHERE)) if "where" in known else metric
    return _with_options(metric, fields, zone=zone)


def _misplaced(form: _Form, name: str) -> dict[str, str]:
    """The options that other functions have, and what to say of them."""
    asked = f"; a condition asks how long ago that was, as in `since({name}) < 30d`" if form.kind is Kind.TIME else ""
    return {option: asked if option == "within" else "" for option in _OPTIONS}


def _report_function(node: Mapping, faults: Faults, *, written: list[MetricFunction]) -> None:
    if written:
        faults.add(node, f"a metric has one function, but these are {' and '.join(f'`{word}`' for word in written)}")
        return
    for key, _ in node.entries:
        if is_tight(key, _FORMS):
            faults.add(key, NO_SPACE)
            return
        if key.value not in _OPTIONS and (near := _FUNCTIONS_MEANT.get(key.value) or nearest(key.value, _FORMS)):
            faults.add(key, f"there is no metric function `{key.value}`", suggestion=near)
            return
    faults.add(node, f"a metric needs a function: {', '.join(_FORMS)}")


def _with_events(metric: Metric, fields: Fields, *, form: _Form) -> Metric:
    """The metric with its events and its path. What is wrong is reported and left out."""
    node = fields.node(metric.function)
    if node is None:
        return metric
    if metric.function == "changed":
        return replace(metric, path=_trait_path(node, fields.faults))
    if metric.function == "sequence":
        return replace(metric, steps=_steps(node, fields.faults))
    if not form.of:
        return replace(metric, steps=(read_events(node, fields.faults),))
    events = fields.node("of")
    if "of" not in fields:
        fields.faults.add(fields.key(metric.function), _needs_events(metric.function, getattr(node, "value", "")))
    steps = (read_events(events, fields.faults),) if events is not None else ()
    return replace(metric, path=_path(node, fields.faults, what=f"`{metric.function}`"), steps=steps)


def _needs_events(function: str, written: str) -> str:
    """What to say of `{sum: revenue}`; who leaves out `of` may have named the event, or a trait."""
    if written.startswith("traits."):
        return f"`{function}` is of events; a condition reads a trait's value by its name alone: `{written}`"
    example = f"revenue, of: {written}" if " " in written else f"{written or 'revenue'}, of: Order Completed"
    return f"`{function}` needs `of`: the event, or a list of events, as in `{{{function}: {example}}}`"


def bounds_of(metrics: Iterable[Metric]) -> dict[str, Bounds]:
    """Between what the numbers of those metrics lie that have bounds."""
    found = {}
    for metric in metrics:
        if metric.function in ("count", "days"):
            found[metric.name] = Bounds(0)
        elif metric.function == "distinct":
            found[metric.name] = Bounds(0, DISTINCT_MAX * MILLION)
        elif metric.function == "regular" and metric.periods:
            found[metric.name] = Bounds(0, metric.periods * MILLION)
    return found


def _steps(node: Node, faults: Faults) -> tuple[EventNames, ...]:
    if not isinstance(node, Listing) or not node.items:
        faults.add(node, "`sequence` is a list of events, as in `[Cart Viewed, Order Completed]`")
        return ()
    return tuple(read_events(step, faults) for step in node.items)


def event_nodes(metric: Mapping) -> tuple[Node, ...]:
    """Where a metric's mapping names events: a name or a list of names each; nothing when it is no metric."""
    function = next((function for function in _FORMS if metric.get(function) is not None), None)
    if function is None or function == "changed":
        return ()
    node = metric.get("of" if _FORMS[function].of else function)
    if node is None:
        return ()
    return items_of(node) if function == "sequence" else (node,)


def path_node(metric: Mapping) -> Node | None:
    """Where a metric's mapping names a property of its events; None where it names none."""
    function = next((function for function, form in _FORMS.items() if form.of and metric.get(function)), None)
    return metric.get(function) if function is not None else None


def _path(node: Node, faults: Faults, *, what: str) -> tuple[str, ...]:
    text = read_text_node(node, faults, what=what)
    if text is None:
        return ()
    path = tuple(text.split("."))
    if not all(path):
        faults.add(node, "a dot stands between two names, as in `cart.total`")
    if _COMPUTED.search(text):
        faults.add(node, "this is the name of one property: nothing is computed here", severity="warning")
    if bare := bare_path(path):
        faults.add(node, f"properties are written bare: `{bare}`", suggestion=bare, severity="warning")
    return path


def _trait_path(node: Node, faults: Faults) -> tuple[str, ...]:
    first, *path = _path(node, faults, what="`changed`") or ("traits", "")
    if first != "traits" or not path:
        text = getattr(node, "value", "")
        rest = path if nearest(first, ("traits",)) else [first, *path]
        suggestion = ".".join(("traits", *rest)) if text and rest and first != "traits" else None
        faults.add(node, "`changed` names a trait, as in `traits.plan`", suggestion=suggestion)
    return tuple(path)


def _with_options(metric: Metric, fields: Fields, *, zone: str) -> Metric:
    if metric.function == "regular":
        return _with_periods(metric, fields)
    if metric.function == "sequence":
        return replace(metric, within_ms=fields.duration("within"))
    if "calendar" not in _FORMS[metric.function].options:
        return metric
    window = read_window(fields)
    counts_days = metric.function == "days" or fields.mapping.get("calendar") is not None
    return replace(metric, window=window, zone=zone if counts_days else None)


def _with_periods(metric: Metric, fields: Fields) -> Metric:
    for key in ("period", "periods"):
        if key not in fields:
            fields.faults.add(fields.key("regular"), f"`regular` needs `{key}`")
    at_least = fields.whole("at_least", least=1)
    return replace(
        metric,
        period_ms=fields.duration("period") or 0,
        periods=fields.whole("periods", least=1) or 0,
        at_least=1 if at_least is None else at_least,
    )
