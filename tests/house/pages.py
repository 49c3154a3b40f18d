"""The papers of the house: their text, their fenced blocks, and the program's own words to hold them against."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).parents[2]
OPERATIONS = ROOT / "docs" / "operations.md"
README = ROOT / "README.md"
ARCHITECTURE = ROOT / "ARCHITECTURE.md"
PAGES = [README, ARCHITECTURE, ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]

_FENCE = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_TICKED = re.compile(r"`([^`\n]+)`")


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, what else its first line says, and its text."""

    page: Path
    language: str
    said: str
    text: str


def blocks(page: Path) -> list[Block]:
    found = _FENCE.findall(page.read_text(encoding="utf-8"))
    return [Block(page, *_halves(head), text) for head, text in found]


def _halves(head: str) -> tuple[str, str]:
    language, _, said = head.strip().partition(" ")
    return language, said.strip()


def ticked(page: Path) -> list[str]:
    """What stands in backquotes, outside of fenced blocks."""
    return _TICKED.findall(_FENCE.sub("", page.read_text(encoding="utf-8")))


def rows(page: Path) -> dict[str, list[str]]:
    """The cells behind the first one, for each of the backquoted words of the first cells of a page's tables."""
    found: dict[str, list[str]] = {}
    for line in page.read_text(encoding="utf-8").splitlines():
        if line.startswith("| `"):
            first, *others = [cell.strip() for cell in line.strip("| ").split("|")]
            found |= dict.fromkeys(_TICKED.findall(first), others)
    return found


@dataclass(frozen=True)
class Table:
    """A table of a page: the cells of its head, and those of each row."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def words(self) -> list[str]:
        """The backquoted words of the first cells, in order."""
        return [word for row in self.rows for word in _TICKED.findall(row[0])]


def tables(page: Path, *head: str) -> list[Table]:
    """The tables of a page whose head begins with these cells, in order."""
    text = _FENCE.sub("", page.read_text(encoding="utf-8"))
    found = [[_cells(line) for line in part.splitlines()] for part in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE)]
    made = [Table(lines[0], tuple(lines[2:])) for lines in found]
    return [table for table in made if table.head[: len(head)] == head]


def _cells(line: str) -> tuple[str, ...]:
    return tuple(cell.strip() for cell in line.strip().strip("|").split("|"))


def commands() -> set[str]:
    """The names of the program's commands."""
    program = importlib.import_module("services.main").app
    named = {command.name or command.callback.__name__ for command in program.registered_commands if command.callback}
    return named | {group.name for group in program.registered_groups}


def modules() -> Iterator[ModuleType]:
    """Every module of the program, imported."""
    for room in ("services", "shared"):
        package = importlib.import_module(room)
        for found in pkgutil.walk_packages(package.__path__, prefix=f"{room}."):
            if ".migrations" not in found.name:
                yield importlib.import_module(found.name)
