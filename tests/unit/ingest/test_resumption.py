"""Laws of imports under a key: whatever broke off, was mended or was another file, success means that all is there."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.types import Message

from services.ingest.delivery import Delivery
from services.ingest.imports import history, resumption
from services.ingest.imports.history import Import
from services.ingest.imports.ledger import Ledger
from services.ingest.imports.resumption import Resumption
from services.ingest.refusal import Code, Rejected
from shared.clock import ManualClock
from shared.errors import Unavailable
from shared.event import decode
from shared.log import Entry, Record
from shared.topics import Topics
from tests.fakes.log_memory import MemoryLog

TOPICS = Topics("t", 3)
NOW_MS = 1_767_225_600_000

BAD, BLANK = -1, -2
Numbers = list[int]
"""A file: the ids of its events, in order; negative for a line that is none."""

NEW, END = 0, -3  # in an edit: an event that was never there, and the end of the file
FILES = st.lists(st.sampled_from([NEW, NEW, BAD, BLANK]), max_size=12)
EDITS = st.lists(st.tuples(st.integers(0, 11), st.sampled_from([NEW, NEW, BAD, BLANK, END])), max_size=2)


@pytest.fixture(autouse=True, scope="module")
def small_bounds() -> Iterator[None]:
    """Notes, appends and what a note holds are as small as they can be, so that short files reach every bound."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(resumption, "IMPORT_NOTE_LINES", 4)
        patch.setattr(resumption, "IMPORT_MARKS_MAX", 2)
        patch.setattr(resumption, "IMPORT_APART_MAX", 1)
        patch.setattr(history, "IMPORT_APPEND_EVENTS_MAX", 3)
        yield


