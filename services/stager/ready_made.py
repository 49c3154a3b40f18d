"""The ready-made lifecycles: what the comment at the head of each file in `deploy/lifecycles` promises its reader.

The head is the one place that says which events a file needs; the list on the command line and the page in `docs` read
it here. It knows the comment and the names alone: whether the comment tells the truth about the metrics below it is for
a test to say.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Final

from shared.document.nodes import nearest
from shared.errors import Malformed, Refused

FOLDER: Final = Path(__file__).parents[2] / "deploy" / "lifecycles"

_EVENTS, _TRAITS = "Events it needs:", "Traits it needs:"
_NEED: Final = re.compile(r"  (?P<name>[^:(]+?)(?: \((?P<properties>[^)]+)\))?: (?P<meaning>.+)")


@dataclass(frozen=True, slots=True)
class Need:
    """An event (`$page` ... for the calls that are no track) or a trait; `properties` are those that the file reads."""

    name: str
    properties: tuple[str, ...]
    meaning: str


@dataclass(frozen=True, slots=True)
class ReadyMade:
    """One file. `name` is its own, `lifecycles` and `segments` are those in it; all lists are in the file's order."""

    name: str
    summary: str
    lifecycles: tuple[str, ...]
    segments: tuple[str, ...]
    events: tuple[Need, ...]
    traits: tuple[Need, ...]
    path: Path


def list_ready_made() -> list[ReadyMade]:
    """All of them, by name. Errors: Malformed when a file's head is not written as the others are."""
    return [read_ready_made(path) for path in sorted(FOLDER.glob("*.yaml"))]


def find_ready_made(name: str) -> ReadyMade:
    """The file of this name, or the one that holds the lifecycle or segment of this name.

    Errors: Refused when there is none, with the nearest name; Malformed as in `list_ready_made`.
    """
    files = list_ready_made()
    holders = {part: file for file in files for part in (*file.lifecycles, *file.segments)}
    holders |= {file.name: file for file in files}
    if name not in holders:
        near = nearest(name, holders)
        hint = f"did you mean `{near}`?" if near else "`stageline lifecycles` lists them"
        raise Refused(f"there is no ready-made lifecycle or segment `{name}`; {hint}")
    return holders[name]


def read_ready_made(path: Path) -> ReadyMade:
    """What the head of this file says. Errors: Malformed when its first line or its list of events is missing."""
    text = path.read_text(encoding="utf-8")
    head = [line[1:].removeprefix(" ") for line in takewhile(lambda line: line.startswith("#"), text.splitlines())]
    name, _, summary = (head[0] if head else "").partition(": ")
    events = tuple(_needs_below(_EVENTS, head))
    if name != path.stem or not summary or not events:
        raise Malformed(f"{path.name} has to begin with `# {path.stem}: ...` and to say `# {_EVENTS}`")
    return ReadyMade(
        name=name,
        summary=summary,
        lifecycles=_named("lifecycle", text),
        segments=_named("segment", text),
        events=events,
        traits=tuple(_needs_below(_TRAITS, head)),
        path=path,
    )


def _named(kind: str, text: str) -> tuple[str, ...]:
    """The names after a document's own key. The files are ours, so nothing but that key begins a line in this way."""
    return tuple(re.findall(rf"^{kind}: (\S+)", text, re.MULTILINE))


def _needs_below(title: str, head: list[str]) -> Iterator[Need]:
    """The indented lines right below a title."""
    start = head.index(title) + 1 if title in head else len(head)
    for line in _indented(head[start:]):
        match = _NEED.fullmatch(line)
        if match is None:
            raise Malformed(f"expected `#   NAME (PROPERTY, ..): what it means`; got `#{line}`")
        properties = tuple(part.strip() for part in (match["properties"] or "").split(",") if part.strip())
        yield Need(match["name"], properties, match["meaning"])


def _indented(lines: Iterable[str]) -> Iterator[str]:
    return takewhile(lambda line: line.startswith("  "), lines)
