"""Settling: saved, then published, and a zombie proves that it owns before each write that comes late."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, cast

import pytest

from services.stager.store import PartitionBatch, Position, Store
from services.stager.worker.owned import Folded
from services.stager.worker.publisher import Publisher
from services.stager.worker.settle import PROVE_AFTER_S, Settler
from shared.errors import FenceLost, Unavailable
from shared.log import Reader
from shared.topics import Topics
from shared.transition import encode
from tests.builders.batch import transition
from tests.fakes.log_memory import MemoryLog
from tests.unit.stager.builders import moved


class Place:
    """Store, log and reader in one: keeps what was done, and lets monotonic time pass during chosen steps."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.takes_s: dict[str, float] = {}
        self.now_s = 1_000.0
        self.lost: frozenset[int] = frozenset()
        self.failure: Exception | None = None
        self.marked: list[tuple[Mapping[int, int], Mapping[int, int]]] = []
        self.log = MemoryLog()

    def _step(self, step: str) -> None:
        self.done.append(step)
        self.now_s += self.takes_s.get(step, 0)

    async def save(self, batches: Sequence[PartitionBatch]) -> int:
        self._step("save")
        if self.failure:
            raise self.failure
        return 5

    async def prove(self, epochs: Mapping[int, int]) -> frozenset[int]:
        self._step("prove")
        return frozenset(epochs) - self.lost

    async def append(self, topic: str, entries: Sequence[Any], *, timeout_s: float) -> list[int]:
        self._step(topic.partition(".")[2])
        return await self.log.append(topic, entries, timeout_s=timeout_s)

    async def mark_published(self, published: Mapping[int, int], epochs: Mapping[int, int]) -> None:
        self._step("mark")
        self.marked.append((published, epochs))

    async def commit(self, positions: Mapping[int, int]) -> None:
        self._step(f"commit {dict(positions)}")

    def settler(self, tasks: asyncio.TaskGroup) -> Settler:
        store, log, reader = cast(Store, self), cast(Any, self), cast(Reader, self)
        publisher = Publisher(log, store, Topics("s", 3))
        return Settler(store=store, publisher=publisher, reader=reader, tasks=tasks, monotonic_s=lambda: self.now_s)


def folded(partition: int = 0, *, epoch: int = 4, seq: int = 1, offset: int = 9) -> Folded:
    change = moved(source=None, target="new", seq=seq)
    row = transition(seq)._replace(body=encode(change))
    batch = PartitionBatch(partition, epoch, 0, Position(offset=offset, seq=seq), transitions=[row])
    return Folded(batch, [change], {})


async def _settle(place: Place, *parts: Folded) -> None:
    async with asyncio.TaskGroup() as tasks:
        settler = place.settler(tasks)
        await settler.hand_over(parts or [folded()])
        await settler.settled()


async def test_a_batch_is_saved_before_any_of_it_is_published() -> None:
    place = Place()
    await _settle(place)
    assert place.done == ["save", "transitions", "stages"]


async def test_what_could_not_be_saved_is_not_published() -> None:
    place = Place()
    place.failure = Unavailable("gone")
    with pytest.raises(ExceptionGroup, match=r".") as caught:
        await _settle(place)
    assert caught.group_contains(Unavailable)
    assert place.done == ["save"]


async def test_a_quick_commit_needs_no_proof() -> None:
    place = Place()
    place.takes_s["save"] = PROVE_AFTER_S
    await _settle(place)
    assert "prove" not in place.done


async def test_an_owner_frozen_during_its_commit_proves_itself_before_it_publishes() -> None:
    place = Place()
    place.takes_s["save"] = PROVE_AFTER_S + 0.1
    await _settle(place)
    assert place.done == ["save", "prove", "transitions", "stages"]


async def test_a_zombie_writes_to_no_topic() -> None:
    place = Place()
    place.takes_s["save"], place.lost = PROVE_AFTER_S + 0.1, frozenset({0})
    with pytest.raises(ExceptionGroup, match=r".") as caught:
        await _settle(place, folded(0), folded(1))
    assert caught.group_contains(FenceLost, match=r"\[0\]")
    assert place.log.entries == []


async def test_a_zombie_frozen_between_the_topics_writes_no_stage() -> None:
    place = Place()
    place.takes_s["transitions"], place.lost = PROVE_AFTER_S + 0.1, frozenset({0})
    with pytest.raises(ExceptionGroup, match=r"."):
        await _settle(place)
    assert place.done == ["save", "transitions", "prove"]


async def test_what_is_published_is_remembered_with_its_epoch_and_then_told_to_the_group() -> None:
    place = Place()
    async with asyncio.TaskGroup() as tasks:
        settler = place.settler(tasks)
        for parts in ([folded(0, seq=1, offset=3), folded(2, epoch=7, seq=5, offset=6)], [folded(0, seq=2, offset=4)]):
            await settler.hand_over(parts)
        await settler.settled()
        await settler.remember()
        await settler.remember()
    assert place.marked == [({0: 2, 2: 5}, {0: 4, 2: 7})]
    assert place.done[-2:] == ["mark", "commit {0: 4, 2: 6}"]


async def test_remembering_waits_until_it_is_due() -> None:
    place = Place()
    async with asyncio.TaskGroup() as tasks:
        settler = place.settler(tasks)
        await settler.remember(every_s=1)
        await settler.hand_over([folded()])
        await settler.settled()
        await settler.remember(every_s=1)
        assert place.marked == []
        place.now_s += 1
        await settler.remember(every_s=1)
    assert len(place.marked) == 1


async def test_a_failure_is_noticed_as_soon_as_the_batch_has_ended_and_once() -> None:
    place = Place()
    place.failure = Unavailable("gone")
    async with asyncio.TaskGroup() as tasks:
        settler = place.settler(tasks)
        await settler.notice()
        await settler.hand_over([folded()])
        await settler.notice()  # still on its way
        await asyncio.sleep(0)
        with pytest.raises(Unavailable):
            await settler.notice()
        await settler.notice()


async def test_the_next_batch_meets_the_failure_of_the_one_before_and_is_not_saved() -> None:
    place = Place()
    place.failure = Unavailable("gone")
    async with asyncio.TaskGroup() as tasks:
        settler = place.settler(tasks)
        await settler.hand_over([folded()])
        with pytest.raises(Unavailable):
            await settler.hand_over([folded(seq=2)])
    assert place.done == ["save"]


async def test_abandoning_waits_and_forgets_what_was_published() -> None:
    place = Place()
    async with asyncio.TaskGroup() as tasks:
        settler = place.settler(tasks)
        await settler.hand_over([folded()])
        await settler.abandon()
        await settler.remember()
    assert place.done == ["save", "transitions", "stages"]


async def test_a_settler_is_sound_again_when_a_batch_has_got_through() -> None:
    place = Place()
    async with asyncio.TaskGroup() as tasks:
        settler = place.settler(tasks)
        assert settler.is_sound
        await settler.hand_over([folded()])
        assert not settler.is_sound
        await settler.settled()
        await settler.hand_over([folded(seq=2)])
        assert settler.is_sound
        await settler.abandon()
        await settler.hand_over([folded(seq=3)])
        assert not settler.is_sound
