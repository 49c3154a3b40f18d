"""The ready-made lifecycles: what the comment at the head of each file in `deploy/lifecycles` promises its reader.

The head is the one place that says which events a file needs; the list on the command line and the page in `docs` read
it here. It knows the comment alone: whether that tells the truth about the metrics below it is for a test to say.
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
    """One file. `name` is the model's and the file's; `events` and `traits` are in the file's order."""

    name: str
    summary: str
    events: tuple[Need, ...]
    traits: tuple[Need, ...]
    path: Path


def list_ready_made() -> list[ReadyMade]:
    """All of them, by name. Errors: Malformed when a file's head is not written as the others are."""
    return [read_ready_made(path) for path in sorted(FOLDER.glob("*.yaml"))]


def find_ready_made(name: str) -> ReadyMade:
    """The one of this name. Errors: Refused when there is none, with the nearest name."""
    names = [path.stem for path in sorted(FOLDER.glob("*.yaml"))]
    if name not in names:
        near = nearest(name, names)
        hint = f"did you mean `{near}`?" if near else "`stageline lifecycles` lists them"
        raise Refused(f"there is no ready-made lifecycle `{name}`; {hint}")
    return read_ready_made(FOLDER / f"{name}.yaml")


def read_ready_made(path: Path) -> ReadyMade:
    """What the head of this file says. Errors: Malformed when its first line or its list of events is missing."""
    lines = path.read_text(encoding="utf-8").splitlines()
    head = [line[1:].removeprefix(" ") for line in takewhile(lambda line: line.startswith("#"), lines)]
    name, _, summary = (head[0] if head else "").partition(": ")
    events = tuple(_needs_below(_EVENTS, head))
    if name != path.stem or not summary or not events:
        raise Malformed(f"{path.name} has to begin with `# {path.stem}: ...` and to say `# {_EVENTS}`")
    return ReadyMade(name, summary, events, tuple(_needs_below(_TRAITS, head)), path)


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
