"""Random expressions that pass every check of the language."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal as OneOf

from services.stager.language.definition import (
    Call,
    Compare,
    Constant,
    Entered,
    Expression,
    InStage,
    Kind,
    Logic,
    Membership,
    Metric,
    MetricValue,
    Negate,
    Not,
    PropertyValue,
    Since,
    TraitValue,
)
from tests.oracle.draw_rare import operation, rare_test
from tests.oracle.world import PROPERTIES, TEXTS, TRAITS, World

ORDERS: tuple[OneOf["<", "<=", ">", ">=", "==", "!="], ...] = ("<", "<=", ">", ">=", "==", "!=")


@dataclass(frozen=True)
class ExpressionDraw:
    """Draws conditions of stages over `metrics`, or a `where` when `of_event`."""

    world: World
    metrics: Sequence[Metric] = ()
    of_event: bool = False
    stays: bool = False  # `in_stage()` and `entered()` may be used

    def truth(self, depth: int = 2) -> Expression:
        """A condition."""
        world = self.world
        if depth and world.chance(0.45):
            operator = world.pick(("and", "or", "not", "if"))
            if operator == "not":
                return Not(self.truth(depth - 1))
            parts = tuple(self.truth(depth - 1) for _ in range(3 if operator == "if" else world.pick((2, 2, 3))))
            if operator == "if":
                return Call("if", parts, Kind.FLAG)
            return Logic("and" if operator == "and" else "or", parts)
        return world.pick(self.tests())()

    def tests(self) -> list[Callable[[], Expression]]:
        """The ways to ask one thing."""
        plain: list[Callable[[], Expression]] = [self.loose_test, self.membership, self.text_test, self.number_test]
        plain.append(self.rare_test)
        if self.of_event:
            return [*plain, self.loose_test, self.loose_test, self.loose]
        timed: list[Callable[[], Expression]] = [self.since_test, self.since_test, self.time_test, self.number_test]
        return [*plain, *timed, *timed, *([self.stay_test] * 6 if self.stays else [])]

    def rare_test(self) -> Expression:
        """Something that is seldom asked."""
        return rare_test(self)

    def order(self, left: Expression, right: Expression) -> Compare:
        """A comparison, either way round; flags have no order."""
        has_order = Kind.FLAG not in (left.kind, right.kind)
        if self.world.chance(0.15):
            left, right = right, left
        return Compare(self.world.pick(ORDERS if has_order else ORDERS[4:]), left, right)

    def loose(self) -> Expression:
        """Something whose type is known only when evaluated."""
        if self.of_event:
            return PropertyValue(self.world.pick(PROPERTIES))
        latest = [metric for metric in self.metrics if metric.function == "latest"]
        if latest and self.world.chance(0.4):
            return MetricValue(self.world.pick(latest).name, Kind.ANY)
        return TraitValue(self.world.pick(TRAITS))

    def literal(self) -> Constant:
        """A number, text or flag."""
        kind = self.world.pick((Kind.NUMBER, Kind.NUMBER, Kind.TEXT, Kind.FLAG))
        if kind is Kind.NUMBER:
            return Constant(self.world.numeral() * self.world.pick((1, 1, 1, -1)), kind)
        return Constant(self.world.pick(TEXTS) if kind is Kind.TEXT else self.world.chance(0.5), kind)

    def loose_test(self) -> Expression:
        """A comparison of a trait or property."""
        if self.world.chance(0.2):
            return Call("exists", (self.loose(),), Kind.FLAG)
        return self.order(self.loose(), self.loose() if self.world.chance(0.15) else self.literal())

    def membership(self) -> Expression:
        """`in` and `not in`."""
        options = tuple(self.literal() for _ in range(self.world.pick((1, 2, 3))))
        return Membership(self.loose(), options, negated=self.world.chance(0.5))

    def text_test(self) -> Expression:
        """A question about a text or list."""
        function = self.world.pick(("contains", "contains", "starts_with", "ends_with"))
        whole: Expression = self.loose()
        if self.world.chance(0.3):
            whole = Call("lower", (whole,), Kind.TEXT)
        text = Constant(self.world.pick(TEXTS), Kind.TEXT)
        loose_list = function == "contains" and not isinstance(whole, Call)
        return Call(function, (whole, self.literal() if loose_list else text), Kind.FLAG)  # type: ignore[arg-type]

    def number_test(self) -> Expression:
        """A comparison of numbers."""
        return self.order(self.number(1), Constant(self.world.numeral(), Kind.NUMBER))

    def number(self, depth: int) -> Expression:
        """A number."""
        if depth and self.world.chance(0.25):
            return self.arithmetic(depth)
        numbers = [metric for metric in self.metrics if metric.kind is Kind.NUMBER]
        if numbers and self.world.chance(0.9):
            return MetricValue(self.world.pick(numbers).name, Kind.NUMBER)
        return self.loose()

    def arithmetic(self, depth: int) -> Expression:
        """Arithmetic of numbers, with an `if` or a minus now and then."""
        left, right = self.number(depth - 1), self.number(depth - 1)
        shape = self.world.pick(("two", "two", "literal", "minus", "if"))
        if shape == "minus":
            return Negate(left, Kind.NUMBER)
        if shape == "if":
            return Call("if", (self.truth(0), left, right), Kind.NUMBER)
        if shape == "literal":
            right = Constant(self.world.numeral(), Kind.NUMBER)
        return operation(self.world.pick(("+", "-", "*", "/")), left, right, Kind.NUMBER)

    def time(self) -> Expression:
        """A time."""
        times: list[Expression] = []
        times.extend(MetricValue(metric.name, Kind.TIME) for metric in self.metrics if metric.kind is Kind.TIME)
        if self.stays:
            times.append(Entered())
        if not times or self.world.chance(0.1):
            return Constant(self.world.time(), Kind.TIME)
        return self.world.pick(times)

    def moved_time(self) -> Expression:
        """A time, or one a while before or after it."""
        if self.world.chance(0.7):
            return self.time()
        while isinstance(base := self.time(), Constant):
            if self.world.chance(0.3):
                return base
        span = Constant(self.world.duration(), Kind.DURATION)
        return operation(self.world.pick(("+", "-")), base, span, Kind.TIME)

    def since_test(self) -> Expression:
        """How long ago, or how long until."""
        of = self.time()
        if self.world.chance(0.25):
            of = self.world.pick((TraitValue(("day",)), TraitValue(("day",)), self.loose()))
        span = self.world.duration() * self.world.pick((1, 1, 1, 1, 1, -1, 0))
        return self.order(Since(of, ahead=self.world.chance(0.25)), Constant(span, Kind.DURATION))

    def stay_test(self) -> Expression:
        """How long this visit has lasted."""
        shape: Expression = Since(Entered()) if self.world.chance(0.25) else InStage()
        return self.order(shape, Constant(self.world.duration(), Kind.DURATION))

    def time_test(self) -> Expression:
        """Times among themselves, spans between them, and dates read from text."""
        left, right = self.moved_time(), self.moved_time()
        if isinstance(left, Constant):
            left = Call("date", (TraitValue(("day",)),), Kind.TIME)
        if self.world.chance(0.3) and not isinstance(right, Constant):
            span: Expression = operation("-", left, right, Kind.DURATION)
            if self.world.chance(0.3):
                span = operation("*", span, Constant(self.world.numeral(), Kind.NUMBER), Kind.DURATION)
            return self.order(span, Constant(self.world.duration(), Kind.DURATION))
        return self.order(left, right)
