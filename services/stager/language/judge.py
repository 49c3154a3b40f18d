"""What the checks of single constructs ask of the walk that calls them (`expression.Checker`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeAlias

from lark import Token, Tree

from services.stager.language.definition import Expression
from services.stager.language.scope import Scope
from shared.document.nodes import Severity

Part: TypeAlias = Tree[Token] | Token


class Judge(Protocol):
    """Judges parts of one expression's tree and takes note of problems. None: wrong, and reported."""

    @property
    def scope(self) -> Scope:
        """Which names may be used."""

    def report(self, part: Part, message: str, *, suggestion: str | None = None, severity: Severity = "error") -> None:
        """Add a problem with this part of the text."""

    def suggest(self, part: Part, suggestion: str) -> None:
        """Say what was meant by a part that has been reported, where nothing was near."""

    def said(self, part: Part) -> str:
        """The part as it was written."""

    def truth(self, part: Part) -> Expression | None:
        """The node of a part of which a truth is wanted."""

    def still(self, part: Part) -> Expression | None:
        """The node of a part that may not be a duration which moves with time."""

    def value(self, part: Part) -> Expression | None:
        """The node of any part."""


def span(part: Part) -> tuple[int, int]:
    """Where a part of the tree begins and ends in the text."""
    if isinstance(part, Token):
        return part.start_pos or 0, part.end_pos or 0
    return part.meta.start_pos, part.meta.end_pos


def present(nodes: Sequence[Expression | None]) -> list[Expression] | None:
    """The nodes when none is missing, else None."""
    found = [node for node in nodes if node is not None]
    return found if len(found) == len(nodes) else None
