"""A share of a simulation: some of the customers, but all of the time.

Shape: of each page of lines a share reads its own; then it is told when every line of the page was received, lets time
pass line by line, and folds its own. What it found is put in order by `simulate_together`.
"""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from services.stager.fold.rules import Rules
from services.stager.simulate.line import Line, read_line
from services.stager.simulate.simulation import Seen, Simulation
from services.stager.simulate.summary import Summary, Tally
from shared.errors import Malformed
from shared.event import Event
from shared.transition import Transition, encode_lines

Key = tuple[int, bool, str, str]
"""Where a transition stands in its page: the line's place, whether the line made it or the tick before it, the instant,
the customer. Those with equal keys are of one customer and stand in order.
"""

_HISTORICAL = Event("track", historical=True)
_IMPORT_END = Event("import_end")


NO_TIME: Final = -(1 << 62)
"""Instead of a log time: the line does not count."""


class Dealt(NamedTuple):
    """The lines of a page that a share has to read: the number of the page's first, and their places from there."""

    first_number: int
    places: list[int]
    texts: list[bytes]


class Reading(NamedTuple):
    """What the other shares must know of these lines.

    `received_ms`: of each, NO_TIME for those that cannot be used. `marks`: the places of those that are historical
    (False) or end an import (True). `bad`: number and reason of those that cannot be used.
    """

    received_ms: array[int]
    marks: dict[int, bool]
    bad: list[tuple[int, str]]


class Course(NamedTuple):
    """How time goes on a page: the log time of each line, NO_TIME for those that do not count, and all marks."""

    received_ms: array[int]
    marks: Mapping[int, bool]


class Found(NamedTuple):
    """Transitions in order of their keys, a line of JSON for each; their `seq` counts only within the share."""

    keys: Sequence[Key]
    lines: bytes


class _Findings:
    """Transitions as they are found on one page, each with its key."""

    def __init__(self) -> None:
        self.keys: list[Key] = []
        self.changes: list[Transition] = []

    def add(self, place: int, changes: Sequence[Transition], *, by_line: bool) -> None:
        """What the line at this place made, or the tick before it."""
        self.changes += changes
        self.keys += [(place, by_line, change.at, change.customer) for change in changes]


class Share:
    """Some of the customers; `summary` None: transitions are wanted one by one, else they are only counted in it."""

    def __init__(self, rules: Rules, *, summary: Summary | None) -> None:
        self._simulation = Simulation(rules)
        self._summary = summary
        # Of each page that is still to be folded, its lines with their places.
        self._read: deque[list[tuple[int, Line]]] = deque()

    def read(self, dealt: Dealt) -> Reading:
        """Read one's own lines of the next page."""
        own: list[tuple[int, Line]] = []
        received_ms, marks, bad = array("q"), {}, []
        for place, text in zip(dealt.places, dealt.texts, strict=True):
            number = dealt.first_number + place
            try:
                line = read_line(text, number)
            except Malformed as error:
                received_ms.append(NO_TIME)
                if text.strip():
                    bad.append((number, str(error)))
                continue
            own.append((place, line))
            received_ms.append(line.received_ms)
            event = line.event
            if event.historical or event.type == "import_end":
                marks[place] = not event.historical
        self._read.append(own)
        return Reading(received_ms, marks, bad)

    def fold(self, course: Course) -> Found:
        """Let time pass over the oldest page that was read and not folded, and fold one's own lines."""
        tick, take = self._simulation.tick, self._simulation.take
        received_ms = course.received_ms
        findings, behind = _Findings(), 0
        for place, line in self._read.popleft():
            if received_ms[place] == NO_TIME:
                continue
            if place > behind:
                self._pass_by(course, behind, place, findings)
            if lapsed := tick(line.received_ms):
                findings.add(place, lapsed, by_line=False)
            if folded := take(line):
                findings.add(place, folded, by_line=True)
            behind = place + 1
        self._pass_by(course, behind, len(received_ms), findings)
        return self._told(findings)

    def _pass_by(self, course: Course, begin: int, end: int, findings: _Findings) -> None:
        """Let time pass over the lines of others."""
        simulation, marks = self._simulation, course.marks
        passing = course.received_ms[begin:end]
        if not marks and (not passing or (last_ms := max(passing)) < simulation.earliest_ms):
            if passing:
                simulation.tick(last_ms)  # who lapses at none of them lapses not at the last
            return
        for place, received_ms in enumerate(passing, begin):
            if received_ms == NO_TIME:
                continue
            if lapsed := simulation.tick(received_ms):
                findings.add(place, lapsed, by_line=False)
            if place in marks:
                simulation.pass_by(Line(_IMPORT_END if marks[place] else _HISTORICAL, received_ms))

    def end(self, last_ms: int) -> Found:
        """Let time pass until the end."""
        findings = _Findings()
        self._simulation.end_import(last_ms)
        findings.add(0, self._simulation.tick(last_ms), by_line=False)
        return self._told(findings)

    def _told(self, findings: _Findings) -> Found:
        if self._summary is None:
            return Found(findings.keys, encode_lines(findings.changes))
        for change in findings.changes:
            self._summary.take(change)
        return Found((), b"")

    def seen(self, customer: str | None) -> Seen:
        """Who of the share was in the lines so far."""
        return self._simulation.seen(customer)

    def tallies(self) -> Mapping[str, Tally]:
        """What the summary counted, and where its customers stand now."""
        assert self._summary is not None
        self._summary.stand(self._simulation.profiles)
        return self._summary.tallies
