"""The entries of a sliding window: times in order, each with what it brings; exact up to 512 of them.

Shape: [times] while every payload is 1, else [times, payloads]. Beyond 512 entries the oldest that share a slot are
merged into one, which takes the later time (LANGUAGE.md 2).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from itertools import accumulate
from operator import sub
from typing import Any, Final, TypeAlias

Timeline: TypeAlias = list[list[Any]]
Merge: TypeAlias = Callable[[Sequence[Any]], Any]

ENTRIES_MAX: Final = 512  # LANGUAGE.md 2


def add(timeline: Timeline, at_ms: int, payload: Any) -> None:
    """Put an entry at its place; entries of one instant stand in the order of folding."""
    times = timeline[0]
    place = len(times) if not times or times[-1] <= at_ms else bisect_right(times, at_ms)
    times.insert(place, at_ms)
    if len(timeline) == 2:
        timeline[1].insert(place, payload)
    elif payload != 1 or type(payload) is not int:
        payloads = [1] * len(times)
        payloads[place] = payload
        timeline.append(payloads)


def drop(timeline: Timeline, until_ms: int) -> None:
    """Forget the entries at or before an instant."""
    times = timeline[0]
    if times and times[0] <= until_ms:
        gone = bisect_right(times, until_ms)
        for column in timeline:
            del column[:gone]


def merge_oldest(timeline: Timeline, slot_ms: int, merge: Merge) -> None:
    """Bring the timeline back to the limit, as far as entries share a slot."""
    times = timeline[0]
    oldest = 0
    while len(times) > ENTRIES_MAX and oldest + 1 < len(times):
        if times[oldest] // slot_ms != times[oldest + 1] // slot_ms:
            oldest += 1
            continue
        if len(timeline) == 1:
            timeline.append([1] * len(times))
        payloads = timeline[1]
        payloads[oldest : oldest + 2] = [merge(payloads[oldest : oldest + 2])]
        del times[oldest]


def between(timeline: Timeline, after_ms: int, until_ms: int) -> Sequence[Any]:
    """The payloads of the entries after one instant and not after another."""
    times = timeline[0]
    low, high = bisect_right(times, after_ms), bisect_right(times, until_ms)
    return (1,) * (high - low) if len(timeline) == 1 else timeline[1][low:high]


def pack(timeline: Timeline) -> list[Any]:
    """The first time whole, the others as distances: most distances are short."""
    times = timeline[0]
    if len(times) == 1:
        return timeline
    return [[*times[:1], *map(sub, times[1:], times)], *timeline[1:]]


def unpack(stored: Sequence[Any]) -> Timeline:
    """The timeline of what `pack` gave."""
    return [list(accumulate(stored[0])), *stored[1:]]
