"""`stageline lifecycles`: the ready-made ones on the terminal, as a list to choose from and one by one to copy."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from textwrap import wrap
from typing import Final

from services.stager.ready_made import ReadyMade, find_ready_made, list_ready_made

# Wider lines are hard to read, however wide the terminal is.
_WIDTH_MAX: Final = 110
_INDENT: Final = "    "


def print_list() -> None:
    """Print each file's name, its line of description and the events that it needs. Errors: Malformed."""
    width = min(shutil.get_terminal_size().columns, _WIDTH_MAX)
    for ready_made in list_ready_made():
        sys.stdout.write("\n".join(_entry(ready_made, width)) + "\n\n")
    sys.stdout.write(
        "stageline lifecycles show NAME prints one: save it, change what its head says, then check and simulate it.\n"
    )


def print_file(name: str) -> None:
    """Print the file of this name as it is. Errors: Refused when there is none."""
    sys.stdout.write(find_ready_made(name).path.read_text(encoding="utf-8"))


def _entry(ready_made: ReadyMade, width: int) -> Iterator[str]:
    yield ready_made.name
    needs = "needs " + ", ".join(need.name for need in ready_made.events)
    if ready_made.traits:
        needs += "; traits " + ", ".join(need.name for need in ready_made.traits)
    for text in (ready_made.summary, needs):
        yield from wrap(text, width, initial_indent=_INDENT, subsequent_indent=_INDENT)
