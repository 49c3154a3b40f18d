"""Expressions (LANGUAGE.md 3), walked node by node."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

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
from tests.oracle import values
from tests.oracle.values import Value


def _no_metric(_name: str) -> Value:
    return None


@dataclass(frozen=True)
class Moment:
    """All that an expression may look at: the instant, the customer's values then, and when the visit began."""

    t: int = 0
    metric: Callable[[str], Value] = _no_metric
    traits: Mapping[str, object] = field(default_factory=dict)
    properties: Mapping[str, object] = field(default_factory=dict)
    began: int | None = None


def truth_of_event(where: Expression, properties: Mapping[str, object]) -> bool:
    """Whether a `where` is true of an event."""
    return is_true(where, Moment(properties=properties))


def is_true(expression: Expression, moment: Moment) -> bool:
    """Only the flag `true` is true."""
    return evaluate(expression, moment) == (Kind.FLAG, True)


def evaluate(expression: Expression, moment: Moment) -> Value:
    """The value of an expression at a moment, None when missing."""
    match expression:
        case Constant(value, kind):
            return (kind, value)
        case MetricValue() | TraitValue() | PropertyValue():
            return _looked_up(expression, moment)
        case Since() | InStage() | Entered():
            return _timed(expression, moment)
        case Arithmetic(first, steps):
            value = evaluate(first, moment)
            for step in steps:
                value = values.calculate(step.operator, value, evaluate(step.operand, moment))
            return value
        case Negate(operand):
            return values.negate(evaluate(operand, moment))
        case Call("if", (condition, yes, no)):
            return evaluate(yes if is_true(condition, moment) else no, moment)
        case Call(function, arguments):
            return _call(function, [evaluate(argument, moment) for argument in arguments])
    return (Kind.FLAG, _truth(expression, moment))


def _looked_up(expression: MetricValue | TraitValue | PropertyValue, moment: Moment) -> Value:
    if isinstance(expression, MetricValue):
        return moment.metric(expression.name)
    source = moment.traits if isinstance(expression, TraitValue) else moment.properties
    return values.read(values.reach(dict(source), expression.path))


def _timed(expression: Since | InStage | Entered, moment: Moment) -> Value:
    if isinstance(expression, Since):
        at = time_of(evaluate(expression.of, moment))
        sign = -1 if expression.ahead else 1
        return None if at is None else values.instant(Kind.DURATION, sign * (moment.t - at))
    if moment.began is None:
        return None
    return (Kind.TIME, moment.began) if isinstance(expression, Entered) else (Kind.DURATION, moment.t - moment.began)


def _truth(expression: Expression, moment: Moment) -> bool:
    match expression:
        case Compare(operator, left, right):
            return values.compare(operator, evaluate(left, moment), evaluate(right, moment))
        case Membership(item, options, negated):
            return _member(evaluate(item, moment), options, negated)
        case Logic("and", operands):
            return all(is_true(operand, moment) for operand in operands)
        case Logic("or", operands):
            return any(is_true(operand, moment) for operand in operands)
        case Not(operand):
            return not is_true(operand, moment)
    raise AssertionError(expression)


def time_of(value: Value) -> int | None:
    """The instant that a value stands for in `since` and `time_to`."""
    if value is None:
        return None
    if value[0] is Kind.TEXT:
        return values.parse_time(value[1])
    return value[1] if value[0] is Kind.TIME else None


def _member(item: Value, options: tuple[Constant, ...], negated: bool) -> bool:
    if item is None:
        return False
    alike = [option for option in options if option.kind == item[0]]
    found = any(values.compare("==", item, (option.kind, option.value)) for option in alike)
    return bool(alike) and not found if negated else found


def _call(function: str, arguments: list[Value]) -> Value:
    first = arguments[0]
    if function == "exists":
        return (Kind.FLAG, first is not None)
    if function == "lower":
        return (Kind.TEXT, first[1].lower()) if first and first[0] is Kind.TEXT else None
    if function == "date":
        at = time_of(first) if first and first[0] is Kind.TEXT else None
        return None if at is None else (Kind.TIME, at)
    return (Kind.FLAG, _text_test(function, first, arguments[1]))


def _text_test(function: str, whole: Value, part: Value) -> bool:
    if whole is None or part is None:
        return False
    if function == "contains" and whole[0] is Kind.LIST:
        return any(values.compare("==", values.read(item), part) for item in whole[1])
    if whole[0] is not Kind.TEXT or part[0] is not Kind.TEXT:
        return False
    if function == "contains":
        return part[1] in whole[1]
    return bool(whole[1].startswith(part[1]) if function == "starts_with" else whole[1].endswith(part[1]))
