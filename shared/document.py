"""YAML files of ours (lifecycles, campaigns): read with the place of every node, and faults shown the way people need.

YAML 1.2 through ruamel.yaml, so `on` and `yes` are text. All faults of a file are collected, none stops the reading.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal


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
    severity: Literal["error", "warning"] = "error"

    def render(self) -> str:
        """`file:line:column: error: message`, the line with a caret under the text, and the suggestion."""
        head = f"{self.file}:{self.line}:{self.column}: {self.severity}: {self.message}"
        if self.suggestion:
            head += f" (did you mean `{self.suggestion}`?)"
        if not self.source_line:
            return head
        pointer = " " * (self.column - 1) + "^" * max(1, len(self.text))
        return f"{head}\n  | {self.source_line}\n  | {pointer}"


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that somebody who typed `word` most likely meant, or None when none is near."""
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return close[0] if close else None
