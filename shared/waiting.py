"""Waiting, always with a bound or an end: for an event, and for a server that is still coming up."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from shared.errors import Unavailable

ATTEMPT_AGAIN_S = 2.0  # at start a server may still be coming up; waiting for it beats restarting in a loop


async def wait_for(event: asyncio.Event, *, timeout_s: float) -> None:
    """Return when the event is set, or after `timeout_s` seconds."""
    try:
        async with asyncio.timeout(timeout_s):
            await event.wait()
    except TimeoutError:
        return


async def until_available(attempt: Callable[[], Awaitable[None]], stop: asyncio.Event, *, what: str) -> None:
    """Try until it works or `stop` is set. Only Unavailable is tried again; everything else is raised."""
    while not stop.is_set():
        try:
            return await attempt()
        except Unavailable as error:
            structlog.get_logger().warning("waiting", what=what, reason=str(error), retry_s=ATTEMPT_AGAIN_S)
            await wait_for(stop, timeout_s=ATTEMPT_AGAIN_S)
    return None
