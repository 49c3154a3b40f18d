"""A webhook receiver that may be killed: one line for each message it accepts; ARGS are `port file`.

It fails now and then, and keeps what it accepts before it answers, as a good receiver does.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import sys

from aiohttp import web

FAILS = 0.02


def main() -> None:
    """Serve for ever."""
    port, path = int(sys.argv[1]), sys.argv[2]
    kept = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)

    async def take(request: web.Request) -> web.Response:
        data = json.loads(await request.read())["data"]
        if random.random() < FAILS:
            return web.Response(status=random.choice((500, 503)))
        line = {"id": request.headers["webhook-id"], "path": request.path, "transition": data["id"]}
        os.write(kept, (json.dumps({**line, "customer": data["customer"]}) + "\n").encode())
        return web.Response(status=204)

    app = web.Application()
    app.router.add_post("/{campaign}", take)
    asyncio.set_event_loop(asyncio.new_event_loop())
    web.run_app(app, host="127.0.0.1", port=port, print=None, access_log=None)


if __name__ == "__main__":
    main()
