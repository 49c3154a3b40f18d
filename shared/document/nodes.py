"""What a file says, as nodes that know their place, and its faults, shown the way people need.

Knows no parser. All faults of a file are collected, none stops the reading.
"""

from __future__ import annotations

import difflib
import re
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from shared.document.places import source_span
from shared.document.pointer import pointer, visible

Severity: TypeAlias = Literal["error", "warning"]

HOLE = "~~~"  # stands where a value could not be read: no name, duration, expression or anything else that we know

NEAR = 0.6  # how alike two words are of which one may be meant: a slip of a letter or two in a short one
COMPARED_MAX = 10  # words that are compared letter by letter, of those that share the most letters
HINTS_MAX = 100

LINE_SHOWN_MAX = 400  # a longer line is cut where it is shown: nobody reads on, and a file may be one line

_LINE_END = re.compile(r"\r\n|\r|\n")
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_FLAGS = frozenset({"true", "True", "TRUE", "false", "False", "FALSE"})
_INTEGER = re.compile(r"[-+]?[0-9]{1,300}|0o[0-7]{1,300}|0x[0-9a-fA-F]{1,300}")  # int() refuses thousands of digits
_FLOAT = re.compile(
    r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"
)


@dataclass(frozen=True, slots=True, order=True)
class Fault:
    """One thing wrong in a file. `line` and `column` count from 1; `text` is the offending text."""

    file: str
    line: int
    column: int
    message: str
    text: str = ""
    suggestion: str | None = None
    source_line: str = ""
    severity: Severity = "error"

    def render(self) -> str:
        """`file:line:column: error: message`, the line with a caret under the text, and the suggestion."""
        meant = f" (did you mean `{self.suggestion}`?)" if self.suggestion else ""
        head = visible(f"{self.file}:{self.line}:{self.column}: {self.severity}: {self.message}{meant}")
        if not self.source_line:
            return head
        carets = pointer(self.source_line, column=self.column, text=self.text)
        return f"{head}\n  | {visible(self.source_line)}\n  | {carets}"


def in_order(faults: Iterable[Fault]) -> list[Fault]:
    """Each of these once, in order of file and place."""
    return sorted(set(faults), key=lambda fault: (fault.file, fault.line, fault.column, fault.message))


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that somebody who typed `word` most likely meant, in whatever case, or None when none is near."""
    plain = {name.lower(): name for name in known}
    matcher = difflib.SequenceMatcher(b=word.lower())
    alike = []
    for name in plain:
        matcher.set_seq1(name)
        if matcher.real_quick_ratio() >= NEAR and (ratio := matcher.quick_ratio()) >= NEAR:
            alike.append((ratio, name))
    ranked = []
    for _, name in sorted(alike, reverse=True)[:COMPARED_MAX]:
        matcher.set_seq1(name)
        ranked.append((matcher.ratio(), name))
    best, name = max(ranked, default=(0.0, ""))
    return plain[name] if best >= NEAR else None


class Hints:
    """Finds near words for the first who ask: nobody reads more suggestions of one document, and looking takes time."""

    def __init__(self) -> None:
        self._left = HINTS_MAX

    def nearest(self, word: str, known: Iterable[str]) -> str | None:
        """As the function says; None when enough has been suggested."""
        self._left -= 1
        return nearest(word, known) if self._left >= 0 else None


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """The text of one file, where its lines begin, and the rows (from 0) whose values could not be read."""

    file: str
    text: str
    line_starts: tuple[int, ...]
    holes: frozenset[int] = frozenset()

    @classmethod
    def of(cls, text: str, *, file: str) -> Source:
        """The source of a text; lines end as they do in YAML: CR LF, LF or CR."""
        return cls(file, text, (0, *(match.end() for match in _LINE_END.finditer(text))))

    def row_of(self, index: int) -> int:
        """The row, counted from 0, of a character."""
        return bisect_right(self.line_starts, index) - 1

    def fault(
        self, index: int, message: str, *, text: str = "", suggestion: str | None = None, severity: Severity = "error"
    ) -> Fault:
        """The fault that begins at the character `index` of the text."""
        row = self.row_of(index)
        start = self.line_starts[row]
        line = _LINE_END.split(self.text[start : start + LINE_SHOWN_MAX], maxsplit=1)[0]
        shown = text[: max(1, len(line) - (index - start))]
        return Fault(self.file, row + 1, index - start + 1, message, shown, suggestion, line, severity)


@dataclass(frozen=True, slots=True, eq=False)
class Scalar:
    """A text of the file. `start` and `end` are indexes into the source; `in_flow`: inside `{...}` or `[...]`.

    `style` is YAML's: empty for a plain scalar, else one of `' " | >`. `is_text`: a tag says that it is one.
    """

    source: Source
    start: int
    end: int
    value: str
    style: str
    in_flow: bool
    is_text: bool = False

    @property
    def meaning(self) -> str | int | float | bool | None:
        """What YAML 1.2's core schema takes it for: only plain scalars can be anything but text."""
        return self.value if self.style or self.is_text else _plain_meaning(self.value)

    def span_of(self, offset: int, length: int = 1) -> tuple[int, int]:
        """Where in the source these characters of the value begin and end."""
        raw = self.source.text[self.start : self.end]
        begin, end = source_span(raw, value=self.value, style=self.style, offset=offset, length=length)
        return self.start + begin, self.start + end


