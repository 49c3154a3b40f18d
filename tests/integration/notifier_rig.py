"""A whole notifier on the embedded log and SQLite, started and stopped by the test."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from services.notifier.channel.console import ConsoleChannel
from services.notifier.channel.webhook import WebhookChannel
from services.notifier.delivery.deliveries import Deliveries, DeliveryRow
from services.notifier.delivery.delivery import ChannelName
from services.notifier.main import serve
from services.notifier.settings import NotifierSettings
from services.notifier.store_sql.customers import SqlCustomers
from services.notifier.store_sql.deliveries import MIGRATIONS, SqlDeliveries
from services.stager.store_sql.tables import MIGRATIONS as STAGER_MIGRATIONS
from shared.clock import ManualClock
from shared.database import make_engine
from shared.http import bind
from shared.log import Entry
from shared.log_embedded import EmbeddedLog
from shared.migrate import migrate
from shared.topics import Topics
from shared.transition import Transition, encode
from tests.builders_notifier import NOW_MS, RULES
from tests.integration.staged_customers import StagedCustomers
from tests.receiver import SECRET

WITHIN_S = 45  # a busy disk may hold up a commit for seconds; no test waits this long when all is well
POLL_S = 0.02
TOPICS = Topics("stageline", 4)


class Rig:
    """What outlives one run of the notifier: the log, the database, the clock, and the console's lines."""

    def __init__(self, folder: Path, campaigns: str) -> None:
        self.clock = ManualClock(NOW_MS)
        self.log = EmbeddedLog(folder / "log.db", clock=self.clock)
        self.address = f"sqlite+aiosqlite:///{folder}/stageline.db"
        self.lines: list[str] = []
        self.port = 0
        (folder / "campaigns").mkdir()
        (folder / "campaigns" / "c.yaml").write_text(campaigns)
        self.settings = NotifierSettings(
            database=self.address, partitions=4, port=0, campaigns=str(folder / "campaigns"), webhook_secret=SECRET,
            webhook_allow_private=True,
        )  # fmt: skip
        engine = make_engine(self.address)
        self._watch = SqlDeliveries(engine)
        self.customers = StagedCustomers(self.address)
        self.seen = SqlCustomers(engine)

    async def open(self) -> None:
        engine = make_engine(self.address)
        await migrate(engine, STAGER_MIGRATIONS)
        await migrate(engine, MIGRATIONS)
        await engine.dispose()
        await self.log.open()
        await self.log.ensure(TOPICS.all())

    async def close(self) -> None:
        await self._watch.close()
        await self.customers.close()
        await self.log.close()

    async def publish(self, *values: Transition | bytes, partition: int = 0) -> None:
        """Move the customers and append to `transitions`, as the stager does."""
        moves = [value for value in values if isinstance(value, Transition) and value.change == "moved"]
        await self.customers.move(*moves, partition=partition)
        entries = [
            Entry(b"ann", encode(value) if isinstance(value, Transition) else value, partition=partition)
            for value in values
        ]
        await self.log.append(TOPICS.transitions, entries, timeout_s=5)

    @asynccontextmanager
    async def running(self, deliveries: Deliveries | None = None) -> AsyncIterator[asyncio.Event]:
        """One run of the notifier, drained at the end; yields its stop event."""
        stop, listener = asyncio.Event(), bind("127.0.0.1", 0)
        self.port = listener.getsockname()[1]
        channels = {
            ChannelName("console"): ConsoleChannel(self.lines.append),
            ChannelName("webhook"): WebhookChannel([SECRET], allow_private=True),
        }
        async with asyncio.timeout(2 * WITHIN_S), asyncio.TaskGroup() as tasks:
            service = serve(
                self.settings, stop, log=self.log, clock=self.clock, deliveries=deliveries, channels=channels,
                listener=listener, rules=RULES,
            )  # fmt: skip
            tasks.create_task(service)
            try:
                yield stop
            finally:
                stop.set()

    async def rows(self) -> Sequence[DeliveryRow]:
        """Every delivery, oldest first."""
        found = await self._watch.newest(customer=None, campaign=None, outcome=None, limit=100)
        return found[::-1]

    async def settled(self, *outcomes: str) -> Sequence[DeliveryRow]:
        """Wait until the deliveries have exactly these outcomes, oldest first."""
        return await self.until(lambda rows: [row.outcome for row in rows] == list(outcomes), str(outcomes))

    async def until(self, is_so: Callable[[Sequence[DeliveryRow]], bool], what: str) -> Sequence[DeliveryRow]:
        """Wait until the deliveries, oldest first, are so."""
        deadline = asyncio.get_running_loop().time() + WITHIN_S
        while not is_so(rows := await self.rows()):
            assert asyncio.get_running_loop().time() < deadline, f"expected {what}, found {rows}"
            await asyncio.sleep(POLL_S)  # the database has no way to tell us
        return rows

    async def get(self, path: str, **headers: str) -> httpx.Response:
        """Ask the running notifier."""
        return await self.ask("GET", path, headers=headers)

    async def ask(self, method: str, path: str, **rest: Any) -> httpx.Response:
        """Ask the running notifier."""
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{self.port}", trust_env=False) as client:
            return await client.request(method, path, **rest)

    def printed(self) -> list[Any]:
        """What the console channel has written."""
        return [json.loads(line) for line in self.lines]


@asynccontextmanager
async def rig_of(folder: Path, campaigns: str) -> AsyncIterator[Rig]:
    """An open rig."""
    rig = Rig(folder, campaigns)
    await rig.open()
    try:
        yield rig
    finally:
        await rig.close()
