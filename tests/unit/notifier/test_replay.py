"""Replay, page by page."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

import pytest

from services.notifier.delivery.delivery import Decision
from services.notifier.operate.replay import Beginning, Replayed, replay
from services.notifier.plan.subscription import Subscription
from shared.errors import Refused
from shared.transition import Transition
from tests.builders_notifier import NOW_MS, a_step, a_transition

CRM = Subscription("crm", (a_step("kafka"),), lifecycles=frozenset({"shop"}))


class History:
    """Two transitions a page, whatever is asked for."""

    def __init__(self, *seqs: int, partitions: Sequence[int] = (0,)) -> None:
        self._kept = [a_transition(id=f"{seq}", seq=seq) for seq in seqs]
        self._partitions = list(partitions)

    async def partitions(self) -> list[int]:
        return self._partitions

    async def after(self, partition: int, *, seq: int, at_ms: int, limit: int) -> Sequence[Transition]:
        return [one for one in self._kept if one.seq > seq][:2]


class Kept:
    """Deliveries that remember what they were asked to keep."""

    def __init__(self, *final: UUID) -> None:
        self._final = final
        self.added: list[Decision] = []
        self.again: list[UUID] = []

    async def redrive(self, ids: Collection[UUID], *, now_ms: int) -> int:
        found = [one for one in ids if one in self._final]
        self.again += found
        return len(found)

    async def add(self, decisions: Sequence[Decision]) -> int:
        new = [one for one in decisions if one.id not in self._final]
        self.added += new
        return len(new)


async def replayed(history: History, kept: Any, begin: Beginning) -> Replayed:
    return await replay(CRM, history, kept, begin=begin, now_ms=NOW_MS)


async def test_every_page_is_replayed_and_nothing_twice():
    kept = Kept()
    assert await replayed(History(1, 2, 3, 4, 5), kept, Beginning()) == Replayed(transitions=5, again=0, new=5)
    assert [one.transition.seq for one in kept.added] == [1, 2, 3, 4, 5]


async def test_every_partition_is_replayed_unless_one_is_named():
    kept = Kept()
    await replayed(History(1, partitions=[0, 3]), kept, Beginning())
    assert [one.partition for one in kept.added] == [0, 3]
    await replayed(History(1, partitions=[0, 3]), kept, Beginning(partition=3))
    assert [one.partition for one in kept.added] == [0, 3, 3]


async def test_what_went_out_before_goes_out_again_and_is_not_made_anew():
    first = Kept()
    await replayed(History(1, 2), first, Beginning())
    kept = Kept(first.added[0].id)
    assert await replayed(History(1, 2), kept, Beginning()) == Replayed(transitions=2, again=1, new=1)
    assert kept.again == [first.added[0].id]


async def test_a_partition_without_history_is_refused():
    with pytest.raises(Refused, match="partition 7"):
        await replayed(History(1), Kept(), Beginning(partition=7))
