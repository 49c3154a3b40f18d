"""docs/subscribing.md: every example is run as it stands on the page, against a real Kafka and a real notifier."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import pytest

from services.notifier.file.subscriptions import load_text
from services.notifier.main import serve
from services.notifier.settings import NotifierSettings
from services.notifier.store_sql.deliveries import MIGRATIONS as NOTIFIER_MIGRATIONS
from services.stager.store_sql.tables import MIGRATIONS as STAGER_MIGRATIONS
from shared.clock import SystemClock, rfc3339
from shared.database import make_engine
from shared.log import Entry
from shared.log_kafka import KafkaLog
from shared.migrate import migrate
from shared.topics import Topics
from shared.transition import StageValue, Transition, encode
from tests.builders_notifier import RULES, a_transition
from tests.docs_examples import examples, fences
from tests.integration.staged_customers import StagedCustomers
from tests.receiver import SECRET
from tests.servers.kafka import free_ports
from tests.servers.node_packages import need_packages

PAGE = "subscribing.md"
PACKAGES = Path(__file__).parents[1] / "node" / "subscribing"
WITHIN_S = 60  # a group forms within seconds; a machine that does much else takes longer

CAMPAIGNS = """
campaign: welcome
on: {lifecycle: shop, stage: active, change: moved}
send: [{channel: kafka}]
---
"""
# What every subscriber of the topics says in the end, in whatever order the topics come.
SAID = [
    "ann: active -> at_risk",
    "ann: at_risk -> at_risk",
    "ann: at_risk -> active",
    "shop/ann is at_risk",
    "shop/ann is active",
    "shop/ann is forgotten",
    "message of welcome",
]


def changes() -> list[Transition]:
    now = rfc3339(SystemClock().now_ms())
    return [
        a_transition(id=str(uuid4()), seq=1, n=1, at=now),
        a_transition(id=str(uuid4()), seq=2, n=2, at=now, change="lingered", from_stage="at_risk", nth=1),
        a_transition(id=str(uuid4()), seq=3, n=3, at=now, from_stage="at_risk", to_stage="active"),
    ]


class Rig:
    """Topics of their own on a real broker, and what the stager would have written there."""

    def __init__(self, bootstrap: str) -> None:
        self.bootstrap = bootstrap
        self.topics = Topics(f"t{uuid4().hex[:10]}", 2)
        self.log = KafkaLog(bootstrap, session_timeout_s=6)

    async def publish(self) -> None:
        """Three changes, two of them written twice as after a crash, and the stages."""
        first, second, third = [Entry(b"ann", encode(change), partition=0) for change in changes()]
        entries = [first, second, first, second, third, third]
        await self.log.append(self.topics.transitions, entries, timeout_s=15)
        values = [encode(a_stage("at_risk")), encode(a_stage("active")), None]
        stages = [Entry(b"shop/ann", value, partition=0) for value in values]
        await self.log.append(self.topics.stages, stages, timeout_s=15)

    @property
    def environment(self) -> dict[str, str]:
        return {"KAFKA": self.bootstrap, "PREFIX": self.topics.prefix}


def a_stage(stage: str) -> StageValue:
    return StageValue(customer="ann", lifecycle="shop", stage=stage, since=rfc3339(0), entry=1, n=1, version="v1")


@pytest.fixture
async def rig(kafka_bootstrap: str) -> AsyncIterator[Rig]:
    rig = Rig(kafka_bootstrap)
    await rig.log.open()
    await rig.log.ensure(rig.topics.all())
    yield rig
    await rig.log.close()


@asynccontextmanager
async def notifying(rig: Rig, folder: Path, campaigns: str) -> AsyncIterator[None]:
    """A whole notifier with these campaigns."""
    (folder / "campaigns").mkdir()
    (folder / "campaigns" / "c.yaml").write_text(campaigns)
    address = f"sqlite+aiosqlite:///{folder}/stageline.db"
    engine = make_engine(address)
    for migrations in (STAGER_MIGRATIONS, NOTIFIER_MIGRATIONS):
        await migrate(engine, migrations)
    await engine.dispose()
    customers = StagedCustomers(address)
    await customers.move(
        changes()[-1]
    )  # the customer is where the last change leads: what is no longer true is not sent
    await customers.close()
    settings = NotifierSettings(
        database=address, partitions=2, notifier_port=0, campaigns=str(folder / "campaigns"), webhook_secret=SECRET,
        webhook_allow_private=True, topic_prefix=rig.topics.prefix,
    )  # fmt: skip
    stop = asyncio.Event()
    async with asyncio.timeout(2 * WITHIN_S), asyncio.TaskGroup() as tasks:
        tasks.create_task(serve(settings, stop, log=rig.log, rules=RULES))
        try:
            yield
        finally:
            stop.set()


@asynccontextmanager
async def running(
    command: Sequence[str | Path], *, folder: Path, environment: Mapping[str, str]
) -> AsyncIterator[asyncio.subprocess.Process]:
    """An example as a process of its own, ended with the block."""
    process = await asyncio.create_subprocess_exec(
        *map(str, command), cwd=folder, env={**os.environ, **environment}, stdout=asyncio.subprocess.PIPE
    )
    try:
        yield process
    finally:
        process.kill()
        await process.communicate()


async def lines_of(process: asyncio.subprocess.Process, count: int) -> list[str]:
    """The first lines that it prints."""
    assert process.stdout is not None
    async with asyncio.timeout(WITHIN_S):
        return [(await process.stdout.readline()).decode().strip() for _ in range(count)]


def test_every_example_of_the_page_is_run_here():
    assert list(examples(PAGE)) == ["subscribe.mjs", "subscribe.py", "crm.yaml", "receive.py"]
    assert fences(PAGE) == len(examples(PAGE))


@pytest.mark.kafka
async def test_the_examples_read_all_three_topics_and_skip_what_is_repeated(rig: Rig, tmp_path: Path) -> None:
    packages = need_packages(PACKAGES, into="node-subscribing")
    script = packages / f"{rig.topics.prefix}.mjs"
    script.write_text(examples(PAGE)["subscribe.mjs"])
    (tmp_path / "subscribe.py").write_text(examples(PAGE)["subscribe.py"])
    await rig.publish()
    try:
        async with (
            notifying(rig, tmp_path, CAMPAIGNS),
            running(["node", script], folder=packages, environment=rig.environment | {"GROUP": "js"}) as javascript,
            running([sys.executable, "subscribe.py"], folder=tmp_path, environment=rig.environment) as python,
        ):
            assert sorted(await lines_of(javascript, len(SAID))) == sorted(SAID)
            assert sorted(await lines_of(python, len(SAID))) == sorted(SAID)
    finally:
        script.unlink()


@pytest.mark.kafka
async def test_the_receiver_gets_every_change_of_its_subscription_and_refuses_a_forgery(
    rig: Rig, tmp_path: Path
) -> None:
    (tmp_path / "receive.py").write_text(examples(PAGE)["receive.py"])
    [port] = free_ports(1)
    subscription = examples(PAGE)["crm.yaml"].replace("https://crm.example.com", f"http://127.0.0.1:{port}")
    environment = {"SECRET": SECRET, "PORT": str(port)}
    await rig.publish()
    async with (
        running([sys.executable, "receive.py"], folder=tmp_path, environment=environment) as receiver,
        notifying(rig, tmp_path, subscription),
    ):
        assert sorted(await lines_of(receiver, 3)) == sorted(SAID[:3])
        assert await status_of_forgery(port) == 401


async def status_of_forgery(port: int) -> int:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = "POST / HTTP/1.0\r\ncontent-length: 2\r\nwebhook-id: 1\r\nwebhook-timestamp: 1\r\nwebhook-signature: v1,x"
    writer.write(f"{head}\r\n\r\n{{}}".encode())
    async with asyncio.timeout(WITHIN_S):
        status = (await reader.readline()).split()[1]
    writer.close()
    return int(status)


def test_the_subscription_of_the_page_is_right() -> None:
    loaded = load_text(examples(PAGE)["crm.yaml"], file="crm.yaml")
    assert loaded.faults == ()
    assert [one.name for one in loaded.subscriptions] == ["crm"]
