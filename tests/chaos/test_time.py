"""Time alone moves customers, exactly: never early, never twice, and never past an event that waits unread."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import pytest
import sqlalchemy as sql

from services.main import migrate_tables
from services.stager.store_sql.tables import transitions as transition_table
from shared.clock import SystemClock, rfc3339, to_ms
from shared.database import make_engine
from shared.event import Event, encode
from shared.log import Entry, Log
from shared.log_embedded import EmbeddedLog
from shared.log_kafka import KafkaLog
from shared.topics import Topics
from shared.transition import Transition, decode
from tests.chaos.plant import PARTITIONS, plant_settings
from tests.chaos.services import Service
from tests.servers.kafka import KafkaServer, free_ports

TOPICS = Topics("chaos", PARTITIONS)
WAIT_TIMEOUT_S = 60
QUIET_MS = 8_000
LIFECYCLE = """
lifecycle: shop
metrics:
  last_order: {last: Order Completed}
stages:
  - stage: active
  - stage: quiet
    when: since(last_order) >= 8s
"""
Recorded = Sequence[tuple[Transition, int]]


@pytest.mark.slow
async def test_twenty_thousand_customers_due_together_move_once_and_never_early(tmp_path: Path) -> None:
    log: Log = EmbeddedLog(str(tmp_path / "log.db"), clock=SystemClock())
    stager, address = await _plant(tmp_path, f"embedded:{tmp_path / 'log.db'}")
    await log.open()
    try:
        await log.ensure(TOPICS.all())
        stager.start()
        customers = [f"customer-{number:05d}" for number in range(20_000)]
        due_ms = {name: occurred_ms + QUIET_MS for name, occurred_ms in (await _order(log, customers)).items()}
        recorded = await _wait_for_moves(address, stager, to="quiet", count=len(customers))
    finally:
        stager.kill()
        await log.close()
    late_s = sorted((recorded_ms - due_ms[moved.customer]) / 1000 for moved, recorded_ms in recorded)
    print(f"recorded_at - at: p50 {late_s[len(late_s) // 2]:.2f} s, p99 {late_s[int(len(late_s) * 0.99)]:.2f} s")
    assert {moved.customer: to_ms(datetime.fromisoformat(moved.at)) for moved, _ in recorded} == due_ms
    assert max(Counter(moved.customer for moved, _ in recorded).values()) == 1
    assert late_s[0] >= 0


@pytest.mark.kafka
@pytest.mark.slow
async def test_an_outage_in_which_silence_falls_due_moves_nobody_whose_event_was_waiting(
    own_kafka: KafkaServer, tmp_path: Path
) -> None:
    log: Log = KafkaLog(own_kafka.bootstrap)
    stager, address = await _plant(tmp_path, f"kafka://{own_kafka.bootstrap}")
    await log.open()
    try:
        await log.ensure(TOPICS.all())
        stager.start()
        await _order(log, ["early"])
        await _wait_for_moves(address, stager, to="active", count=1)  # so the stager owns its partitions, and is warm
        first_ms = await _order(log, ["waiting", "silent"])
        await _wait_for_moves(address, stager, to="active", count=3)
        stager.freeze()  # it has both deadlines in mind, and reads no more
        second_ms = await _order(log, ["waiting"])
        assert second_ms["waiting"] < first_ms["waiting"] + QUIET_MS, "too slow: the silence fell due before the freeze"
        await asyncio.to_thread(own_kafka.kill)
        await asyncio.sleep(QUIET_MS / 1000)  # the silence of both falls due while the log is away
        stager.thaw()
        await asyncio.sleep(1)
        await asyncio.to_thread(own_kafka.start)
        recorded = await _wait_for_moves(address, stager, to="quiet", count=3)
    finally:
        stager.kill()
        await log.close()
    at_ms = {moved.customer: to_ms(datetime.fromisoformat(moved.at)) for moved, _ in recorded}
    assert at_ms["silent"] == first_ms["silent"] + QUIET_MS
    assert at_ms["waiting"] == second_ms["waiting"] + QUIET_MS


async def _plant(folder: Path, log: str) -> tuple[Service, str]:
    address = f"sqlite+aiosqlite:///{folder / 'tables.db'}"
    await migrate_tables(address)
    settings = plant_settings(folder, log=log, database=address)
    (folder / "lifecycles.yaml").write_text(LIFECYCLE)
    [port] = free_ports(1)
    return Service("stager", port=port, settings=settings, output=folder / "stager.txt"), address


async def _order(log: Log, customers: Sequence[str]) -> dict[str, int]:
    """Append an order of each; the instant at which it occurred."""
    occurred_ms, entries = {}, []
    for customer in customers:
        occurred_ms[customer] = now_ms = time.time_ns() // 1_000_000
        event = Event("track", f"{customer}-{now_ms}", customer, "Order Completed", rfc3339(now_ms))
        entries.append(Entry(customer.encode(), encode(event)))
    await log.append(TOPICS.events, entries, timeout_s=WAIT_TIMEOUT_S)
    return occurred_ms


async def _wait_for_moves(address: str, stager: Service, *, to: str, count: int) -> Recorded:
    engine = make_engine(address)
    rows = sql.select(transition_table.c.body, transition_table.c.recorded_ms)
    deadline = time.monotonic() + WAIT_TIMEOUT_S
    try:
        while True:
            async with engine.connect() as connection:
                found = [(decode(bytes(body)), recorded_ms) for body, recorded_ms in await connection.execute(rows)]
            moves = [(moved, recorded_ms) for moved, recorded_ms in found if moved.to_stage == to]
            if len(moves) >= count:
                return moves
            assert not stager.has_crashed(), stager.tail()
            assert time.monotonic() < deadline, f"{len(moves)} of {count} moves to {to}\n{stager.tail()}"
            await asyncio.sleep(0.3)
    finally:
        await engine.dispose()
