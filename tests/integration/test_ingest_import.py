"""Imports over HTTP: streamed, marked historical, ended on every partition, and honest about what was refused."""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import tracemalloc
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest
from starlette.types import Message

from services.ingest.delivery import Delivery
from services.ingest.imports.history import Import
from services.ingest.request.body import BrokenOff, Stopping
from shared.clock import ManualClock
from shared.errors import Unavailable
from shared.event import Event, decode
from shared.topics import Topics
from tests.fakes.log_memory import MemoryLog
from tests.integration.test_ingest_api import AUTH, NOW_MS, make_client

LINES = int(os.environ.get("STAGELINE_TEST_IMPORT_LINES", "50000"))


def line(number: int, **beside: Any) -> bytes:
    item = {"event": "Order Completed", "userId": f"u{number}", "messageId": f"m{number}"}
    return json.dumps({"timestamp": "2020-05-01T10:00:00Z", **item, **beside}).encode() + b"\n"


def told(log: MemoryLog) -> list[Event]:
    """The events that are no `import_end`."""
    return [event for event in map(decode, (entry.value for entry in log.entries)) if event.type != "import_end"]


def ends(log: MemoryLog) -> list[int]:
    """How many `import_end` records each partition has."""
    return [sum(decode(entry.value).type == "import_end" for entry in entries) for entries in log.partitions]


@pytest.fixture
def log() -> MemoryLog:
    return MemoryLog()


@pytest.fixture
async def client(log: MemoryLog) -> AsyncIterator[httpx.AsyncClient]:
    async with make_client(log) as client:
        yield client


async def test_an_imported_line_is_a_historical_event_at_its_own_time(
    client: httpx.AsyncClient, log: MemoryLog
) -> None:
    response = await client.post("/v1/import", content=line(1))

    assert response.status_code == 200
    [event] = told(log)
    assert (event.historical, event.type, event.occurred_at) == (True, "track", "2020-05-01T10:00:00.000Z")


async def test_an_import_ends_once_on_every_partition(client: httpx.AsyncClient, log: MemoryLog) -> None:
    await client.post("/v1/import", content=line(1))

    assert ends(log) == [1, 1, 1]


async def test_an_import_that_goes_on_in_another_file_stays_open(client: httpx.AsyncClient, log: MemoryLog) -> None:
    response = await client.post("/v1/import?end=false", content=line(1))

    assert response.json()["ended"] is False
    assert ends(log) == [0, 0, 0]


async def test_an_unreadable_end_is_400(client: httpx.AsyncClient) -> None:
    response = await client.post("/v1/import?end=perhaps", content=line(1))

    assert (response.status_code, response.json()["field"]) == (400, "end")


async def test_bad_lines_are_named_and_their_neighbours_stay(client: httpx.AsyncClient, log: MemoryLog) -> None:
    body = line(1) + b"\r\n" + b"{nonsense\n" + line(4, timestamp=None) + line(5)[:-1]

    answer = (await client.post("/v1/import", content=body)).json()

    assert (answer["accepted"], answer["refused"], answer["lines"]) == (2, 2, 5)
    assert [(item["line"], item["code"]) for item in answer["rejected"]] == [(3, "not_json"), (4, "missing_field")]
    assert {event.id for event in told(log)} == {"m1", "m5"}


async def test_a_line_longer_than_an_event_is_refused_alone(client: httpx.AsyncClient, log: MemoryLog) -> None:
    answer = (await client.post("/v1/import", content=line(1) + b"x" * 100_000 + b"\n" + line(3))).json()

    assert (answer["accepted"], answer["rejected"][0]["code"]) == (2, "event_too_large")


async def test_every_refused_line_is_named_up_to_five_thousand(client: httpx.AsyncClient) -> None:
    answer = (await client.post("/v1/import", content=line(1) + b"{}\n" * 6000)).json()

    assert (answer["refused"], [item["line"] for item in answer["rejected"]]) == (6000, list(range(2, 5002)))


async def test_refused_lines_are_shown_to_the_operator_at_once_and_as_they_began(log: MemoryLog) -> None:
    shown: list[tuple[str, bytes]] = []
    work = _work(log, note=lambda error, text: shown.append((error.message, text)))
    before: list[int] = []

    def body() -> Iterator[bytes]:
        yield b"{nonsense\n" + b"x" * 40_000 + b"\n"
        before.append(len(shown))

    await work.run(_receiver(body()), asyncio.Event(), is_last=True)

    assert before == [2]
    assert [(message[:7], text) for message, text in shown] == [("line 1:", b"{nonsense"), ("line 2:", b"x" * 512)]


async def test_the_rejects_of_an_import_have_their_excerpt(log: MemoryLog) -> None:
    async with make_client(log, admin_token="secret") as client:
        await client.post("/v1/import", content=line(1) + b"{nonsense\n")
        client.auth = None
        answer = (await client.get("/rejects", headers={"authorization": "Bearer secret"})).json()

    [reject] = answer["rejects"]
    assert (reject["source"], reject["excerpt"], reject["message"][:7]) == ("shop", "{nonsense", "line 2:")


async def test_an_import_of_nothing_but_bad_lines_is_400(client: httpx.AsyncClient) -> None:
    response = await client.post("/v1/import", content=b"{}\n{}\n")

    assert (response.status_code, response.json()["code"]) == (400, "missing_field")


async def test_an_import_may_be_gzip_of_several_members(client: httpx.AsyncClient, log: MemoryLog) -> None:
    response = await client.post("/v1/import", content=gzip.compress(line(1)) + gzip.compress(line(2)))

    assert response.json()["accepted"] == 2


