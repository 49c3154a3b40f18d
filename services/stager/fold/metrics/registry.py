"""Which family a metric belongs to: the one place to add a metric."""

from __future__ import annotations

from typing import Final

from services.stager.fold.metrics.all_time import AllTime, CountAll, InSpan, SumAll
from services.stager.fold.metrics.calendar import InPeriod
from services.stager.fold.metrics.family import Family, MakeFamily
from services.stager.fold.metrics.marks import Changed, First, Last, Latest
from services.stager.fold.metrics.sequence import Sequence
from services.stager.fold.metrics.within import CountWithin, Regular, WithinWindow
from services.stager.language.definition import Between, Calendar, Metric, Within

_BY_FUNCTION: Final[dict[str, MakeFamily]] = {
    "first": First,
    "last": Last,
    "latest": Latest,
    "changed": Changed,
    "regular": Regular,
    "sequence": Sequence,
}
_BY_WINDOW: Final[dict[type, MakeFamily]] = {
    type(None): AllTime,
    Between: InSpan,
    Within: WithinWindow,
    Calendar: InPeriod,
}
# Shorter ways for what is used most.
_BY_BOTH: Final[dict[tuple[str, type], MakeFamily]] = {
    ("count", type(None)): CountAll,
    ("sum", type(None)): SumAll,
    ("count", Within): CountWithin,
}


def make_family(metric: Metric) -> Family:
    """The compiled metric of a definition."""
    window = type(metric.window)
    make = _BY_FUNCTION.get(metric.function) or _BY_BOTH.get((metric.function, window)) or _BY_WINDOW[window]
    return make(metric)
