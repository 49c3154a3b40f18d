"""Walks over checked expressions."""

from __future__ import annotations

from collections.abc import Iterator

from services.stager.language.definition import (
    Arithmetic,
    Call,
    Compare,
    Entered,
    Expression,
    InStage,
    Logic,
    Membership,
    MetricValue,
    Negate,
    Not,
    Since,
)


def parts_of(node: Expression) -> tuple[Expression, ...]:
    """The nodes directly below this one, from left to right."""
    if isinstance(node, Compare):
        return (node.left, node.right)
    if isinstance(node, Arithmetic):
        return (node.first, *(step.operand for step in node.steps))
    if isinstance(node, Logic):
        return node.operands
    if isinstance(node, Call):
        return node.arguments
    if isinstance(node, Not | Negate):
        return (node.operand,)
    if isinstance(node, Membership):
        return (node.item, *node.options)
    return (node.of,) if isinstance(node, Since) else ()


def walk(*expressions: Expression | None) -> Iterator[Expression]:
    """Every node of these expressions."""
    waiting = [expression for expression in expressions if expression is not None]
    while waiting:
        node = waiting.pop()
        yield node
        waiting.extend(parts_of(node))


def metrics_named(*expressions: Expression | None) -> set[str]:
    """The names of the metrics that these expressions read."""
    return {node.name for node in walk(*expressions) if isinstance(node, MetricValue)}


def counts_the_visit(expression: Expression) -> bool:
    """Whether `in_stage()` or `entered()` is used."""
    return any(isinstance(node, InStage | Entered) for node in walk(expression))
