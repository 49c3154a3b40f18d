"""Conditions taken apart: which part holds, with which values, and when its answer changes by itself.

Asks the same compiled expressions that the fold asks; knows nothing of stages or profiles.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import copy
from typing import Any, Final, Literal

from services.stager.explain.explanation import Clause, Evidence, Value, ValueKind
from services.stager.explain.misfits import kind_of, misfits
from services.stager.fold.comparing import instant_in
from services.stager.fold.dynamic import reach, to_json
from services.stager.fold.expressions import Compiler, Condition
from services.stager.fold.instants import NEVER
from services.stager.fold.moment import Moment
from services.stager.language.definition import (
    Arithmetic,
    Entered,
    Expression,
    InStage,
    Kind,
    Logic,
    MetricValue,
    Not,
    Since,
    TraitValue,
)
from services.stager.language.walk import parts_of
from services.stager.language.written import write

# An answer may stay the same over many instants at which it could have changed (a window losing events one by one).
TURNS_TRIED_MAX: Final = 2_000
_CALENDAR_ENDS_MS: Final = 253_000_000_000_000
_KNOWN: Final[dict[Kind, ValueKind]] = {
    Kind.NUMBER: "number",
    Kind.TEXT: "text",
    Kind.FLAG: "flag",
    Kind.TIME: "time",
    Kind.DURATION: "duration",
    Kind.LIST: "list",
}

Notes = Callable[[MetricValue | TraitValue], tuple[str, Evidence | None]]
"""For a metric or trait: where its value is less than exact, and which events gave it."""


class Clauses:
    """Takes the conditions of one file apart, at one moment."""

    def __init__(self, compiler: Compiler, moment: Moment, notes: Notes) -> None:
        self._compiler = compiler
        self._moment = moment
        self._notes = notes

    def of(self, node: Expression) -> Clause:
        """The clause of an expression where a truth is wanted."""
        condition = self._compiler.condition(node)
        joined: Literal["and", "or", "not"] | None = None
        parts: tuple[Expression, ...] = ()
        if isinstance(node, Logic):
            joined, parts = node.operator, node.operands
        elif isinstance(node, Not):
            joined, parts = "not", (node.operand,)
        return Clause(
            text=write(node),
            holds=condition.holds(self._moment),
            joined=joined,
            parts=tuple(map(self.of, parts)),
            values=() if parts else tuple(self._values(node)),
            turns_ms=turn_of(condition, self._moment),
        )

    def _values(self, node: Expression) -> Iterator[Value]:
        """The values that a part reads, each once, in the order in which they stand there."""
        seen: set[str] = set()
        reasons = misfits(node, self._look)
        for part in _readable(node):
            text = write(part)
            if text not in seen:
                seen.add(text)
                yield self._value(part, text, reasons.get(text, ""))

    def _value(self, node: Expression, text: str, reason: str) -> Value:
        if isinstance(node, Since | InStage):
            return Value(text, "duration", self._elapsed(node))
        found = self._look(node)
        note, evidence = self._notes(node) if isinstance(node, MetricValue | TraitValue) else ("", None)
        beyond = reach(self._moment.traits, node.path) if found is None and isinstance(node, TraitValue) else None
        if beyond is not None:  # of what a trait can hold, only a number becomes missing
            return Value(text, "number", beyond, "beyond ±10^12: it counts as missing", evidence)
        kind = kind_of(found) or _KNOWN.get(node.kind)
        return Value(text, kind, to_json(found), "; ".join(filter(None, (note, reason))), evidence)

    def _look(self, node: Expression) -> Any:
        return self._compiler.compile_as(node, Kind.ANY).value(self._moment)

    def _elapsed(self, node: Since | InStage) -> int | None:
        of = Entered() if isinstance(node, InStage) else node.of
        begin_ms = instant_in(self._compiler.compile_as(of, Kind.ANY).value(self._moment))
        if begin_ms is None:
            return None
        elapsed_ms: int = self._moment.t_ms - begin_ms
        return -elapsed_ms if isinstance(node, Since) and node.ahead else elapsed_ms


def turn_of(condition: Condition, moment: Moment) -> int | None:
    """The instant at which the answer becomes another if nothing happens, None when it does not (or not soon)."""
    if condition.horizon is None:
        return None
    answer, later = condition.holds(moment), copy_of(moment)
    for _ in range(TURNS_TRIED_MAX):
        at_ms = condition.horizon(later)
        if at_ms >= min(NEVER, _CALENDAR_ENDS_MS):
            return None
        later.t_ms = at_ms
        if condition.holds(later) is not answer:
            return at_ms
    return None


def copy_of(moment: Moment) -> Moment:
    """The same moment, to be moved in time."""
    return copy(moment)


def _readable(node: Expression) -> Iterator[Expression]:
    """The parts whose values say why: metrics, traits, moving durations, and arithmetic as a whole before its parts."""
    if isinstance(node, MetricValue | TraitValue | Since | InStage | Entered | Arithmetic):
        yield node
    for part in parts_of(node):
        yield from _readable(part)
