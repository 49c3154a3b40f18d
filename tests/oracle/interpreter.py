"""LANGUAGE.md 4 to 7 word by word: the customers' clocks, evaluation, ticks, and the transitions that come out.

It keeps every event for ever and works everything out anew at every instant that might matter. It shares nothing with
the real fold but the definition's values.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from services.stager.language.definition import Lifecycle
from tests.oracle import deadlines
from tests.oracle.evaluation import Customer, Evaluation, Journey, moment_of, stage_of
from tests.oracle.lines import BadLine, Record, parse_line

IMPORT_MS = 10 * 60_000
REMEMBERED_IDS = 32
EVALUATIONS_MAX = 5_000  # a random file may turn in circles every millisecond; nobody waits for that one


class TooLong(Exception):
    """The case takes more evaluations than a test has patience for."""


class Simulation:
    """One partition."""

    def __init__(self, lifecycles: Sequence[Lifecycle]) -> None:
        self.lifecycles = sorted(lifecycles, key=lambda lifecycle: lifecycle.name)
        self.nodes = {lifecycle.name: deadlines.condition_nodes(lifecycle) for lifecycle in self.lifecycles}
        self.customers: dict[str, Customer] = {}
        self.clock = -(10**18)
        self.import_received: int | None = None
        self.importing = False
        self.transitions: list[dict[str, Any]] = []
        self.evaluations = 0

    def tick(self, t: int) -> None:
        """Lapse every customer, the smallest (deadline, customer) first."""
        self.clock = max(self.clock, t)
        waiting = {name: self.candidates(one, t) for name, one in self.customers.items() if not self.left_alone(one, t)}
        while any(waiting.values()):
            at, name = min((instants[0], name) for name, instants in waiting.items() if instants)
            customer = self.customers[name]
            waiting[name] = waiting[name][1:]
            customer.quiet_until = at
            if self.evaluate(customer, at, None):
                customer.clock = at
                waiting[name] = self.candidates(customer, t)

    def left_alone(self, customer: Customer, t: int) -> bool:
        """Whether a tick leaves this customer to the import that is running."""
        if not customer.events[-1].historical or not self.importing or self.import_received is None:
            return False
        return t - self.import_received < IMPORT_MS

    def record(self, record: Record) -> None:
        """Lapse, fold, evaluate."""
        self.clock = max(self.clock, record.received_at)
        if record.kind == "import_end":
            self.importing = False
            return
        if record.historical:
            self.importing = True
            self.import_received = max(record.received_at, self.import_received or record.received_at)
        customer = self.customers.get(record.customer) or Customer(record.customer)
        t = max(customer.clock, record.occurred_at if record.historical else self.clock)
        self.lapse(customer, t)
        customer.clock = customer.quiet_until = t
        if record.id in [event.id for event in customer.events[-REMEMBERED_IDS:]]:
            return
        self.customers[record.customer] = customer
        customer.fold(record)
        self.evaluate(customer, t, record)

    def lapse(self, customer: Customer, t: int) -> None:
        """Evaluate at every instant up to t."""
        waiting = self.candidates(customer, t)
        while waiting:
            at = waiting.pop(0)
            customer.quiet_until = at
            if self.evaluate(customer, at, None):
                customer.clock = at
                waiting = self.candidates(customer, t)

    def candidates(self, customer: Customer, until: int) -> list[int]:
        """All instants after the last evaluation (none before the first) up to `until` when something could change."""
        if not customer.events:
            return []
        found: set[int] = set()
        for lifecycle in self.lifecycles:
            journey = customer.journeys.get(lifecycle.name, Journey())
            for metric in lifecycle.metrics:
                found.update(deadlines.metric_instants(metric, customer.events))
            moment = moment_of(customer, lifecycle, journey, customer.clock)
            found.update(deadlines.condition_instants(self.nodes[lifecycle.name], moment))
            found.update(deadlines.re_entry_instants(lifecycle, journey.left))
            stage = stage_of(lifecycle, journey.stage)
            if stage is not None and journey.began is not None:
                found.update(deadlines.stay_instants(stage, journey.began, journey.emitted))
            if journey.again_at is not None:
                found.add(journey.again_at)
        last = max(customer.clock, customer.quiet_until)
        return sorted(at for at in found if last < at <= until)

    def evaluate(self, customer: Customer, t: int, cause: Record | None) -> bool:
        """Evaluate every lifecycle at t; true when something was emitted."""
        self.evaluations += 1
        if self.evaluations > EVALUATIONS_MAX:
            raise TooLong
        before = len(self.transitions)
        for lifecycle in self.lifecycles:
            journey = customer.journeys.setdefault(lifecycle.name, Journey())
            if not journey.started:
                journey.started = True
                if lifecycle.segment:
                    journey.stage, journey.began = "out", t
            Evaluation(self.transitions, customer, lifecycle, journey, t, cause).run()
        return len(self.transitions) > before


def simulate(
    lifecycles: Sequence[Lifecycle], lines: Sequence[str], until: int | None = None
) -> tuple[list[dict[str, Any]], list[int]]:
    """The transitions of a history (without their ids), and the numbers of the bad lines."""
    records: list[Record] = []
    bad: list[int] = []
    for line_number, text in enumerate(lines, 1):
        try:
            if text.strip():
                records.append(parse_line(text, line_number))
        except BadLine:
            bad.append(line_number)
    if until is None and records:
        until = max(record.received_at for record in records)
    simulation = Simulation(lifecycles)
    for record in records:
        if until is not None and record.received_at <= until:
            simulation.tick(record.received_at)
            simulation.record(record)
    if until is not None:
        simulation.importing = False
        simulation.tick(until)
    return simulation.transitions, bad
