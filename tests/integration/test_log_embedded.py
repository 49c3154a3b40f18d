"""The embedded log among several processes: kill -9, a file that others hold, files that are no log."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from shared.clock import ManualClock, SystemClock
from shared.errors import Refused, Unavailable
from shared.log import Entry, Topic
from shared.log_embedded import EmbeddedLog
from shared.log_embedded.file import APPLICATION_ID
from shared.log_embedded.threads import BUSY_SLICE_S
from tests.integration import log_process

TOPIC = Topic("t", 4)
ROOT = Path(__file__).parents[2]
LINE_S = 20.0


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "log.db"


@pytest.fixture
async def log(path: Path) -> AsyncIterator[EmbeddedLog]:
    log = EmbeddedLog(path, clock=SystemClock())
    await log.open()
    await log.ensure([TOPIC])
    yield log
    await log.close()


@asynccontextmanager
async def another_process(do: str, path: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """A process that is killed with the block's end, unless it is dead by then."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        log_process.__file__,
        do,
        str(path),
        TOPIC.name,
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def line(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None
    async with asyncio.timeout(LINE_S):
        return (await process.stdout.readline()).decode().strip()


def make_file(path: Path, *statements: str) -> None:
    connection = sqlite3.connect(path)
    for statement in statements:
        connection.execute(statement)
    connection.close()


@pytest.fixture
def holder(path: Path, log: EmbeddedLog) -> sqlite3.Connection:
    """Somebody else in a long transaction."""
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    return holder


async def read_all(log: EmbeddedLog) -> dict[int, str]:
    return {r.offset: (r.value or b"").decode() for r in await log.fetch(TOPIC.name, 0, 0, records_max=1_000_000)}


async def append(log: EmbeddedLog, value: bytes = b"a", *, timeout_s: float = 10) -> int:
    (offset,) = await log.append(TOPIC.name, [Entry(None, value, partition=0)], timeout_s=timeout_s)
    return offset


@pytest.mark.parametrize("lines", [1, 83, 500])
async def test_every_acknowledged_record_survives_kill_9(path: Path, log: EmbeddedLog, lines: int) -> None:
    async with another_process("append", path) as process:
        acknowledged = [await line(process) for _ in range(lines)]
        process.kill()
        rest, _ = await process.communicate()
    acknowledged += [each for each in rest.decode().split("\n")[:-1] if each]
    found = await read_all(log)
    assert {f"{offset} {value}" for offset, value in found.items()} >= set(acknowledged)


async def test_a_file_left_by_kill_9_takes_records_where_it_ended(path: Path, log: EmbeddedLog) -> None:
    async with another_process("append", path) as process:
        await line(process)
        process.kill()
    end = (await log.ends(TOPIC.name))[0]
    assert await append(log, b"after") == end


async def test_an_append_that_kill_9_interrupts_is_there_whole_or_not_at_all(path: Path, log: EmbeddedLog) -> None:
    async with another_process("append", path) as process:
        await line(process)
        process.kill()
    assert len(await read_all(log)) % 5 == 0


async def test_two_processes_share_the_partitions_of_one_file(path: Path, log: EmbeddedLog) -> None:
    async with another_process("read", path) as process:
        assert await line(process) == "0 1 2 3"
        reader = log.reader(TOPIC.name, group=log_process.GROUP)
        owned: frozenset[int] = frozenset()
        async with asyncio.timeout(LINE_S):
            while len(owned) < 2:
                owned |= (await reader.read(records_max=1, timeout_s=1)).gained
        assert owned == {2, 3}


async def test_a_killed_process_is_replaced_long_before_its_session_runs_out(path: Path, log: EmbeddedLog) -> None:
    async with another_process("read", path) as process:
        await line(process)
        process.kill()
    reader = log.reader(TOPIC.name, group=log_process.GROUP)
    arrival = await reader.read(records_max=1, timeout_s=5)  # the session timeout is 30 s
    assert arrival.gained == {0, 1, 2, 3}


async def test_a_record_of_another_process_wakes_a_waiting_read(path: Path, log: EmbeddedLog) -> None:
    reader = log.reader(TOPIC.name, group=log_process.GROUP)
    reader.start(dict.fromkeys((await reader.read(records_max=1, timeout_s=5)).gained, 0))
    reader.start({0: 0})
    async with asyncio.TaskGroup() as tasks, another_process("append", path):
        reading = tasks.create_task(reader.read(records_max=1, timeout_s=LINE_S))
        await asyncio.wait({reading}, timeout=LINE_S)
    assert [record.value for record in reading.result().records[0]] == [b"0"]


async def test_a_held_file_makes_append_unavailable_in_the_callers_time(
    log: EmbeddedLog, holder: sqlite3.Connection
) -> None:
    async with asyncio.timeout(5):
        with pytest.raises(Unavailable):
            await append(log, timeout_s=0.3)
    holder.close()


async def test_what_was_given_up_long_ago_is_not_written(log: EmbeddedLog, holder: sqlite3.Connection) -> None:
    with pytest.raises(Unavailable):
        await append(log, b"given up", timeout_s=0.05)
    with pytest.raises(Unavailable):
        await append(log, b"later", timeout_s=2 * BUSY_SLICE_S)  # by then the first one's last attempt is over
    holder.execute("COMMIT")
    await append(log, b"last")
    assert "given up" not in (await read_all(log)).values()


async def test_an_append_with_time_left_waits_until_a_held_file_is_free(
    log: EmbeddedLog, holder: sqlite3.Connection
) -> None:
    async with asyncio.TaskGroup() as tasks:
        appending = tasks.create_task(append(log, b"patient"))
        await asyncio.wait({appending}, timeout=0.6)  # longer than one attempt
        holder.execute("COMMIT")
    assert list((await read_all(log)).values()) == ["patient"]


async def test_a_held_file_is_still_read_from(log: EmbeddedLog, path: Path) -> None:
    await append(log)
    reader = log.reader(TOPIC.name, group=log_process.GROUP)
    reader.start(dict.fromkeys((await reader.read(records_max=1, timeout_s=5)).gained, 0))
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    arrival = await reader.read(records_max=1, timeout_s=5)
    holder.close()
    assert list(arrival.records) == [0]


async def test_more_than_the_log_can_soon_write_is_turned_away_at_once(
    log: EmbeddedLog, holder: sqlite3.Connection
) -> None:
    large = bytes(250_000)
    entries = [Entry(None, large, partition=0)] * 300
    async with asyncio.TaskGroup() as tasks:
        flood = tasks.create_task(log.append(TOPIC.name, entries, timeout_s=10))
        await asyncio.wait({flood}, timeout=0.05)
        with pytest.raises(Unavailable, match="wait"):
            await append(log)
        flood.cancel()
    holder.close()


async def test_log_time_stands_still_when_the_clock_goes_back(path: Path) -> None:
    clock = ManualClock(5_000)
    log = EmbeddedLog(path, clock=clock)
    await log.open()
    await log.ensure([TOPIC])
    await append(log)
    clock.advance(-2_000)
    await append(log)
    times = [record.timestamp for record in await log.fetch(TOPIC.name, 0, 0, records_max=10)]
    await log.close()
    assert times == [5_000, 5_000]


async def test_a_closed_log_is_unavailable(path: Path) -> None:
    log = EmbeddedLog(path, clock=SystemClock())
    await log.open()
    await log.ensure([TOPIC])
    await log.close()
    with pytest.raises(Unavailable):
        await append(log)
    with pytest.raises(Unavailable):
        await log.ends(TOPIC.name)


async def test_closing_leaves_nothing_but_the_file(path: Path) -> None:
    log = EmbeddedLog(path, clock=SystemClock())
    await log.open()
    await log.ensure([TOPIC])
    await log.reader(TOPIC.name, group="g").read(records_max=1, timeout_s=5)
    await log.close()
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("content", [b"this is text, not a log" * 100, None])
async def test_a_file_that_cannot_be_a_log_is_refused_with_its_name(path: Path, content: bytes | None) -> None:
    wrong = path if content else path / "no" / "such" / "folder"
    if content:
        await asyncio.to_thread(path.write_bytes, content)
    log = EmbeddedLog(wrong, clock=SystemClock())
    with pytest.raises(Refused, match=str(wrong)):
        await log.open()
    await log.close()


async def test_a_log_of_another_format_is_refused(path: Path) -> None:
    make_file(path, "CREATE TABLE topic (x)", f"PRAGMA application_id = {APPLICATION_ID}", "PRAGMA user_version = 99")
    log = EmbeddedLog(path, clock=SystemClock())
    with pytest.raises(Refused, match="format 99"):
        await log.open()
    await log.close()


async def test_a_database_of_something_else_is_refused(path: Path) -> None:
    make_file(path, "CREATE TABLE alembic_version (x)")
    log = EmbeddedLog(path, clock=SystemClock())
    with pytest.raises(Refused, match="another program"):
        await log.open()
    await log.close()


@pytest.mark.parametrize(
    ("topic", "entry"),
    [("unknown", Entry(b"k", b"v")), ("t", Entry(None, b"v")), ("t", Entry(b"k", b"v", partition=4))],
)
async def test_a_record_without_a_place_is_refused(log: EmbeddedLog, topic: str, entry: Entry) -> None:
    with pytest.raises(Refused):
        await log.append(topic, [entry], timeout_s=5)
