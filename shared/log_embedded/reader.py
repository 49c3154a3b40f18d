"""A member of a group on the embedded log: it beats, looks for records, and sleeps until there may be some."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from shared.errors import Refused, Unavailable
from shared.log import Arrival
from shared.log_embedded import group
from shared.log_embedded.file import Bounds, Stored, bounds, records_from, slot_of
from shared.log_embedded.group import Claims, Membership
from shared.log_embedded.threads import Threads, answered
from shared.sqlite import is_busy

POLL_S = 0.02  # how late a record of another process is seen; asking for the file's time costs less than waking up
LOOK_S_MAX = 0.25  # how late at most: a file's time has coarse steps, two changes within one may look like one
BEAT_S_MAX = 1.0  # how late a process's death is seen
BEATS_A_SESSION = 4
COMMIT_TIMEOUT_S = 5.0
COMMITTED_TIMEOUT_S = 5.0
LEAVE_TIMEOUT_S = 2.0


@dataclass(frozen=True, slots=True)
class Shared:
    """What all readers of one open log have in common.

    `changed` gives the event that this process's next append sets; `stamp` is another one after any process's commit.
    """

    threads: Threads
    changed: Callable[[], asyncio.Event]
    stamp: Callable[[], object]
    is_gone: Callable[[str], bool]
    session_timeout_s: float


class EmbeddedReader:
    """The port's Reader. `me` is asked for with the first `read`, when the topic must exist."""

    def __init__(self, topic: str, *, shared: Shared, me: Callable[[], Awaitable[Membership]]) -> None:
        self._topic = topic
        self._shared = shared
        self._find_me = me
        self._me: Membership | None = None
        self._owned: Mapping[int, int] = {}
        self._positions: dict[int, int] = {}
        self._generation = -1
        self._beat: asyncio.Future[Claims] | None = None
        self._beat_at = 0.0
        self._turn = 0

    async def read(self, *, records_max: int, timeout_s: float) -> Arrival:
        """Wait up to `timeout_s` for records or a change of ownership; return at once when there is any."""
        me = self._me = self._me or await self._find_me()
        deadline = time.monotonic() + timeout_s
        while True:
            changed, stamp = self._shared.changed(), self._shared.stamp()
            if arrival := await self._step(me, records_max=records_max, deadline=deadline):
                return arrival
            left = deadline - time.monotonic()
            if left <= 0:
                return Arrival()
            await self._sleep(changed, stamp, until=time.monotonic() + min(left, LOOK_S_MAX))

    def start(self, positions: Mapping[int, int]) -> None:
        """Deliver these from these offsets on; a partition that is not owned (any more) is left out."""
        self._positions.update({p: position for p, position in positions.items() if p in self._owned})

    def pause(self, partitions: frozenset[int]) -> None:
        """Deliver nothing of these until `start` names them again."""
        for partition in partitions:
            self._positions.pop(partition, None)

    async def commit(self, positions: Mapping[int, int]) -> None:
        """Tell the group; failures are not raised, a partition that is not owned is left out."""
        if self._me is None or not positions:
            return
        job = partial(group.commit, me=self._me, positions=positions, owned=self._owned)
        with suppress(Unavailable):
            await answered(partial(self._shared.threads.write, job), timeout_s=COMMIT_TIMEOUT_S)

    async def committed(self, partitions: frozenset[int]) -> dict[int, int]:
        """The group's committed positions. Errors: Unavailable."""
        job = partial(group.committed, me=self._me or await self._find_me())
        positions = await answered(partial(self._shared.threads.read, job), timeout_s=COMMITTED_TIMEOUT_S)
        return {p: position for p, position in positions.items() if p in partitions}

    async def close(self) -> None:
        """Leave the group; when the file is busy too long, the lease runs out by itself."""
        me, self._me = self._me, None
        self._owned = {}
        self._positions = {}
        if self._beat is not None:
            await asyncio.wait({self._beat}, timeout=LEAVE_TIMEOUT_S)
            with suppress(Unavailable):
                self._forget_beat()
        if me is not None:
            with suppress(Unavailable):
                await answered(
                    partial(self._shared.threads.write, partial(group.leave, me=me)), timeout_s=LEAVE_TIMEOUT_S
                )

    async def _sleep(self, changed: asyncio.Event, stamp: object, *, until: float) -> None:
        while stamp == self._shared.stamp() and (left := until - time.monotonic()) > 0:
            with suppress(TimeoutError):
                async with asyncio.timeout(min(left, POLL_S)):
                    await changed.wait()
                    return

    async def _step(self, me: Membership, *, records_max: int, deadline: float) -> Arrival | None:
        is_due = self._beat is not None or time.monotonic() >= self._beat_at
        if is_due and (arrival := await self._heard(me, deadline=deadline)):
            return arrival
        self._turn += 1
        asked = dict(self._positions)
        look = partial(_look, me=me, positions=asked, records_max=records_max, turn=self._turn)
        try:
            glimpse = await self._shared.threads.read(look)
        except sqlite3.Error as error:
            raise Unavailable(f"the log file cannot be read: {error}") from error
        if glimpse.generation != self._generation:  # somebody came or went: what was read may be another's by now
            self._beat_at = 0.0
            return await self._heard(me, deadline=deadline)
        return self._delivered(glimpse, asked)

    async def _heard(self, me: Membership, *, deadline: float) -> Arrival | None:
        """Beat, at most until the deadline; one that takes longer is picked up by the next read."""
        if self._beat is None:
            self._beat = self._shared.threads.write(
                partial(
                    group.beat,
                    me=me,
                    session_timeout_ms=int(self._shared.session_timeout_s * 1_000),
                    is_gone=self._shared.is_gone,
                )
            )
        await asyncio.wait({self._beat}, timeout=max(0.0, deadline - time.monotonic()))
        claims = self._forget_beat()
        return self._changed(claims) if claims else None

    def _forget_beat(self) -> Claims | None:
        """The claims of a beat that has succeeded; a busy file means none, and the next read tries again."""
        if self._beat is None or not self._beat.done():
            return None
        beat, self._beat = self._beat, None
        if beat.cancelled():
            return None
        error = beat.exception()
        if error is None:
            self._beat_at = time.monotonic() + min(BEAT_S_MAX, self._shared.session_timeout_s / BEATS_A_SESSION)
            return beat.result()
        if not is_busy(error):
            raise Unavailable(f"the log file does not answer: {error}") from error
        return None

    def _changed(self, claims: Claims) -> Arrival | None:
        before, after = self._owned, claims.owned
        self._owned, self._generation = after, claims.generation
        lost = frozenset(p for p in before if after.get(p) != before[p])
        gained = frozenset(p for p in after if after[p] != before.get(p))
        self.pause(lost)
        return Arrival(lost=lost, gained=gained) if lost or gained else None

    def _delivered(self, glimpse: _Glimpse, asked: Mapping[int, int]) -> Arrival | None:
        """What is still wanted: a partition paused or started anew during the look is for the next one."""
        wanted = {p for p, position in asked.items() if self._positions.get(p) == position}
        for partition in sorted(wanted & glimpse.outside.keys()):
            found = glimpse.outside[partition]
            raise Refused(
                f"topic {self._topic} partition {partition} holds {found.first} to {found.end}, nothing at position "
                f"{self._positions[partition]}: its records are gone (retention, or another log file)"
            )
        self._positions.update({p: position for p, position in glimpse.positions.items() if p in wanted})
        records = {p: batch for p, batch in glimpse.records.items() if p in wanted}
        return Arrival(records=records) if records else None


