"""The notifier: deliveries a second to 1, 10 and 100 local receivers, one of them hanging, and how soon each arrives.

Its database is a durable PostgreSQL, its log the embedded one; it runs as a process of its own, as do the receivers.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import insert

from services.main import migrate_tables
from services.stager.store_sql.tables import visits
from shared.clock import SystemClock, rfc3339
from shared.database import make_engine, writing
from shared.log import Entry
from shared.log_embedded import EmbeddedLog
from shared.topics import Topics
from shared.transition import TimeCause, Transition, encode
from tests.bench.processes import start, start_module
from tests.receiver import SECRET
from tests.servers.kafka import free_ports
from tests.servers.postgres import PostgresServer

DELIVERIES = 10_000
PARTITIONS = 4
FIRST_PORT = 24_000  # below what the system gives to clients; receivers stand side by side
STEADY_S = 8.0
STEADY_RATE = 100  # transitions a second, while latency is measured
WARM_UP_S = 2.0
BEAT_S = 0.02
WITHIN_S = 180


@dataclass(frozen=True, slots=True)
class NotifierFigures:
    """So many receivers, one of them hanging when there are several: deliveries a second to the others.

    Milliseconds from the append of a transition to its first receiver, at STEADY_RATE.
    """

    endpoints: int
    deliveries_s: int
    p50_ms: float
    p99_ms: float


async def measure_notifier(postgres: PostgresServer, *, endpoints: int, folder: Path) -> NotifierFigures:
    """Start all, publish, wait until every healthy receiver has had everything."""
    folder = folder / f"notifier-{endpoints}"
    folder.mkdir()
    healthy = max(1, endpoints - 1)
    address = await postgres.create_database()
    await migrate_tables(address)
    bulk = DELIVERIES // endpoints
    await _stage(address, bulk + int((STEADY_S + WARM_UP_S) * STEADY_RATE))
    clock = SystemClock()
    log = EmbeddedLog(str(folder / "log.db"), clock=clock)
    topics = Topics("bench", PARTITIONS)
    await log.open()
    await log.ensure(topics.all())
    words = ("tests.bench.receivers", str(FIRST_PORT), str(endpoints), "1" if endpoints > 1 else "0")
    receivers = start_module(*words, settings={}, output=folder / "receivers.txt")
    notifier = start("notifier", _settings(folder, address, endpoints), folder / "notifier.txt")
    try:
        await _seen_when(0)
        publisher = _Publisher(log, topics.transitions)
        await publisher.publish(1)  # the notifier is up when this has come
        await _seen_when(healthy)
        began = time.time()
        await publisher.publish(bulk - 1)
        seen = await _seen_when(healthy * bulk)
        rate = healthy * (bulk - 1) / (max(seen.values()) - began)
        took_ms = await _steady(publisher, healthy)
    finally:
        for process in (notifier, receivers):
            process.kill()
            process.wait()
        await log.close()
    return NotifierFigures(endpoints, round(rate), _at(took_ms, 0.5), _at(took_ms, 0.99))


def _settings(folder: Path, address: str, endpoints: int) -> dict[str, str]:
    campaigns = "---\n".join(
        f"campaign: c{number}\non: {{lifecycle: shop, stage: at_risk, change: moved}}\n"
        f'send: [{{channel: webhook, url: "http://127.0.0.1:{FIRST_PORT + number}/hook"}}]\n'
        for number in range(endpoints)
    )
    (folder / "campaigns.yaml").write_text(campaigns)
    return {
        "STAGELINE_LOG": f"embedded:{folder}/log.db", "STAGELINE_DATABASE": address, "STAGELINE_TOPIC_PREFIX": "bench",
        "STAGELINE_PARTITIONS": str(PARTITIONS), "STAGELINE_CAMPAIGNS": str(folder / "campaigns.yaml"),
        "STAGELINE_WEBHOOK_SECRET": SECRET, "STAGELINE_WEBHOOK_ALLOW_PRIVATE": "true",
        "STAGELINE_NOTIFIER_PORT": str(free_ports(1)[0]), "STAGELINE_LOG_LEVEL": "error",
    }  # fmt: skip


async def _stage(address: str, customers: int) -> None:
    engine = make_engine(address)
    rows = [
        {
            "partition": number % PARTITIONS, "lifecycle": "shop", "stage": "at_risk", "customer": f"c{number}",
            "since_ms": 0, "entry": 1, "n": 1,
        }
        for number in range(customers)
    ]  # fmt: skip
    async with writing(engine) as connection:
        await connection.execute(insert(visits), rows)
    await engine.dispose()


class _Publisher:
    """Publishes moves of one customer after the other; `appended` says when each was in the log."""

    def __init__(self, log: EmbeddedLog, topic: str) -> None:
        self._log, self._topic = log, topic
        self._count = 0
        self.appended: dict[str, float] = {}

    async def publish(self, count: int) -> None:
        moves = [_move(self._count + number) for number in range(count)]
        self._count += count
        entries = [Entry(one.customer.encode(), encode(one), partition=int(one.id) % PARTITIONS) for one in moves]
        await self._log.append(self._topic, entries, timeout_s=30)
        now = time.time()
        self.appended |= {one.id: now for one in moves}


def _move(number: int) -> Transition:
    return Transition(
        id=str(number), customer=f"c{number}", lifecycle="shop", change="moved", from_stage="active",
        to_stage="at_risk", at=rfc3339(SystemClock().now_ms()), entry=1, nth=0, stay_ms=1_000, cause=TimeCause(),
        historical=False, n=1, seq=number // PARTITIONS + 1, version="bench",
    )  # fmt: skip


async def _steady(publisher: _Publisher, healthy: int) -> list[float]:
    """Milliseconds from append to receiver, at a steady rate."""
    before = len(publisher.appended)
    began, sent = time.monotonic(), 0
    while (passed := time.monotonic() - began) < STEADY_S:
        due = int(passed * STEADY_RATE / healthy) - sent
        if due > 0:
            await publisher.publish(due)
            sent += due
        await asyncio.sleep(BEAT_S)
    seen = await _seen_when(healthy * (before + sent))
    measured = list(publisher.appended.items())[before:]
    return sorted((seen[name] - at) * 1_000 for name, at in measured)


async def _seen_when(arrived: int) -> dict[str, float]:
    """When each transition first came, once so many deliveries have."""
    deadline = time.monotonic() + WITHIN_S
    async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
        while True:
            try:
                answer: dict[str, Any] = (await client.get(f"http://127.0.0.1:{FIRST_PORT}/seen")).json()
            except httpx.TransportError:
                answer = {"arrived": -1, "seen": {}}
            if answer["arrived"] >= arrived:
                seen: dict[str, float] = answer["seen"]
                return seen
            assert time.monotonic() < deadline, f"{answer['arrived']} of {arrived} came"
            await asyncio.sleep(0.2)


def _at(ordered: Sequence[float], share: float) -> float:
    return round(ordered[min(len(ordered) - 1, int(len(ordered) * share))], 1)
