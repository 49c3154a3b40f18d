"""Definitions back to the text of a file, in one of the many ways to write it."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from typing import Any

from services.stager.language.definition import (
    Arithmetic,
    Between,
    Calendar,
    Call,
    Compare,
    Constant,
    Entered,
    EventNames,
    Expression,
    InStage,
    Kind,
    Lifecycle,
    Linger,
    Logic,
    Membership,
    Metric,
    MetricValue,
    Negate,
    Not,
    PropertyValue,
    Since,
    Stage,
    TraitValue,
    Within,
)
from tests.oracle.values import written

KEYWORDS = {"and", "or", "not", "in", "true", "false"}
SPANS = (("w", 604_800_000), ("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1))
SIMPLE = (Constant, MetricValue, TraitValue, PropertyValue, Since, InStage, Entered, Call)


def render_file(lifecycles: tuple[Lifecycle, ...]) -> str:
    """The YAML text of several lifecycles, one document each."""
    return "---\n".join(render_lifecycle(lifecycle) for lifecycle in lifecycles)


def render_lifecycle(lifecycle: Lifecycle) -> str:
    """One document."""
    zones = {metric.zone for metric in lifecycle.metrics if metric.zone}
    document: dict[str, Any] = {"segment" if lifecycle.segment else "lifecycle": lifecycle.name}
    document["metrics"] = {metric.name: metric_keys(metric) for metric in lifecycle.metrics}
    if zones:
        document["zone"] = zones.pop()
    if lifecycle.has_carry:
        document["carry"] = [carried.label for carried in lifecycle.carry]
    if lifecycle.forward_only:
        document["forward_only"] = True
    if lifecycle.segment:
        document.update({key: value for key, value in stage_keys(lifecycle.stages[1]).items() if key != "stage"})
    else:
        document["stages"] = [stage_keys(stage) for stage in lifecycle.stages]
    return block(document, 0)


def block(node: Any, depth: int) -> str:
    """YAML in block style; what has no blocks inside stands in JSON's style, which is YAML too."""
    lines = []
    for key, value in node.items():
        head = "  " * depth + key + ":"
        if isinstance(value, dict) and value:
            lines.append(f"{head}\n{block(value, depth + 1)}")
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            items = "".join("  " * depth + "- " + block(item, depth + 1).lstrip() for item in value)
            lines.append(f"{head}\n{items}")
        else:
            lines.append(f"{head} {json.dumps(value, ensure_ascii=False)}\n")
    return "".join(lines)


def stage_keys(stage: Stage) -> dict[str, Any]:
    """The keys of a stage."""
    keys: dict[str, Any] = {"stage": stage.name}
    if stage.when is not None:
        keys["when"] = expression(stage.when)
    if stage.until is not None:
        keys["until"] = expression(stage.until)
    if stage.came_from is not None:
        keys["from"] = sorted(stage.came_from)
    if stage.re_enter_ms != 0:
        keys["re_enter"] = "never" if stage.re_enter_ms is None else {"after": span(stage.re_enter_ms)}
    if stage.min_stay_ms:
        keys["min_stay"] = span(stage.min_stay_ms)
    if stage.linger is not None:
        keys["linger"] = linger(stage.linger)
    return keys


def linger(value: Linger) -> Any:
    """One of the three ways to write it."""
    offsets = value.offsets_ms
    if value.every_ms is not None:
        return {"after": span(offsets[0]), "every": span(value.every_ms), "times": "forever"}
    if len(offsets) == 1:
        return span(offsets[0])
    gaps = {b - a for a, b in pairwise(offsets)}
    if len(gaps) == 1 and min(gaps) >= 60_000:
        return {"after": span(offsets[0]), "every": span(gaps.pop()), "times": len(offsets)}
    return [span(offset) for offset in offsets]


