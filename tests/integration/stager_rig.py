"""A stager's worker in this process, on the embedded log and real tables: fed, broken, killed and started again.

One ManualClock stamps the log and tells the workers the time. Each run of a worker has a log and a store of its own on
the same files, as a process of its own would have, so that a kill leaves behind what a kill -9 leaves.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec
import sqlalchemy as sql

from services.stager.fold.profile import Profile
from services.stager.fold.rules import compile_rules
from services.stager.language.file import load_paths
from services.stager.settings import StagerSettings
from services.stager.store_sql.tables import profiles, quarantine, stage_counts
from services.stager.worker.worker import Limits, Worker
from shared.clock import ManualClock, rfc3339
from shared.database import make_engine
from shared.event import Event, encode
from shared.log import Entry, Record
from shared.log_embedded import EmbeddedLog
from shared.topics import Topics
from shared.transition import encode as encode_transition
from tests.chaos.reference import fold_again, read_all, read_by_the_rule
from tests.fakes.faulty import Faults, Faulty
from tests.servers.fixtures_stager import NOW_MS, make_store

WITHIN_S = 20
POLL_S = 0.005
ROWS_MAX = 1_000_000
QUICK = Limits(retry_first_s=0.01, retry_max_s=0.04, doubt_s=0.05, remember_every_s=0)
LIFECYCLES = """
lifecycle: shop
metrics:
  orders:     {count: Order Completed}
  last_order: {last: Order Completed}
carry: [orders]
stages:
  - stage: visitor
  - stage: customer
    when: orders >= 1
  - stage: quiet
    when: orders >= 1 and since(last_order) >= 5s
    linger: [1s, 3s]
  - stage: gone
    when: orders >= 1 and since(last_order) >= 15s
---
segment: curious
metrics:
  views: {count: Product Viewed, within: 6s}