@dataclass(frozen=True)
class Kept:
    """A record as it is read."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Any


class Topical(MemoryLog):
    """Keeps topics apart and lets them be read; the append in `lost_append` has its effect and no answer."""

    def __init__(self) -> None:
        super().__init__()
        self.topics: dict[str, list[list[Entry]]] = {topic: [[], [], []] for topic in (TOPICS.events, TOPICS.imports)}
        self.lost_append: int | None = None

    async def append(self, topic: str, entries: Sequence[Entry], *, timeout_s: float) -> list[int]:
        self.partitions = self.topics[topic]
        offsets = await super().append(topic, entries, timeout_s=timeout_s)
        if self.lost_append is not None:
            self.lost_append -= 1
            if self.lost_append < 0:
                raise Unavailable
        return offsets

    async def ends(self, topic: str) -> dict[int, int]:
        return {place: len(entries) for place, entries in enumerate(self.topics[topic])}

    async def fetch(self, topic: str, partition: int, offset: int, *, records_max: int) -> list[Record]:
        entries = self.topics[topic][partition][offset : offset + records_max]
        return [Kept(place, 0, e.key, e.value, e.headers) for place, e in enumerate(entries, start=offset)]

    def ids(self) -> Counter[str]:
        """How often each event is there."""
        events = (decode(entry.value) for entries in self.topics[TOPICS.events] for entry in entries)
        return Counter(event.id for event in events if event.type != "import_end")


@dataclass(frozen=True)
class Sending:
    """One attempt: the file from `first` on, which breaks off before line `cut`, or an append that gets no answer."""

    cut: int | None = None
    lost_append: int | None = None
    first: int = 1


SENDINGS = st.one_of(
    st.just(Sending()),
    st.builds(Sending, cut=st.integers(0, 15)),
    st.builds(Sending, lost_append=st.integers(1, 6)),
    st.builds(Sending, first=st.integers(2, 5), cut=st.none() | st.integers(5, 15)),
)


async def send(log: Topical, file: Numbers, sending: Sending) -> Import:
    """Errors: Rejected, Unavailable."""
    ledger = Ledger(log, TOPICS, timeout_s=1)
    log.lost_append = sending.lost_append
    try:
        work = Import(
            Delivery(log, TOPICS, timeout_s=1), source="s", clock=ManualClock(NOW_MS), first_line=sending.first,
            resumption=Resumption("k", ledger, await ledger.begin("k")),
        )  # fmt: skip
        sent = file[sending.first - 1 : sending.cut]
        await work.run(_receiver(sent, is_broken=sending.cut is not None), asyncio.Event(), is_last=True)
    finally:
        log.lost_append = None
    return work


def _receiver(numbers: Numbers, *, is_broken: bool) -> Any:
    left = iter(numbers)

    async def receive() -> Message:
        number = next(left, None)
        if number is None and is_broken:
            return {"type": "http.disconnect"}
        return {
            "type": "http.request",
            "body": b"" if number is None else _line(number),
            "more_body": number is not None,
        }

    return receive


def _line(number: int) -> bytes:
    if number < 0:
        return b"\n" if number == BLANK else b"{}\n"
    item = b'{"event":"e","userId":"u%d","messageId":"m%d","timestamp":"2020-01-01T00:00:00Z"}\n'
    return item % (number % 5, number)


@given(FILES, st.lists(st.tuples(EDITS, SENDINGS), min_size=2, max_size=6))
@settings(max_examples=300, deadline=None)
def test_a_success_means_that_every_line_is_in_the_log(
    kinds: Numbers, attempts: list[tuple[list[tuple[int, int]], Sending]]
) -> None:
    fresh = count(1)

    async def run() -> None:
        log, file = Topical(), _edited([], list(enumerate(kinds)), fresh)
        for edits, sending in attempts:
            try:
                await send(log, file, sending)
                assert {f"m{number}" for number in file[sending.first - 1 :] if number >= 0} <= log.ids().keys()
            except (Rejected, Unavailable):
                pass
            file = _edited(file, edits, fresh)

    asyncio.run(run())


def _edited(file: Numbers, edits: list[tuple[int, int]], fresh: Iterator[int]) -> Numbers:
    """The file with other lines in some places; what lies behind its end is appended."""
    edited = list(file)
    for place, kind in edits:
        edited[place : None if kind == END else place + 1] = (
            [] if kind == END else [next(fresh) if kind == NEW else kind]
        )
    return edited


@given(FILES, st.lists(SENDINGS, max_size=4), st.data())
@settings(max_examples=300, deadline=None)
def test_a_file_that_is_mended_and_appended_to_goes_in_once_whatever_broke_off(
    file: Numbers, sendings: list[Sending], data: st.DataObject
) -> None:
    file = [number if number < 0 else place for place, number in enumerate(file)]

    async def run() -> None:
        log, now = Topical(), file
        for sending in sendings:
            try:
                await send(log, now, sending)
            except Unavailable:
                pass
            except Rejected as error:
                if error.code not in (Code.BROKEN_BODY, Code.IMPORT_GAP):
                    raise
            now = _improved(now, data)
        work = await send(log, now, Sending())
        good = [f"m{number}" for number in now if number >= 0]
        assert log.ids() == Counter(good)
        assert work.progress.accepted + work.progress.repeated == len(good)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(resumption, "IMPORT_APART_MAX", 1000)
        asyncio.run(run())


def _improved(file: Numbers, data: st.DataObject) -> Numbers:
    """Some refused lines become events, and lines are appended."""
    mended = [
        1000 + place if number == BAD and data.draw(st.booleans()) else number for place, number in enumerate(file)
    ]
    return mended + [2000 + len(mended) + place for place in range(data.draw(st.integers(0, 5)))]


async def test_a_mended_line_whose_append_got_no_answer_goes_in_once_though_the_next_body_broke_off() -> None:
    log = Topical()
    await send(log, [0, BAD], Sending())
    with pytest.raises(Unavailable):
        await send(log, [0, 1], Sending(lost_append=1))
    with pytest.raises(Rejected):
        await send(log, [0, 1], Sending(cut=0))

    await send(log, [0, 1], Sending())

    assert log.ids() == Counter(["m0", "m1"])
