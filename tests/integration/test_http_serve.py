"""The HTTP server of every service, ended in another way than by its stop event."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
from fastapi import Depends, FastAPI, Request

import shared.http_protocol
from shared.http import BODY_BYTES_MAX, SmallBodies, bind, require_admin, serve_http

WITHIN_S = 10
FORWARDED = {
    "X-Forwarded-For": "127.0.0.1", "X-Real-IP": "127.0.0.1", "Forwarded": "for=127.0.0.1", "Via": "1.1 proxy",
    "X-Forwarded-Host": "stageline.example",
}  # fmt: skip


async def test_a_cancelled_server_closes_its_socket_and_the_loop_forgets_it() -> None:
    listener = bind("127.0.0.1", 0)
    listener.listen()  # from here on a request waits for the server instead of failing
    number, port = listener.fileno(), listener.getsockname()[1]
    async with asyncio.timeout(WITHIN_S):
        serving = asyncio.create_task(serve_http(FastAPI(), listener, asyncio.Event()))
        async with httpx.AsyncClient(trust_env=False) as client:
            await client.get(f"http://127.0.0.1:{port}")
        serving.cancel()
        await asyncio.wait({serving})

    assert listener.fileno() == -1
    assert not asyncio.get_running_loop().remove_reader(number), "the next socket of this number would not be heard"


async def test_without_a_token_what_a_proxy_on_this_machine_passes_on_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("FORWARDED_ALLOW_IPS", "*")
    app = FastAPI(dependencies=[Depends(require_admin(""))])
    app.get("/")(lambda: "secret")
    listener, stop = bind("127.0.0.1", 0), asyncio.Event()
    listener.listen()  # from here on a request waits for the server instead of failing
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    async with asyncio.timeout(WITHIN_S), asyncio.TaskGroup() as tasks:
        tasks.create_task(serve_http(app, listener, stop))
        async with httpx.AsyncClient(trust_env=False) as client:
            own = await client.get(url)
            passed_on = [await client.get(url, headers={name: value}) for name, value in FORWARDED.items()]
        stop.set()

    assert own.status_code == 200
    assert {answer.status_code for answer in passed_on} == {403}


@asynccontextmanager
async def served(app: FastAPI) -> AsyncIterator[int]:
    listener, stop = bind("127.0.0.1", 0), asyncio.Event()
    listener.listen()  # from here on a request waits for the server instead of failing
    async with asyncio.timeout(WITHIN_S), asyncio.TaskGroup() as tasks:
        tasks.create_task(serve_http(app, listener, stop))
        yield listener.getsockname()[1]
        stop.set()


async def ask(port: int, request: bytes) -> bytes:
    """What comes until the connection ends."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    answer = await reader.read()
    writer.close()
    return answer


@pytest.mark.parametrize("host", ["[", "", "caf\xe9.example", "evil.example"])
async def test_without_a_token_a_host_that_is_not_plainly_this_machine_is_refused(host: str) -> None:
    app = FastAPI(dependencies=[Depends(require_admin(""))])
    app.get("/")(lambda: "secret")
    async with served(app) as port:
        answer = await ask(port, f"GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode("latin-1"))

    assert answer.startswith(b"HTTP/1.1 403 ")


async def test_a_line_end_after_an_answer_keeps_no_connection_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared.http_protocol, "HEAD_TIMEOUT_S", 0.2)
    app = FastAPI()
    app.get("/")(lambda: "hello")
    async with served(app) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        await reader.readuntil(b"hello")
        writer.write(b"\r\n")
        rest = await reader.read()
        writer.close()

    assert b"HTTP/1.1 408 " in rest


async def test_a_broken_body_is_answered_once_and_is_no_fault_of_ours(caplog: pytest.LogCaptureFixture) -> None:
    app = FastAPI()

    @app.post("/")
    async def route(request: Request) -> str:
        await request.body()
        return "hello"

    async with served(app) as port:
        answer = await ask(port, b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n")

    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.count(b"HTTP/1.1 ") == 1
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


@pytest.mark.parametrize("size", [10, BODY_BYTES_MAX, BODY_BYTES_MAX + 1])
async def test_a_body_beyond_what_an_operator_needs_never_reaches_the_application(size: int) -> None:
    app, seen = FastAPI(), []
    app.add_middleware(SmallBodies)

    @app.post("/")
    async def route(request: Request) -> None:
        seen.append(len(await request.body()))

    async with served(app) as port, httpx.AsyncClient(trust_env=False) as client:
        answer = await client.post(f"http://127.0.0.1:{port}/", content=b"x" * size)

    assert (answer.status_code, seen) == ((413, []) if size > BODY_BYTES_MAX else (200, [size]))
