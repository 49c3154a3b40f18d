"""Simulate: the fold over a file of events, as a log with perfect ticks (LANGUAGE.md 7 and 8).

Streaming: memory grows with the customers, not with the events. Reads no file and no clock; the caller brings lines.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator

from services.stager.fold.instants import BEGINNING
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
    """One partition and all its customers (`profiles`, by id).

    Who is due waits in two heaps, because an import protects its customers.
    A heap's entry is (deadline, customer) and stays when the deadline moves; it is skipped when it comes up.
    """

    def __init__(self, rules: Rules) -> None:
        self._partition = Partition(rules, clock_ms=BEGINNING)
        self.profiles: dict[str, Profile] = {}
        self._due: dict[bool, list[tuple[int, str]]] = {False: [], True: []}
        self._heaps = tuple(self._due.values())

    def tick(self, tick_ms: int) -> Iterable[Transition]:
        """Lapse the customers one evaluation at a time, always the smallest (deadline, customer) next."""
        self._partition.observe(None, tick_ms)
        # Most ticks find nobody due, and then the top of neither heap can be before them.
        for heap in self._heaps:
            if heap and heap[0][0] <= tick_ms:
                return self._lapse(tick_ms)
        return ()

    def _lapse(self, tick_ms: int) -> Iterator[Transition]:
        historical = (False, True) if self._partition.wakes_historical(tick_ms) else (False,)
        while (profile := self._next_due(historical, tick_ms)) is not None:
            due_ms = profile.due_ms
            assert due_ms is not None
            yield from self._partition.lapse((profile,), until_ms=due_ms)
            self._await(profile)

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
        was_ms, was_historical = profile.due_or_never_ms, profile.historical_ms is None
        transitions = self._partition.fold(profile, event, line.received_ms)
        if profile.due_or_never_ms != was_ms or (profile.historical_ms is None) is not was_historical:
            self._await(profile)
        return transitions

    def _await(self, profile: Profile) -> None:
        if profile.due_ms is not None:
            heapq.heappush(self._due[profile.historical], (profile.due_ms, profile.customer))

    def _next_due(self, historical: tuple[bool, ...], until_ms: int) -> Profile | None:
        """Take the customer with the smallest (deadline, customer) that is due by then out of its heap."""
        tops = [(heap[0], heap) for kind in historical if (heap := self._current(kind))]
        if not tops:
            return None
        (due_ms, customer), heap = min(tops, key=lambda top: top[0])
        if due_ms > until_ms:
            return None
        heapq.heappop(heap)
        return self.profiles[customer]

    def _current(self, historical: bool) -> list[tuple[int, str]]:  # noqa: FBT001  # the key of the two heaps
        """A heap whose first entry says the truth."""
        heap = self._due[historical]
        while heap:
            due_ms, customer = heap[0]
            profile = self.profiles[customer]
            if profile.due_ms == due_ms and profile.historical is historical:
                break
            heapq.heappop(heap)
        return heap
