"""Many webhook receivers in one process, the last of which may hang; ARGS are `port count hanging(0|1)`.

`GET /seen` on the first port: when each transition came first, in seconds of the machine's clock.
"""

from __future__ import annotations

import asyncio
import sys
import time

import msgspec
from aiohttp import web


class _Data(msgspec.Struct):
    id: str


class _Body(msgspec.Struct):
    data: _Data


async def serve(port: int, count: int, *, is_last_hanging: bool) -> None:
    """Serve for ever."""
    seen: dict[str, float] = {}
    arrived = 0
    decode = msgspec.json.Decoder(_Body).decode

    async def take(request: web.Request) -> web.Response:
        nonlocal arrived
        body = decode(await request.read())
        seen.setdefault(body.data.id, time.time())
        arrived += 1
        return web.Response(status=204)

    async def hang(request: web.Request) -> web.Response:
        await request.read()
        await asyncio.sleep(3_600)
        return web.Response(status=204)

    async def show(_: web.Request) -> web.Response:
        return web.Response(body=msgspec.json.encode({"arrived": arrived, "seen": seen}))

    for number in range(count):
        app = web.Application()
        app.router.add_post("/hook", hang if is_last_hanging and number == count - 1 else take)
        app.router.add_get("/seen", show)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port + number).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), int(sys.argv[2]), is_last_hanging=sys.argv[3] == "1"))
