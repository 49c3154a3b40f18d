"""Scenarios that stories cannot tell: raw lines in, whole transitions out; and conditions that hold or fail.

A file holds YAML documents. `scenario` has `file` (lifecycles; left out: those of the scenario above), `lines` (what
simulate reads; `31 * {..}` stands for so many, and `##` in it for 00, 01 ..), `until`, `bad` (numbers of bad lines) and
`then`, one transition a line: `CUSTOMER LIFECYCLE FROM>TO AT FIELD=JSON ..`, or `STAGE+NTH` for a linger. `cause=time`
and `cause=ID` are short.
`truth` has `traits` of a customer, and the conditions that hold of them and those that fail.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import reduce
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from services.stager.fold.instants import instant_of
from services.stager.fold.rules import compile_rules
from services.stager.language.file import load_text
from services.stager.simulate.simulation import simulate
from shared.transition import Transition, encode

NOW = "2026-01-01"  # when a truth's customer is looked at
METRICS = "{count: {count: Never}, total: {sum: x, of: Never}, mean: {avg: x, of: Never}, never: {last: Never}}"
_REPEATED = re.compile(r"(\d+) \* ")
_HASHES = re.compile("#+")


@dataclass(frozen=True)
class Scenario:
    """What goes in, and what must come out."""

    title: str
    file: str
    lines: str
    until: str | None
    bad: Sequence[int]
    then: Sequence[str]


@dataclass(frozen=True)
class Truth:
    """A condition of a customer with these traits, and whether it holds."""

    title: str
    traits: dict[str, Any]
    holds: Sequence[str]
    fails: Sequence[str]


def read_scenarios(folder: Path) -> Iterator[Scenario]:
    """The scenarios of a folder's files, in order."""
    for path in sorted(folder.glob("*.yaml")):
        file = ""
        for document in _documents(path):
            file = document.get("file", file)
            then = document["then"].splitlines()
            until, bad = document.get("until"), document.get("bad", [])
            yield Scenario(document["scenario"], file, document["lines"], until, [int(number) for number in bad], then)


def read_truths(folder: Path) -> Iterator[Truth]:
    """The truths of a folder's files, in order."""
    for path in sorted(folder.glob("*.yaml")):
        for document in YAML(typ="safe", pure=True).load_all(path):
            yield Truth(document["truth"], document["traits"], document["holds"], document["fails"])


def _documents(path: Path) -> list[dict[str, Any]]:
    """Every scalar a text: a time stays as it is written."""
    return list(YAML(typ="base", pure=True).load_all(path))


def play(scenario: Scenario) -> tuple[list[Transition], list[int]]:
    """The transitions, and the numbers of the bad lines."""
    loaded = load_text(scenario.file, file="scenario")
    assert [fault.render() for fault in loaded.errors] == []
    lines = [line.encode() for written in scenario.lines.splitlines() for line in _written_out(written)]
    until_ms = None if scenario.until is None else instant_of(scenario.until)
    bad: list[int] = []
    rules = compile_rules(loaded.lifecycles)
    found = simulate(lines, rules, until_ms=until_ms, on_bad_line=lambda number, _: bad.append(number))
    return list(found), bad


def _written_out(line: str) -> list[str]:
    found = _REPEATED.match(line)
    if found is None:
        return [line]
    return [_numbered(line[found.end() :], place) for place in range(int(found[1]))]


def _numbered(line: str, place: int) -> str:
    return _HASHES.sub(lambda mark: f"{place:0{len(mark[0])}d}", line)


def missed(wanted: str, found: Transition) -> list[str]:
    """What of a line of `then` a transition does not have."""
    customer, lifecycle, change, at, *fields = wanted.split(" ")
    record = json.loads(encode(found), parse_float=Decimal)
    had = {
        "customer": found.customer,
        "lifecycle": found.lifecycle,
        "change": _change(found),
        "at": instant_of(found.at),
    }
    want: dict[str, Any] = {"customer": customer, "lifecycle": lifecycle, "change": change, "at": instant_of(at)}
    for field, value in (field.split("=", 1) for field in fields):
        want[field] = value if field == "cause" else json.loads(value, parse_float=Decimal)
        had[field] = _cause(record["cause"]) if field == "cause" else _at_path(record, field)
    want["cause"] = want.get("cause", "").strip('"')
    had["cause"] = had.get("cause", "")
    return [f"{key}: wanted {want[key]!r}, found {had[key]!r}" for key in want if want[key] != had[key]]


def _change(found: Transition) -> str:
    if found.change == "lingered":
        return f"{found.to_stage}+{found.nth}"
    return f"{found.from_stage or 'none'}>{found.to_stage or 'none'}"


def _cause(cause: dict[str, Any]) -> str:
    return "time" if cause["kind"] == "time" else str(cause["id"])


def _at_path(record: dict[str, Any], path: str) -> Any:
    """`carried.traits.plan` is a key of `carried` with a dot in it."""
    first, _, rest = path.partition(".")
    return record[first][rest] if first == "carried" else reduce(dict.__getitem__, path.split("."), record)


def true_ones(truth: Truth) -> list[str]:
    """Those of the conditions that hold of the customer."""
    conditions = [*truth.holds, *truth.fails]
    parts = [
        f"segment: c{place}\nmetrics: {METRICS}\nwhen: {json.dumps(text)}\n" for place, text in enumerate(conditions)
    ]
    line = json.dumps({"userId": "a", "type": "identify", "timestamp": NOW, "traits": truth.traits})
    found, bad = play(replace(_EMPTY, file="---\n".join(parts), lines=line))
    assert bad == []
    inside = {int(transition.lifecycle[1:]) for transition in found if transition.to_stage == "in"}
    return [text for place, text in enumerate(conditions) if place in inside]


_EMPTY = Scenario("", "", "", None, (), ())
