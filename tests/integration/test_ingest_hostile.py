"""Hostile input over real sockets: a clear 4xx or a closed connection, and the service goes on for everybody else."""

from __future__ import annotations

import asyncio
import contextlib
import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

import shared.http_protocol
from services.ingest.http import event_app
from services.ingest.limits import WAITING_BYTES_MIN
from services.ingest.request import body
from shared.http_protocol import QUEUED_MAX
from tests.fakes.log_memory import MemoryLog
from tests.integration.test_ingest_serve import serving

TIMEOUT_S = 20
EVENT = b'{"event": "e", "userId": "u"}'
HEAD = b"POST /v1/batch?writeKey=shop-key HTTP/1.1\r\nHost: x\r\n"


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with serving(MemoryLog()) as (client, _):
        yield client


@asynccontextmanager
async def connected(client: httpx.AsyncClient) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", client.base_url.port)
    try:
        async with asyncio.timeout(TIMEOUT_S):
            yield reader, writer
    finally:
        writer.close()


async def send_all(writer: asyncio.StreamWriter, piece: bytes, times: int) -> None:
    """Write until everything is sent or the other side has had enough."""
    try:
        for _ in range(times):
            writer.write(piece)
            await writer.drain()
    except ConnectionError:
        pass


def request(body: bytes, *fields: str) -> bytes:
    lines = [
        "POST /v1/track?writeKey=shop-key HTTP/1.1", "Host: x", f"Content-Length: {len(body)}", *fields,
    ]  # fmt: skip
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


def cycles() -> int:
    """How many requests uvicorn has in memory."""
    return sum(isinstance(each, RequestResponseCycle) for each in gc.get_objects())


async def still_serves(client: httpx.AsyncClient) -> bool:
    response = await client.post("/v1/track", json={"event": "e", "userId": "u"})
    return response.status_code == 200


async def test_a_head_without_end_is_431_and_closed(client: httpx.AsyncClient) -> None:
    async with connected(client) as (reader, writer):
        writer.write(HEAD)
        await send_all(writer, b"x-much: " + b"y" * 8000 + b"\r\n", 40)
        answer = await reader.read(1000)

    assert answer.startswith(b"HTTP/1.1 431 ")
    assert await still_serves(client)


async def test_a_head_that_never_comes_is_408_and_closed(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared.http_protocol, "HEAD_TIMEOUT_S", 0.1)
    async with connected(client) as (reader, writer):
        writer.write(HEAD)
        answer = await reader.read()

    assert answer.startswith(b"HTTP/1.1 408 ")


