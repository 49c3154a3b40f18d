"""Rules: all lifecycles compiled together, metrics of equal meaning folded once, and who is touched by what."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import reduce
from itertools import pairwise
from operator import or_
from typing import Any, NamedTuple

from services.stager.fold.expressions import Compiler
from services.stager.fold.fingerprints import fingerprint
from services.stager.fold.horizons import Ask
from services.stager.fold.lifecycles import CompiledLifecycle, compile_lifecycle
from services.stager.fold.metrics.family import Family, Memory, Occurrence, Timeless
from services.stager.fold.metrics.registry import make_family
from services.stager.language.definition import Entered, InStage, Lifecycle, Metric, MetricValue, TraitValue
from shared.errors import Refused
from shared.event import Event

TRACKED = frozenset(("track", "page", "screen"))  # what "*" means (LANGUAGE.md 2)


@dataclass(frozen=True, slots=True)
class CompiledMetric:
    """A metric of one or more files. `lifecycles` has the bit of each lifecycle whose conditions read it.

    `pack` and `unpack` are None where the memory is stored as it is.
    """

    fingerprint: int
    family: Family
    pack: Callable[[Memory], Memory] | None
    unpack: Callable[[Memory], Memory] | None
    where: Ask | None
    lifecycles: int
    definition: Metric


class FoldStep(NamedTuple):
    """What an event does to one metric; `path` empty: no property is wanted."""

    metric: int
    fold: Callable[[Memory, Occurrence], Memory]
    where: Ask | None
    path: tuple[str, ...]
    lifecycles: int


class Touch(NamedTuple):
    """What the events of one name do: `plain` steps (metric, fold) always, the others after a look at the properties.

    `lifecycles` are those that the plain steps touch.
    """

    plain: tuple[tuple[int, Callable[[Memory, Occurrence], Memory]], ...] = ()
    lifecycles: int = 0
    steps: tuple[FoldStep, ...] = ()


class TraitTouch(NamedTuple):
    """What another value of a trait does: the lifecycles that read it, the `changed` metrics that watch it."""

    lifecycles: int
    steps: tuple[FoldStep, ...]


@dataclass(frozen=True, slots=True)
class Rules:
    """Lifecycles in order of name, metrics in order of fingerprint (`index_of` finds one), and what touches them.

    `by_name` has every event name that a metric mentions (with the metrics of any event in it), `any_tracked` is for
    all other tracks, pages and screens. `reads_visits` has the bits of the lifecycles that use `in_stage()` or
    `entered()`.
    """

    lifecycles: tuple[CompiledLifecycle, ...]
    metrics: tuple[CompiledMetric, ...]
    index_of: dict[int, int]
    by_name: dict[str, Touch]
    any_tracked: Touch
    by_trait: dict[str, TraitTouch]
    reads_traits: bool
    reads_visits: int

    def touch(self, event: Event) -> Touch:
        """What this event does to the metrics."""
        found = self.by_name.get(event.name)
        if found is not None:
            return found
        return self.any_tracked if event.type in TRACKED else _NOTHING


_NOTHING = Touch()


def compile_rules(lifecycles: Sequence[Lifecycle]) -> Rules:
    """The rules of these lifecycles, whatever their order.

    Errors: Refused when two metrics of different meaning have one fingerprint, or two lifecycles one name.
    """
    ordered = sorted(lifecycles, key=lambda lifecycle: lifecycle.name)
    for one, other in pairwise(ordered):
        if one.name == other.name:
            raise Refused(f"two lifecycles or segments are named {one.name}")
    meanings = _meanings(ordered)
    metrics = tuple(_compile_metric(meaning, mark, ordered) for mark, meaning in sorted(meanings.items()))
    index_of = {metric.fingerprint: index for index, metric in enumerate(metrics)}
    compiled = tuple(
        compile_lifecycle(lifecycle, index, compiler_for(lifecycle, metrics, index_of))
        for index, lifecycle in enumerate(ordered)
    )
    steps = [_fold_step(index, metric) for index, metric in enumerate(metrics)]
    return Rules(
        lifecycles=compiled,
        metrics=metrics,
        index_of=index_of,
        by_name=_by_name(metrics, steps),
        any_tracked=_touch(steps[i] for i, metric in enumerate(metrics) if None in metric.definition.steps),
        by_trait=_by_trait(ordered, metrics, steps),
        reads_traits=any(isinstance(node, TraitValue) for lifecycle in ordered for node in _nodes(lifecycle)),
        reads_visits=sum(
            1 << index
            for index, lifecycle in enumerate(ordered)
            if any(isinstance(node, InStage | Entered) for node in _nodes(lifecycle))
        ),
    )


def _meaning(metric: Metric) -> Metric:
    return replace(metric, name="")


def _meanings(lifecycles: Iterable[Lifecycle]) -> dict[int, Metric]:
    """Every different metric by its fingerprint."""
    found: dict[int, Metric] = {}
    for lifecycle in lifecycles:
        for metric in lifecycle.metrics:
            meaning = _meaning(metric)
            other = found.setdefault(fingerprint(meaning), meaning)
            if other != meaning:
                raise Refused(f"metric {metric.name} of {lifecycle.name} collides with {other}: write one otherwise")
    return found


def _compile_metric(meaning: Metric, mark: int, lifecycles: Sequence[Lifecycle]) -> CompiledMetric:
    readers = 0
    for index, lifecycle in enumerate(lifecycles):
        names = {metric.name for metric in lifecycle.metrics if _meaning(metric) == meaning}
        if any(node.name in names for node in _nodes(lifecycle.stages) if isinstance(node, MetricValue)):
            readers |= 1 << index
    where = None if meaning.where is None else Compiler({}).condition(meaning.where).holds
    family = make_family(meaning)
    pack, unpack = (None, None) if isinstance(family, Timeless) else (family.pack, family.unpack)
    return CompiledMetric(mark, family, pack, unpack, where, readers, meaning)


def indexes_of(lifecycle: Lifecycle, index_of: dict[int, int]) -> dict[str, int]:
    """Where among all metrics those of one file stand, by name."""
    return {metric.name: index_of[fingerprint(_meaning(metric))] for metric in lifecycle.metrics}


def compiler_for(lifecycle: Lifecycle, metrics: Sequence[CompiledMetric], index_of: dict[int, int]) -> Compiler:
    """What compiles the expressions of one file."""
    indexes = indexes_of(lifecycle, index_of)
    return Compiler({name: metrics[index].family.reader(index) for name, index in indexes.items()})


def _nodes(value: Any) -> Iterator[Any]:
    """Every expression node in a definition."""
    if isinstance(value, tuple):
        for item in value:
            yield from _nodes(item)
    elif is_dataclass(value) and not isinstance(value, Metric):
        yield value
        for field in fields(value):
            yield from _nodes(getattr(value, field.name))


def _fold_step(index: int, metric: CompiledMetric) -> FoldStep:
    definition = metric.definition
    path = () if definition.function == "changed" else definition.path
    return FoldStep(index, metric.family.fold, metric.where, path, metric.lifecycles)


def _touch(steps: Iterable[FoldStep]) -> Touch:
    chosen = list(steps)
    looking = tuple(step for step in chosen if step.path or step.where is not None)
    plain = [step for step in chosen if step not in looking]
    touched = reduce(or_, (step.lifecycles for step in plain), 0)
    return Touch(tuple((step.metric, step.fold) for step in plain), touched, looking)


def _by_name(metrics: Sequence[CompiledMetric], steps: Sequence[FoldStep]) -> dict[str, Touch]:
    """For each mentioned name the metrics it feeds; `"*"` reaches every name but `$identify` and `$group`."""
    names = {name for metric in metrics for step in metric.definition.steps if step is not None for name in step}
    return {name: _touch(steps[i] for i, metric in enumerate(metrics) if _feeds(name, metric)) for name in names}


def _feeds(name: str, metric: CompiledMetric) -> bool:
    tracked = name not in ("$identify", "$group")
    return any(tracked if step is None else name in step for step in metric.definition.steps)


def _by_trait(
    lifecycles: Sequence[Lifecycle], metrics: Sequence[CompiledMetric], steps: Sequence[FoldStep]
) -> dict[str, TraitTouch]:
    readers: dict[str, int] = {}
    for index, lifecycle in enumerate(lifecycles):
        for node in _nodes(lifecycle.stages):
            if isinstance(node, TraitValue):
                readers[node.path[0]] = readers.get(node.path[0], 0) | 1 << index
    watchers: dict[str, list[FoldStep]] = {}
    for metric, step in zip(metrics, steps, strict=True):
        if metric.definition.function == "changed":
            path = metric.definition.path
            watchers.setdefault(path[0], []).append(step._replace(path=path))
    names = readers.keys() | watchers.keys()
    return {name: TraitTouch(readers.get(name, 0), tuple(watchers.get(name, ()))) for name in names}
