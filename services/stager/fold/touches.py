"""Touches: what the events of one name do to the metrics, and an identify to those that watch a trait.

For each name one function is written that takes an event into every metric it feeds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import Any, Final, NamedTuple, TypeAlias

from services.stager.fold.expressions import Ask, Writer
from services.stager.fold.metrics.family import Family, Memory, Occurrence
from services.stager.fold.source import Source, indented
from services.stager.language.definition import Metric

Take: TypeAlias = Callable[[list[Memory], Mapping[str, Any], int, Occurrence], int]
"""(memories, properties, occurred_ms, occurrence): the bits of the lifecycles whose conditions read what was fed."""

Pack: TypeAlias = Callable[[Memory], Memory]  # a memory as it is stored, or a stored one as a memory

WHERE: Final = "properties"  # what a `where` may name


@dataclass(frozen=True, slots=True)
class CompiledMetric:
    """A metric of one or more files. `lifecycles` has the bit of each lifecycle whose conditions read it.

    `pack` and `unpack` are None where the memory is stored as it is; `where` is for those who ask for one event.
    """

    fingerprint: int
    family: Family
    pack: Pack | None
    unpack: Pack | None
    where: Ask | None
    lifecycles: int
    definition: Metric


class Touch(NamedTuple):
    """What the events of one name do. `looks`: at their properties; `shows`: the whole occurrence to a family.
    `text` is the Python of `take`.
    """

    take: Take
    looks: bool
    shows: bool
    text: str


class Watch(NamedTuple):
    """A `changed` metric that an identify may feed; `path` leads to what is watched inside a trait."""

    metric: int
    fold: Callable[[Memory, Occurrence], Memory]
    path: tuple[str, ...]
    lifecycles: int


class TraitTouch(NamedTuple):
    """What another value of a trait does: the lifecycles that read it, the `changed` metrics that watch it."""

    lifecycles: int
    watches: tuple[Watch, ...]


def touch(metrics: Iterable[tuple[int, CompiledMetric]]) -> Touch:
    """What an event does that feeds these metrics, each with its index."""
    source, chosen = Source(), list(metrics)
    writer = Writer(source, {}, WHERE)
    always = reduce(or_, (metric.lifecycles for _, metric in chosen if metric.where is None), 0)
    conditional = [metric for _, metric in chosen if metric.where is not None]
    lines = [f"touched = {always}"] if conditional else []
    for index, metric in chosen:
        lines += _taking(index, metric, writer)
    lines.append("return touched" if conditional else f"return {always}")
    source.function("take", "memories, properties, occurred_ms, occurrence", lines)
    looks = any(metric.where is not None or metric.definition.path for _, metric in chosen)
    shows = any("occurrence" in line for line in lines)
    return Touch(source.build()["take"], looks, shows, source.text)


def _taking(index: int, metric: CompiledMetric, writer: Writer) -> Sequence[str]:
    lines = metric.family.write_fold(index, writer.source, path=metric.definition.path)
    where = metric.definition.where
    if where is None:
        return lines
    return [f"if {writer.truth(where).holds}:", *indented([*lines, f"touched |= {metric.lifecycles}"])]
