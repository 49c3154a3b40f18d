"""Horizons: the next instant after a moment at which a value can change without a record.

A horizon may name an instant at which nothing changes (that costs an evaluation), but never miss one (LANGUAGE.md 4).
Values and horizons are Python text, to be part of a larger function; what they may name says `expressions`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from services.stager.fold.instants import BEGINNING, NEVER
from services.stager.fold.source import Source

_UNDECIDED: Final = BEGINNING  # earlier than the end of anything


class Written(NamedTuple):
    """An expression as Python text: its value (missing is None) and its horizon (None: no end).

    `raw`: where there is one, the same value as JSON gave it. `against`: for a comparison with a constant number a
    better text than that of the value, and the horizon of the answer, which may lie further off.
    """

    value: str
    horizon: str | None = None
    raw: str | None = None
    against: Callable[[str, int], Written] | None = None


class Truth(NamedTuple):
    """Text of an expression where a truth is wanted: only the flag `true` is true."""

    holds: str
    horizon: str | None = None


def earliest(*horizons: str | None) -> str | None:
    """The horizon of what depends on all of these."""
    moving = [horizon for horizon in horizons if horizon is not None]
    if len(moving) < 2:
        return moving[0] if moving else None
    return f"min({', '.join(moving)})"


def logic_horizon(source: Source, operands: Sequence[Truth], *, deciding: bool) -> str | None:
    """The horizon of `or` (deciding: true) or `and` (deciding: false): one operand that decides keeps the answer."""
    lasting = [operand.holds for operand in operands if operand.horizon is None]
    moving = [(operand.holds, operand.horizon) for operand in operands if operand.horizon is not None]
    if not moving:
        return None
    if len(moving) == 1:
        end = moving[0][1]
    else:
        pairs = ", ".join(f"({holds}, {horizon})" for holds, horizon in moving)
        end = f"{source.bind(joint_end, 'joint_end')}({deciding}, {pairs})"
    if not lasting:
        return end
    never = source.bind(NEVER, "NEVER")
    if deciding:
        return f"({never} if {' or '.join(lasting)} else {end})"
    return f"({end} if {' and '.join(lasting)} else {never})"


def joint_end(deciding: bool, *operands: tuple[bool, int]) -> int:  # noqa: FBT001  # which of the two answers decides
    """The latest end among the operands that decide, else the earliest of all."""
    decided, soonest = _UNDECIDED, NEVER
    for holds, end in operands:
        if holds is deciding:
            decided = max(decided, end)
        elif end < soonest:
            soonest = end
    return soonest if decided == _UNDECIDED else decided
