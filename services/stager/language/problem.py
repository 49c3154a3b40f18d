"""One thing wrong with an expression, before anybody knows in which file it stands."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from shared.document.nodes import Severity


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with an expression: at which character, how much of it, why, and what was perhaps meant."""

    offset: int
    text: str
    message: str
    suggestion: str | None = None
    is_syntax: bool = False
    severity: Severity = "error"


def in_order(problems: Iterable[Problem]) -> list[Problem]:
    """Problems in order of place; what the grammar says comes before what is said of the meaning."""
    return sorted(problems, key=lambda problem: (problem.offset, not problem.is_syntax))


def has_errors(problems: Iterable[Problem]) -> bool:
    """Whether one of them is no mere warning."""
    return any(problem.severity == "error" for problem in problems)
