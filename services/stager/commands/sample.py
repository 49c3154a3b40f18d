"""A sample of events held against lifecycle files: which events, properties and traits does it lack?"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

from services.stager.commands.simulate import BadLines, lines_of
from services.stager.fold.records import members_of
from services.stager.language.unseen import Seen, unseen_names
from services.stager.simulate.simulation import read_lines
from shared.document.nodes import Fault, Node


def unseen_in_sample(documents: Iterable[Node], sample: Path) -> list[Fault]:
    """A warning for each event, property and trait that the sample does not have, or one that there is no event in it
    at all; lines that cannot be used are told on stderr.

    Errors: Refused when the sample cannot be read.
    """
    seen = Seen()
    with closing(lines_of(str(sample))) as lines:
        for line in read_lines(lines, BadLines(str(sample))):
            if line.event.type != "import_end":
                seen.add(line.event.name, members_of(line.event))
    if not seen.events:
        message = "this sample has no event that can be read; the names of events are not held against it"
        return [Fault(str(sample), 1, 1, message, severity="warning")]
    return unseen_names(documents, seen)
