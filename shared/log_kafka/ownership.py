"""Which partitions a reader owns, as noted by callbacks and as told to its caller: the two differ until `take`.

Promise: what `take` hands out belongs to partitions that were told as gained, started since, and not revoked since.
This module knows nothing of Kafka.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence

from shared.log import Arrival, Record


class Ownership:
    """The notes of one reader; every method returns at once."""

    def __init__(self) -> None:
        self._mine: set[int] = set()
        self._started: set[int] = set()
        self._lost: set[int] = set()
        self._gained: set[int] = set()
        self._held: dict[int, Sequence[Record]] = {}
        self._change: asyncio.Future[None] | None = None

    @property
    def mine(self) -> frozenset[int]:
        """Partitions that the caller was told of and that have not been revoked since."""
        return frozenset(self._mine)

    @property
    def has_news(self) -> bool:
        """Whether `take` would bring something."""
        return bool(self._lost or self._gained or self._held)

    def changed(self) -> asyncio.Future[None]:
        """Done at the next change of ownership."""
        if self._change is None or self._change.done():
            self._change = asyncio.get_running_loop().create_future()
        return self._change

    def revoke(self, partitions: Iterable[int]) -> None:
        """Note that these are no longer ours; one that the caller was never told of leaves no trace."""
        for partition in partitions:
            if partition in self._mine:
                self._lost.add(partition)
            self._mine.discard(partition)
            self._gained.discard(partition)
            self._forget(partition)
        self._tell()

    def revoke_all(self) -> None:
        """Note that nothing is ours any more."""
        self.revoke(self._mine | self._gained)

    def assign(self, partitions: Iterable[int]) -> None:
        """Note that these are ours now, not started."""
        self._gained.update(partitions)
        self._tell()

    def _tell(self) -> None:
        if self._change is not None and not self._change.done():
            self._change.set_result(None)

    def start(self, partitions: Iterable[int]) -> frozenset[int]:
        """Let these through from now on, without what is held of them; returns those that are the caller's to start."""
        accepted = self._mine.intersection(partitions)
        for partition in accepted:
            self._forget(partition)
        self._started |= accepted
        return frozenset(accepted)

    def pause(self, partitions: Iterable[int]) -> frozenset[int]:
        """Let nothing of these through; returns those that are the caller's to pause."""
        accepted = self._mine.intersection(partitions)
        for partition in accepted:
            self._forget(partition)
        return frozenset(accepted)

    def _forget(self, partition: int) -> None:
        self._started.discard(partition)
        self._held.pop(partition, None)

    def keep(self, records: Mapping[int, Sequence[Record]]) -> None:
        """Hold records until `take`; those of partitions not started are dropped."""
        for partition, arrived in records.items():
            if partition in self._started and arrived:
                self._held[partition] = [*self._held.get(partition, ()), *arrived]

    def take(self, records_max: int) -> Arrival:
        """The news, with at most `records_max` records; the rest stays."""
        lost, self._lost = frozenset(self._lost), set()
        gained, self._gained = frozenset(self._gained), set()
        self._mine |= gained
        held, self._held = self._held, {}
        if sum(map(len, held.values())) > records_max:
            held, self._held = _cut(held, records_max)
        return Arrival(lost=lost, gained=gained, records=held)


def _cut(
    held: Mapping[int, Sequence[Record]], records_max: int
) -> tuple[dict[int, Sequence[Record]], dict[int, Sequence[Record]]]:
    first: dict[int, Sequence[Record]] = {}
    rest: dict[int, Sequence[Record]] = {}
    left = records_max
    for partition, records in held.items():
        if left:
            first[partition] = records[:left]
        if len(records) > left:
            rest[partition] = records[left:]
        left -= min(left, len(records))
    return first, rest
