"""Ingest as it runs: a real server on a free port, the embedded log below it, and the way it drains."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

import shared.http
from services.ingest.access.keys import parse_write_keys
from services.ingest.main import serve
from services.ingest.settings import IngestSettings
from shared.errors import Refused, Unavailable
from shared.event import decode
from shared.http import bind
from shared.log import Log
from shared.log_embedded import EmbeddedLog
from tests.fakes.log_memory import MemoryLog

EVENTS = "stageline.events"
WITHIN_S = 10


@asynccontextmanager
async def serving(
    log: Log, *, keys: str = "shop:shop-key", **options: Any
) -> AsyncIterator[tuple[httpx.AsyncClient, asyncio.Event]]:
    settings = IngestSettings(write_keys=parse_write_keys(keys), partitions=3, **{"drain_listen_s": 0, **options})
    listener, stop = bind("127.0.0.1", 0), asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(serve(settings, stop, log=log, listener=listener))
        async with httpx.AsyncClient(base_url=_address(listener), auth=("shop-key", ""), timeout=20) as client:
            yield client, stop
        stop.set()


def _address(listener: socket.socket) -> str:
    listener.listen()  # from here on a request waits for the server instead of failing
    return f"http://127.0.0.1:{listener.getsockname()[1]}"


async def test_an_answered_batch_is_in_the_embedded_log_in_order(log: EmbeddedLog) -> None:
    batch = [{"type": "track", "event": "e", "userId": "u", "messageId": f"m{number}"} for number in range(100)]

    async with serving(log) as (client, _):
        response = await client.post("/v1/batch", json={"batch": batch})
        place = log.partition_of(EVENTS, b"u")
        records = await log.fetch(EVENTS, place, 0, records_max=1000)

    assert response.status_code == 200
    assert [decode(record.value).id for record in records] == [f"m{number}" for number in range(100)]


async def test_an_import_over_a_socket_ends_on_every_partition(log: EmbeddedLog) -> None:
    line = b'{"event":"e","userId":"u","messageId":"m%d","timestamp":"2020-01-01T00:00:00Z"}\n'

    async def body() -> AsyncIterator[bytes]:
        for number in range(3000):
            yield line % number

    async with serving(log) as (client, _):
        answer = (await client.post("/v1/import", content=body())).json()
        ends = await log.ends(EVENTS)

    assert (answer["accepted"], answer["ended"]) == (3000, True)
    assert sum(ends.values()) == 3003


async def test_a_request_under_way_is_answered_before_the_service_ends() -> None:
    slow = _Slow()

    async with serving(slow) as (client, stop), asyncio.TaskGroup() as tasks:
        item = {"event": "e", "userId": "u"}
        under_way = tasks.create_task(client.post("/v1/track", json=item))
        await slow.asked.wait()
        stop.set()
        slow.may_answer.set()

    assert under_way.result().status_code == 200


async def test_for_a_while_a_draining_service_says_that_it_is_not_ready_and_takes_what_comes() -> None:
    async with serving(MemoryLog(), drain_listen_s=0.5) as (client, stop):
        stop.set()
        async with httpx.AsyncClient(base_url=client.base_url, auth=client.auth) as another:
            ready = await another.get("/readyz")
            taken = await another.post("/v1/track", json={"event": "e", "userId": "u"})

    assert (ready.status_code, taken.status_code) == (503, 200)


async def test_a_body_that_is_not_whole_at_the_drains_end_is_answered_503(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(shared.http, "DRAIN_TIMEOUT_S", 0.2)
    async with serving(MemoryLog()) as (client, stop):
        reader, writer = await asyncio.open_connection("127.0.0.1", client.base_url.port)
        writer.write(b"POST /v1/track?writeKey=shop-key HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{")
        await client.get("/readyz")
        stop.set()
        async with asyncio.timeout(20):
            answer = await reader.read()
        writer.close()

    assert answer.startswith(b"HTTP/1.1 503 ")
    assert b"application/problem+json" in answer
    assert [record for record in caplog.records if record.exc_info] == []


async def test_a_fault_of_ours_is_500_in_the_shape_of_every_refusal() -> None:
    log = MemoryLog()
    log.failure = RuntimeError("a fault")

    async with serving(log) as (client, _):
        response = await client.post("/v1/track", json={"event": "e", "userId": "u"})

    assert (response.status_code, response.json()["code"]) == (500, "internal_server_error")
    assert response.headers["content-type"] == "application/problem+json"


async def test_an_import_that_waits_for_its_sender_is_told_how_far_it_came_when_the_service_ends(
    log: EmbeddedLog,
) -> None:
    line = b'{"event":"e","userId":"u","timestamp":"2020-01-01T00:00:00Z"}\n'
    async with serving(log, append_timeout_s=5) as (client, stop):
        reader, writer = await asyncio.open_connection("127.0.0.1", client.base_url.port)
        head = b"POST /v1/import?writeKey=shop-key HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        writer.write(head + b"%x\r\n%s\r\n" % (1000 * len(line), 1000 * line))
        while (await client.get("/livez")) and not sum((await log.ends(EVENTS)).values()):
            pass  # the first thousand are appended as soon as they are read
        stop.set()
        async with asyncio.timeout(3):  # nothing else ends it so soon
            answer = await reader.read()
        writer.close()

    assert answer.startswith(b"HTTP/1.1 503 ")
    assert b'"acknowledged_line":1000' in answer


async def test_operators_see_that_it_is_ready(log: EmbeddedLog) -> None:
    async with serving(log) as (client, _):
        assert (await client.get("/readyz")).status_code == 200


async def test_without_a_write_key_it_refuses_to_start() -> None:
    with pytest.raises(Refused, match="STAGELINE_WRITE_KEYS"):
        await serve(IngestSettings(), asyncio.Event(), log=MemoryLog())


async def test_a_taken_address_is_refused_before_the_log_is_waited_for() -> None:
    with bind("127.0.0.1", 0) as taken:
        taken.listen()
        settings = IngestSettings(write_keys=parse_write_keys("shop:k"), ingest_port=taken.getsockname()[1])
        with pytest.raises(Refused, match="cannot listen on"):
            await asyncio.wait_for(serve(settings, asyncio.Event(), log=_Away()), WITHIN_S)


class _Away(MemoryLog):
    async def ensure(self, topics: object) -> None:
        raise Unavailable("no broker")


class _Slow(MemoryLog):
    """Answers when the test says so."""

    def __init__(self) -> None:
        super().__init__()
        self.may_answer = asyncio.Event()

    async def append(self, topic: str, entries: object, *, timeout_s: float) -> list[int]:
        self.asked.set()
        await self.may_answer.wait()
        return []
