"""Expressions compiled to closures over a Moment, each with its horizon (LANGUAGE.md 3).

Shape: an expression of a known kind gives plain values (numbers in millionths, times and durations in milliseconds,
texts, flags); one of kind ANY gives dynamic values. Knows nothing of stages, events or profiles.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from services.stager.fold.calls import compile_call
from services.stager.fold.comparing import compile_compare, compile_membership
from services.stager.fold.computing import compile_arithmetic, compile_negate
from services.stager.fold.dynamic import Instant, Span, of_json, reach
from services.stager.fold.horizons import Compiled, Condition, logic_horizon
from services.stager.fold.moment import Moment
from services.stager.language.definition import (
    Arithmetic,
    Call,
    Compare,
    Constant,
    Entered,
    Expression,
    InStage,
    Kind,
    Logic,
    Membership,
    MetricValue,
    Negate,
    Not,
    PropertyValue,
    Since,
    TraitValue,
)


class Compiler:
    """Compiles the expressions of one file; `metrics` gives each of its metrics by name, compiled."""

    def __init__(self, metrics: Mapping[str, Compiled]) -> None:
        self._metrics = metrics
        self._of: dict[type, Callable[[Any], Compiled]] = {
            Constant: _constant,
            MetricValue: lambda node: self._metrics[node.name],
            TraitValue: _trait,
            PropertyValue: _property,
            Entered: lambda _: Compiled(lambda moment: moment.since_ms),
            Call: lambda node: compile_call(self, node),
            Compare: lambda node: compile_compare(self, node),
            Membership: lambda node: compile_membership(self, node),
            Logic: self._logic,
            Not: self._not,
            Arithmetic: lambda node: compile_arithmetic(self, node),
            Negate: lambda node: compile_negate(self, node),
        }

    def compile(self, node: Expression) -> Compiled:
        """The closures of an expression, giving values as its kind wants them."""
        assert not isinstance(node, Since | InStage), "a moving duration stands only in a comparison"
        return self._of[type(node)](node)

    def compile_as(self, node: Expression, kind: Kind) -> Compiled:
        """The same, giving values as `kind` wants them; what turns out to be of another kind is missing."""
        compiled = self.compile(node)
        if node.kind is kind:
            return compiled
        if kind is Kind.ANY:
            return Compiled(_boxed(compiled.value, node.kind), compiled.horizon)
        if node.kind is Kind.ANY:
            return Compiled(_unboxed(compiled.value, kind), compiled.horizon)
        return Compiled(lambda _: None)

    def condition(self, node: Expression) -> Condition:
        """An expression where a truth is wanted."""
        value, horizon, _ = self.compile(node)
        if node.kind is Kind.FLAG and not isinstance(node, Call):
            return Condition(value, horizon)
        return Condition(lambda moment: value(moment) is True, horizon)

    def _logic(self, node: Logic) -> Compiled:
        conditions = tuple(self.condition(operand) for operand in node.operands)
        deciding = node.operator == "or"
        asks = tuple(condition.holds for condition in conditions)

        def value(moment: Moment) -> bool:
            for ask in asks:  # a loop costs half of any() or all() with a generator
                if ask(moment) is deciding:
                    return deciding
            return not deciding

        return Compiled(value, logic_horizon(conditions, deciding=deciding))

    def _not(self, node: Not) -> Compiled:
        holds, horizon = self.condition(node.operand)
        return Compiled(lambda moment: not holds(moment), horizon)


def _constant(node: Constant) -> Compiled:
    constant = node.value
    return Compiled(lambda _: constant)


def _trait(node: TraitValue) -> Compiled:
    name, path = node.path[0], node.path[1:]
    if not path:
        return Compiled(lambda moment: of_json(moment.traits.get(name)))
    return Compiled(lambda moment: of_json(reach(moment.traits, node.path)))


def _property(node: PropertyValue) -> Compiled:
    path = node.path
    return Compiled(lambda moment: of_json(reach(moment.properties, path)))


def _boxed(value: Callable[[Moment], Any], kind: Kind) -> Callable[[Moment], Any]:
    if kind not in (Kind.TIME, Kind.DURATION):
        return value
    box = Instant if kind is Kind.TIME else Span

    def boxed(moment: Moment) -> Any:
        plain = value(moment)
        return None if plain is None else box(plain)

    return boxed


_PLAIN_TYPES: Mapping[Kind, type] = {Kind.NUMBER: int, Kind.TEXT: str, Kind.FLAG: bool, Kind.LIST: list}


def _unboxed(value: Callable[[Moment], Any], kind: Kind) -> Callable[[Moment], Any]:
    if kind in (Kind.TIME, Kind.DURATION):
        box = Instant if kind is Kind.TIME else Span

        def unboxed(moment: Moment) -> Any:
            boxed = value(moment)
            return boxed[0] if type(boxed) is box else None

        return unboxed
    wanted = _PLAIN_TYPES[kind]

    def fitting(moment: Moment) -> Any:
        found = value(moment)
        return found if type(found) is wanted else None

    return fitting
