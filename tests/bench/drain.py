"""The whole stager: events that stand in Kafka are folded, saved in PostgreSQL and readable on the topic."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sql
from sqlalchemy.ext.asyncio import AsyncEngine

from services.main import migrate_tables
from services.stager.store_sql.tables import positions
from shared.database import make_engine
from shared.log import Entry
from shared.log_kafka import KafkaLog
from shared.topics import Topics
from tests.bench.load import LIFECYCLE, Load, customer_name, event_value
from tests.bench.processes import cpu_seconds, java_pids, start
from tests.servers.kafka import KafkaServer, free_ports
from tests.servers.postgres import PostgresServer

PARTITIONS = 12
APPEND_RECORDS = 20_000
APPEND_TIMEOUT_S = 60
DRAIN_TIMEOUT_S = 300


@dataclass(frozen=True, slots=True)
class DrainFigures:
    """Events a second from the first commit to the last publication; CPU microseconds an event by who spent them."""

    shape: str
    stagers: int
    events_s: float
    transitions: int
    python_us: float
    postgres_us: float
    broker_us: float
    bytes_per_customer: float


async def measure_drain(
    kafka: KafkaServer, postgres: PostgresServer, load: Load, *, stagers: int, folder: Path
) -> DrainFigures:
    """Fill the topic, then start the stagers and watch them drain it."""
    topics = Topics(f"drain-{load.shape}-{stagers}", PARTITIONS)
    address = await postgres.create_database()
    await migrate_tables(address)
    log = KafkaLog(kafka.bootstrap)
    await log.open()
    await log.ensure(topics.all())
    await _fill(log, topics, load)
    lifecycles = folder / "shop.yaml"
    lifecycles.write_text(LIFECYCLE)
    settings = {
        "STAGELINE_LOG": f"kafka://{kafka.bootstrap}",
        "STAGELINE_DATABASE": address,
        "STAGELINE_TOPIC_PREFIX": topics.prefix,
        "STAGELINE_PARTITIONS": str(PARTITIONS),
        "STAGELINE_LIFECYCLES": str(lifecycles),
        "STAGELINE_LOG_LEVEL": "warning",
    }
    engine = make_engine(address)
    processes = [
        start("stager", settings | {"STAGELINE_STAGER_PORT": str(port)}, folder / f"stager-{port}.txt")
        for port in free_ports(stagers)
    ]
    try:
        return await _watch(log, engine, topics, load, pids={process.pid for process in processes}, postgres=postgres)
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait(60)
        await engine.dispose()
        await log.close()


async def _fill(log: KafkaLog, topics: Topics, load: Load) -> None:
    places: dict[int, int] = {}
    entries: list[Entry] = []
    for sequence, number in enumerate(load.customer_numbers()):
        customer = customer_name(number)
        place = places.get(number)
        if place is None:
            place = places[number] = log.partition_of(topics.events, customer.encode())
        value = event_value(sequence=sequence, customer=customer, occurred_ms=time.time_ns() // 1_000_000 - 1_000)
        entries.append(Entry(customer.encode(), value, partition=place))
        if len(entries) == APPEND_RECORDS:
            await log.append(topics.events, entries, timeout_s=APPEND_TIMEOUT_S)
            entries = []
    if entries:
        await log.append(topics.events, entries, timeout_s=APPEND_TIMEOUT_S)


async def _watch(
    log: KafkaLog, engine: AsyncEngine, topics: Topics, load: Load, *, pids: set[int], postgres: PostgresServer
) -> DrainFigures:
    first_s, first_done, before = 0.0, 0, (0.0, 0.0, 0.0)
    deadline = time.monotonic() + DRAIN_TIMEOUT_S
    while True:
        done, seq = await _progress(engine)
        if not first_s and done:
            first_s, first_done, before = time.perf_counter(), done, _spent(pids, postgres)
        if done >= load.events and sum((await log.ends(topics.transitions)).values()) >= seq:
            break
        assert time.monotonic() < deadline, f"{done} of {load.events} events after {DRAIN_TIMEOUT_S} s"
        await asyncio.sleep(0.05)
    took_s, events = time.perf_counter() - first_s, load.events - first_done
    python_us, postgres_us, broker_us = (
        (after - earlier) / events * 1e6 for after, earlier in zip(_spent(pids, postgres), before, strict=True)
    )
    return DrainFigures(
        load.shape,
        len(pids),
        events / took_s,
        seq,
        python_us,
        postgres_us,
        broker_us,
        await _bytes_per_customer(engine),
    )


def _spent(pids: set[int], postgres: PostgresServer) -> tuple[float, float, float]:
    return cpu_seconds(pids), cpu_seconds(postgres.pids()), cpu_seconds(java_pids())


async def _progress(engine: AsyncEngine) -> tuple[int, int]:
    columns = positions.c
    async with engine.connect() as connection:
        [row] = await connection.execute(sql.select(sql.func.sum(columns.next_offset), sql.func.sum(columns.seq)))
    return int(row[0] or 0), int(row[1] or 0)


async def _bytes_per_customer(engine: AsyncEngine) -> float:
    """What a customer costs in the database, history of transitions apart."""
    tables = ("profiles", "visits", "customers")
    async with engine.connect() as connection:
        sizes = [
            (await connection.execute(sql.text(f"SELECT pg_total_relation_size('{table}')"))).scalar_one()
            for table in tables
        ]
        customers = (await connection.execute(sql.text("SELECT count(*) FROM profiles"))).scalar_one()
    return float(sum(sizes) / customers)
