"""Conditions that people write now and then: what the usual draw leaves out of the language."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from services.stager.language.definition import (
    Arithmetic,
    Call,
    Compare,
    Constant,
    Expression,
    Kind,
    Membership,
    Negate,
    Since,
    Step,
)
from services.stager.language.literals import Operator
from tests.oracle.world import TEXTS

if TYPE_CHECKING:
    from tests.oracle.draw_expression import ExpressionDraw


def operation(operator: Operator, left: Expression, right: Expression, kind: Kind) -> Arithmetic:
    """Arithmetic of two operands; one chain where the left is arithmetic too."""
    step = Step(operator, right, kind)
    if isinstance(left, Arithmetic):
        return Arithmetic(left.first, (*left.steps, step))
    return Arithmetic(left, (step,))


def rare_test(draw: ExpressionDraw) -> Expression:
    """One of them; where only the event is in sight, one without times of the customer."""
    tests: list[Callable[[ExpressionDraw], Expression]] = [exists_test, lower_test, date_test, if_test, flag_test, bare]
    timed = [since_if_test, span_test, known_membership, known_membership]
    return draw.world.pick(tests if draw.of_event else [*tests, *timed])(draw)


def exists_test(draw: ExpressionDraw) -> Expression:
    """Whether something worked out is there."""
    loose, number = draw.loose(), draw.number(1)
    lowered = Call("lower", (loose,), Kind.TEXT)
    sums = operation(draw.world.pick(("+", "-", "*", "/")), loose, number, Kind.NUMBER)
    return Call("exists", (draw.world.pick((loose, number, lowered, sums, _dated(draw))),), Kind.FLAG)


def lower_test(draw: ExpressionDraw) -> Expression:
    """A text in small letters, compared or looked for."""
    lowered = Call("lower", (draw.loose(),), Kind.TEXT)
    texts = [Constant(draw.world.pick(TEXTS), Kind.TEXT) for _ in range(3)]
    if draw.world.chance(0.5):
        return draw.order(lowered, texts[0])
    return Membership(lowered, tuple(texts), negated=draw.world.chance(0.5))


def date_test(draw: ExpressionDraw) -> Expression:
    """A text read as a time, perhaps a while before or after it."""
    date: Expression = _dated(draw)
    if draw.world.chance(0.5):
        span = Constant(draw.world.duration(), Kind.DURATION)
        date = operation(draw.world.pick(("+", "-")), date, span, Kind.TIME)
    return draw.order(date, Constant(draw.world.time(), Kind.TIME))


def _dated(draw: ExpressionDraw) -> Expression:
    return Call("date", (draw.loose(),), Kind.TIME)


def if_test(draw: ExpressionDraw) -> Expression:
    """One of two values whose types are seen only when evaluated."""
    chosen = Call("if", (draw.truth(0), draw.loose(), draw.loose()), Kind.ANY)
    if draw.world.chance(0.3):
        return Membership(chosen, (draw.literal(), draw.literal()), negated=draw.world.chance(0.5))
    return draw.order(chosen, draw.literal())


def flag_test(draw: ExpressionDraw) -> Expression:
    """An answer compared with an answer."""
    one: Expression = Call("exists", (draw.loose(),), Kind.FLAG)
    other = draw.world.pick((Constant(True, Kind.FLAG), Constant(False, Kind.FLAG), draw.truth(0)))
    return Compare(draw.world.pick(("==", "!=")), one, other)


def bare(draw: ExpressionDraw) -> Expression:
    """A value where a truth is wanted."""
    return draw.loose()


def since_if_test(draw: ExpressionDraw) -> Expression:
    """How long since one of two times, of which one may be a text."""
    times = (draw.time(), draw.world.pick((draw.time(), draw.loose())))
    kind = Kind.TIME if times[1].kind is Kind.TIME else Kind.ANY
    chosen = Call("if", (draw.truth(0), *times), kind)
    span = Constant(draw.world.duration() * draw.world.pick((1, 1, -1, 0)), Kind.DURATION)
    return draw.order(Since(chosen, ahead=draw.world.chance(0.3)), span)


def span_test(draw: ExpressionDraw) -> Expression:
    """The time between two, scaled from either side or turned round."""
    left, right = draw.moved_time(), draw.time()
    if isinstance(left, Constant) or isinstance(right, Constant):
        left = _dated(draw)
    span: Expression = operation("-", left, right, Kind.DURATION)
    numeral = Constant(draw.world.numeral(), Kind.NUMBER)
    shape = draw.world.pick(("minus", "left", "right", "sum", "in"))
    if shape == "minus":
        span = Negate(span, Kind.DURATION)
    if shape == "sum":
        span = operation(
            draw.world.pick(("+", "-")), span, Constant(draw.world.duration(), Kind.DURATION), Kind.DURATION
        )
    if shape == "in":
        spans = tuple(Constant(draw.world.duration(), Kind.DURATION) for _ in range(3))
        return Membership(span, spans, negated=draw.world.chance(0.5))
    if shape in ("left", "right"):
        first, second = (numeral, span) if shape == "left" else (span, numeral)
        span = operation("*", first, second, Kind.DURATION)
    return draw.order(span, Constant(draw.world.duration() * draw.world.pick((1, -1)), Kind.DURATION))


def known_membership(draw: ExpressionDraw) -> Expression:
    """A number among numbers, or a time among times."""
    negated = draw.world.chance(0.5)
    if draw.world.chance(0.5):
        numbers = tuple(Constant(draw.world.numeral(), Kind.NUMBER) for _ in range(3))
        return Membership(draw.number(1), numbers, negated=negated)
    times = tuple(Constant(draw.world.time(), Kind.TIME) for _ in range(3))
    return Membership(draw.moved_time(), times, negated=negated)
