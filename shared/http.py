"""HTTP plumbing of every service: serving an application until told to stop, and the three operator routes.

`/livez` says that the process turns, `/readyz` that it can do its work (503 with the reasons when not), `/metrics` is
Prometheus text.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import socket
from collections.abc import Callable, Generator
from http import HTTPStatus
from urllib.parse import urlsplit

import uvicorn
from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, generate_latest
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.errors import Refused, Unavailable
from shared.http_protocol import BoundedHttp
from shared.problem import FAULT, MEDIA_TYPE, body_of

RETRY_AFTER_S = "5"  # seconds, as the header wants it: a failover takes about this long
_LOOPBACK = frozenset({"127.0.0.1", "::1"})
# A page of the open web can make a browser on this machine ask us under a name of its own choosing (DNS rebinding).
_LOCAL_NAMES = frozenset({"127.0.0.1", "::1", "localhost"})
_FORWARDED = ("forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip")
BODY_BYTES_MAX = 64 * 1024  # what an operator asks has a few hundred
BODY_TIMEOUT_S = 10.0
DRAIN_TIMEOUT_S = 10  # requests under way get this long; Kubernetes kills after 30
LAST_WORD_TIMEOUT_S = 1.0

Readiness = Callable[[], str | None]
"""Why the service is not ready, or None when it is."""


class _Server(uvicorn.Server):
    """uvicorn without its own signal handlers: the process has one stop event for all that it runs."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.servers: list[asyncio.Server] = []

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        try:
            await super().serve(sockets)
        finally:
            # uvicorn closes nothing when it is cancelled. Who then closed the socket behind the loop's back would leave
            # the loop deaf to the next socket that gets the same number.
            for server in self.servers:
                server.close()

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


def require_admin(token: str) -> Callable[[Request], None]:
    """A dependency that lets only the bearer of the token pass; without a token, only this machine's own calls."""

    def check(request: Request) -> None:
        if not token:
            if not _is_local(request):
                raise HTTPException(403, "set STAGELINE_ADMIN_TOKEN to ask from another machine")
            return
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not hmac.compare_digest(given.strip().encode(), token.encode()):
            raise HTTPException(401, "a valid admin token is needed", headers={"WWW-Authenticate": "Bearer"})

    return check


def _is_local(request: Request) -> bool:
    """Whether somebody on this machine calls for themselves, as far as can be seen: a proxy here calls for others."""
    client = request.client.host if request.client else ""
    is_forwarded = any(name in request.headers for name in _FORWARDED)
    return client in _LOOPBACK and _named_host(request) in _LOCAL_NAMES and not is_forwarded


def _named_host(request: Request) -> str | None:
    """The name in the one `Host` header, without its port; None where there is no such."""
    hosts = request.headers.getlist("host")
    try:
        return urlsplit(f"//{hosts[0]}").hostname if len(hosts) == 1 else None
    except ValueError:
        return None


def answer_unavailable(app: FastAPI) -> None:
    """Let an application answer 503 with `Retry-After` when a server that it asks is away."""

    async def unavailable(_request: Request, error: Exception) -> JSONResponse:
        return JSONResponse({"detail": str(error)}, status_code=503, headers={"Retry-After": RETRY_AFTER_S})

    app.add_exception_handler(Unavailable, unavailable)


class SmallBodies:
    """Middleware for routes that need little: a body is read, within its bounds, before the application is asked.

    FastAPI reads the body before anything else, also before it looks at a token.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 413 or 408, or let the application answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body, is_whole = b"", False
        try:
            async with asyncio.timeout(BODY_TIMEOUT_S):
                while not is_whole and len(body) <= BODY_BYTES_MAX:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        return
                    body += message.get("body", b"")
                    is_whole = not message.get("more_body", False)
        except TimeoutError:
            await _refusal(HTTPStatus.REQUEST_TIMEOUT, "the body came too slowly")(scope, receive, send)
            return
        if len(body) > BODY_BYTES_MAX:
            said = f"a body has at most {BODY_BYTES_MAX} bytes here"
            await _refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, said)(scope, receive, send)
            return
        await self._app(scope, _once(body, receive), send)


def _once(body: bytes, receive: Receive) -> Receive:
    """Give the body that was read, then go on listening."""
    is_given = False

    async def receiving() -> Message:
        nonlocal is_given
        if is_given:
            return await receive()
        is_given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return receiving


def _refusal(status: HTTPStatus, message: str) -> Response:
    return Response(body_of(status, message), status, headers={"Connection": "close"}, media_type=MEDIA_TYPE)


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


class _Answered:
    """An application that always answers: 500 for a fault of ours, which uvicorn logs, and 503 at the drain's end."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_answered = False

        async def sending(message: Message) -> None:
            nonlocal is_answered
            is_answered = True
            await send(message)

        try:
            await self._app(scope, receive, sending)
        except ClientDisconnect:
            return  # who is gone, or was told that this is no HTTP, waits for no answer
        except asyncio.CancelledError:
            if not is_answered:
                await _stopping()(scope, receive, send)
        except Exception:
            if not is_answered:
                await _fault()(scope, receive, send)
            raise


def _fault() -> Response:
    return _refusal(HTTPStatus.INTERNAL_SERVER_ERROR, FAULT)


def _stopping() -> Response:
    status = HTTPStatus.SERVICE_UNAVAILABLE
    headers = {"Connection": "close", "Retry-After": RETRY_AFTER_S}
    body = body_of(status, "the service is stopping", code="unavailable")
    return Response(body, status, headers=headers, media_type=MEDIA_TYPE)


async def serve_http(app: FastAPI, listener: socket.socket, stop: asyncio.Event, *, listen_on_s: float = 0.0) -> None:
    """Serve until `stop` and for `listen_on_s` seconds more, so that probes see `/readyz` say 503 and send nobody else;
    then accept nothing new, finish what is under way within the drain timeout, return.
    """
    config = uvicorn.Config(
        _Answered(app), log_config=None, access_log=False, lifespan="off", loop="uvloop", http=BoundedHttp, ws="none",
        timeout_graceful_shutdown=DRAIN_TIMEOUT_S, server_header=False,
        proxy_headers=False,  # who calls is who holds the connection: a header can say anything
    )  # fmt: skip
    server = _Server(config)

    async def end_with_stop() -> None:
        await stop.wait()
        await asyncio.sleep(listen_on_s)
        server.should_exit = True

    async with asyncio.TaskGroup() as tasks:
        ending = tasks.create_task(end_with_stop())
        await server.serve(sockets=[listener])
        ending.cancel()
    if server.server_state.tasks:  # cancelled at the drain's end: they still say so
        await asyncio.wait(server.server_state.tasks, timeout=LAST_WORD_TIMEOUT_S)