@dataclass(frozen=True, slots=True)
class _Glimpse:
    """One look at the file: the group's generation, records, where reading goes on, and positions it cannot serve."""

    generation: int
    records: Mapping[int, list[Stored]]
    positions: Mapping[int, int]
    outside: Mapping[int, Bounds]


def _look(
    connection: sqlite3.Connection, me: Membership, positions: Mapping[int, int], *, records_max: int, turn: int
) -> _Glimpse:
    """Records of every partition that has some, a fair part of `records_max` each, another one first each turn."""
    connection.execute("BEGIN")  # one snapshot: a purge between two selects would look like a gap
    try:
        generation = group.generation_of(connection, me)
        found = bounds(connection, me.topic_id)
        outside = {p: found[p] for p, position in positions.items() if not found[p].first <= position <= found[p].end}
        ready = sorted(p for p, position in positions.items() if p not in outside and position < found[p].end)
        first = turn % len(ready) if ready else 0
        records: dict[int, list[Stored]] = {}
        left = records_max
        for done, partition in enumerate(ready[first:] + ready[:first]):
            if left <= 0:
                break
            part = -(-left // (len(ready) - done))
            slot = slot_of(me.topic_id, partition)
            records[partition] = records_from(connection, slot, positions[partition], records_max=part)
            left -= len(records[partition])
    finally:
        connection.execute("COMMIT")
    after = {p: batch[-1].offset + 1 if batch else found[p].end for p, batch in records.items()}
    return _Glimpse(generation, {p: batch for p, batch in records.items() if batch}, after, outside)