when: views >= 2
"""


class Run:
    """One life of a worker."""

    def __init__(self, rig: Rig, worker: Worker, log: EmbeddedLog, store: Any) -> None:
        self.worker = worker
        self.stopping = asyncio.Event()
        self._log, self._store = log, store
        self.task = asyncio.ensure_future(worker.run(self.stopping))

    async def stop(self) -> None:
        """Drain, and raise what the worker has ended with."""
        self.stopping.set()
        try:
            async with asyncio.timeout(WITHIN_S):
                await self.task
        finally:
            await self._release()

    async def kill(self) -> None:
        """End it wherever it is; it saves, publishes and leaves nothing."""
        self.task.cancel()
        with suppress(asyncio.CancelledError, Exception):
            await self.task
        await self._release()

    async def _release(self) -> None:
        await self._store.close()
        await self._log.close()


class Rig:
    """What outlives the runs: the log, the tables, the clock, and the faults that every run meets."""

    def __init__(self, folder: Path, address: str, partitions: int) -> None:
        self.clock = ManualClock(NOW_MS)
        self.faults = Faults()
        self.topics = Topics("stageline", partitions)
        self.log = EmbeddedLog(folder / "log.db", clock=self.clock)
        self.store = make_store(address)
        self.engine = make_engine(address)
        self.folder, self._address = folder, address
        path = folder / "lifecycles.yaml"
        path.write_text(LIFECYCLES)
        self.lifecycles = load_paths([path]).lifecycles
        self.rules = compile_rules(self.lifecycles)
        self.settings = StagerSettings(database=address, partitions=partitions, lifecycles=str(folder))
        self._sent = 0
        self._runs: list[Run] = []

    async def open(self) -> None:
        await self.log.open()
        await self.log.ensure(self.topics.all())

    async def close(self) -> None:
        self.faults.clear()
        for run in self._runs:
            if not run.task.done():
                await run.kill()
        await self.store.close()
        await self.engine.dispose()
        await self.log.close()

    async def start(self, *, faults: Faults | None = None, limits: Limits = QUICK, **settings: Any) -> Run:
        """A new process, behind the rig's faults unless it has its own; settings may be below their least."""
        log, store = EmbeddedLog(self.folder / "log.db", clock=self.clock), make_store(self._address, self.clock)
        await log.open()
        faults = faults or self.faults
        worker = Worker(
            log=Faulty(log, faults), store=Faulty(store, faults), topics=self.topics, rules=self.rules,
            segments=frozenset(each.name for each in self.lifecycles if each.segment),
            settings=self.settings.model_copy(update=settings), clock=self.clock, limits=limits,
        )  # fmt: skip
        run = Run(self, worker, log, store)
        self._runs.append(run)
        return run

    # The log

    def order(self, customer: str, **fields: Any) -> bytes:
        return self.event(customer, "Order Completed", **fields)

    def event(self, customer: str, name: str, *, kind: Any = "track", at_ms: int | None = None, **fields: Any) -> bytes:
        """An event that occurs now, unless told otherwise; each has an id of its own."""
        self._sent += 1
        occurred_at = rfc3339(self.clock.now_ms() if at_ms is None else at_ms)
        return encode(Event(kind, f"e{self._sent}", customer, name, occurred_at, **fields))

    async def send(self, *values: bytes, partition: int = 0) -> list[int]:
        entries = [Entry(None, value, partition=partition) for value in values]
        return await self.log.append(self.topics.events, entries, timeout_s=WITHIN_S)

    async def records(self, topic: str, partition: int = 0) -> list[Record]:
        return await read_all(self.log, topic, partition)

    async def ticks(self, partition: int = 0) -> list[Record]:
        return [each for each in await self.records(self.topics.events, partition) if each.value == b'{"type":"tick"}']

    async def stages(self, partition: int = 0) -> dict[str, Any]:
        """The newest value of each key of `stages`."""
        records = await self.records(self.topics.stages, partition)
        return {(each.key or b"").decode(): msgspec.json.decode(each.value or b"null") for each in records}

    async def published(self, partition: int = 0) -> list[bytes]:
        """What a subscriber keeps."""
        return read_by_the_rule(await self.records(self.topics.transitions, partition))

    # The tables

    async def stored(self, partition: int = 0) -> list[bytes]:
        rows = await self.store.transitions_after(partition, seq=0, limit=ROWS_MAX)
        return [row.body for row in rows]

    async def rows_of(self, table: sql.Table) -> Sequence[Mapping[str, Any]]:
        async with self.engine.connect() as connection:
            found = await connection.execute(sql.select(table).order_by(*table.primary_key.columns))
            return [dict(row) for row in found.mappings().all()]

    async def quarantined(self) -> Sequence[Mapping[str, Any]]:
        return await self.rows_of(quarantine)

    async def profiles(self) -> dict[str, Mapping[str, Any]]:
        return {row["customer"]: row for row in await self.rows_of(profiles)}

    async def counts(self) -> dict[tuple[str, str], int]:
        """Customers per stage."""
        counts: dict[tuple[str, str], int] = {}
        for row in await self.rows_of(stage_counts):
            place = row["lifecycle"], row["stage"]
            counts[place] = counts.get(place, 0) + row["customers"]
        return {place: customers for place, customers in counts.items() if customers}

    # Waiting, and the verdict

    async def until(self, is_so: Callable[[], Any], what: str) -> None:
        """Wait until it is so; `is_so` may be a coroutine function."""
        deadline = asyncio.get_running_loop().time() + WITHIN_S
        while True:
            answer = is_so()
            if asyncio.iscoroutine(answer):
                answer = await answer
            if answer:
                return
            for run in self._runs:
                if run.task.done() and not run.task.cancelled() and run.task.exception():
                    run.task.result()
            assert asyncio.get_running_loop().time() < deadline, f"never: {what}"
            await asyncio.sleep(POLL_S)  # neither log nor database has a way to tell us

    async def turns(self, count: int = 3) -> None:
        """Let a worker read some times more."""
        reads = self.faults.calls.count("read")
        await self.until(lambda: self.faults.calls.count("read") > reads + count, "some turns")

    async def until_folded(self) -> None:
        """Wait until everything in the log is folded, saved, published and remembered."""

        async def is_folded() -> bool:
            ends, standings = await self.log.ends(self.topics.events), await self.store.standings()
            if any(number not in standings for number in ends):
                return False
            return all(
                standings[number].offset == end and standings[number].seq == standings[number].published_seq
                for number, end in ends.items()
            )

        await self.until(is_folded, "all folded and published")

    async def pass_time(self, by_ms: int) -> None:
        """Let the clock move on, and wait until whoever was due by then has lapsed and all is published."""
        self.clock.advance(by_ms)
        await self.until(self._is_nobody_due, "nobody due")
        await self.until_folded()

    async def _is_nobody_due(self) -> bool:
        dues = [await self.store.next_due(number, historical=False) for number in range(self.topics.partitions)]
        return all(due is None or due > self.clock.now_ms() for due in dues)

    async def check(self) -> int:
        """Assert that tables and topics are what the log says; returns the number of transitions."""
        total, known = 0, dict[str, Profile]()
        for number in range(self.topics.partitions):
            expected = fold_again(self.rules, await self.records(self.topics.events, number), profiles=known)
            bodies = [encode_transition(each) for each in expected]
            assert await self.stored(number) == bodies
            assert await self.published(number) == bodies
            newest = {f"{each.lifecycle}/{each.customer}": each for each in expected if each.change == "moved"}
            stages = {key: (value["stage"], value["n"]) for key, value in (await self.stages(number)).items()}
            assert stages == {key: (each.to_stage, each.n) for key, each in newest.items()}
            total += len(expected)
        bodies_kept = {customer: bytes(row["body"]) for customer, row in (await self.profiles()).items()}
        assert bodies_kept == {customer: profile.encode() for customer, profile in known.items()}
        await self._check_counts()
        return total

    async def _check_counts(self) -> None:
        counts: dict[tuple[str, str], int] = {}
        for number in range(self.topics.partitions):
            for key, value in (await self.stages(number)).items():
                lifecycle = key.partition("/")[0]
                if value["stage"] != "out" or lifecycle != "curious":
                    counts[lifecycle, value["stage"]] = counts.get((lifecycle, value["stage"]), 0) + 1
        assert await self.counts() == counts


@asynccontextmanager
async def rig_of(folder: Path, address: str, *, partitions: int = 1) -> AsyncIterator[Rig]:
    """An open rig; whatever still runs at the end is killed."""
    rig = Rig(folder, address, partitions)
    await rig.open()
    try:
        yield rig
    finally:
        await rig.close()
