"""The HTTP server of every service, ended in another way than by its stop event."""

from __future__ import annotations

import asyncio

import httpx
from fastapi import FastAPI

from shared.http import bind, serve_http

WITHIN_S = 10


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
