"""The two threads that touch the file: one writes, so that a process never waits for its own lock, and one reads.

SQLite blocks, the event loop must not. Every job is bounded: a busy file is waited for in slices, not for ever.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from shared.errors import Unavailable
from shared.log_embedded.file import connect, create
from shared.sqlite import is_busy

BUSY_SLICE_S = 0.25  # how long one attempt waits for another process's transaction; callers with time left try again
CLOSE_TIMEOUT_S = 3.0

_Result = TypeVar("_Result")
Job = Callable[[sqlite3.Connection], _Result]


class Threads:
    """Jobs on the file, each on its thread and its connection. Futures fail with sqlite3.Error, untranslated."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._writing = ThreadPoolExecutor(max_workers=1, thread_name_prefix="log-write")
        self._reading = ThreadPoolExecutor(max_workers=1, thread_name_prefix="log-read")
        self._connections: list[sqlite3.Connection] = []
        self._is_closed = False

    def connect(self) -> None:
        """Open the connections and make the tables; blocking. Errors: sqlite3.Error, Refused for another format."""
        self._drop()
        for synchronous in ("FULL", "NORMAL", "NORMAL"):
            connection = connect(self._path, synchronous=synchronous, busy_timeout_s=BUSY_SLICE_S)
            self._connections.append(connection)
        create(self._connections[0])

    def append(self, job: Job[_Result]) -> asyncio.Future[_Result]:
        """Write durably: what is committed survives a power cut."""
        return self._submit(self._writing, job, 0)

    def write(self, job: Job[_Result]) -> asyncio.Future[_Result]:
        """Write what may be lost in a power cut, leases and the like: no sync for each."""
        return self._submit(self._writing, job, 1)

    def read(self, job: Job[_Result]) -> asyncio.Future[_Result]:
        """Read beside the writer."""
        return self._submit(self._reading, job, 2)

    async def close(self) -> None:
        """End both threads after their running jobs and close the connections."""
        self._is_closed = True
        async with asyncio.timeout(CLOSE_TIMEOUT_S):
            await asyncio.to_thread(self._release)

    def _release(self) -> None:
        self._writing.shutdown(wait=True)
        self._reading.shutdown(wait=True)
        self._drop()

    def _drop(self) -> None:
        while self._connections:
            self._connections.pop().close()

    def _submit(self, executor: ThreadPoolExecutor, job: Job[_Result], number: int) -> asyncio.Future[_Result]:
        if self._is_closed:
            raise Unavailable("the log is closed")
        return asyncio.get_running_loop().run_in_executor(executor, self._run, job, number)

    def _run(self, job: Job[_Result], number: int) -> _Result:
        """A job that was queued when the log closed fails by itself: cancelled, it would look like a cancelled task."""
        if self._is_closed or not self._connections:
            raise Unavailable("the log is not open")
        return job(self._connections[number])


async def answered(job: Callable[[], asyncio.Future[_Result]], *, timeout_s: float) -> _Result:
    """The job's result, tried again while the file is busy. Errors: Unavailable after `timeout_s` or when it breaks."""
    try:
        async with asyncio.timeout(timeout_s):
            while True:
                try:
                    return await job()
                except sqlite3.OperationalError as error:
                    if not is_busy(error):
                        raise
    except (TimeoutError, sqlite3.Error) as error:
        raise Unavailable(f"the log file does not answer: {error or f'still busy after {timeout_s} s'}") from error
