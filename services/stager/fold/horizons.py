"""Horizons: the next instant after a moment at which a value can change without a record.

A horizon may name an instant at which nothing changes (that costs an evaluation), but never miss one (LANGUAGE.md 4).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple, TypeAlias

from services.stager.fold.instants import BEGINNING, NEVER
from services.stager.fold.moment import Moment

_UNDECIDED: Final = BEGINNING  # earlier than the end of anything

Read: TypeAlias = Callable[[Moment], Any]
Ask: TypeAlias = Callable[[Moment], bool]
Horizon: TypeAlias = Callable[[Moment], int]


class Compiled(NamedTuple):
    """An expression ready to be asked: its value at a moment (missing is None) and its horizon (None: no end).

    `threshold` is for what only crosses a limit now and then: for a comparison and a constant it gives the horizon of
    the answer, which lies further off than that of the value.
    """

    value: Read
    horizon: Horizon | None = None
    threshold: Callable[[str, int], Horizon | None] | None = None


class Condition(NamedTuple):
    """An expression where a truth is wanted: only the flag `true` is true."""

    holds: Ask
    horizon: Horizon | None = None


def earliest(horizons: Sequence[Horizon | None]) -> Horizon | None:
    """The horizon of what depends on all of these."""
    moving = tuple(horizon for horizon in horizons if horizon is not None)
    if len(moving) < 2:
        return moving[0] if moving else None
    return lambda moment: min(horizon(moment) for horizon in moving)


def end_of(condition: Condition, moment: Moment) -> int:
    """The horizon of a condition at a moment, NEVER when it has none."""
    return NEVER if condition.horizon is None else condition.horizon(moment)


def logic_horizon(conditions: Sequence[Condition], *, deciding: bool) -> Horizon | None:
    """The horizon of `or` (deciding: true) or `and` (deciding: false).

    One operand that decides is enough to keep the answer: so the latest end among those that do, else the earliest.
    """
    lasting = tuple(condition.holds for condition in conditions if condition.horizon is None)
    moving = tuple((condition.holds, condition.horizon) for condition in conditions if condition.horizon is not None)
    if not moving:
        return None

    def horizon(moment: Moment) -> int:
        for holds in lasting:
            if holds(moment) is deciding:
                return NEVER
        decided, soonest = _UNDECIDED, NEVER
        for holds, ends in moving:
            end = ends(moment)
            if holds(moment) is deciding:
                decided = max(decided, end)
            elif end < soonest:
                soonest = end
        return soonest if decided == _UNDECIDED else decided

    return horizon
