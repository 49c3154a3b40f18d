"""The examples of a page: every fenced block that is marked `<!-- example: NAME -->`."""

from __future__ import annotations

import re
from pathlib import Path

DOCS = Path(__file__).parents[1] / "docs"
_EXAMPLE = re.compile(r"<!-- example: (\S+) -->\n```[a-z]*\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_FENCE = re.compile(r"^```[a-z]+$", re.MULTILINE)


def examples(page: str) -> dict[str, str]:
    """The examples of a page by name, in order."""
    return dict(_EXAMPLE.findall((DOCS / page).read_text(encoding="utf-8")))


def fences(page: str) -> int:
    """How many blocks of a named language a page has: all of them must be examples."""
    return len(_FENCE.findall((DOCS / page).read_text(encoding="utf-8")))
