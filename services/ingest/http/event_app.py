"""The event routes, answered before the framework's own machinery, which would cost as much as a batch's decoding.

Here too: what browsers ask before they send (CORS), and how a request that is refused early is brought to its end.
Source: the Fetch standard, CORS protocol; Segment's and RudderStack's browser SDKs send from any page, by write key.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from fastapi import FastAPI, Request, Response
from starlette.types import Message, Receive, Scope, Send

from services.ingest.limits import LEFTOVER_BYTES_MAX, LEFTOVER_TIMEOUT_S, PREFLIGHT_AGE_S

Answer = Callable[[Request], Awaitable[Response]]

_ASKED_HEADERS = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~, -]{1,1024}")


class EventApp(FastAPI):
    """An application whose `answers` (by path) take POSTs directly; everything else goes the framework's way."""

    def __init__(self, answers: Mapping[str, Answer], *, origins: Sequence[str], **options: Any) -> None:
        super().__init__(**options)
        self._answers = answers
        self._origins = frozenset(origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        answer = self._answers.get(scope["path"].removesuffix("/")) if scope["type"] == "http" else None
        if answer is None or scope["method"] not in ("POST", "OPTIONS"):
            await super().__call__(scope, receive, send)
            return
        request = Request(scope, receive)
        origin = request.headers.get("origin")
        if origin is not None and self._allows(origin):
            send = _with_headers(send, _cors(origin))
        if scope["method"] == "OPTIONS":
            response = _preflight(request)
        else:
            body = _Body(receive)
            response = await answer(Request(scope, body.receive))
            is_held_back = not body.has_begun and request.headers.get("expect", "").lower() == "100-continue"
            is_closing = response.headers.get("connection") == "close"
            if not (body.is_whole or is_closing) and (is_held_back or not await body.is_used_up()):
                send = _with_headers(send, [(b"connection", b"close")])
        await response(scope, receive, send)

    def _allows(self, origin: str) -> bool:
        return "*" in self._origins or origin in self._origins


class _Body:
    """Knows whether a request's body was read at all, which is what `100 Continue` waits for, and to its end."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self.has_begun = False
        self.is_whole = False

    async def receive(self) -> Message:
        self.has_begun = True
        message = await self._receive()
        self.is_whole = message["type"] == "http.disconnect" or not message.get("more_body", False)
        return message

    async def is_used_up(self) -> bool:
        """Read what is left, within bounds: a caller that is still sending does not read its answer yet."""
        left = LEFTOVER_BYTES_MAX
        try:
            async with asyncio.timeout(LEFTOVER_TIMEOUT_S):
                while not self.is_whole and left > 0:
                    left -= len((await self.receive()).get("body", b""))
        except TimeoutError:
            return False
        return self.is_whole


def _with_headers(send: Send, headers: Sequence[tuple[bytes, bytes]]) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message["headers"], *headers]}
        await send(message)

    return sending


def _cors(origin: str) -> list[tuple[bytes, bytes]]:
    return [
        (b"access-control-allow-origin", origin.encode("latin-1")),
        (b"access-control-expose-headers", b"Retry-After"),
        (b"vary", b"Origin"),
    ]


def _preflight(request: Request) -> Response:
    """Which headers an SDK asks for differs; none of them lets it do more than its write key does."""
    headers = {"Access-Control-Allow-Methods": "POST, OPTIONS", "Access-Control-Max-Age": str(PREFLIGHT_AGE_S)}
    asked = request.headers.get("access-control-request-headers", "")
    if _ASKED_HEADERS.fullmatch(asked):
        headers["Access-Control-Allow-Headers"] = asked
    return Response(status_code=204, headers=headers)
