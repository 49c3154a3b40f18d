"""Play a story file (`deploy/lifecycles/stories`) against the fold: what happened in each step, beside what it says."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from services.stager.fold.instants import instant_of
from services.stager.fold.rules import Rules, compile_rules
from services.stager.language.file import load_paths
from services.stager.simulate import simulate
from shared.clock import rfc3339
from shared.transition import Transition

UNITS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 7 * 86_400_000}
HAPPENINGS = ("track", "page", "screen", "identify", "group")


@dataclass
class Played:
    title: str
    transitions: list[Transition]
    differences: list[str]


def play(path: Path) -> Iterator[Played]:
    for story in YAML(typ="safe", pure=True).load_all(path.read_text(encoding="utf-8")):
        yield _play(story, path)


def milliseconds(text: str) -> int:
    parts = re.findall(r"(\d+)(ms|[smhdw])", text)
    assert "".join(number + unit for number, unit in parts) == text, text
    return sum(int(number) * UNITS[unit] for number, unit in parts)


def _play(story: dict[str, Any], path: Path) -> Played:
    given = story["given"] if isinstance(story["given"], list) else [story["given"]]
    loaded = load_paths([path.parent / file for file in given])
    own = story.get("lifecycle") or loaded.lifecycles[0].name
    rules = compile_rules(loaded.lifecycles)
    lines: list[dict[str, Any]] = []
    places = {each.name: "out" if each.segment else "none" for each in loaded.lifecycles}
    seen: list[Transition] = []
    differences: list[str] = []
    now_ms = 0
    for number, step in enumerate(story["steps"], start=1):
        now_ms = _instant(step["on"]) if "on" in step else now_ms + milliseconds(str(step.get("after", "0ms")))
        before = len(seen)
        _happen(step, lines, now_ms, story.get("customer", "customer"))
        seen = _simulated(lines, rules, now_ms)
        changes = seen[before:]
        places |= {change.lifecycle: change.to_stage or "none" for change in changes}
        told = [change for change in changes if change.lifecycle == own]
        differences += [
            f"step {number} ({rfc3339(now_ms)}): {each}" for each in _compare(step, told, {**places, "": places[own]})
        ]
    return Played(story["story"], seen, differences)


def _instant(value: object) -> int:
    text = value.isoformat() if isinstance(value, date | datetime) else str(value)
    instant = instant_of(text)
    assert instant is not None, text
    return instant


def _happen(step: dict[str, Any], lines: list[dict[str, Any]], now_ms: int, customer: str) -> None:
    kinds = [kind for kind in HAPPENINGS if kind in step]
    if not kinds:
        return
    (kind,) = kinds
    occurred_ms = now_ms - milliseconds(str(step.get("late", "0ms")))
    line: dict[str, Any] = {"type": kind, "userId": customer, "messageId": f"m{len(lines)}"}
    line |= {"timestamp": rfc3339(occurred_ms), "receivedAt": rfc3339(now_ms)}
    if kind in ("identify", "group"):
        line["traits"] = step[kind]
    else:
        line |= {"event" if kind == "track" else "name": step[kind], "properties": step.get("properties", {})}
    lines += [line] * (2 if step.get("twice") else 1)


def _simulated(lines: list[dict[str, Any]], rules: Rules, until_ms: int) -> list[Transition]:
    bad: list[str] = []
    encoded = [json.dumps(line, default=str).encode() for line in lines]
    found = list(simulate(encoded, rules, until_ms=until_ms, on_bad_line=lambda number, why: bad.append(why)))
    assert bad == []
    return found


def _compare(step: dict[str, Any], changes: list[Transition], places: dict[str, str]) -> Iterator[str]:
    for name, place in {**step.get("stages", {}), **({"": step["stage"]} if "stage" in step else {})}.items():
        if places[name] != place:
            yield f"{name} expected {place}, is {places[name]}"
    shown = [_shown(change) for change in changes]
    for kind in ("moved", "lingered"):
        for wanted in _listed(step.get(kind, [])):
            if not any(_fits(kind, wanted, change) for change in changes):
                yield f"expected {kind} {wanted}, got {shown}"
    if step.get("nothing") and changes:
        yield f"expected nothing, got {shown}"
    if "changes" in step:
        wanted_list = [(kind, wanted) for each in step["changes"] for kind, wanted in each.items()]
        if len(wanted_list) != len(changes) or not all(
            _fits(kind, wanted, change) for (kind, wanted), change in zip(wanted_list, changes, strict=True)
        ):
            yield f"expected {wanted_list}, got {shown}"


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _shown(change: Transition) -> str:
    return f"{change.change} {change.from_stage}->{change.to_stage} {change.nth} at {change.at}"


def _fits(kind: str, wanted: Any, change: Transition) -> bool:
    if change.change != kind:
        return False
    fields = wanted if isinstance(wanted, dict) else {"stage" if kind == "lingered" else "to": wanted}
    actual = {
        "to": change.to_stage or "none",
        "from": change.from_stage or "none",
        "stage": change.to_stage,
        "nth": change.nth,
    }
    return all(
        _instant(value) == _instant(change.at) if key == "at" else actual[key] == value for key, value in fields.items()
    )
