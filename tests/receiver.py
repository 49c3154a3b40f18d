"""A real webhook receiver on the loopback address: it checks signatures and answers as it is told."""

from __future__ import annotations

import asyncio
import hmac
import json
from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

from aiohttp import web
from standardwebhooks import Webhook

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
WAIT_S = 10


@dataclass(frozen=True)
class Post:
    """What came in one request."""

    id: str
    timestamp: str
    signature: str
    text: str
    body: Any
    headers: dict[str, str]
    is_genuine: bool
    status: int


class Receiver:
    """Answers with `answers` (status, headers) in order, then 204 for ever, and always with `body`; keeps every request
    in `posts`.
    """

    def __init__(self) -> None:
        self.answers: deque[tuple[int, dict[str, str]]] = deque()
        self.posts: list[Post] = []
        self.body = b""
        self.gate = asyncio.Event()
        self.gate.set()
        self.url = ""
        self._came = asyncio.Condition()

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_post("/hook", self._take)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/hook"
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None):
        self.gate.set()
        await self._runner.cleanup()

    async def posted(self, count: int) -> list[Post]:
        """Wait until so many requests have come."""
        async with asyncio.timeout(WAIT_S), self._came:
            await self._came.wait_for(lambda: len(self.posts) >= count)
        return self.posts

    async def _take(self, request: web.Request) -> web.Response:
        text = await request.text()
        headers = dict(request.headers)
        status, answer_headers = self.answers.popleft() if self.answers else (204, {})
        post = Post(
            headers["webhook-id"],
            headers.get("webhook-timestamp", ""),
            headers.get("webhook-signature", ""),
            text,
            json.loads(text),
            headers,
            is_genuine(text, headers),
            status,
        )
        async with self._came:
            self.posts.append(post)
            self._came.notify_all()
        await self.gate.wait()
        return web.Response(status=status, headers=answer_headers, body=self.body)


def is_genuine(text: str, headers: dict[str, str]) -> bool:
    """Whether the request is signed with SECRET, at whatever time."""
    if "webhook-timestamp" not in headers:
        return False
    moment = datetime.fromtimestamp(int(headers["webhook-timestamp"]), UTC)
    expected = Webhook(SECRET).sign(headers["webhook-id"], moment, text)
    return any(hmac.compare_digest(expected, signature) for signature in headers["webhook-signature"].split(" "))