async def test_a_truncated_gzip_says_how_far_it_came_and_leaves_the_import_open(
    client: httpx.AsyncClient, log: MemoryLog
) -> None:
    body = gzip.compress(b"".join(line(number) for number in range(5000)))

    response = await client.post("/v1/import", content=body[:-2000])

    answer = response.json()
    assert (response.status_code, answer["code"]) == (400, "broken_gzip")
    assert answer["accepted"] == answer["acknowledged_line"] == len(told(log)) > 0
    assert ends(log) == [0, 0, 0]


async def test_a_log_that_stops_answering_is_503_with_the_progress(client: httpx.AsyncClient, log: MemoryLog) -> None:
    def body() -> Iterator[bytes]:
        yield b"".join(line(number) for number in range(1000))
        log.silent = True
        yield b"".join(line(number) for number in range(1000, 2000))

    response = await client.post("/v1/import", content=_in_pieces(body()))

    answer = response.json()
    assert (response.status_code, answer["accepted"], answer["acknowledged_line"]) == (503, 1000, 1000)


async def test_any_number_of_lines_streams_with_bounded_memory() -> None:
    forgetful = _Forgetful()
    work = _work(forgetful)
    chunks = (b"".join(map(line, range(first, first + 500))) for first in range(0, LINES, 500))
    tracemalloc.start()
    try:
        await work.run(_receiver(chunks), asyncio.Event(), is_last=True)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert work.progress.accepted == forgetful.count == LINES
    assert peak < 4 * 1024 * 1024  # the lines themselves have 6 MB, their records 30


async def test_a_body_that_breaks_off_leaves_what_was_acknowledged_in_the_log(log: MemoryLog) -> None:
    work = _work(log)

    with pytest.raises(BrokenOff):
        await work.run(_receiver(_lines(2500), is_broken=True), asyncio.Event(), is_last=True)

    assert work.progress.accepted == work.progress.acknowledged_line == len(told(log)) == 2000
    assert ends(log) == [0, 0, 0]


async def test_a_cancelled_import_leaves_what_was_acknowledged_in_the_log(log: MemoryLog) -> None:
    work = _work(log)
    waits = asyncio.Event()

    async def receive() -> Message:
        if not log.entries:
            return {"type": "http.request", "body": b"".join(_lines(1000)), "more_body": True}
        waits.set()
        await asyncio.Event().wait()
        raise AssertionError

    task = asyncio.ensure_future(work.run(receive, asyncio.Event(), is_last=True))
    await waits.wait()
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
    assert work.progress.accepted == len(told(log)) == 1000


async def test_a_stopping_service_ends_an_import_between_two_chunks(log: MemoryLog) -> None:
    stop = asyncio.Event()
    stop.set()

    with pytest.raises(Unavailable):
        await _work(log).run(_receiver(_lines(10)), stop, is_last=True)

    assert ends(log) == [0, 0, 0]


async def test_a_stopping_service_ends_an_import_that_waits_for_its_sender(log: MemoryLog) -> None:
    stop, sent = asyncio.Event(), iter(_lines(10))

    async def receive() -> Message:
        piece = next(sent, None)
        if piece is None:
            stop.set()
            await asyncio.Event().wait()
        return {"type": "http.request", "body": piece, "more_body": True}

    work = _work(log)
    with pytest.raises(Stopping):
        await work.run(receive, stop, is_last=True)

    assert ends(log) == [0, 0, 0]


async def test_an_import_over_its_rate_appends_what_it_has_and_waits() -> None:
    pauses, stop, log = iter([0.0, 0.0, 60.0]), asyncio.Event(), _Telling()
    work = _work(log, pause_s=lambda: next(pauses))
    task = asyncio.ensure_future(work.run(_receiver(_lines(10)), stop, is_last=True))
    await asyncio.wait_for(log.has_records.wait(), timeout=5)

    stop.set()

    with pytest.raises(Unavailable):
        await task
    assert work.progress.accepted == work.progress.acknowledged_line == 3


async def test_an_import_needs_its_key_before_its_body(client: httpx.AsyncClient) -> None:
    client.auth = None

    assert (await client.post("/v1/import", content=line(1))).status_code == 401
    assert (await client.post("/v1/import", params={"writeKey": AUTH[0]}, content=line(1))).status_code == 200


class _Forgetful(MemoryLog):
    """Counts the events it is given and keeps none."""

    count = 0

    async def append(self, topic: str, entries: Any, *, timeout_s: float) -> list[int]:
        self.count += sum(entry.key is not None for entry in entries)
        return []


class _Telling(MemoryLog):
    """Tells when it is given records."""

    def __init__(self) -> None:
        super().__init__()
        self.has_records = asyncio.Event()

    async def append(self, topic: str, entries: Any, *, timeout_s: float) -> list[int]:
        offsets = await super().append(topic, entries, timeout_s=timeout_s)
        self.has_records.set()
        return offsets


def _work(log: MemoryLog, **beside: Any) -> Import:
    delivery = Delivery(log, Topics("t", len(log.partitions)), timeout_s=1)
    return Import(delivery, source="shop", clock=ManualClock(NOW_MS), **beside)


def _lines(count: int) -> Iterator[bytes]:
    return (line(number) for number in range(count))


async def _in_pieces(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


def _receiver(pieces: Iterator[bytes], *, is_broken: bool = False) -> Any:
    async def receive() -> Message:
        piece = next(pieces, None)
        if piece is None and is_broken:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": piece or b"", "more_body": piece is not None}

    return receive
