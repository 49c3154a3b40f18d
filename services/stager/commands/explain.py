"""`stageline explain`: files and events in, the explanation of one customer out, as text or JSON."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Final

from services.stager.commands.simulate import BadLines, at_option, lines_of, loaded_lifecycles
from services.stager.explain.as_json import encode
from services.stager.explain.as_text import render
from services.stager.explain.evidence import Folded
from services.stager.explain.explainer import explain
from services.stager.explain.explanation import Explanation
from services.stager.fold.instants import NEVER, instant_of
from services.stager.fold.rules import Rules, compile_rules
from services.stager.simulate.line import Line
from services.stager.simulate.simulation import OnBadLine, Simulation, read_lines
from shared.clock import rfc3339
from shared.document.nodes import nearest
from shared.errors import Refused
from shared.event import Event

OTHERS_MAX: Final = 10_000  # customers looked at for a name like the one that is asked for: a tenth of a second
EVIDENCE_EVENTS_MAX: Final = 100_000  # the latest of one customer; nobody reads further back, and they fit in memory


def run_explanation(
    lifecycles: Sequence[Path], *, events: str, customer: str, at: str | None, as_json: bool
) -> int:  # fmt: skip
    """Print why a customer stands where they do at an instant (None: after the last event); the exit code.

    1 when a line could not be used. Errors: Refused when a lifecycle has errors, a file cannot be read, `at` is no
    time, or nothing was received of the customer by then.
    """
    rules = compile_rules(loaded_lifecycles(lifecycles))
    at_ms = at_option("--at", at)
    bad = BadLines(events)
    with closing(lines_of(events)) as lines:
        explanation = explain_events(lines, rules, customer=customer, at_ms=at_ms, on_bad_line=bad)
    out = sys.stdout
    out.write(encode(explanation).decode() + "\n" if as_json else render(explanation))
    return 1 if bad.count else 0


def explain_events(
    lines: Iterable[bytes], rules: Rules, *, customer: str, at_ms: int | None, on_bad_line: OnBadLine
) -> Explanation:
    """The explanation of one customer as of an instant, from all events of a log: exactly as `simulate --until` has it.

    Of the other customers only the times are taken: they move the log's clock. Errors: Refused when nothing was
    received of the customer by then.
    """
    watch, others = _Watch(rules, customer), set[str]()
    last_ms, later_ms = at_ms, NEVER
    for line in read_lines(lines, on_bad_line):
        if at_ms is None:
            last_ms = line.received_ms if last_ms is None else max(last_ms, line.received_ms)
        elif line.received_ms > at_ms:
            if line.event.customer == customer and (instant_of(line.event.occurred_at) or NEVER) <= at_ms:
                later_ms = min(later_ms, line.received_ms)
            continue
        watch.take(line)
        if len(others) < OTHERS_MAX or line.event.customer.casefold() == customer.casefold():
            others.add(line.event.customer)
    if last_ms is None or customer not in watch.simulation.profiles:
        by_then = "" if at_ms is None else " by then"
        raise Refused(f"nothing was received of a customer {customer!r}{by_then}{_hint(customer, others, later_ms)}")
    watch.end(last_ms)
    profile = watch.simulation.profiles[customer]
    return explain(rules, profile, max(last_ms, profile.clock_ms), folded=watch.folded)


def _hint(customer: str, others: Iterable[str], later_ms: int) -> str:
    """Why nothing may have been found: it came only later, as an import does, or the name is another."""
    if later_ms != NEVER:
        return f" (events of that time were received on {rfc3339(later_ms)}; --at goes by when they were received)"
    near = nearest(customer, others)
    return "" if near is None else f" (did you mean `{near}`?)"


class _Watch:
    """A simulation of a whole log that keeps one customer, and the events folded for them."""

    def __init__(self, rules: Rules, customer: str) -> None:
        self.simulation = Simulation(rules)
        self.folded: deque[Folded] = deque(maxlen=EVIDENCE_EVENTS_MAX)
        self._customer = customer

    def take(self, line: Line) -> None:
        """A line of the log, with a tick before it."""
        self._tick(line.received_ms)
        event = line.event
        if event.customer != self._customer:
            self.simulation.pass_by(line)
            return
        profile = self.simulation.profiles.get(event.customer)
        is_repeat = profile is not None and profile.remembers(event.id)
        self.simulation.take(line)
        occurred_ms = instant_of(event.occurred_at)
        if not is_repeat and occurred_ms is not None:
            self.folded.append(Folded(event, occurred_ms))

    def end(self, last_ms: int) -> None:
        """The end of the log: no import goes on."""
        self.simulation.pass_by(Line(Event(type="import_end"), last_ms))
        self._tick(last_ms)

    def _tick(self, tick_ms: int) -> None:
        for _ in self.simulation.tick(tick_ms):
            pass
