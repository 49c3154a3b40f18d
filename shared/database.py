"""One database engine a process, PostgreSQL or SQLite, and the translation of its failures."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy import event
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from shared.errors import Unavailable

CONNECT_TIMEOUT_S = 5
STATEMENT_TIMEOUT_S = 30  # longer than any bounded batch needs; a hung server is noticed within it
SQLITE_BUSY_TIMEOUT_S = 30  # another process of the same machine may be in a long transaction


def make_engine(address: str, *, connections_max: int = 4) -> AsyncEngine:
    """An engine for a `STAGELINE_DATABASE` address; it connects when first used."""
    if address.startswith("sqlite"):
        return _sqlite_engine(address)
    return create_async_engine(
        address,
        pool_size=connections_max,
        max_overflow=0,
        pool_timeout=CONNECT_TIMEOUT_S,
        connect_args={"timeout": CONNECT_TIMEOUT_S, "command_timeout": STATEMENT_TIMEOUT_S},
    )


def _sqlite_engine(address: str) -> AsyncEngine:
    engine = create_async_engine(address, connect_args={"timeout": SQLITE_BUSY_TIMEOUT_S})

    @event.listens_for(engine.sync_engine, "connect")
    def configure(connection: Any, _record: object) -> None:
        connection.isolation_level = (
            None  # we say BEGIN ourselves: IMMEDIATE, so that a writer waits instead of failing
        )
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=FULL")  # an acknowledged commit survives a power cut
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def begin(connection: Any) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


@asynccontextmanager
async def translated() -> AsyncGenerator[None, None]:
    """Database failures of the block leave it as Unavailable; integrity and programming errors are faults of ours."""
    try:
        yield
    except (OperationalError, InterfaceError, PoolTimeoutError) as error:
        raise Unavailable(f"the database does not answer: {error}") from error
    except DBAPIError as error:
        if error.connection_invalidated:
            raise Unavailable(f"the database connection broke: {error}") from error
        raise
    except (OSError, TimeoutError) as error:
        raise Unavailable(f"the database does not answer: {error}") from error
