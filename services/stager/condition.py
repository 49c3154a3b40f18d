"""A condition asked from outside a fold: of traits and of values that a transition brought along (LANGUAGE.md 3).

The same grammar, checks and closures as in a lifecycle; only the names stand for something else. Knows nothing of who
asks: names, their types and values come in as plain text and JSON.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from services.stager.fold.dynamic import of_json
from services.stager.fold.expressions import Compiler, WriteMetric
from services.stager.fold.horizons import Written
from services.stager.fold.instants import instant_of
from services.stager.fold.moment import Moment
from services.stager.fold.source import Source, literal
from services.stager.language.definition import Kind, Lifecycle, MetricValue
from services.stager.language.expression import check_truth
from services.stager.language.problem import Problem
from services.stager.language.scope import Scope

_METRIC_NAME = re.compile(r"[a-z][a-z0-9_]*")


class Asked(Protocol):
    """Of whom a condition is asked; `values` are JSON's, `now_ms` and `since_ms` (begin of the visit) milliseconds."""

    @property
    def traits(self) -> Mapping[str, Any]: ...  # noqa: D102
    @property
    def values(self) -> Mapping[str, Any]: ...  # noqa: D102
    @property
    def now_ms(self) -> int: ...  # noqa: D102
    @property
    def since_ms(self) -> int | None: ...  # noqa: D102


class Offer(NamedTuple):
    """What a lifecycle has for those who listen: its stages, and the metrics it carries with their types."""

    stages: Sequence[str]
    carried: Mapping[str, str]


def offer_of(lifecycle: Lifecycle) -> Offer:
    """The stages and carried metrics of a lifecycle or segment."""
    carried = {part.label: str(part.value.kind) for part in lifecycle.carry if isinstance(part.value, MetricValue)}
    return Offer([stage.name for stage in lifecycle.stages], carried)


def compile_condition(
    text: str, *, fields: Mapping[str, str], carried: Mapping[str, str] | None, lifecycle: str
) -> tuple[Callable[[Asked], bool] | None, Sequence[Problem]]:
    """The condition, or None with what is wrong. A name is a field, else a carried metric; types are `Kind`s.

    Without `carried` every name that a metric could have is let through: what it stands for shows when it is asked.
    """
    kinds: dict[str, Kind] = {name: Kind(kind) for name, kind in {**(carried or {}), **fields}.items()}
    names = kinds if carried is not None else _AnyName(kinds)
    scope = Scope(names, absent=f"`{lifecycle}` carries no metric", advice="name it in the lifecycle's `carry`")
    expression, problems = check_truth(text, scope)
    if expression is None:
        return None, problems
    compiler = Compiler(_Values(names))
    holds = compiler.condition(expression).holds

    def ask(subject: Asked) -> bool:
        moment = Moment()
        moment.t_ms, moment.since_ms = subject.now_ms, subject.since_ms
        moment.traits, moment.properties = dict(subject.traits), dict(subject.values)
        return holds(moment)

    return ask, ()


class _AnyName(dict[str, Kind]):
    """Knows every name that a metric could have."""

    def get(self, name: str, default: Any = None) -> Any:
        return super().get(name, Kind.ANY if _METRIC_NAME.fullmatch(name) else default)


class _Values(dict[str, WriteMetric]):
    """Each name read from what was brought along, as its kind wants it."""

    def __init__(self, kinds: Mapping[str, Kind]) -> None:
        super().__init__()
        self._kinds = kinds

    def __missing__(self, name: str) -> WriteMetric:
        kind = self._kinds.get(name)
        assert kind is not None, "the checker lets no unknown name through"
        read = _READERS.get(kind, of_json)

        def write(source: Source) -> Written:
            return Written(f"{source.bind(read, 'read')}(properties.get({literal(name)}))")

        return write


def _text(raw: Any) -> str | None:
    return raw if type(raw) is str else None


def _number(raw: Any) -> Any:
    return of_json(raw) if type(raw) in (int, float) else None


def _time(raw: Any) -> int | None:
    return instant_of(raw) if type(raw) is str else None


def _duration(raw: Any) -> int | None:
    return raw if type(raw) is int else None


_READERS: Mapping[Kind, Callable[[Any], Any]] = {
    Kind.TEXT: _text,
    Kind.NUMBER: _number,
    Kind.TIME: _time,
    Kind.DURATION: _duration,
}
