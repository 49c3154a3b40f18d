"""From the append of an event to its transition readable on the topic, at a steady rate."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from pathlib import Path

from services.main import migrate_tables
from shared.log import Entry
from shared.log_kafka import KafkaLog
from shared.topics import Topics
from shared.transition import EventCause, decode
from tests.bench.drain import PARTITIONS
from tests.bench.load import LIFECYCLE, Load, customer_name, event_value
from tests.bench.processes import start, wait_until_ready
from tests.servers.kafka import KafkaServer, free_ports
from tests.servers.postgres import PostgresServer

WARM_UP_S = 5.0  # what starting has left behind is caught up, caches fill: not counted
SECONDS = 12.0
BEAT_S = 0.01  # events are appended in small bunches, a hundred a second
APPEND_TIMEOUT_S = 30
END_TIMEOUT_S = 20


@dataclass(frozen=True, slots=True)
class LatencyFigures:
    """At this many events a second: milliseconds from append to readable, over the events that moved somebody."""

    events_s: int
    p50_ms: float
    p99_ms: float
    samples: int


async def measure_latency(
    kafka: KafkaServer, postgres: PostgresServer, *, events_s: int, stagers: int, folder: Path
) -> LatencyFigures:
    """Feed at the rate, read the transitions, compare."""
    topics = Topics(f"latency-{events_s}", PARTITIONS)
    address = await postgres.create_database()
    await migrate_tables(address)
    log = KafkaLog(kafka.bootstrap)
    await log.open()
    await log.ensure(topics.all())
    (folder / "shop.yaml").write_text(LIFECYCLE)
    settings = {
        "STAGELINE_LOG": f"kafka://{kafka.bootstrap}",
        "STAGELINE_DATABASE": address,
        "STAGELINE_TOPIC_PREFIX": topics.prefix,
        "STAGELINE_LIFECYCLES": str(folder / "shop.yaml"),
        "STAGELINE_LOG_LEVEL": "warning",
    }
    ports = free_ports(stagers)
    processes = [
        start("stager", settings | {"STAGELINE_STAGER_PORT": str(port)}, folder / f"stager-{port}.txt")
        for port in ports
    ]
    for port in ports:
        await asyncio.to_thread(wait_until_ready, f"http://127.0.0.1:{port}/readyz")
    took_ms: list[float] = []
    sent_s: dict[str, float] = {}
    stop = asyncio.Event()
    try:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(_read(log, topics, sent_s, took_ms, stop))
            await _feed(log, topics, events_s, sent_s)
            await asyncio.sleep(1.0)
            stop.set()
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait(60)
        await log.close()
    took_ms.sort()
    return LatencyFigures(events_s, took_ms[len(took_ms) // 2], took_ms[int(len(took_ms) * 0.99)], len(took_ms))


async def _feed(log: KafkaLog, topics: Topics, events_s: int, sent_s: dict[str, float]) -> None:
    total = int(events_s * (WARM_UP_S + SECONDS))
    numbers = Load(total, 1_000_000, "uniform").customer_numbers()
    began, sequence, bunch = time.perf_counter(), 0, max(1, int(events_s * BEAT_S))
    while sequence < total:
        await asyncio.sleep(max(0.0, began + sequence / events_s - time.perf_counter()))
        entries, now_ms = [], time.time_ns() // 1_000_000
        is_counted = time.perf_counter() - began > WARM_UP_S
        for _ in range(min(bunch, total - sequence)):
            customer = customer_name(next(numbers))
            value = event_value(sequence=sequence, customer=customer, occurred_ms=now_ms - 1_000)
            entries.append(Entry(customer.encode(), value))
            if is_counted:
                sent_s[f"event-{sequence:012d}-b7c4d9"] = time.perf_counter()
            sequence += 1
        await log.append(topics.events, entries, timeout_s=APPEND_TIMEOUT_S)


async def _read(
    log: KafkaLog, topics: Topics, sent_s: dict[str, float], took_ms: list[float], stop: asyncio.Event
) -> None:
    reader = log.reader(topics.transitions, group=f"{topics.prefix}-watcher")
    while not stop.is_set():
        arrival = await reader.read(records_max=10_000, timeout_s=0.2)
        now_s = time.perf_counter()
        reader.start(dict.fromkeys(arrival.gained, 0))
        for records in arrival.records.values():
            for record in records:
                cause = decode(record.value).cause
                if isinstance(cause, EventCause) and (began_s := sent_s.pop(cause.id, None)) is not None:
                    took_ms.append((now_s - began_s) * 1000)
    await reader.close()
