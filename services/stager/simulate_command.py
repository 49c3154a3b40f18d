"""`stageline simulate`: files in, transitions out, one line of JSON each; what is wrong goes to stderr."""

from __future__ import annotations

import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from services.stager.fold.instants import instant_of
from services.stager.fold.rules import compile_rules
from services.stager.language.file import load_paths
from services.stager.simulate import simulate
from shared.errors import Refused
from shared.transition import encode


def run_simulation(lifecycles: Sequence[Path], *, events: str, until: str | None, customer: str | None) -> int:
    """Print the transitions of the events file (`-`: standard input), of one customer when asked; the exit code.

    1 when a line could not be used (the others count all the same). Errors: Refused when a lifecycle has errors, a file
    cannot be read, or `until` is no time.
    """
    loaded = load_paths(lifecycles)
    for fault in loaded.faults:
        sys.stderr.write(fault.render() + "\n")
    if loaded.errors or not loaded.lifecycles:
        raise Refused("the lifecycles have errors" if loaded.errors else "there is no lifecycle in these files")
    until_ms = None if until is None else instant_of(until)
    if until is not None and until_ms is None:
        raise Refused(f"--until: expected a time like 2026-01-31 or 2026-01-31T10:20:30.123Z; got {until!r}")
    bad_lines = 0

    def on_bad_line(number: int, reason: str) -> None:
        nonlocal bad_lines
        bad_lines += 1
        sys.stderr.write(f"{events}:{number}: {reason}\n")

    rules, out = compile_rules(loaded.lifecycles), sys.stdout.buffer
    with _opened(events) as lines:
        for transition in simulate(lines, rules, until_ms=until_ms, on_bad_line=on_bad_line):
            if customer is None or transition.customer == customer:
                out.write(encode(transition) + b"\n")
        out.flush()
    return 1 if bad_lines else 0


@contextmanager
def _opened(events: str) -> Generator[BinaryIO, None, None]:
    if events == "-":
        yield sys.stdin.buffer
        return
    try:
        with Path(events).open("rb") as file:
            yield file
    except OSError as error:
        raise Refused(f"cannot read {events}: {error.strerror}") from error
