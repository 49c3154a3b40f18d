"""Smaller and smaller cases that still show the same fault, so that a person can read them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from services.stager.language.definition import Call, Expression, Lifecycle, Logic, MetricValue, Not, Stage
from tests.oracle.deadlines import walk
from tests.oracle.generate import Case

ROUNDS_MAX = 40  # each round makes the case smaller by at least a piece; a case has fewer pieces than that


def shrink(case: Case, differs: Callable[[Case], bool]) -> Case:
    """The smallest case that dropping one piece at a time leads to."""
    for _ in range(ROUNDS_MAX):
        smaller = next((candidate for candidate in smaller_cases(case) if differs(candidate)), None)
        if smaller is None:
            return drop_unused(case, differs)
        case = smaller
    return case


def smaller_cases(case: Case) -> Iterator[Case]:
    """The case without a piece, big pieces first."""
    for i in range(len(case.lifecycles)):
        if len(case.lifecycles) > 1:
            yield replace(case, lifecycles=case.lifecycles[:i] + case.lifecycles[i + 1 :])
    size = max(1, len(case.lines) // 2)
    while size:
        for i in range(0, len(case.lines), size):
            yield replace(case, lines=case.lines[:i] + case.lines[i + size :])
        size //= 2
    for i, lifecycle in enumerate(case.lifecycles):
        for simpler in simpler_lifecycles(lifecycle):
            yield replace(case, lifecycles=(*case.lifecycles[:i], simpler, *case.lifecycles[i + 1 :]))


def simpler_lifecycles(lifecycle: Lifecycle) -> Iterator[Lifecycle]:
    """The lifecycle without a stage, an option or a part of a condition."""
    if lifecycle.has_carry:
        yield replace(lifecycle, carry=(), has_carry=False)
    if lifecycle.forward_only:
        yield replace(lifecycle, forward_only=False)
    for i, stage in enumerate(lifecycle.stages):
        rest = lifecycle.stages[:i] + lifecycle.stages[i + 1 :]
        named = any(stage.name in (other.came_from or ()) for other in rest)
        if rest and not named and not lifecycle.segment:
            yield replace(lifecycle, stages=rest)
        for simpler in simpler_stages(stage):
            if simpler.when is not None or not lifecycle.segment:
                yield replace(lifecycle, stages=(*lifecycle.stages[:i], simpler, *lifecycle.stages[i + 1 :]))


def simpler_stages(stage: Stage) -> Iterator[Stage]:
    """The stage without an option or a part of a condition."""
    if stage.until is not None:
        yield replace(stage, until=None)
    if stage.came_from is not None:
        yield replace(stage, came_from=None)
    if stage.re_enter_ms != 0:
        yield replace(stage, re_enter_ms=0)
    if stage.min_stay_ms:
        yield replace(stage, min_stay_ms=0)
    if stage.linger is not None:
        yield replace(stage, linger=None)
    for simpler in simpler_truths(stage.when):
        yield replace(stage, when=simpler)
    for simpler in simpler_truths(stage.until):
        yield replace(stage, until=simpler)


def simpler_truths(node: Expression | None) -> Iterator[Expression]:
    """A part of a condition that is a condition itself."""
    match node:
        case Logic(operator, operands):
            yield from operands
            for i, operand in enumerate(operands):
                for simpler in simpler_truths(operand):
                    yield Logic(operator, (*operands[:i], simpler, *operands[i + 1 :]))
        case Not(operand):
            yield operand
            yield from map(Not, simpler_truths(operand))
        case Call("if", arguments):
            yield from arguments


def drop_unused(case: Case, differs: Callable[[Case], bool]) -> Case:
    """The case without the metrics that nothing mentions, if that does not matter."""
    kept = []
    for lifecycle in case.lifecycles:
        roots = (lifecycle.carry, tuple((stage.when, stage.until) for stage in lifecycle.stages))
        used = {node.name for node in walk(roots) if isinstance(node, MetricValue)}
        metrics = tuple(metric for metric in lifecycle.metrics if metric.name in used)
        kept.append(replace(lifecycle, metrics=metrics))
    smaller = replace(case, lifecycles=tuple(kept))
    return smaller if differs(smaller) else case
