"""Simulate's input (LANGUAGE.md 8): lines to records, and which lines are bad."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from tests.oracle.values import parse_time

NAMES = {"page": "$page", "screen": "$screen", "identify": "$identify", "group": "$group"}


class BadLine(Exception):
    """The line is no record."""


@dataclass(frozen=True)
class Record:
    """One record of the log; an `import_end` has no customer."""

    kind: str
    received_at: int
    occurred_at: int = 0
    id: str = ""
    customer: str = ""
    name: str = ""
    properties: dict[str, Any] = field(default_factory=dict)
    historical: bool = False


def parse_line(text: str, line_number: int) -> Record:
    """The record of one line. Errors: BadLine."""
    try:
        line = json.loads(text, parse_constant=_no_json)
    except ValueError as error:
        raise BadLine(str(error)) from error
    if not isinstance(line, dict):
        raise BadLine("no object")
    kind = line.get("type", "track")
    if kind not in ("track", "import_end", *NAMES):
        raise BadLine("unknown type")
    occurred_at = _time(line, "timestamp")
    received_at = _time(line, "receivedAt") if "receivedAt" in line else occurred_at
    if kind == "import_end":
        return Record(kind, received_at)
    return Record(
        kind,
        received_at,
        min(occurred_at, received_at),
        line.get("messageId", f"{line_number:012d}"),
        _customer(line),
        _name(line, kind),
        _properties(line, kind),
        line.get("historical") is True,
    )


def _no_json(word: str) -> None:
    raise ValueError(word)


def _time(line: dict[str, Any], key: str) -> int:
    text = line.get(key)
    instant = parse_time(text) if isinstance(text, str) else None
    if instant is None:
        raise BadLine(key)
    return instant


def _customer(line: dict[str, Any]) -> str:
    for key in ("userId", "anonymousId"):
        name = line.get(key)
        if isinstance(name, int) and not isinstance(name, bool):
            return str(name)
        if isinstance(name, str) and name:
            return name
    raise BadLine("no customer")


def _name(line: dict[str, Any], kind: str) -> str:
    if kind != "track":
        return NAMES[kind]
    name = line.get("event")
    if not isinstance(name, str) or not name or name.startswith("$"):
        raise BadLine("event")
    return name


def _properties(line: dict[str, Any], kind: str) -> dict[str, Any]:
    parts: dict[str, dict[str, Any]] = {}
    for key in ("properties", "traits"):
        part = line.get(key)
        if part is not None and not isinstance(part, dict):
            raise BadLine(key)
        parts[key] = part or {}
    if kind in ("identify", "group"):
        return parts["traits"]
    if kind in ("page", "screen"):
        own = {key: line[key] for key in ("name", "category") if line.get(key) is not None}
        return {**parts["properties"], **own}
    return parts["properties"]
