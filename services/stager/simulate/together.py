"""A simulation on several processes, each with a share of the customers: the same transitions, in the same order.

Shape: pages of lines are dealt by customer and read by the shares; their times, put together, are told to all; what
they find is put in order and numbered. Two pages are always on their way, so that nobody waits for the slowest.
"""

from __future__ import annotations

import multiprocessing
import signal
from array import array
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack, contextmanager
from functools import partial
from itertools import islice
from operator import itemgetter
from typing import Concatenate, Final, ParamSpec, Protocol, TypeVar

from services.stager.fold.instants import BEGINNING
from services.stager.fold.rules import compile_rules
from services.stager.language.definition import Lifecycle
from services.stager.simulate.line import customer_of
from services.stager.simulate.share import NO_TIME, Course, Dealt, Found, Reading, Share
from services.stager.simulate.simulation import OnBadLine, Seen
from services.stager.simulate.summary import Summary
from shared.collector import tune_collector
from shared.errors import Refused

PAGE_LINES: Final = 4_000
_PAGES_AHEAD: Final = 2
_SEQ: Final = b',"seq":'  # cannot stand within a text, where each quote has a backslash before it

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")
_Reading = tuple[int, Sequence[Sequence[int]], Sequence[Future[Reading]]]


class Hand(Protocol):
    """Holds a share, wherever that is."""

    def ask(self, method: Callable[Concatenate[Share, P], R], *arguments: P.args, **named: P.kwargs) -> Future[R]:
        """Call a method of the share; one after another, in the order in which they were asked for."""


class Together:
    """One simulation over all the hands."""

    def __init__(self, hands: Sequence[Hand], *, until_ms: int | None, on_bad_line: OnBadLine) -> None:
        self._hands = hands
        self._until_ms = until_ms
        self._last_ms = BEGINNING if until_ms is None else until_ms
        self._on_bad_line = on_bad_line
        self._seq = 0

    def run(
        self, lines: Iterable[bytes], *, customer: str | None = None, page_lines: int = PAGE_LINES
    ) -> Iterator[bytes]:
        """The transitions as `simulate` gives them, in lines of JSON, many at once; of one customer if one is named."""
        readings = _ahead(self._deal(iter(lines), page_lines))
        for folding in _ahead(self._fold(reading) for reading in readings):
            yield self._numbered(folding, customer)
        if self._last_ms > BEGINNING:
            yield self._numbered([hand.ask(Share.end, self._last_ms) for hand in self._hands], customer)

    def _deal(self, lines: Iterator[bytes], page_lines: int) -> Iterator[_Reading]:
        """Have each page read, every line by the share of its customer."""
        first_number, count = 1, len(self._hands)
        while page := list(islice(lines, page_lines)):
            dealt = [Dealt(first_number, [], []) for _ in self._hands]
            for place, text in enumerate(page):
                _, places, texts = dealt[hash(customer_of(text)) % count]
                places.append(place)
                texts.append(text)
            asked = [hand.ask(Share.read, own) for hand, own in zip(self._hands, dealt, strict=True)]
            yield len(page), [own.places for own in dealt], asked
            first_number += len(page)

    def _fold(self, reading: _Reading) -> Sequence[Future[Found]]:
        """Have a page folded that was read."""
        size, places, asked = reading
        readings = [future.result() for future in asked]
        for number, reason in sorted(bad for one in readings for bad in one.bad):
            self._on_bad_line(number, reason)
        received_ms = array("q", bytes(8 * size))
        for own, one in zip(places, readings, strict=True):
            for place, ms in zip(own, one.received_ms, strict=True):
                received_ms[place] = ms
        largest_ms = max(received_ms)
        if self._until_ms is None:
            self._last_ms = max(self._last_ms, largest_ms)
        elif largest_ms > self._until_ms:
            received_ms = array("q", (ms if ms <= self._until_ms else NO_TIME for ms in received_ms))
        marks = {place: mark for one in readings for place, mark in one.marks.items()}
        return [hand.ask(Share.fold, Course(received_ms, marks)) for hand in self._hands]

    def _numbered(self, folding: Sequence[Future[Found]], only: str | None) -> bytes:
        """What all shares found, in order, with its `seq`."""
        founds = [future.result() for future in folding]
        found = [pair for one in founds for pair in zip(one.keys, one.lines.split(b"\n"), strict=False)]
        found.sort(key=itemgetter(0))
        numbered = []
        for (_, _, _, customer), line in found:
            self._seq += 1
            if only is None or only == customer:
                head, tail = line.split(_SEQ, 1)
                numbered.append(b"%b%b%d%b\n" % (head, _SEQ, self._seq, tail[tail.index(b",") :]))
        return b"".join(numbered)

    def seen(self, customer: str | None) -> Seen:
        """Who was in the lines so far."""
        asked = [hand.ask(Share.seen, customer) for hand in self._hands]
        events, customers, are_asked, begins_ms, ends_ms = zip(*(future.result() for future in asked), strict=True)
        return Seen(sum(events), sum(customers), any(are_asked), min(begins_ms), max(ends_ms))

    def add_to(self, summary: Summary) -> None:
        """Add up what the shares counted."""
        for future in [hand.ask(Share.tallies) for hand in self._hands]:
            summary.add(future.result())


def _ahead(items: Iterable[T]) -> Iterator[T]:
    """The same items; some are begun before the first of them is looked at."""
    begun: deque[T] = deque()
    for item in items:
        begun.append(item)
        if len(begun) > _PAGES_AHEAD:
            yield begun.popleft()
    yield from begun


class _Process:
    """A share in a process of its own."""

    def __init__(self, pool: ProcessPoolExecutor) -> None:
        self._pool = pool

    def ask(self, method: Callable[Concatenate[Share, P], R], *arguments: P.args, **named: P.kwargs) -> Future[R]:
        return self._pool.submit(partial(_answer, method), *arguments, **named)


@contextmanager
def hands_in_processes(
    count: int, lifecycles: Sequence[Lifecycle], *, summarised: bool, customer: str | None
) -> Generator[Sequence[Hand], None, None]:
    """So many processes, each with a new share. Errors: Refused when one of them dies meanwhile."""
    context = multiprocessing.get_context("spawn")
    with ExitStack() as stack:
        pools = [ProcessPoolExecutor(1, context, _begin, (lifecycles, summarised, customer)) for _ in range(count)]
        for pool in pools:
            stack.callback(pool.shutdown, cancel_futures=True)
        try:
            yield [_Process(pool) for pool in pools]
        except BrokenProcessPool as error:
            raise Refused("a process of the simulation was killed, perhaps for lack of memory") from error


_shares: Final[list[Share]] = []  # in such a process: its one share


def _begin(lifecycles: Sequence[Lifecycle], summarised: bool, customer: str | None) -> None:  # noqa: FBT001  # called by the pool
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal interrupts all; the first process then ends the others
    rules = compile_rules(lifecycles)
    _shares.append(Share(rules, summary=Summary(rules, customer=customer) if summarised else None))
    tune_collector()


def _answer(method: Callable[Concatenate[Share, P], R], *arguments: P.args, **named: P.kwargs) -> R:
    return method(_shares[0], *arguments, **named)
