"""Each message once, however often notifiers, database and receiver are killed and the log repeats itself."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select, text

from services.main import migrate_tables
from services.notifier.delivery.delivery import Outcome, delivery_id
from services.notifier.store_sql.tables import deliveries
from services.stager.store_sql.tables import visits
from shared.clock import rfc3339
from shared.database import make_engine, reading, writing
from shared.log import Entry
from shared.log_embedded import EmbeddedLog
from shared.topics import Topics
from shared.transition import Transition, encode
from tests.builders_notifier import a_lingering, a_transition
from tests.chaos.monkey import Monkey, kill_and_restart, outage
from tests.chaos.notifier_process import FastClock
from tests.chaos.services import Service
from tests.receiver import SECRET
from tests.servers.kafka import free_ports
from tests.servers.postgres import PostgresServer

PARTITIONS = 4
TOPICS = Topics("once", PARTITIONS)
MOVES = 18_000
REGULARS = 200  # customers who linger again and again
LINGERS = 10
CAP = 2
SPEED = 30  # a lease of a minute is over after two seconds
SEED = 7
SETTLED_WITHIN_S = 300  # on an idle machine well under a minute
CAMPAIGNS = """
campaign: told
on: {lifecycle: shop, stage: at_risk, change: moved}
send: [{channel: webhook, url: "http://127.0.0.1:PORT/told"}]
---
campaign: modest
on: {lifecycle: shop, stage: at_risk, change: lingered}
send: [{channel: webhook, url: "http://127.0.0.1:PORT/modest"}]
cap: {messages: 2, within: 7d}
"""


def all_transitions(at: str) -> list[list[Transition]]:
    """Each partition's, in order of `seq`: everybody moves in, and the regulars linger."""
    partitions: list[list[Transition]] = [[] for _ in range(PARTITIONS)]
    moves = [a_transition(customer=f"customer-{number}", at=at) for number in range(MOVES)]
    lingers = [
        a_lingering(customer=f"customer-{number}", nth=nth, at=at)
        for nth in range(1, LINGERS + 1)
        for number in range(REGULARS)
    ]
    for one in [*moves, *lingers]:
        mine = partitions[int(one.customer.partition("-")[2]) % PARTITIONS]
        seq = len(mine) + 1
        mine.append(a_transition(**_fields(one), id=f"{one.customer}/{one.change}/{one.nth}", seq=seq))
    return partitions


def _fields(one: Transition) -> dict[str, Any]:
    names = ("customer", "change", "from_stage", "to_stage", "nth", "at")
    return {name: getattr(one, name) for name in names}


async def stage_everybody(address: str) -> None:
    """As the stager would have left them: each in the first visit to the stage."""
    engine = make_engine(address)
    rows = [
        {
            "partition": number % PARTITIONS, "lifecycle": "shop", "stage": "at_risk",
            "customer": f"customer-{number}", "since_ms": 0, "entry": 1, "n": 1,
        }
        for number in range(MOVES)
    ]  # fmt: skip
    async with writing(engine) as connection:
        await connection.execute(insert(visits), rows)
    await engine.dispose()


