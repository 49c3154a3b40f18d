"""An upstream system: posts batches of events over HTTP and repeats each until it is acknowledged."""

from __future__ import annotations

import asyncio
import json
import random
import time
from dataclasses import dataclass, field

import aiohttp

from shared.clock import rfc3339

REQUEST_TIMEOUT_S = 8
GIVE_UP_S = 120
NAMES = ("Product Viewed", "Order Completed", "Order Completed")


@dataclass
class Feeder:
    """Posts `events` events of `customers` customers in batches over `seconds`."""

    address: str
    write_key: str
    events: int
    customers: int
    seconds: float
    seed: int
    batch: int = 100
    acknowledged: set[str] = field(default_factory=set)
    repeats: int = 0

    async def run(self) -> None:
        """Return when every event has been acknowledged."""
        numbers = list(range(0, self.events, self.batch))
        pause_s = self.seconds / len(numbers)
        began = time.monotonic()
        limit = asyncio.Semaphore(6)  # as many requests at once as a small fleet of senders has
        timeout = aiohttp.ClientTimeout(total=REQUEST_TIMEOUT_S)
        headers = {"Authorization": aiohttp.encode_basic_auth(self.write_key)}
        async with aiohttp.ClientSession(timeout=timeout, headers=headers) as session, asyncio.TaskGroup() as tasks:
            for turn, first in enumerate(numbers):
                await asyncio.sleep(max(0.0, began + turn * pause_s - time.monotonic()))
                await limit.acquire()
                tasks.create_task(self._post(session, first, limit))

    async def _post(self, session: aiohttp.ClientSession, first: int, limit: asyncio.Semaphore) -> None:
        items = [self._item(number) for number in range(first, min(first + self.batch, self.events))]
        body = json.dumps({"batch": items}).encode()
        deadline = time.monotonic() + GIVE_UP_S
        try:
            while not await self._is_accepted(session, body):
                assert time.monotonic() < deadline, "ingest never came back"
                self.repeats += 1
                await asyncio.sleep(0.2)
        finally:
            limit.release()
        self.acknowledged |= {str(item["messageId"]) for item in items}

    async def _is_accepted(self, session: aiohttp.ClientSession, body: bytes) -> bool:
        try:
            async with session.post(f"{self.address}/v1/batch", data=body) as answer:
                assert answer.status in (200, 503), await answer.text()
                return answer.status == 200
        except (aiohttp.ClientError, TimeoutError, OSError):
            return False

    def _item(self, number: int) -> dict[str, object]:
        pick = random.Random(self.seed * 1_000_003 + number)
        return {
            "type": "track",
            "messageId": f"event-{number:07d}",
            "userId": f"customer-{int(self.customers * pick.random()):05d}",
            "event": pick.choice(NAMES),
            "timestamp": rfc3339(time.time_ns() // 1_000_000),
            "properties": {"revenue": number % 50},
        }
