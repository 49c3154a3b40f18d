"""Hostile input over real sockets: a clear 4xx or a closed connection, and the service goes on for everybody else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest

import shared.http_protocol
from services.ingest import body, border
from tests.fakes.log_memory import MemoryLog
from tests.integration.test_ingest_serve import serving

TIMEOUT_S = 20
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
    monkeypatch.setattr(border, "LEFTOVER_TIMEOUT_S", 0.1)
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


async def test_a_refused_key_still_gets_its_answer_when_its_body_is_large(client: httpx.AsyncClient) -> None:
    response = await client.post("/v1/batch", content=b" " * 3_000_000, auth=("nobody", ""))

    assert response.status_code == 401
