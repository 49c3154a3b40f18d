"""What goes wrong: kills, frozen owners, a broker and a database that go away; the same order for the same seed."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from tests.chaos.services import Service

Trouble = Callable[[], Awaitable[None]]


@dataclass
class Monkey:
    """Makes trouble of these kinds, one after another, for so many seconds; `done` says what it did."""

    troubles: Sequence[tuple[str, Trouble]]
    seconds: float
    seed: int
    done: list[str] = field(default_factory=list)

    async def run(self) -> None:
        """Go through the troubles in a random order, again and again, with short pauses."""
        pick = random.Random(self.seed)
        began = time.monotonic()
        while time.monotonic() - began < self.seconds:
            for name, trouble in pick.sample(list(self.troubles), len(self.troubles)):
                await asyncio.sleep(pick.uniform(0.3, 1.5))
                self.done.append(f"{time.monotonic() - began:5.1f} s {name}")
                await trouble()


def kill_and_restart(service: Service, *, away_s: float = 0.3) -> Trouble:
    """kill -9, and a new process a moment later."""

    async def trouble() -> None:
        service.kill()
        await asyncio.sleep(away_s)
        service.start()

    return trouble


def freeze_and_thaw(service: Service, *, frozen_s: float) -> Trouble:
    """Frozen for longer than its session: another owner takes over, and then the zombie goes on."""

    async def trouble() -> None:
        service.freeze()
        await asyncio.sleep(frozen_s)
        service.thaw()

    return trouble


def outage(stop: Callable[[], None], start: Callable[[], None], *, away_s: float) -> Trouble:
    """A server goes away and comes back."""

    async def trouble() -> None:
        await asyncio.to_thread(stop)
        await asyncio.sleep(away_s)
        await asyncio.to_thread(start)

    return trouble