@dataclass(frozen=True, slots=True, eq=False)
class Listing:
    """A YAML sequence."""

    source: Source
    start: int
    end: int
    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Mapping:
    """A YAML mapping in file order; keys are scalars and differ (what did not has been reported and left out).

    `repeated` holds the keys of which more than one was there.
    """

    source: Source
    start: int
    end: int
    entries: tuple[tuple[Scalar, Node], ...]
    repeated: frozenset[str] = frozenset()

    def get(self, key: str) -> Node | None:
        """The value of a key, or None when it is not there."""
        return next((node for name, node in self.entries if name.value == key), None)


Node: TypeAlias = Scalar | Listing | Mapping


class Faults:
    """Collects what is wrong, so that a reader can go on after each fault.

    What would be said of a value that could not be read is left unsaid: it has been reported as what it is.
    """

    def __init__(self) -> None:
        self._found: list[Fault] = []
        self._has_holes = False

    @property
    def has_errors(self) -> bool:
        """Whether anything is wrong, beyond mere warnings."""
        return self._has_holes or any(fault.severity == "error" for fault in self._found)

    def add(
        self,
        node: Node,
        message: str,
        *,
        offset: int | None = None,
        text: str | None = None,
        suggestion: str | None = None,
        severity: Severity = "error",
    ) -> None:
        """Report a node; `offset` (into a scalar's value) and `text` narrow the place down."""
        if node.source.holes and node.source.row_of(node.start) in node.source.holes:
            self._has_holes = True
            return
        index, shown = node.start, text
        if offset is not None and isinstance(node, Scalar):
            place = min(offset, len(node.value.rstrip()))  # what ends too early ends in its last line with text
            index, end = node.span_of(place, len(text or ""))
            shown = node.source.text[index:end] if text else ""  # as it stands in the file, escapes and all
        if shown is None:
            shown = node.source.text[node.start : node.end]
        shown = shown.partition("\n")[0]
        self.include(node.source.fault(index, message, text=shown, suggestion=suggestion, severity=severity))

    def include(self, *faults: Fault) -> None:
        """Take in faults made elsewhere."""
        self._found.extend(faults)

    def in_order(self) -> list[Fault]:
        """Every fault once, in order of file and place."""
        return in_order(self._found)


def _plain_meaning(value: str) -> str | int | float | bool | None:
    if value in _NULLS:
        return None
    if value in _FLAGS:
        return value[0] in "tT"
    if _INTEGER.fullmatch(value):
        return int(value, 0) if value[:2] in ("0x", "0o") else int(value)
    if _FLOAT.fullmatch(value):
        return float(value.lower().replace(".inf", "inf").replace(".nan", "nan"))
    return value
