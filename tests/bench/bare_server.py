"""The bare server that ingest is compared with: the same framework and event loop, a route that reads the body."""

from __future__ import annotations

import sys

import uvicorn
from fastapi import FastAPI, Request, Response

app = FastAPI()


@app.post("/v1/batch")
@app.post("/v1/track")
async def batch(request: Request) -> Response:
    """Read it all and thank for it."""
    await request.body()
    return Response(b'{"success":true}', media_type="application/json")


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="error", access_log=False, loop="uvloop")
