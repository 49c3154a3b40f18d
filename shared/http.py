"""HTTP plumbing of every service: serving an application until told to stop, and the three operator routes.

`/livez` says that the process turns, `/readyz` that it can do its work (503 with the reasons when not), `/metrics` is
Prometheus text.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import ipaddress
import socket
from collections.abc import Callable, Generator

import uvicorn
from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, generate_latest
from pydantic import SecretStr

from shared.errors import Refused

DRAIN_TIMEOUT_S = 10  # requests under way get this long; Kubernetes kills after 30

Readiness = Callable[[], str | None]
"""Why the service is not ready, or None when it is."""


class _Server(uvicorn.Server):
    """uvicorn without its own signal handlers: the process has one stop event for all that it runs."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


def add_operator_routes(app: FastAPI, is_ready: Readiness) -> None:
    """Add `/livez`, `/readyz` and `/metrics`."""

    @app.get("/livez", include_in_schema=False)
    async def livez() -> Response:
        return JSONResponse({"alive": True})

    @app.get("/readyz", include_in_schema=False)
    async def readyz() -> Response:
        reason = is_ready()
        return JSONResponse({"ready": reason is None, "reason": reason}, status_code=200 if reason is None else 503)

    @app.get("/metrics", include_in_schema=False)
    async def metrics() -> Response:
        return Response(generate_latest(REGISTRY), media_type=CONTENT_TYPE_LATEST)


def require_admin(token: SecretStr | None) -> Callable[[Request], None]:
    """A dependency that lets only the bearer of the admin token pass; without a token, only local calls."""
    expected = None if token is None else token.get_secret_value().encode()

    def check(request: Request) -> None:
        if expected is None:
            if request.client is None or not ipaddress.ip_address(request.client.host).is_loopback:
                raise HTTPException(403, "set STAGELINE_ADMIN_TOKEN to allow this from other machines")
            return
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not hmac.compare_digest(given.encode(), expected):
            raise HTTPException(401, "the admin token is missing or wrong", headers={"WWW-Authenticate": "Bearer"})

    return check


def bind(host: str, port: int) -> socket.socket:
    """A listening socket (port 0: any free one). Errors: Refused when the address is taken, naming it."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise Refused(f"cannot listen on {host}:{port}: {error.strerror}") from error
    return listener


async def serve_http(app: FastAPI, listener: socket.socket, stop: asyncio.Event) -> None:
    """Serve until `stop`; then accept nothing new, finish what is under way within the drain timeout, return."""
    config = uvicorn.Config(
        app, log_config=None, access_log=False, lifespan="off", loop="uvloop", http="httptools",
        timeout_graceful_shutdown=DRAIN_TIMEOUT_S, server_header=False,
    )  # fmt: skip
    server = _Server(config)

    async def end_with_stop() -> None:
        await stop.wait()
        server.should_exit = True

    async with asyncio.TaskGroup() as tasks:
        ending = tasks.create_task(end_with_stop())
        await server.serve(sockets=[listener])
        ending.cancel()
