"""An import that breaks off and is sent again: every line is in the log once."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

import services.ingest.history
from services.ingest.import_command import Destination, run_import
from services.ingest.ledger import Ledger
from services.ingest.refusal import Rejected
from shared.clock import SystemClock
from shared.errors import Refused
from shared.event import decode
from shared.log import Entry, Log
from shared.log_embedded import EmbeddedLog
from shared.topics import Topics
from tests.fakes.log_memory import MemoryLog
from tests.integration.test_ingest_serve import EVENTS, serving

KEY = {"idempotency-key": "history-2020"}


@pytest.fixture
async def log(tmp_path: Path) -> AsyncIterator[EmbeddedLog]:
    log = EmbeddedLog(tmp_path / "log.db", clock=SystemClock())
    await log.open()
    yield log
    await log.close()


def lines(first: int, end: int) -> bytes:
    return b"".join(
        b'{"event":"e","userId":"u%d","timestamp":"2020-01-01T00:00:00Z","messageId":"m%d"}\n' % (number % 7, number)
        for number in range(first, end)
    )


async def ids(log: Log) -> Counter[str]:
    found: Counter[str] = Counter()
    for partition, end in (await log.ends(EVENTS)).items():
        offset = 0
        while offset < end:
            records = await log.fetch(EVENTS, partition, offset, records_max=1000)
            found.update(decode(record.value).id or "end" for record in records)
            offset = records[-1].offset + 1
    return found


def each_once(count: int) -> Counter[str]:
    return Counter({f"m{number}": 1 for number in range(count)} | {"end": 3})


async def test_a_file_that_broke_off_is_completed_and_nothing_is_twice(log: EmbeddedLog) -> None:
    async with serving(log) as (client, _):
        broken = await client.post("/v1/import", content=gzip.compress(lines(0, 3900))[:-500], headers=KEY)
        before = await ids(log)
        again = (await client.post("/v1/import", content=lines(0, 4000), headers=KEY)).json()
        found = await ids(log)

    assert (broken.status_code, broken.json()["acknowledged_line"]) == (400, before.total())
    assert 1000 <= before.total() < 3900
    assert found == each_once(4000)
    assert (again["repeated"], again["accepted"]) == (before.total(), 4000 - before.total())


async def test_an_import_is_sent_by_one_caller_at_a_time() -> None:
    ledger = Ledger(MemoryLog(), Topics("t", 3), timeout_s=1)

    with ledger.only("a"), ledger.only("b"), pytest.raises(Rejected, match="another request"), ledger.only("a"):
        pass


async def test_a_whole_file_sent_again_adds_nothing(log: EmbeddedLog) -> None:
    async with serving(log) as (client, _):
        for _ in range(2):
            answer = (await client.post("/v1/import", content=lines(0, 50), headers=KEY)).json()
        found = await ids(log)

    assert found == each_once(50)
    assert (answer["accepted"], answer["repeated"], answer["ended"]) == (0, 50, True)


async def test_a_second_service_knows_what_the_first_one_took(
    log: EmbeddedLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services.ingest.history, "IMPORT_NOTE_LINES", 1000)
    async with serving(log) as (client, _):
        await client.post("/v1/import?end=false", content=lines(0, 2500), headers=KEY)
    async with serving(log) as (client, _):
        answer = (await client.post("/v1/import?line=2001", content=lines(2000, 3000), headers=KEY)).json()
        found = await ids(log)

    assert found == each_once(3000)
    assert (answer["accepted"], answer["repeated"], answer["lines"]) == (500, 500, 3000)


async def test_another_key_is_another_import(log: EmbeddedLog) -> None:
    async with serving(log) as (client, _):
        for name in ("a", "b"):
            await client.post("/v1/import?end=false", content=lines(0, 1), headers={"idempotency-key": name})
        found = await ids(log)

    assert found == Counter({"m0": 2})


class _Flaky(EmbeddedLog):
    """Does not answer the second append of events, although it has taken it."""

    calls = 0

    async def append(self, topic: str, entries: list[Entry], *, timeout_s: float) -> list[int]:  # type: ignore[override]
        offsets = await super().append(topic, entries, timeout_s=timeout_s)
        self.calls += topic == EVENTS
        if topic == EVENTS and self.calls == 2:
            raise services.ingest.history.Unavailable("no answer")
        return offsets


async def test_the_command_goes_on_by_itself_after_a_break(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "history.ndjson"
    file.write_bytes(lines(0, 3000))
    log = _Flaky(tmp_path / "log.db", clock=SystemClock())
    await log.open()
    async with serving(log) as (client, _):
        code = await asyncio.to_thread(run_import, file, Destination(str(client.base_url), "shop-key"), pause_s=0.01)
        found = await ids(log)
    await log.close()

    assert (code, found) == (0, each_once(3000))
    assert "1000 accepted, 2000 there before, 0 refused" in capsys.readouterr().out


async def test_the_command_names_refused_lines(
    log: EmbeddedLog, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "history.ndjson"
    file.write_bytes(lines(0, 1) + json.dumps({"event": "e"}).encode() + b"\n")
    async with serving(log) as (client, _):
        code = await asyncio.to_thread(run_import, file, Destination(str(client.base_url), "shop-key"))

    assert code == 1
    assert "line 2: " in capsys.readouterr().err


async def test_the_command_says_that_a_key_is_unknown(log: EmbeddedLog, tmp_path: Path) -> None:
    file = tmp_path / "history.ndjson"
    file.write_bytes(lines(0, 1))
    async with serving(log) as (client, _):
        with pytest.raises(Refused, match="unknown_key"):
            await asyncio.to_thread(run_import, file, Destination(str(client.base_url), "nobody"))
