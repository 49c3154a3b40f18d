"""`stageline simulate`: files in, transitions out, one line of JSON each; what is wrong goes to stderr."""

from __future__ import annotations

import os
import sys
import time
from codecs import BOM_UTF8
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing, nullcontext
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Final

from services.stager.commands.plural import plural
from services.stager.fold.instants import instant_of
from services.stager.fold.rules import compile_rules
from services.stager.language.definition import Lifecycle
from services.stager.language.file import load_paths
from services.stager.simulate.simulation import Seen, Simulation, simulate
from services.stager.simulate.summary import Summary
from services.stager.simulate.together import Together, hands_in_processes
from shared.clock import rfc3339
from shared.collector import tune_collector
from shared.errors import Refused
from shared.transition import Transition, encode_lines

_ALONE_LINES_MAX: Final = 50_000  # a process needs a third of a second to start: as long as so many lines
_PRINTED_AT_ONCE: Final = 100  # half as much work as one after another


@dataclass(frozen=True, slots=True)
class Report:
    """What to print. `customer`: only this one's transitions; `summary`: tables and a picture instead of transitions;
    `speed`: at the end, on stderr, how many events a second were folded.
    """

    customer: str | None = None
    summary: bool = False
    speed: bool = False


def run_simulation(
    lifecycles: Sequence[Path], *, events: str, until: str | None, report: Report, processes: int | None = None
) -> int:
    """Print the transitions of the events file (`-`: standard input), or what the report asks for; the exit code.

    `processes`: how many share the customers; None: a long file has one on each core. 1 when a line could not be used
    (the others count all the same). Errors: Refused when a lifecycle has errors, a file cannot be read, or `until` is
    no time.
    """
    definitions, until_ms = loaded_lifecycles(lifecycles), at_option("--until", until)
    bad = BadLines(events)
    run = _Run(definitions, until_ms, bad, report)
    start_s = time.perf_counter()
    with closing(lines_of(events)) as file:
        lines: Iterable[bytes] = file
        if processes is None:
            first = list(islice(lines, _ALONE_LINES_MAX))
            processes = _cores() if len(first) == _ALONE_LINES_MAX else 1
            lines = chain(first, lines)
        seen = run.alone(lines) if processes == 1 else run.together(lines, processes)
    if not seen.events:
        said = "there is no event" if until_ms is None else f"no line was received by {rfc3339(until_ms)}"
        sys.stderr.write(f"{events}: {said}\n")
    elif report.customer is not None and not seen.has_asked:
        sys.stderr.write(f"{events}: no line is about customer {report.customer}\n")
    if report.speed:
        _print_speed(seen, time.perf_counter() - start_s)
    return 1 if bad.count else 0


@dataclass(frozen=True, slots=True)
class _Run:
    """What is to be simulated and printed; both ways print the same and tell who was seen."""

    lifecycles: Sequence[Lifecycle]
    until_ms: int | None
    on_bad_line: BadLines
    report: Report

    def alone(self, lines: Iterable[bytes]) -> Seen:
        """In this process."""
        tune_collector()
        rules, customer = compile_rules(self.lifecycles), self.report.customer
        simulation = Simulation(rules)
        found = simulate(lines, rules, until_ms=self.until_ms, on_bad_line=self.on_bad_line, simulation=simulation)
        if self.report.summary:
            summary = Summary(rules, customer=customer)
            for transition in found:
                summary.take(transition)
            summary.stand(simulation.profiles)
            self._print_summary(summary, simulation.seen(customer))
        else:
            _print(_encoded(one for one in found if customer in (None, one.customer)))
        return simulation.seen(customer)

    def together(self, lines: Iterable[bytes], count: int) -> Seen:
        """In so many processes, which share the customers."""
        report = self.report
        with hands_in_processes(count, self.lifecycles, summarised=report.summary, customer=report.customer) as hands:
            simulation = Together(hands, until_ms=self.until_ms, on_bad_line=self.on_bad_line)
            _print(simulation.run(lines, customer=report.customer))
            seen = simulation.seen(report.customer)
            if report.summary:
                summary = Summary(compile_rules(self.lifecycles))
                simulation.add_to(summary)
                self._print_summary(summary, seen)
            return seen

    def _print_summary(self, summary: Summary, seen: Seen) -> None:
        """What was read, then what came of it."""
        unused = self.on_bad_line.count
        heading = _counted(seen.events, "event") + " of " + _counted(seen.customers, "customer")
        if seen.events:
            heading += f", {rfc3339(min(seen.begin_ms, seen.end_ms))} to {rfc3339(seen.end_ms)}"
        if unused:
            heading += f"; {_counted(unused, 'line')} not used"
        _print([f"{heading}\n\n{summary.render()}".encode()])


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {plural(noun, number)}"


def _encoded(found: Iterator[Transition]) -> Iterator[bytes]:
    while some := list(islice(found, _PRINTED_AT_ONCE)):
        yield encode_lines(some)


def _print(text: Iterable[bytes]) -> None:
    out = sys.stdout.buffer
    for some in text:
        out.write(some)
    out.flush()


def _print_speed(seen: Seen, took_s: float) -> None:
    rate = seen.events / took_s if took_s else 0
    said = f"{seen.events:,} events of {seen.customers:,} customers in {took_s:.2f} s: {rate:,.0f} events a second"
    sys.stderr.write(said + "\n")


def _cores() -> int:
    """How many this process may use, where the system tells."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


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


def lines_of(events: str) -> Generator[bytes, None, None]:
    """The lines of an events file, `-` for standard input, behind a byte order mark if it has one.

    Errors: Refused when it cannot be opened or read.
    """
    try:
        with nullcontext(sys.stdin.buffer) if events == "-" else Path(events).open("rb") as file:
            if first := file.readline().removeprefix(BOM_UTF8):
                yield first
            yield from file
    except OSError as error:
        raise Refused(f"cannot read {events}: {error.strerror}") from error
