"""Rules: all lifecycles compiled together, metrics of equal meaning folded once, and who is touched by what."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import lru_cache, partial
from itertools import pairwise
from typing import Any, get_args

from services.stager.fold.expressions import Compiler, WriteMetric
from services.stager.fold.fingerprints import fingerprint
from services.stager.fold.lifecycles import CompiledLifecycle, compile_lifecycle
from services.stager.fold.metrics.family import Timeless
from services.stager.fold.metrics.registry import make_family
from services.stager.fold.touches import CompiledMetric, Pack, Touch, TraitTouch, Watch, touch
from services.stager.language.definition import Entered, InStage, Lifecycle, Metric, MetricValue, TraitValue
from shared.errors import Malformed, Refused
from shared.event import Event, EventType

TRACKED = frozenset(("track", "page", "screen"))  # what "*" means (LANGUAGE.md 2)


@dataclass(frozen=True, slots=True)
class Rules:
    """Lifecycles in order of name, metrics in order of fingerprint (`index_of` finds one), and what touches them.

    `touches` says by an event's type and name what it does, for those that came before (`touch` finds the others):
    `by_name` has every event name that a metric mentions (with the metrics of any event in it), `any_tracked` is for
    all other tracks, pages and screens. `reads_visits` has the bits of the lifecycles that use `in_stage()` or
    `entered()`. `packing` has each metric's mark and how its memory is stored (None: as it is); `unpacking` says the
    contrary for the marks of a profile: which metric each is (None: none of ours), and how its memory is read.
    """

    lifecycles: tuple[CompiledLifecycle, ...]
    metrics: tuple[CompiledMetric, ...]
    index_of: dict[int, int]
    touches: dict[EventType, dict[str, Touch]]
    by_name: dict[str, Touch]
    any_tracked: Touch
    by_trait: dict[str, TraitTouch]
    reads_traits: bool
    reads_visits: int
    packing: tuple[tuple[bytes, Pack | None], ...]
    unpacking: Callable[[bytes], Sequence[tuple[int | None, Pack | None]]]

    def touch(self, event: Event) -> Touch:
        """What this event does to the metrics, found for the first time.

        Errors: Malformed for a track whose name only pages and the like may have.
        """
        if event.name.startswith("$") and event.type == "track":
            raise Malformed(f"a track's name may not begin with $: {event.name!r}")
        elsewhere = self.any_tracked if event.type in TRACKED else _NOTHING
        found = self.by_name.get(event.name, elsewhere)
        if event.type == "identify":
            found = found._replace(looks=True, shows=True)  # traits are looked at, whatever metrics want
        touches = self.touches[event.type]
        if len(touches) < NAMES_MAX:
            touches[event.name] = found
        return found

    def chosen(self, bits: int) -> Sequence[int]:
        """The lifecycles of these bits."""
        return _chosen(bits)


_NOTHING = touch(())
NAMES_MAX = 10_000  # of a type; senders who make names up find each anew, which is slower and bounded
MARK_BYTES = 4  # a metric's fingerprint


@lru_cache(maxsize=1024)  # a few event names, and the traits that change together
def _chosen(bits: int) -> tuple[int, ...]:
    return tuple(index for index in range(bits.bit_length()) if bits >> index & 1)


def compile_rules(lifecycles: Sequence[Lifecycle]) -> Rules:
    """The rules of these lifecycles, whatever their order.

    Errors: Refused when two metrics of different meaning have one fingerprint, or two lifecycles one name.
    """
    ordered = sorted(lifecycles, key=lambda lifecycle: lifecycle.name)
    for one, other in pairwise(ordered):
        if one.name == other.name:
            raise Refused(f"two lifecycles or segments are named {one.name}")
    meanings = _meanings(ordered)
    readers = _readers(ordered)
    metrics = tuple(_compile_metric(meaning, mark, readers.get(mark, 0)) for mark, meaning in sorted(meanings.items()))
    index_of = {metric.fingerprint: index for index, metric in enumerate(metrics)}
    packing = tuple((metric.fingerprint.to_bytes(MARK_BYTES), metric.pack) for metric in metrics)
    compiled = tuple(
        compile_lifecycle(lifecycle, index, _metric_writers(lifecycle, metrics, index_of))
        for index, lifecycle in enumerate(ordered)
    )
    return Rules(
        lifecycles=compiled,
        metrics=metrics,
        index_of=index_of,
        touches={event_type: {} for event_type in get_args(EventType)},
        by_name=_by_name(metrics),
        any_tracked=touch(each for each in enumerate(metrics) if None in each[1].definition.steps),
        by_trait=_by_trait(ordered, metrics),
        reads_traits=any(isinstance(node, TraitValue) for lifecycle in ordered for node in _nodes(lifecycle)),
        reads_visits=sum(
            1 << index
            for index, lifecycle in enumerate(ordered)
            if any(isinstance(node, InStage | Entered) for node in _nodes(lifecycle))
        ),
        packing=packing,
        unpacking=_unpacking(metrics),
    )


def _unpacking(metrics: Sequence[CompiledMetric]) -> Callable[[bytes], Sequence[tuple[int | None, Pack | None]]]:
    """Looks the marks of a profile up; customers have few different ones, so that nearly always they are known."""
    known = {metric.fingerprint: (index, metric.unpack) for index, metric in enumerate(metrics)}

    @lru_cache(maxsize=4096)
    def unpacking(marks: bytes) -> Sequence[tuple[int | None, Pack | None]]:
        starts = range(0, len(marks), MARK_BYTES)
        fingerprints = (int.from_bytes(marks[start : start + MARK_BYTES]) for start in starts)
        return tuple(known.get(each, (None, None)) for each in fingerprints)

    return unpacking


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


def _readers(lifecycles: Sequence[Lifecycle]) -> dict[int, int]:
    """For each metric, by fingerprint, the bits of the lifecycles whose conditions read it."""
    readers: dict[int, int] = {}
    for index, lifecycle in enumerate(lifecycles):
        named = {node.name for node in _nodes(lifecycle.stages) if isinstance(node, MetricValue)}
        for metric in lifecycle.metrics:
            if metric.name in named:
                mark = fingerprint(_meaning(metric))
                readers[mark] = readers.get(mark, 0) | 1 << index
    return readers


def _compile_metric(meaning: Metric, mark: int, readers: int) -> CompiledMetric:
    where = None if meaning.where is None else Compiler({}).condition(meaning.where).holds
    family = make_family(meaning)
    pack, unpack = (None, None) if isinstance(family, Timeless) else (family.pack, family.unpack)
    return CompiledMetric(mark, family, pack, unpack, where, readers, meaning)


def indexes_of(lifecycle: Lifecycle, index_of: dict[int, int]) -> dict[str, int]:
    """Where among all metrics those of one file stand, by name."""
    return {metric.name: index_of[fingerprint(_meaning(metric))] for metric in lifecycle.metrics}


def _metric_writers(
    lifecycle: Lifecycle, metrics: Sequence[CompiledMetric], index_of: dict[int, int]
) -> dict[str, WriteMetric]:
    """How each metric of a file is read, by its name there."""
    indexes = indexes_of(lifecycle, index_of)
    return {name: partial(metrics[index].family.write, index) for name, index in indexes.items()}


def _nodes(value: Any) -> Iterator[Any]:
    """Every expression node in a definition."""
    if isinstance(value, tuple):
        for item in value:
            yield from _nodes(item)
    elif is_dataclass(value) and not isinstance(value, Metric):
        yield value
        for field in fields(value):
            yield from _nodes(getattr(value, field.name))


def _by_name(metrics: Sequence[CompiledMetric]) -> dict[str, Touch]:
    """For each mentioned name the metrics it feeds; `"*"` reaches every name but `$identify` and `$group`."""
    names = {name for metric in metrics for step in metric.definition.steps if step is not None for name in step}
    return {name: touch(each for each in enumerate(metrics) if _feeds(name, each[1])) for name in names}


def _feeds(name: str, metric: CompiledMetric) -> bool:
    tracked = name not in ("$identify", "$group")
    return any(tracked if step is None else name in step for step in metric.definition.steps)


def _by_trait(lifecycles: Sequence[Lifecycle], metrics: Sequence[CompiledMetric]) -> dict[str, TraitTouch]:
    readers: dict[str, int] = {}
    for index, lifecycle in enumerate(lifecycles):
        for node in _nodes(lifecycle.stages):
            if isinstance(node, TraitValue):
                readers[node.path[0]] = readers.get(node.path[0], 0) | 1 << index
    watches: dict[str, list[Watch]] = {}
    for index, metric in enumerate(metrics):
        if metric.definition.function == "changed":
            path = metric.definition.path
            watches.setdefault(path[0], []).append(Watch(index, metric.family.fold, path, metric.lifecycles))
    names = readers.keys() | watches.keys()
    return {name: TraitTouch(readers.get(name, 0), tuple(watches.get(name, ()))) for name in names}