def metric_keys(metric: Metric) -> dict[str, Any]:
    """The keys of a metric."""
    keys: dict[str, Any] = {}
    if metric.function == "changed":
        return {"changed": ".".join(("traits", *metric.path))}
    if metric.function == "sequence":
        keys["sequence"] = [names(step) for step in metric.steps]
        if metric.within_ms is not None:
            keys["within"] = span(metric.within_ms)
    elif metric.path:
        keys.update({metric.function: ".".join(metric.path), "of": names(metric.steps[0])})
    else:
        keys[metric.function] = names(metric.steps[0])
    if metric.function == "regular":
        keys.update(period=span(metric.period_ms), periods=metric.periods)
        if metric.at_least != 1:
            keys["at_least"] = metric.at_least
    if metric.where is not None:
        keys["where"] = expression(metric.where)
    keys.update(window_keys(metric))
    return keys


def window_keys(metric: Metric) -> dict[str, Any]:
    """The keys of a window."""
    match metric.window:
        case Within(within, ago):
            return {"within": span(within), **({"ago": span(ago)} if ago else {})}
        case Between(start, end):
            return {"between": [written(start), written(end)]}
        case Calendar(unit, back):
            return {"calendar": unit, **({"back": back} if back else {})}
    return {}


def names(step: EventNames) -> Any:
    """The events of a step."""
    if step is None:
        return "*"
    return next(iter(step)) if len(step) == 1 else sorted(step)


def span(milliseconds: int) -> str:
    """A duration."""
    parts, rest = "", abs(milliseconds)
    for unit, size in SPANS:
        if rest >= size:
            parts, rest = f"{parts}{rest // size}{unit}", rest % size
    return ("-" if milliseconds < 0 else "") + (parts or "0ms")


def constant(value: Constant) -> str:
    """A literal."""
    match value.kind:
        case Kind.NUMBER:
            whole, rest = divmod(abs(int(value.value)), 1_000_000)
            return ("-" if int(value.value) < 0 else "") + f"{whole}" + (f".{rest:06d}".rstrip("0") if rest else "")
        case Kind.DURATION:
            return span(int(value.value))
        case Kind.TIME:
            return f'date("{written(int(value.value))}")'
    return json.dumps(value.value, ensure_ascii=False)


def path_text(path: tuple[str, ...], *, after_dot: bool) -> str:
    """A path, with backquotes where a name is no name."""
    plain = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
    parts = [part if plain.fullmatch(part) and part not in KEYWORDS else f"`{part}`" for part in path]
    return ("traits." if after_dot else "") + ".".join(parts)


def part(node: Expression) -> str:
    """An operand, in parentheses unless it is simple."""
    text = expression(node)
    return text if isinstance(node, SIMPLE) and not text.startswith("-") else f"({text})"


def expression(node: Expression) -> str:
    """The text of an expression."""
    match node:
        case Constant():
            return constant(node)
        case MetricValue(name):
            return name
        case TraitValue(path):
            return path_text(path, after_dot=True)
        case PropertyValue(path):
            return path_text(path, after_dot=False)
        case Since(of, ahead):
            return f"{'time_to' if ahead else 'since'}({expression(of)})"
        case InStage():
            return "in_stage()"
        case Entered():
            return "entered()"
        case Call(function, arguments):
            return f"{function}({', '.join(map(expression, arguments))})"
        case Negate(operand):
            return f"-{part(operand)}"
    return _operation(node)


def _operation(node: Expression) -> str:
    match node:
        case Compare(operator, left, right):
            return f"{part(left)} {operator} {part(right)}"
        case Arithmetic(first, steps):
            text = part(first)
            for number, step in enumerate(steps):
                text = f"{f'({text})' if number else text} {step.operator} {part(step.operand)}"
            return text
        case Membership(item, options, negated):
            return f"{part(item)} {'not in' if negated else 'in'} [{', '.join(map(constant, options))}]"
        case Logic(operator, operands):
            return f" {operator} ".join(map(part, operands))
        case Not(operand):
            return f"not ({expression(operand)})"
    raise AssertionError(node)
