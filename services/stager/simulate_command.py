"""`stageline simulate`: files in, transitions out, one line of JSON each; what is wrong goes to stderr."""

from __future__ import annotations

import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from services.stager.fold.instants import instant_of
from services.stager.fold.rules import compile_rules
from services.stager.language.definition import Lifecycle
from services.stager.language.file import load_paths
from services.stager.simulate import simulate
from shared.errors import Refused
from shared.transition import encode


def run_simulation(lifecycles: Sequence[Path], *, events: str, until: str | None, customer: str | None) -> int:
    """Print the transitions of the events file (`-`: standard input), of one customer when asked; the exit code.

    1 when a line could not be used (the others count all the same). Errors: Refused when a lifecycle has errors, a file
    cannot be read, or `until` is no time.
    """
    rules, until_ms = compile_rules(loaded_lifecycles(lifecycles)), at_option("--until", until)
    bad, out = BadLines(events), sys.stdout.buffer
    with opened(events) as lines:
        for transition in simulate(lines, rules, until_ms=until_ms, on_bad_line=bad):
            if customer is None or transition.customer == customer:
                out.write(encode(transition) + b"\n")
        out.flush()
    return 1 if bad.count else 0


def loaded_lifecycles(paths: Sequence[Path]) -> Sequence[Lifecycle]:
    """The lifecycles of these files; faults go to stderr. Errors: Refused when one has errors, or there is none."""
    loaded = load_paths(paths)
    for fault in loaded.faults:
        sys.stderr.write(fault.render() + "\n")
    if loaded.errors or not loaded.lifecycles:
        raise Refused("the lifecycles have errors" if loaded.errors else "there is no lifecycle in these files")
    return loaded.lifecycles


def at_option(option: str, text: str | None) -> int | None:
    """The instant that an option of the command line names, None when it is not given. Errors: Refused."""
    at_ms = None if text is None else instant_of(text)
    if text is not None and at_ms is None:
        raise Refused(f"{option}: expected a time like 2026-01-31 or 2026-01-31T10:20:30.123Z; got {text!r}")
    return at_ms


class BadLines:
    """Tells of each line of a file that cannot be used on stderr, and counts them."""

    def __init__(self, file: str) -> None:
        self.count = 0
        self._file = file

    def __call__(self, number: int, reason: str) -> None:
        """A line, its number from 1, and why."""
        self.count += 1
        sys.stderr.write(f"{self._file}:{number}: {reason}\n")


@contextmanager
def opened(events: str) -> Generator[BinaryIO, None, None]:
    """The bytes of an events file, `-` for standard input. Errors: Refused when it cannot be read."""
    if events == "-":
        yield sys.stdin.buffer
        return
    try:
        with Path(events).open("rb") as file:
            yield file
    except OSError as error:
        raise Refused(f"cannot read {events}: {error.strerror}") from error
