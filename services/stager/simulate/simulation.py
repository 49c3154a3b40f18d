"""Simulate: the fold over a file of events, as a log with perfect ticks (LANGUAGE.md 7 and 8).

Streaming: memory grows with the customers, not with the events. Reads no file and no clock; the caller brings lines.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from services.stager.fold.instants import BEGINNING, NEVER
from services.stager.fold.partition import Partition
from services.stager.fold.profile import Profile, new_profile
from services.stager.fold.rules import Rules
from services.stager.simulate.line import Line, read_line
from services.stager.simulate.waiting import Waiting
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
    last_ms = BEGINNING if until_ms is None else until_ms
    for line in read_lines(lines, on_bad_line):
        received_ms = line.received_ms
        if received_ms > last_ms:
            if until_ms is not None:
                continue
            last_ms = received_ms
        yield from simulation.lapses(received_ms)
        yield from simulation.take(line)
    if last_ms > BEGINNING:
        simulation.end_import(last_ms)
        yield from simulation.lapses(last_ms)


def read_lines(lines: Iterable[bytes], on_bad_line: OnBadLine) -> Iterator[Line]:
    """The good lines, in order; the others are told to `on_bad_line`, but for empty ones."""
    for number, text in enumerate(lines, start=1):
        try:
            yield read_line(text, number)
        except Malformed as error:
            if text.strip():
                on_bad_line(number, str(error))


class Seen(NamedTuple):
    """How many events of how many customers there were, and whether the one that is asked for is among them.

    From `begin_ms`, when the first customer was first seen (NEVER: nobody was), until `end_ms`, the time of the log.
    """

    events: int
    customers: int
    has_asked: bool
    begin_ms: int
    end_ms: int


class Simulation:
    """One partition and all its customers (`profiles`, by id)."""

    def __init__(self, rules: Rules) -> None:
        self._partition = Partition(rules, clock_ms=BEGINNING)
        self.profiles: dict[str, Profile] = {}
        self._events = 0
        self._begin_ms = NEVER
        self._waiting = Waiting()
        self._past: dict[str, Profile] = {}  # whose latest record is historical: while an import runs, nobody lapses

    def seen(self, customer: str | None) -> Seen:
        """Who was in the lines so far; `customer`: the one that is asked for."""
        end_ms = self._partition.clock_ms
        return Seen(self._events, len(self.profiles), customer in self.profiles, self._begin_ms, end_ms)

    @property
    def earliest_ms(self) -> int:
        """A tick before it does nothing but pass."""
        return BEGINNING if self._past else self._waiting.earliest_ms

    def tick(self, tick_ms: int) -> Sequence[Transition]:
        """What a tick does, all of it."""
        return tuple(self.lapses(tick_ms))

    def lapses(self, tick_ms: int) -> Iterable[Transition]:
        """The same, one after another as it is asked for: between two lines there may be years. To be used up."""
        self._partition.observe(None, tick_ms)
        if self._waiting.earliest_ms > tick_ms and not self._past:
            return ()  # so it is nearly always
        return self._lapses(tick_ms)

    def _lapses(self, tick_ms: int) -> Iterator[Transition]:
        """Lapse the customers one evaluation at a time, always the smallest (deadline, customer) next."""
        partition, waiting = self._partition, self._waiting
        wakes_past = partition.wakes_historical(tick_ms)
        if wakes_past:
            for sleeper in self._past.values():
                waiting.put(sleeper)
            self._past.clear()
        while (profile := waiting.first(tick_ms)) is not None:
            if wakes_past or profile.historical_ms is None:
                transitions: list[Transition] = []
                partition.lapse_one(profile, transitions)
                yield from transitions
            else:  # who woke when one import was over sleeps again in the next
                self._let_sleep(profile)

    def end_import(self, last_ms: int) -> None:
        """An import that still runs is over."""
        self.pass_by(Line(Event(type="import_end"), last_ms))

    def _let_sleep(self, profile: Profile) -> None:
        self._past[profile.customer] = profile
        self._waiting.remove(profile)

    def pass_by(self, line: Line) -> None:
        """Take only the log's time of a record: it concerns no customer, or one that nobody asks for."""
        self._partition.observe(line.event, line.received_ms)

    def take(self, line: Line) -> list[Transition]:
        """Fold a record that stands in the log."""
        event = line.event
        self._events += 1
        if event.type == "import_end":
            self.pass_by(line)
            return []
        profile = self.profiles.get(event.customer)
        if profile is None:
            profile = self.profiles[event.customer] = new_profile(event.customer)
            began_ms = line.occurred_ms if event.historical else line.received_ms
            self._begin_ms = min(self._begin_ms, line.received_ms if began_ms is None else began_ms)
        was_ms, was_past = profile.due_or_never_ms, profile.historical_ms is not None
        transitions = self._partition.fold(profile, event, line.received_ms, occurred_ms=line.occurred_ms)
        if profile.historical_ms is not None:
            self._let_sleep(profile)
        elif was_past:
            self._past.pop(event.customer, None)
            self._waiting.put(profile)
        elif profile.due_or_never_ms < was_ms:
            self._waiting.put(profile)
        return transitions
