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
    """Print each file's name, its line of description, what is in it, and which events it needs. Errors: Malformed."""
    width = min(shutil.get_terminal_size().columns, _WIDTH_MAX)
    for ready_made in list_ready_made():
        sys.stdout.write("\n".join(_entry(ready_made, width)) + "\n\n")
    sys.stdout.write(
        "stageline lifecycles show NAME prints a file: save it, change what its head says, check and simulate it.\n"
    )


def print_file(name: str) -> None:
    """Print the file of this name, or the one that holds it, as it is. Errors: Refused when there is none."""
    ready_made = find_ready_made(name)
    if ready_made.name != name:
        sys.stderr.write(f"`{name}` is in the file `{ready_made.name}`, which is shown whole.\n")
    sys.stdout.write(ready_made.path.read_text(encoding="utf-8"))


def _entry(ready_made: ReadyMade, width: int) -> Iterator[str]:
    yield ready_made.name
    holds = "; ".join(_kinds(ready_made))
    needs = "needs " + ", ".join(need.name for need in ready_made.events)
    if ready_made.traits:
        needs += "; traits " + ", ".join(need.name for need in ready_made.traits)
    for text in (ready_made.summary, holds, needs):
        yield from wrap(text, width, initial_indent=_INDENT, subsequent_indent=_INDENT, break_on_hyphens=False)


def _kinds(ready_made: ReadyMade) -> Iterator[str]:
    for kind, names in (("lifecycle", ready_made.lifecycles), ("segment", ready_made.segments)):
        if names:
            yield f"{kind if len(names) == 1 else f'{kind}s'} {', '.join(names)}"
