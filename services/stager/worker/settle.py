"""Settling: a folded batch is saved in one transaction, then published; one batch is in flight at a time.

Saving comes first because the table is the outbox: what is committed will be published, by us or by the next owner.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence

from services.stager import meters
from services.stager.store import Store
from services.stager.worker.owned import Folded
from services.stager.worker.publisher import Publisher
from shared.errors import FenceLost, StagelineError
from shared.log import Reader
from shared.transition import TimeCause

PROVE_AFTER_S = 5.0  # writing to a topic this long after our last sign of owning, another may own and have written


class Settler:
    """Saves and publishes for one worker. `tasks` outlives it; `monotonic_s` goes on while the process is frozen."""

    def __init__(
        self, *, store: Store, publisher: Publisher, reader: Reader, tasks: asyncio.TaskGroup,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self._store = store
        self._publisher = publisher
        self._reader = reader
        self._tasks = tasks
        self._monotonic_s = monotonic_s
        self._flying: asyncio.Task[StagelineError | None] | None = None
        self._has_settled = False
        self._remembered_s = 0.0
        self._published: dict[int, tuple[int, int, int]] = {}  # partition: (epoch, seq, offset), not yet remembered

    @property
    def is_sound(self) -> bool:
        """Whether a batch has got through since the last failure, or none is on its way."""
        return self._has_settled or self._flying is None

    async def hand_over(self, folded: Sequence[Folded]) -> None:
        """Start settling this batch as soon as the one before is done. Errors: those of the one before."""
        await self.settled()
        self._flying = self._tasks.create_task(self._settle(folded))

    async def settled(self) -> None:
        """Wait until nothing is in flight. Errors: FenceLost and Unavailable, after which all unsaved work is void."""
        flying, self._flying = self._flying, None
        if flying is not None and (error := await flying) is not None:
            raise error

    async def notice(self) -> None:
        """Meet the failure of a batch that has ended meanwhile; returns at once. Errors: as `settled`."""
        if self._flying is not None and self._flying.done():
            await self.settled()

    async def abandon(self) -> None:
        """Wait until nothing is in flight, whatever became of it."""
        flying, self._flying = self._flying, None
        if flying is not None:
            await flying
        self._published.clear()
        self._has_settled = False

    async def remember(self, *, every_s: float = 0.0) -> None:
        """Keep how far the topics and the group are, unless done less than `every_s` ago. Errors: Unavailable."""
        if self._monotonic_s() - self._remembered_s < every_s:
            return
        published, self._published = self._published, {}
        self._remembered_s = self._monotonic_s()
        if published:
            await self._store.mark_published(
                {number: seq for number, (_, seq, _) in published.items()},
                {number: epoch for number, (epoch, _, _) in published.items()},
            )
            await self._reader.commit({number: offset for number, (_, _, offset) in published.items()})

    async def _settle(self, folded: Sequence[Folded]) -> StagelineError | None:
        """The failure is returned, not raised: the loop that folds meets it at a moment of its own choosing."""
        # Before the save: a process frozen while the commit was on its way back does not take it for a fresh one.
        owned_s = self._monotonic_s()
        try:
            with meters.SAVE_SECONDS.time():
                recorded_ms = await self._store.save([part.batch for part in folded])
            await self._publish(folded, owned_s=owned_s)
            _measure(folded, recorded_ms)
        except StagelineError as error:
            return error
        self._has_settled = True
        return None

    async def _publish(self, folded: Sequence[Folded], *, owned_s: float) -> None:
        """`owned_s`: when these partitions were ours for certain."""

        async def confirm() -> None:
            nonlocal owned_s
            now_s = self._monotonic_s()
            if now_s - owned_s > PROVE_AFTER_S:
                await self._prove({part.batch.partition: part.batch.epoch for part in folded})
                owned_s = now_s

        with meters.PUBLISH_SECONDS.time():
            await self._publisher.publish(folded, confirm=confirm)
        for part in folded:
            position = part.batch.position
            self._published[part.batch.partition] = (part.batch.epoch, position.seq, position.offset)

    async def _prove(self, epochs: Mapping[int, int]) -> None:
        lost = frozenset(epochs) - await self._store.prove(epochs)
        if lost:
            raise FenceLost(lost)


def _measure(folded: Sequence[Folded], recorded_ms: int) -> None:
    for part in folded:
        meters.QUARANTINED.inc(len(part.batch.quarantine))
        for transition, row in zip(part.transitions, part.batch.transitions, strict=True):
            (meters.MOVED if transition.change == "moved" else meters.LINGERED).inc()
            if isinstance(transition.cause, TimeCause) and not transition.historical:
                meters.LATENESS_SECONDS.observe((recorded_ms - row.at_ms) / 1000)