async def publish(log: EmbeddedLog, partitions: Sequence[Sequence[Transition]], pick: random.Random) -> None:
    """In pieces over some seconds; now and then a piece comes again, as after a crash of the stager."""
    size = 300
    for start in range(0, max(map(len, partitions)), size):
        for number, transitions in enumerate(partitions):
            piece = list(transitions[start : start + size])
            if pick.random() < 0.3:
                piece += transitions[max(0, start - size // 2) : start + size]
            entries = [Entry(one.customer.encode(), encode(one), partition=number) for one in piece]
            if entries:
                await log.append(TOPICS.transitions, entries, timeout_s=30)
        await asyncio.sleep(0.5)


@dataclass(frozen=True)
class Row:
    id: str
    campaign: str
    transition: str
    customer: str
    outcome: str


async def rows_when_settled(address: str, expected: int, services: Sequence[Service]) -> list[Row]:
    engine = make_engine(address)
    deadline = time.monotonic() + SETTLED_WITHIN_S
    try:
        while True:
            async with reading(engine) as connection:
                counts = (
                    await connection.execute(
                        text("SELECT count(*), count(due_ms), min(due_ms) FROM notifier_deliveries")
                    )
                ).one()
            if (counts[0], counts[1]) == (expected, 0):
                break
            assert time.monotonic() < deadline, f"{counts} of {expected}\n" + "\n".join(one.tail() for one in services)
            await asyncio.sleep(0.5)
        async with reading(engine) as connection:
            table = deliveries.c
            found = await connection.execute(
                select(table.id, table.campaign, table.transition, table.customer, table.outcome)
            )
            return [Row(str(row.id), row.campaign, row.transition, row.customer, row.outcome) for row in found]
    finally:
        await engine.dispose()


def check(rows: Sequence[Row], accepted: Sequence[dict[str, str]]) -> None:
    """What was promised, of every single delivery."""
    assert {row.id for row in rows} == {str(delivery_id(row.transition, row.campaign, 1)) for row in rows}
    outcomes = Counter((row.campaign, row.outcome) for row in rows)
    assert outcomes == {
        ("told", Outcome.SENT): MOVES,
        ("modest", Outcome.SENT): REGULARS * CAP,
        ("modest", Outcome.CAPPED): REGULARS * (LINGERS - CAP),
    }
    seen: dict[tuple[str, str], set[str]] = defaultdict(set)
    for line in accepted:
        seen[line["path"].strip("/"), line["transition"]].add(line["id"])
    assert all(len(ids) == 1 for ids in seen.values()), "one delivery came under two ids"
    sent = {row.id for row in rows if row.outcome == Outcome.SENT}
    assert sent == {line["id"] for line in accepted}, "sent and received are not the same"
    for customer in (f"customer-{number}" for number in range(REGULARS)):
        got = {line["id"] for line in accepted if line["customer"] == customer and line["path"] == "/modest"}
        assert len(got) <= CAP, f"{customer} got {len(got)}"


@pytest.mark.postgres
@pytest.mark.slow
async def test_every_message_goes_out_once_whatever_is_killed(own_postgres: PostgresServer, tmp_path: Path) -> None:
    address = await own_postgres.create_database()
    await migrate_tables(address)
    await stage_everybody(address)
    ports = free_ports(3)
    (tmp_path / "campaigns.yaml").write_text(CAMPAIGNS.replace("PORT", str(ports[2])))
    accepted = tmp_path / "accepted.ndjson"
    settings = {
        "STAGELINE_LOG": f"embedded:{tmp_path}/log.db", "STAGELINE_DATABASE": address, "STAGELINE_TOPIC_PREFIX": "once",
        "STAGELINE_PARTITIONS": str(PARTITIONS), "STAGELINE_CAMPAIGNS": str(tmp_path / "campaigns.yaml"),
        "STAGELINE_WEBHOOK_SECRET": SECRET, "STAGELINE_WEBHOOK_ALLOW_PRIVATE": "true",
    }  # fmt: skip
    began = time.time()
    fast = ("tests.chaos.notifier_process", str(began), str(SPEED))
    one, other = (
        Service("notifier", port=port, settings=settings, output=tmp_path / f"{port}.txt", words=fast)
        for port in ports[:2]
    )
    words = ("tests.chaos.receiver_process", str(ports[2]), str(accepted))
    receiver = Service("receiver", port=ports[2], settings={}, output=tmp_path / "receiver.txt", words=words)
    clock = FastClock(began_s=began, speed=SPEED)
    log = EmbeddedLog(str(tmp_path / "log.db"), clock=clock)
    await log.open()
    await log.ensure(TOPICS.all())
    monkey = Monkey(
        [
            ("kill a notifier", kill_and_restart(one)),
            ("kill the other notifier", kill_and_restart(other)),
            ("kill the receiver", kill_and_restart(receiver, away_s=0.2)),
            ("database away", outage(own_postgres.kill, own_postgres.start, away_s=0.5)),
        ],
        seconds=18,
        seed=SEED,
    )
    transitions = all_transitions(rfc3339(clock.now_ms()))
    services = (receiver, one, other)
    try:
        for service in services:
            service.start()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(publish(log, transitions, random.Random(SEED)))
            tasks.create_task(monkey.run())
        rows = await rows_when_settled(address, sum(map(len, transitions)), services)
    finally:
        for service in services:
            service.kill()
        await log.close()
    check(rows, [json.loads(line) for line in accepted.read_text().splitlines()])
