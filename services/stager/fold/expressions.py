"""Expressions written as Python (LANGUAGE.md 3): each is text, to be part of a larger function or to be asked alone.

The text may name `memories` (each metric's memory by its index), `traits` (decoded JSON by name), `properties` (those
of the event whose `where` is asked), `since_ms` (the begin of the visit, None while there is no stage) and `t_ms`.
Shape: an expression of a known kind gives plain values (numbers in millionths, times and durations in milliseconds,
texts, flags); one of kind ANY gives dynamic values. Knows nothing of stages, events or profiles.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple, TypeAlias

from services.stager.fold.calls import write_call
from services.stager.fold.comparing import write_compare, write_membership
from services.stager.fold.computing import write_arithmetic, write_negate
from services.stager.fold.dynamic import Instant, Span, of_json, reach
from services.stager.fold.horizons import Truth, Written, logic_horizon
from services.stager.fold.moment import Moment
from services.stager.fold.source import Source, literal
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

WriteMetric: TypeAlias = Callable[[Source], Written]


# Python takes 200 parentheses inside one another; a node, or a step of arithmetic, needs six at most.
_DEPTH_MAX: Final = 20


class Writer:
    """Writes the expressions of one file into a source.

    `metrics` writes each of its metrics by name, `names` are those that its text may name where it will stand.
    """

    def __init__(self, source: Source, metrics: Mapping[str, WriteMetric], names: str) -> None:
        self.source = source
        self._metrics = metrics
        self._names = names
        self._depth = 0
        self._of: dict[type, Callable[[Any], Written]] = {
            Constant: lambda node: Written(literal(node.value)),
            MetricValue: lambda node: self._metrics[node.name](source),
            TraitValue: lambda node: self._reached("traits", node.path),
            PropertyValue: lambda node: self._reached("properties", node.path),
            Entered: lambda _: Written("since_ms"),
            Call: lambda node: write_call(self, node),
            Compare: lambda node: write_compare(self, node),
            Membership: lambda node: write_membership(self, node),
            Logic: self._logic,
            Not: self._not,
            Arithmetic: lambda node: write_arithmetic(self, node),
            Negate: lambda node: write_negate(self, node),
        }

    def write(self, node: Expression, *, inside: int = 0) -> Written:
        """The text of an expression, giving values as its kind wants them.

        `inside`: how many operations of one node it will stand in, besides the nodes that are being written.
        """
        assert not isinstance(node, Since | InStage), "a moving duration stands only in a comparison"
        self._depth += 1 + inside
        written = self._of[type(node)](node)
        if self._depth % _DEPTH_MAX == 0:
            written = Written(self.apart(written.value), written.horizon and self.apart(written.horizon))
        self._depth -= 1 + inside
        return written

    def shallow(self, text: str, *, inside: int) -> str:
        """The text of a part of the node being written, a function of its own where it would stand too deep."""
        return self.apart(text) if inside and (self._depth + inside) % _DEPTH_MAX == 0 else text

    def apart(self, text: str) -> str:
        """The call of a function of its own that returns what the text says."""
        name = self.source.temporary("part")
        self.source.function(name, self._names, [f"return {text}"])
        return f"{name}({self._names})"

    def write_as(self, node: Expression, kind: Kind) -> Written:
        """The same, giving values as `kind` wants them; what turns out to be of another kind is missing."""
        written = self.write(node)
        if node.kind is kind:
            return written
        if kind is Kind.ANY:
            return Written(self.boxed(written.value, node.kind), written.horizon)
        if node.kind is Kind.ANY:
            return Written(self._unboxed(written.value, kind), written.horizon)
        return Written("None")

    def truth(self, node: Expression) -> Truth:
        """An expression where a truth is wanted."""
        value, horizon, *_ = self.write(node)
        if node.kind is Kind.FLAG and not isinstance(node, Call):
            return Truth(value, horizon)
        return Truth(f"({value} is True)", horizon)

    def _logic(self, node: Logic) -> Written:
        truths = [self.truth(operand) for operand in node.operands]
        text = f" {node.operator} ".join(truth.holds for truth in truths)
        return Written(f"({text})", logic_horizon(self.source, truths, deciding=node.operator == "or"))

    def _not(self, node: Not) -> Written:
        holds, horizon = self.truth(node.operand)
        return Written(f"(not {holds})", horizon)

    def _reached(self, members: str, path: tuple[str, ...]) -> Written:
        if len(path) == 1:
            raw = f"{members}.get({literal(path[0])})"
        else:
            raw = f"{self.source.bind(reach, 'reach')}({members}, ({', '.join(map(literal, path))}))"
        return Written(f"{self.source.bind(of_json, 'of_json')}({raw})", raw=raw)

    def boxed(self, text: str, kind: Kind) -> str:
        """The text of a value of this kind as one of a dynamic value."""
        if kind not in (Kind.TIME, Kind.DURATION):
            return text
        box, plain = self._box(kind), self.source.temporary()
        return f"(None if ({plain} := {text}) is None else {box}({plain}))"

    def _unboxed(self, text: str, kind: Kind) -> str:
        found = self.source.temporary()
        if kind in (Kind.TIME, Kind.DURATION):
            return f"({found}[0] if type({found} := {text}) is {self._box(kind)} else None)"
        wanted = {Kind.NUMBER: "int", Kind.TEXT: "str", Kind.FLAG: "bool", Kind.LIST: "list"}[kind]
        return f"({found} if type({found} := {text}) is {wanted} else None)"

    def _box(self, kind: Kind) -> str:
        return self.source.bind(Instant, "Instant") if kind is Kind.TIME else self.source.bind(Span, "Span")


_MOMENT: Final = ", ".join(Moment.__slots__)

Read: TypeAlias = Callable[[Moment], Any]
Ask: TypeAlias = Callable[[Moment], bool]
Horizon: TypeAlias = Callable[[Moment], int]


class Compiled(NamedTuple):
    """An expression ready to be asked: its value at a moment (missing is None) and its horizon (None: no end)."""

    value: Read
    horizon: Horizon | None


class Condition(NamedTuple):
    """An expression where a truth is wanted, ready to be asked."""

    holds: Ask
    horizon: Horizon | None


class Compiler:
    """Makes single expressions ready to be asked, for whoever wants to know what each part of a condition says.

    It keeps what it has made: a file has so many expressions and no more.
    """

    def __init__(self, metrics: Mapping[str, WriteMetric]) -> None:
        self._metrics = metrics
        self._compiled: dict[tuple[Expression, Kind], Compiled] = {}
        self._conditions: dict[Expression, Condition] = {}

    def compile_as(self, node: Expression, kind: Kind) -> Compiled:
        """The expression, giving values as `kind` wants them; what turns out to be of another kind is missing."""
        known = self._compiled.get((node, kind))
        if known is None:
            source = Source()
            value, horizon, *_ = Writer(source, self._metrics, _MOMENT).write_as(node, kind)
            known = self._compiled[node, kind] = Compiled(*_asking(source, value, horizon))
        return known

    def condition(self, node: Expression) -> Condition:
        """An expression where a truth is wanted."""
        known = self._conditions.get(node)
        if known is None:
            source = Source()
            known = Condition(*_asking(source, *Writer(source, self._metrics, _MOMENT).truth(node)))
            self._conditions[node] = known
        return known


def _asking(source: Source, value: str, horizon: str | None) -> tuple[Read, Horizon | None]:
    members = ", ".join(f"moment.{name}" for name in Moment.__slots__)
    for name, text in (("value", value), ("horizon", horizon)):
        source.function(f"{name}_of", _MOMENT, [f"return {text}"])
        source.function(name, "moment", [f"return {name}_of({members})"])
    built = source.build()
    return built["value"], built["horizon"] if horizon is not None else None
