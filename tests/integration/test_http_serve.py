"""The HTTP server of every service, ended in another way than by its stop event."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from fastapi import FastAPI

from shared.http import bind, serve_http

WITHIN_S = 10


async def test_a_cancelled_server_closes_its_socket_and_the_loop_forgets_it() -> None:
    listener = bind("127.0.0.1", 0)
    number, port = listener.fileno(), listener.getsockname()[1]
    async with asyncio.timeout(WITHIN_S):
        serving = asyncio.create_task(serve_http(FastAPI(), listener, asyncio.Event()))
        await _listens(port)
        serving.cancel()
        await asyncio.wait({serving})

    assert listener.fileno() == -1
    assert not asyncio.get_running_loop().remove_reader(number), "the next socket of this number would not be heard"


async def _listens(port: int) -> None:
    while True:
        with suppress(ConnectionRefusedError):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
            await writer.wait_closed()
            return
        await asyncio.sleep(0.01)
