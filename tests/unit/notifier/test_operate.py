"""What an operator does to many deliveries at once."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any
from uuid import UUID, uuid4

from services.notifier.operate.bulk import BATCH, redrive_campaign
from tests.builders_notifier import NOW_MS


class DiesAgain:
    """Deliveries of a receiver that is gone: each letter that is sent again is dead again a moment later."""

    def __init__(self, letters: int) -> None:
        self._died_ms = {uuid4(): NOW_MS - 1 for _ in range(letters)}
        self.rounds = 0

    async def dead_of(self, campaign: str, *, before_ms: int, limit: int) -> list[UUID]:
        return [letter for letter, died_ms in self._died_ms.items() if died_ms < before_ms][:limit]

    async def redrive(self, ids: Collection[UUID], *, now_ms: int) -> int:
        self.rounds += 1
        assert self.rounds < 10, "it never ends"
        self._died_ms |= dict.fromkeys(ids, now_ms + self.rounds)
        return len(ids)


async def test_letters_that_die_again_meanwhile_have_had_their_turn():
    deliveries: Any = DiesAgain(BATCH + 1)
    assert await redrive_campaign(deliveries, "win-back", now_ms=NOW_MS) == BATCH + 1
    assert deliveries.rounds == 2
