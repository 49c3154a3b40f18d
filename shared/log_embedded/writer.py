"""The gate in front of the file: the appends of many coroutines go in together, in one durable transaction.

While one transaction is being synced to disk, the next requests gather; so each waits for at most two syncs.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial

from shared.clock import Clock
from shared.errors import StagelineError, Unavailable
from shared.log import Topic
from shared.log_embedded.append import Row, append_all
from shared.log_embedded.threads import Threads
from shared.sqlite import is_busy

TRANSACTION_BYTES_MAX = 8 * 1024 * 1024  # some tens of milliseconds of work; one larger request goes alone
WAITING_BYTES_MAX = 64 * 1024 * 1024  # seconds of work, that in hand included: who comes on top is sent away
ROW_BYTES = 64  # what a row costs beside its key and value, about


@dataclass(frozen=True, slots=True)
class _Request:
    topic: Topic
    rows: Sequence[Row]
    size: int
    offsets: asyncio.Future[list[int]]


class Writer:
    """Appends to the file; `on_append` is called on the event loop after every transaction."""

    def __init__(self, threads: Threads, *, clock: Clock, on_append: Callable[[], None]) -> None:
        self._threads = threads
        self._clock = clock
        self._on_append = on_append
        self._waiting: deque[_Request] = deque()
        self._waiting_bytes = 0
        self._is_writing = False
        self._is_closed = False

    async def append(self, topic: Topic, rows: Sequence[Row], *, size: int, timeout_s: float) -> list[int]:
        """The offsets, once the rows are on disk. Errors: Unavailable."""
        if self._is_closed:
            raise Unavailable("the log is closed")
        if self._waiting_bytes > WAITING_BYTES_MAX:
            raise Unavailable(f"{self._waiting_bytes} bytes wait for the log file already")
        loop = asyncio.get_running_loop()
        request = _Request(topic, rows, size + ROW_BYTES * len(rows), loop.create_future())
        self._waiting.append(request)
        self._waiting_bytes += request.size
        if not self._is_writing:
            self._is_writing = True
            loop.call_soon(self._write)  # not now: every coroutine that is ready in this turn of the loop comes along
        try:
            async with asyncio.timeout(timeout_s):
                return await request.offsets  # cancelled by the timeout, it is not written if it still waits
        except TimeoutError as error:
            raise Unavailable(f"the log file did not take the records of {topic.name} in {timeout_s} s") from error

    def close(self) -> None:
        """Fail what still waits and whatever comes later."""
        self._is_closed = True
        _fail(self._waiting, Unavailable("the log is closed"))
        self._waiting.clear()

    def _write(self) -> None:
        batch = self._take()
        self._is_writing = bool(batch)
        if not batch:
            return
        job = partial(append_all, requests=[(each.topic, each.rows) for each in batch], clock=self._clock)
        self._threads.append(job).add_done_callback(partial(self._written, batch))

    def _take(self) -> list[_Request]:
        batch: list[_Request] = []
        size = 0
        while self._waiting and (not batch or size + self._waiting[0].size <= TRANSACTION_BYTES_MAX):
            request = self._waiting.popleft()
            if request.offsets.done():  # its caller has given up
                self._waiting_bytes -= request.size
            else:
                batch.append(request)
                size += request.size
        return batch

    def _written(self, batch: list[_Request], written: asyncio.Future[list[list[int]]]) -> None:
        error = written.exception()
        if error is not None and is_busy(error) and not self._is_closed:
            self._waiting.extendleft(reversed(batch))
        else:
            self._waiting_bytes -= sum(request.size for request in batch)
            if error is None:
                _deliver(batch, written.result())
                self._on_append()
            else:
                _fail(batch, _translated(error))
        self._write()


def _deliver(batch: Sequence[_Request], offsets: Sequence[list[int]]) -> None:
    for request, mine in zip(batch, offsets, strict=True):
        if not request.offsets.done():
            request.offsets.set_result(mine)


def _fail(batch: Iterable[_Request], error: BaseException) -> None:
    for request in batch:
        if not request.offsets.done():
            request.offsets.set_exception(error)


def _translated(error: BaseException) -> BaseException:
    if isinstance(error, StagelineError) or not isinstance(error, sqlite3.Error):
        return error
    failure = Unavailable(f"the log file did not take the records: {error}")
    failure.__cause__ = error
    return failure
