"""How a process opens an SQLite file that others of the same machine may be opening too.

WAL is a property of the file, set by whoever comes first to a new one; several may come at once.
"""

from __future__ import annotations

import sqlite3
import time
from typing import Any

WAL_PAUSE_S = 0.005  # a few times what the switch takes, so that two who met do not meet again and again


class WalConnection(sqlite3.Connection):
    """A connection to a file in WAL mode: what `sqlite3.connect` makes when it is given this as `factory`.

    Errors: sqlite3.OperationalError, SQLITE_BUSY when the file is not to be had within `timeout` seconds.
    Source: SQLite's `sqlite3BtreeBeginTrans`: a connection that already reads is never made to wait for the write lock,
    since two such would wait for one another; the switch to WAL reads first, so the busy timeout does not cover it.
    """

    def __init__(self, path: str, *, timeout: float, **rest: Any) -> None:
        super().__init__(path, timeout=timeout, **rest)
        try:
            _enter_wal(self, give_up_at=time.monotonic() + timeout)
        except BaseException:
            self.close()
            raise


def is_busy(error: BaseException) -> bool:
    """Whether another connection holds the file, so that trying again is worth it."""
    return result_code(error) == sqlite3.SQLITE_BUSY


def result_code(error: BaseException | None) -> int | None:
    """SQLite's primary result code (the low byte of its extended one), None when the failure is not SQLite's."""
    code = getattr(error, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF


def _enter_wal(connection: sqlite3.Connection, *, give_up_at: float) -> None:
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if not is_busy(error) or time.monotonic() >= give_up_at:
                raise
        time.sleep(WAL_PAUSE_S)
