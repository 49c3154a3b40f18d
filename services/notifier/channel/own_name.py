"""What this machine calls itself when it greets a mail server (RFC 5321 4.1.1.1): its full name, if it is to be had.

The full name is a look at the DNS, which may hang for longer than a mail server may take to answer. That costs a
connection a moment at most, and never the mail its attempt.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

LOOK_UP_S = 2.0  # a name server answers in milliseconds, or is asked again after five seconds (resolv.conf, timeout)


class OwnName:
    """Looked up once, beside the event loop, with the first question."""

    def __init__(self, look_up: Callable[[], str] = socket.getfqdn, *, timeout_s: float = LOOK_UP_S) -> None:
        self._look_up = look_up
        self._timeout_s = timeout_s
        self._answer: asyncio.Future[str] | None = None

    async def get(self) -> str:
        """The full name; the short one, which needs no DNS, while nobody has answered."""
        if self._answer is None:
            self._answer = asyncio.get_running_loop().run_in_executor(None, self._look_up)
        if not self._answer.done():
            await asyncio.wait({self._answer}, timeout=self._timeout_s)
        return self._answer.result() if self._answer.done() else socket.gethostname()
