"""One document's rows as the parser gets them: mended where it stumbled, while places still mean the file's.

What is mended becomes a hole: nothing more is said of its rows, for it would be about the mending.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from shared.document.nodes import HOLE, Source

_KEY = re.compile(r"""([ ]*(?:-[ ]+)*)((?:"[^"]*"|'[^']*'|[A-Za-z_$][^:#{}\[\],"']*?)[ ]*:(?=\s))?""")


class Draft:
    """The rows `first` to `after` of a source."""

    def __init__(self, source: Source, first: int, rows: list[str], shifts: list[int]) -> None:
        self.source = source
        self._first = first
        self._rows = rows
        self._shifts = shifts  # by how much a row begins later than in the file
        self._measure()

    @classmethod
    def of(cls, source: Source, *, first: int, after: int) -> Draft:
        """The rows as they stand in the file, without the byte order mark that may begin a document."""
        starts = (*source.line_starts[first : after + 1], len(source.text))
        rows = [source.text[starts[row] : starts[row + 1]] for row in range(after - first)]
        shifts = [-1 if line.startswith("\ufeff") else 0 for line in rows]
        return cls(source, first, [line.removeprefix("\ufeff") for line in rows], shifts)

    def _measure(self) -> None:
        self.text = "".join(self._rows)
        self._starts = [0]
        for line in self._rows:
            self._starts.append(self._starts[-1] + len(line))

    def place(self, mark: Any) -> int:
        """Where in the source a mark of the parser lies."""
        return self.place_of(mark.index)

    def place_of(self, index: int) -> int:
        """Where in the source an index of the text lies."""
        row = self.row_of(index)
        column = max(0, index - self._starts[row] - self._shifts[row])
        return min(self.source.line_starts[self._first + row] + column, len(self.source.text))

    def row_of(self, index: int) -> int:
        """The row of the draft in which an index of its text lies; the end belongs to the last."""
        return min(bisect_right(self._starts, index), len(self._rows)) - 1

    def line(self, row: int) -> str:
        """A row as it is now, without its end; empty beyond the last."""
        return self._rows[row].rstrip("\r\n") if row < len(self._rows) else ""

    def indent_of(self, row: int) -> int | None:
        """How far a row is indented; None for a blank one."""
        line = self.line(row)
        return len(line) - len(line.lstrip(" ")) if line.strip() else None

    def dig(self, row: int) -> bool:
        """Make the value on this row, and the rows that belong to it, a hole. False where that cannot be done."""
        found = _KEY.match(self.line(row))
        before = found.end() if found else 0
        if not found or not (found[2] or "-" in found[1]) or not self.line(row)[before:].strip():
            return False
        self._fill(row, before)
        last = self._last_row_of(row, indent=len(found[1]) if found[2] else found[1].rindex("-"))
        for below in range(row + 1, last + 1):
            self._rows[below] = re.sub(r"[^\r\n]", " ", self._rows[below])
        holes = self.source.holes | {self._first + hole for hole in range(row, last + 1)}
        self.source = replace(self.source, holes=holes)
        self._measure()
        return True

    def _fill(self, row: int, before: int) -> None:
        line, end = self.line(row), self._rows[row][len(self.line(row)) :]
        self._rows[row] = line[:before].ljust(before + 1) + HOLE + end

    def _last_row_of(self, row: int, *, indent: int) -> int:
        """The last of the rows below that are indented deeper, or close what was open."""
        last = row
        for below in range(row + 1, len(self._rows)):
            own = self.indent_of(below)
            if own is None:
                continue
            if own <= indent and self.line(below).strip()[0] not in "]}":
                break
            last = below
        return last

    def with_tabs_as(self, width: int) -> Draft:
        """The same with spaces for the tabs that indent its rows, each as wide as `width` says."""
        rows, shifts = list(self._rows), list(self._shifts)
        for row, line in enumerate(self._rows):
            white = line[: len(line) - len(line.lstrip(" \t"))]
            if "\t" in white and line.strip():
                spaces = white.replace("\t", " " * width)
                rows[row] = spaces + line[len(white) :]
                shifts[row] += len(spaces) - len(white)
        return Draft(self.source, self._first, rows, shifts)


def drafts_of(source: Source) -> Iterator[Draft]:
    """The documents of a source; directives and comments before a `---` belong to what it begins."""
    text, first, has_content = source.text, 0, False
    rows = len(source.line_starts)
    for row, start in enumerate(source.line_starts):
        marker = text[start : start + 3] if text[start + 3 : start + 4] in ("", " ", "\t", "\r", "\n") else ""
        if marker == "---" and has_content:
            yield Draft.of(source, first=first, after=row)
            first = row
        has_content = has_content or _has_content(text, start)
        if marker == "...":
            yield Draft.of(source, first=first, after=row + 1)
            first, has_content = row + 1, False
    if has_content:
        yield Draft.of(source, first=first, after=rows)


def _has_content(text: str, start: int) -> bool:
    while text[start : start + 1] in (" ", "\t", "\ufeff"):
        start += 1
    return text[start : start + 1] not in ("", "\r", "\n", "#", "%")
