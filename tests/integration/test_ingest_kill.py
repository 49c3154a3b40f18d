"""kill -9 under load: whatever was answered with 200 is in the log. `STAGELINE_KILLS=100` asks for more of them."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from shared.clock import SystemClock
from shared.event import decode
from shared.log import Log
from shared.log_embedded import EmbeddedLog
from shared.log_kafka import KafkaLog
from shared.topics import Topics
from tests.chaos.services import WRITE_KEY, Service
from tests.servers.kafka import free_ports

CLIENTS = 4
ANSWERS_PER_LIFE = 30  # before the next kill: enough to be in the middle of things
PARTITIONS = 4
LIFE_TIMEOUT_S = 60

OpenLog = Callable[[], Awaitable[Log]]


@pytest.fixture
async def embedded(tmp_path: Path) -> AsyncIterator[tuple[str, Topics, Log]]:
    path = tmp_path / "log.db"
    log = EmbeddedLog(path, clock=SystemClock())
    await log.open()
    yield f"embedded:{path}", Topics("stageline", PARTITIONS), log
    await log.close()


@pytest.fixture
async def kafka(kafka_bootstrap: str) -> AsyncIterator[tuple[str, Topics, Log]]:
    log = KafkaLog(kafka_bootstrap)
    await log.open()
    yield f"kafka://{kafka_bootstrap}", Topics(f"kill-{uuid4().hex[:8]}", PARTITIONS), log
    await log.close()


def kills(default: int) -> int:
    return int(os.environ.get("STAGELINE_KILLS", default))


async def test_every_acknowledged_event_is_in_the_embedded_log(
    embedded: tuple[str, Topics, Log], tmp_path: Path
) -> None:
    await _check(embedded, tmp_path, lives=kills(15))


@pytest.mark.kafka
async def test_every_acknowledged_event_is_in_kafka(kafka: tuple[str, Topics, Log], tmp_path: Path) -> None:
    await _check(kafka, tmp_path, lives=kills(5))


async def _check(place: tuple[str, Topics, Log], folder: Path, *, lives: int) -> None:
    address, topics, log = place
    [port] = free_ports(1)
    settings = {
        "STAGELINE_LOG": address, "STAGELINE_TOPIC_PREFIX": topics.prefix, "STAGELINE_PARTITIONS": str(PARTITIONS),
        "STAGELINE_WRITE_KEYS": f"chaos:{WRITE_KEY}", "STAGELINE_LOG_LEVEL": "warning",
        "STAGELINE_DATABASE": f"sqlite+aiosqlite:///{folder / 'unused.db'}",
    }  # fmt: skip
    service = Service("ingest", port=port, settings=settings, output=folder / "ingest.txt")
    acknowledged: set[str] = set()
    for _ in range(lives):
        service.start()
        try:
            await asyncio.to_thread(service.wait_until_ready)
            await _one_life(service, acknowledged)
        finally:
            service.kill()
    await log.ensure(topics.all())

    assert len(acknowledged) > lives * ANSWERS_PER_LIFE
    assert acknowledged <= await _ids(log, topics)


async def _one_life(service: Service, acknowledged: set[str]) -> None:
    """Clients send until the service, killed in the middle of it, answers no more."""
    answers = asyncio.Semaphore(0)
    async with asyncio.timeout(LIFE_TIMEOUT_S), asyncio.TaskGroup() as tasks:
        for _ in range(CLIENTS):
            tasks.create_task(_send(service.address, acknowledged, answers))
        for _ in range(ANSWERS_PER_LIFE):
            await answers.acquire()
        service.kill()


async def _send(address: str, acknowledged: set[str], answers: asyncio.Semaphore) -> None:
    async with httpx.AsyncClient(base_url=address, auth=(WRITE_KEY, "")) as client:
        while True:
            ids = [uuid4().hex for _ in range(5)]
            batch = [{"type": "track", "event": "e", "userId": id_[:4], "messageId": id_} for id_ in ids]
            try:
                response = await client.post("/v1/batch", json={"batch": batch})
            except httpx.TransportError:
                return
            if response.status_code == 200:
                acknowledged.update(ids)
                answers.release()


async def _ids(log: Log, topics: Topics) -> set[str]:
    found: set[str] = set()
    for partition, end in (await log.ends(topics.events)).items():
        offset = 0
        while offset < end and (records := await log.fetch(topics.events, partition, offset, records_max=5000)):
            found.update(decode(record.value).id for record in records)
            offset = records[-1].offset + 1
    return found
