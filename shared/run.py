"""How a process runs: one event loop, one stop signal, one place that catches everything.

SIGTERM and SIGINT set the stop event once; each service then drains in its own stated order. A second signal ends the
process at once: nothing is lost by that either, a restart goes on where the last transaction stood.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable

import structlog
import uvloop

from shared.errors import StagelineError

Serve = Callable[[asyncio.Event], Awaitable[None]]


def run(serve: Serve) -> int:
    """Run `serve` until it returns, handing it the stop event. Returns the exit code: 0 drained, 1 failed."""
    try:
        uvloop.run(_with_signals(serve))
    except StagelineError as error:
        sys.stderr.write(f"stageline: {error}\n")
        return 1
    except BaseExceptionGroup as group:
        return _report(group)
    return 0


async def _with_signals(serve: Serve) -> None:
    stop = asyncio.Event()

    def on_signal() -> None:
        if stop.is_set():
            os._exit(130)
        stop.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal)
    await serve(stop)


def _report(group: BaseExceptionGroup[BaseException]) -> int:
    """Named failures are one line each; anything else is a fault of ours and shows where it happened."""
    named, unnamed = group.split(StagelineError)
    for error in _leaves(named) if named else []:
        sys.stderr.write(f"stageline: {error}\n")
    if unnamed:
        structlog.get_logger().error("crashed", exc_info=unnamed)
    return 1


def _leaves(group: BaseExceptionGroup[BaseException]) -> list[BaseException]:
    return [
        leaf
        for error in group.exceptions
        for leaf in (_leaves(error) if isinstance(error, BaseExceptionGroup) else [error])
    ]
