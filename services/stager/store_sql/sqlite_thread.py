"""One SQLite connection and the one thread that works it.

Going to another thread costs more than most statements, so a whole piece of work goes there at once. Pieces run one
after the other, also when whoever asked has stopped waiting: a transaction is never left half-way.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

from shared.database import SQLITE_BUSY_TIMEOUT_S, SQLITE_PRAGMAS, translated
from shared.sqlite import WalConnection

Answer = TypeVar("Answer")
Work = Callable[[sqlite3.Connection], Answer]

STATEMENTS_MAX = 64  # prepared statements kept; the stager has about thirty


class SqliteThread:
    """Connects with the first piece of work."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="stager-sqlite")
        self._connection: sqlite3.Connection | None = None
        self._is_closed = False

    async def read(self, work: Work[Answer]) -> Answer:
        """Run `work` in one read transaction. Errors: Unavailable."""
        return await self._run("BEGIN", work)

    async def write(self, work: Work[Answer]) -> Answer:
        """Run `work` in one transaction: committed when it returns, rolled back when it raises. Errors: Unavailable."""
        return await self._run("BEGIN IMMEDIATE", work)

    async def close(self) -> None:
        """Let the running piece end, then close; closing again is fine."""
        if not self._is_closed:
            self._is_closed = True
            await asyncio.get_running_loop().run_in_executor(self._executor, self._disconnect)
            self._executor.shutdown(wait=False)

    async def _run(self, begin: str, work: Work[Answer]) -> Answer:
        async with translated():
            piece = partial(self._transact, begin, work)
            return await asyncio.get_running_loop().run_in_executor(self._executor, piece)

    def _transact(self, begin: str, work: Work[Answer]) -> Answer:
        connection = self._connected()
        connection.execute(begin)
        try:
            answer = work(connection)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        return answer

    def _connected(self) -> sqlite3.Connection:
        if self._connection is None:
            connection = sqlite3.connect(
                self._path, timeout=SQLITE_BUSY_TIMEOUT_S, isolation_level=None, cached_statements=STATEMENTS_MAX,
                factory=WalConnection,
            )  # fmt: skip
            for pragma in SQLITE_PRAGMAS:
                connection.execute(pragma)
            self._connection = connection
        return self._connection

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
