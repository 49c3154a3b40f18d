"""The HTTP server of every service, ended in another way than by its stop event."""

from __future__ import annotations

import asyncio

import httpx
import pytest
from fastapi import Depends, FastAPI

from shared.http import bind, require_admin, serve_http

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
