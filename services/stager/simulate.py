"""Simulate: the fold over a file of events, as a log with perfect ticks (LANGUAGE.md 7 and 8).

Streaming: memory grows with the customers, not with the events. Reads no file and no clock; the caller brings lines.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator, Mapping

from services.stager.fold.instants import BEGINNING, NEVER
from services.stager.fold.partition import Partition
from services.stager.fold.profile import Profile, new_profile
from services.stager.fold.rules import Rules
from services.stager.simulate_input import Line, read_line
from shared.errors import Malformed
from shared.event import Event
from shared.transition import Transition

OnBadLine = Callable[[int, str], None]


def simulate(
    lines: Iterable[bytes],
    rules: Rules,
    *,
    until_ms: int | None,
    on_bad_line: OnBadLine,
    simulation: Simulation | None = None,
) -> Iterator[Transition]:
    """The transitions of these lines, in order of `seq`, ending with a tick at `until_ms`.

    `simulation`: a new one of these rules, where somebody wants to look at the customers in the end.
    `until_ms` None means the largest time received; lines received after it are left out. A line that cannot be used
    is told to `on_bad_line` (its number from 1, and why) and otherwise ignored.
    """
    simulation = simulation or Simulation(rules)
    last_ms = until_ms
    for line in read_lines(lines, on_bad_line):
        if until_ms is None:
            last_ms = line.received_ms if last_ms is None else max(last_ms, line.received_ms)
        elif line.received_ms > until_ms:
            continue
        yield from simulation.tick(line.received_ms)
        yield from simulation.take(line)
    if last_ms is not None:
        simulation.take(Line(Event(type="import_end"), last_ms))
        yield from simulation.tick(last_ms)


def read_lines(lines: Iterable[bytes], on_bad_line: OnBadLine) -> Iterator[Line]:
    """The good lines, in order; the others are told to `on_bad_line`."""
    for number, text in enumerate(lines, start=1):
        if not text.strip():
            continue
        try:
            yield read_line(text, number)
        except Malformed as error:
            on_bad_line(number, str(error))


class Simulation:
    """One partition and all its customers (`profiles`, by id). Who is due waits in two queues, because an import
    protects its customers.
    """

    def __init__(self, rules: Rules) -> None:
        self._partition = Partition(rules, clock_ms=BEGINNING)
        self.profiles: dict[str, Profile] = {}
        self._present, self._past = (_Waiting(self.profiles, historical=kind) for kind in (False, True))

    def tick(self, tick_ms: int) -> Iterable[Transition]:
        """Lapse the customers one evaluation at a time, always the smallest (deadline, customer) next."""
        self._partition.observe(None, tick_ms)
        # Most ticks find nobody due, and then nobody stands in a queue with a deadline that has come.
        if self._present.may_be_due(tick_ms) or self._past.may_be_due(tick_ms):
            return self._lapse(tick_ms)
        return ()

    def _lapse(self, tick_ms: int) -> Iterator[Transition]:
        queues = (self._present, self._past) if self._partition.wakes_historical(tick_ms) else (self._present,)
        while True:
            firsts = [first for queue in queues if (first := queue.first()) is not None]
            if not firsts:
                return
            due_ms, customer = min(firsts)
            if due_ms > tick_ms:
                return
            yield from self._partition.lapse((self.profiles[customer],), until_ms=due_ms)

    def pass_by(self, line: Line) -> None:
        """Take only the log's time of a record: it concerns no customer, or one that nobody asks for."""
        self._partition.observe(line.event, line.received_ms)

    def take(self, line: Line) -> list[Transition]:
        """Fold a record that stands in the log."""
        event = line.event
        if event.type == "import_end":
            self.pass_by(line)
            return []
        profile = self.profiles.get(event.customer)
        if profile is None:
            profile = self.profiles[event.customer] = new_profile(event.customer)
        was_ms, was_present = profile.due_or_never_ms, profile.historical_ms is None
        transitions = self._partition.fold(profile, event, line.received_ms)
        is_present = profile.historical_ms is None
        if profile.due_or_never_ms < was_ms or is_present is not was_present:
            (self._present if is_present else self._past).put(profile)
        return transitions


class _Waiting:
    """The customers who wait for a deadline, those whose latest record is historical or the others, earliest first.

    A deadline that moves away is left where it stands: when it comes up, its customer is put further back. So a
    customer who keeps buying is moved once a month and not with every event.
    """

    def __init__(self, profiles: Mapping[str, Profile], *, historical: bool) -> None:
        self._profiles, self._historical = profiles, historical
        self._heap: list[tuple[int, str]] = []
        self._stands: dict[str, int] = {}  # the deadline with which each customer stands in the heap; others are void

    def may_be_due(self, tick_ms: int) -> bool:
        """False when surely nobody is due."""
        return bool(self._heap) and self._heap[0][0] <= tick_ms

    def put(self, profile: Profile) -> None:
        """See to it that a customer comes up in time."""
        due_ms = profile.due_or_never_ms
        if due_ms < self._stands.get(profile.customer, NEVER):
            self._stands[profile.customer] = due_ms
            heapq.heappush(self._heap, (due_ms, profile.customer))

    def first(self) -> tuple[int, str] | None:
        """The smallest (deadline, customer) that is true, None when nobody waits."""
        heap, stands = self._heap, self._stands
        while heap:
            due_ms, customer = heap[0]
            if stands.get(customer) == due_ms:
                profile = self._profiles[customer]
                true_ms = profile.due_or_never_ms if profile.historical is self._historical else NEVER
                if true_ms == due_ms:
                    return heap[0]
                del stands[customer]
                if true_ms < NEVER:
                    stands[customer] = true_ms
                    heapq.heapreplace(heap, (true_ms, customer))
                    continue
            heapq.heappop(heap)
        return None