async def test_a_body_that_never_comes_is_400_and_closed(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(body, "BODY_TIMEOUT_S", 0.1)
    monkeypatch.setattr(event_app, "LEFTOVER_TIMEOUT_S", 0.1)
    async with connected(client) as (reader, writer):
        writer.write(HEAD + b'Content-Length: 100\r\n\r\n{"batch"')
        answer = await reader.read()

    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"broken_body" in answer


async def test_chunks_without_end_are_413_and_closed(client: httpx.AsyncClient) -> None:
    async with connected(client) as (reader, writer):
        writer.write(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
        await send_all(writer, b"40000\r\n" + b" " * 0x40000 + b"\r\n", 60)
        answer = await reader.read(4000)

    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"connection: close" in answer.lower()
    assert await still_serves(client)


async def test_a_caller_that_goes_away_in_the_middle_costs_nobody_anything(client: httpx.AsyncClient) -> None:
    for _ in range(20):
        async with connected(client) as (_, writer):
            writer.write(HEAD + b'Content-Length: 100\r\n\r\n{"batch"')
            await writer.drain()

    assert await still_serves(client)


async def test_what_is_no_http_is_400(client: httpx.AsyncClient) -> None:
    async with connected(client) as (reader, writer):
        writer.write(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n")
        answer = await reader.read()

    assert answer.startswith(b"HTTP/1.1 400 ")
    assert await still_serves(client)


@pytest.mark.parametrize("target", ["x:1", "//x:1", "http://x:1/v1", "/v1/track"])
@pytest.mark.parametrize("fields", ["", "Upgrade: h2c\r\nConnection: upgrade\r\n", "Content-Length: 2\r\n"])
async def test_a_connect_is_refused_once(client: httpx.AsyncClient, target: str, fields: str) -> None:
    async with connected(client) as (reader, writer):
        writer.write(f"CONNECT {target} HTTP/1.1\r\nHost: x\r\n{fields}\r\n".encode())
        answer = await reader.read()

    assert answer.startswith(b"HTTP/1.1 501 ")
    assert answer.count(b"HTTP/1.1 ") == 1
    assert await still_serves(client)


@pytest.mark.parametrize("size", [70_000, 120_000, 250_000])
async def test_a_head_beyond_the_bound_is_431_also_in_one_piece_and_never_processed(size: int) -> None:
    log = MemoryLog()
    async with serving(log) as (client, _), connected(client) as (reader, writer):
        writer.write(request(EVENT, f"X-Much: {'y' * size}") * 2)
        answer = await reader.read()

    assert answer.startswith(b"HTTP/1.1 431 ")
    assert answer.count(b"HTTP/1.1") == 1
    assert log.entries == []


async def test_a_second_head_beyond_the_bound_ends_the_connection_after_the_first_answer() -> None:
    log = MemoryLog()
    async with serving(log) as (client, _), connected(client) as (reader, writer):
        writer.write(request(EVENT) + request(EVENT, f"X-Much: {'y' * 120_000}"))
        answer = await reader.read()

    assert answer.startswith(b"HTTP/1.1 200 ")
    assert len(log.entries) == 1


async def test_nonsense_behind_a_request_is_never_its_answer(client: httpx.AsyncClient) -> None:
    async with connected(client) as (reader, writer):
        writer.write(request(EVENT) + b"CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = await reader.read()

    assert answer.startswith(b"HTTP/1.1 200 ")


async def test_a_connection_may_queue_requests_up_to_a_bound_and_then_ends_with_its_last_answer(
    client: httpx.AsyncClient,
) -> None:
    async with connected(client) as (reader, writer):
        await send_all(writer, b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n" * 1000, 5)
        answer = await reader.read()

    assert 1 <= answer.count(b"HTTP/1.1 200 ") <= QUEUED_MAX + 1
    assert answer.count(b"connection: close") == 1


async def test_what_a_lost_connection_had_queued_is_freed(client: httpx.AsyncClient) -> None:
    gc.collect()
    before = cycles()
    gc.disable()
    try:
        for _ in range(5):
            async with connected(client) as (_, writer):
                writer.write(request(EVENT) * 50)
                await writer.drain()
        assert await still_serves(client)
        left = cycles() - before
    finally:
        gc.enable()

    assert left < 50


async def test_trailers_are_dropped(client: httpx.AsyncClient) -> None:
    trailer = b"Authorization: Bearer shop-key\r\n"
    chunked = b"POST /v1/track HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    body = b"%x\r\n%s\r\n0\r\n" % (len(EVENT), EVENT)

    async with connected(client) as (reader, writer):
        last = chunked.replace(b"Host", b"Connection: close\r\nHost") + body + b"\r\n"
        writer.write((chunked + body + trailer + b"\r\n") * 2 + last)
        answer = await reader.read()

    assert answer.count(b"HTTP/1.1 401 ") == answer.count(b"HTTP/1.1") == 3


async def test_trailers_without_end_are_431_and_closed(client: httpx.AsyncClient) -> None:
    async with connected(client) as (reader, writer):
        writer.write(HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n")
        await send_all(writer, b"x-much: " + b"y" * 8000 + b"\r\n", 80)
        answer = await reader.read(1000)

    assert answer.startswith(b"HTTP/1.1 431 ")
    assert await still_serves(client)


@pytest.mark.parametrize("is_chunked", [False, True])
async def test_an_upgrade_is_ignored_and_the_request_served(is_chunked: bool) -> None:
    """Java's HTTP client and `curl --http2` ask for one with their first request."""
    asked = ["Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAA"]
    log = MemoryLog()
    async with serving(log) as (client, _), connected(client) as (reader, writer):
        if is_chunked:
            head = request(b"", "Transfer-Encoding: chunked", *asked).replace(b"Content-Length: 0\r\n", b"")
            first = head + b"%x\r\n%s\r\n0\r\n\r\n" % (len(EVENT), EVENT)
        else:
            first = request(EVENT, *asked)
        for piece in (first[:100], first[100:-20], first[-20:] + request(EVENT, "Connection: close")):
            writer.write(piece)
            await writer.drain()
        answer = await reader.read()

    assert answer.count(b"HTTP/1.1 200 ") == answer.count(b"HTTP/1.1") == 2
    assert len(log.entries) == 2


async def test_bodies_that_do_not_come_cost_their_neighbours_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_app, "LEFTOVER_TIMEOUT_S", 0.1)
    async with serving(MemoryLog(), waiting_requests=3) as (client, _), contextlib.AsyncExitStack() as stack:
        slow = [await stack.enter_async_context(connected(client)) for _ in range(9)]
        for _, writer in slow:
            writer.write(HEAD + b"Content-Length: 100\r\n\r\n{")
        first_answer = await slow[0][0].read(1000)

        assert first_answer.startswith(b"HTTP/1.1 503 ")
        assert b"too slowly" in first_answer
        assert await still_serves(client)


async def test_imports_of_one_key_that_do_not_end_leave_room_for_those_of_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(event_app, "LEFTOVER_TIMEOUT_S", 0.1)

    def start(key: str) -> bytes:
        head = f"POST /v1/import?writeKey={key} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        return head.encode() + b"1\r\n\n\r\n"

    bounds: dict[str, int] = {"waiting_bytes": WAITING_BYTES_MIN}
    async with (
        serving(MemoryLog(), keys="web:web-key,shop:shop-key", **bounds) as (client, _),
        connected(client) as (_, first),
        connected(client) as (reader, second),
    ):
        first.write(start("web-key"))
        await first.drain()
        second.write(start("web-key"))
        refused = await reader.read(1000)
        imported = await client.post(
            "/v1/import", content=b'{"event": "e", "userId": "u", "timestamp": "2020-01-01T00:00:00Z"}'
        )

        assert refused.startswith(b"HTTP/1.1 503 ")
        assert (imported.status_code, await still_serves(client)) == (200, True)


async def test_who_asks_before_sending_hears_at_once_that_its_key_is_refused(client: httpx.AsyncClient) -> None:
    head = b"POST /v1/track HTTP/1.1\r\nHost: x\r\nAuthorization: Basic bm9ib2R5Og==\r\n"

    async with connected(client) as (reader, writer):
        writer.write(head + b"Content-Length: 100\r\nExpect: 100-continue\r\n\r\n")
        answer = await reader.read()

    assert answer.startswith(b"HTTP/1.1 401 ")
    assert b"100 Continue" not in answer


async def test_a_refused_key_still_gets_its_answer_when_its_body_is_large(client: httpx.AsyncClient) -> None:
    response = await client.post("/v1/batch", content=b" " * 3_000_000, auth=("nobody", ""))

    assert response.status_code == 401
