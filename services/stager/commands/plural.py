"""Nouns behind numbers, in what commands print."""

from __future__ import annotations


def plural(noun: str, number: int) -> str:
    """The noun as it stands behind this number: 1 story, 2 stories."""
    return noun if number == 1 else f"{noun.removesuffix('y')}ies" if noun.endswith("y") else f"{noun}s"
