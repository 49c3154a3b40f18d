"""Exactly once on real Kafka and real PostgreSQL, and on the embedded pair, whatever is killed meanwhile."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from services.main import migrate_tables
from shared.clock import SystemClock
from shared.database import make_engine
from shared.log_embedded import EmbeddedLog
from shared.log_kafka import KafkaLog
from shared.topics import Topics
from tests.chaos.feeder import Feeder
from tests.chaos.monkey import Monkey, freeze_and_thaw, kill_and_restart, outage
from tests.chaos.plant import PARTITIONS, plant_settings, wait_until_caught_up
from tests.chaos.services import WRITE_KEY, Service
from tests.chaos.verdict import check_everything
from tests.servers.kafka import KafkaServer, free_ports
from tests.servers.postgres import PostgresServer

TOPICS = Topics("chaos", PARTITIONS)
SEED = 20_261_123


@pytest.mark.kafka
@pytest.mark.postgres
@pytest.mark.slow
async def test_nothing_is_lost_or_doubled_while_everything_is_killed(
    own_kafka: KafkaServer, own_postgres: PostgresServer, tmp_path: Path
) -> None:
    address = await own_postgres.create_database()
    await migrate_tables(address)
    settings = plant_settings(tmp_path, log=f"kafka://{own_kafka.bootstrap}", database=address)
    names = ("ingest", "stager", "stager", "notifier")
    ingest, stager, other, notifier = services = [
        Service(name, port=port, settings=settings, output=tmp_path / f"{name}-{port}.txt")
        for name, port in zip(names, free_ports(4), strict=True)
    ]
    monkey = Monkey(
        [
            ("kill stager", kill_and_restart(stager)),
            ("kill other stager", kill_and_restart(other)),
            ("kill notifier", kill_and_restart(notifier)),
            ("kill ingest", kill_and_restart(ingest)),
            ("freeze stager", freeze_and_thaw(stager, frozen_s=6)),
            ("broker away", outage(own_kafka.kill, own_kafka.start, away_s=1)),
            ("database away", outage(own_postgres.kill, own_postgres.start, away_s=1)),
        ],
        seconds=25,
        seed=SEED,
    )
    feeder = Feeder(ingest.address, WRITE_KEY, events=50_000, customers=4_000, seconds=25, seed=SEED)
    try:
        await _run(services, feeder, monkey)
        await wait_until_caught_up(stager, notifier, all_services=services)
        log, engine = KafkaLog(own_kafka.bootstrap), make_engine(address)
        await log.open()
        await log.ensure(TOPICS.all())
        count = await check_everything(
            log, engine, TOPICS, lifecycles=tmp_path / "lifecycles.yaml", sent=feeder.acknowledged
        )
        await engine.dispose()
        await log.close()
    finally:
        for service in services:
            service.kill()
    print(f"{count} transitions, {feeder.repeats} repeated requests, troubles:", *monkey.done, sep="\n  ")
    assert count > 10_000


@pytest.mark.slow
async def test_nothing_is_lost_or_doubled_on_the_embedded_pair(tmp_path: Path) -> None:
    path, address = tmp_path / "log.db", f"sqlite+aiosqlite:///{tmp_path / 'tables.db'}"
    await migrate_tables(address)
    settings = plant_settings(tmp_path, log=f"embedded:{path}", database=address)
    names = ("ingest", "stager", "stager", "notifier")
    ingest, stager, other, notifier = services = [
        Service(name, port=port, settings=settings, output=tmp_path / f"{name}-{port}.txt")
        for name, port in zip(names, free_ports(4), strict=True)
    ]
    troubles = [(f"kill {service.name}", kill_and_restart(service)) for service in services]
    troubles += [
        (f"freeze {name}", freeze_and_thaw(each, frozen_s=6)) for name, each in (("one", stager), ("two", other))
    ]
    monkey = Monkey(troubles, seconds=15, seed=SEED)
    feeder = Feeder(ingest.address, WRITE_KEY, events=12_000, customers=1_000, seconds=15, seed=SEED)
    try:
        await _run(services, feeder, monkey)
        await wait_until_caught_up(stager, notifier, all_services=services)
        log, engine = EmbeddedLog(str(path), clock=SystemClock()), make_engine(address)
        await log.open()
        await log.ensure(TOPICS.all())
        count = await check_everything(
            log, engine, TOPICS, lifecycles=tmp_path / "lifecycles.yaml", sent=feeder.acknowledged
        )
        await engine.dispose()
        await log.close()
    finally:
        for service in services:
            service.kill()
    assert count > 2_000


async def _run(services: list[Service], feeder: Feeder, monkey: Monkey) -> None:
    for service in services:
        service.start()
    for service in services:
        await asyncio.to_thread(service.wait_until_ready)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(feeder.run())
        tasks.create_task(monkey.run())
