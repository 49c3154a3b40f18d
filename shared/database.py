"""One database engine a process, PostgreSQL or SQLite, and the translation of its failures.

A connection that the server has dropped is noticed before it is used again, so a server that was away needs nobody's
help to be used again.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from typing import Any

import asyncpg
from sqlalchemy import event
from sqlalchemy.exc import DBAPIError, DisconnectionError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from shared.errors import Refused, Unavailable
from shared.sqlite import WalConnection, result_code

CONNECT_TIMEOUT_S = 5
STATEMENT_TIMEOUT_S = 30  # longer than any bounded batch needs; a hung server is noticed within it
SQLITE_BUSY_TIMEOUT_S = 30  # another process of the same machine may be in a long transaction
SQLITE_PRAGMAS = (
    "PRAGMA synchronous=FULL",  # an acknowledged commit survives a power cut
    "PRAGMA foreign_keys=ON",
)

# Whoever is frozen in the midst of a transaction holds its rows no longer than this; nobody's own pause is as long.
_SERVER_SETTINGS = {"idle_in_transaction_session_timeout": "10s"}
CLOSE_TIMEOUT_S = 5  # a server that says nothing must not hold up a drain

# What a PostgreSQL server says when it cannot serve for the moment: it stops or starts, is a standby after a failover,
# is out of connections, memory or disk, or has chosen this transaction to end a deadlock.
_PASSING = (
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.TransactionRollbackError,
    asyncpg.LockNotAvailableError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.PostgresSystemError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)
_TURNED_AWAY = (
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.InsufficientPrivilegeError,
)


def make_engine(
    address: str, *, connections_max: int = 4, statement_timeout_s: float = STATEMENT_TIMEOUT_S
) -> AsyncEngine:
    """An engine for a `STAGELINE_DATABASE` address; it connects when first used."""
    if address.startswith("sqlite"):
        return _sqlite_engine(address)
    engine = create_async_engine(
        address,
        pool_size=connections_max,
        max_overflow=0,
        pool_timeout=CONNECT_TIMEOUT_S,
        connect_args={
            "timeout": CONNECT_TIMEOUT_S,
            "command_timeout": statement_timeout_s,
            "server_settings": _SERVER_SETTINGS,
        },
        hide_parameters=True,
    )

    @event.listens_for(engine.sync_engine, "checkout")
    def refuse_closed(connection: Any, _record: object, _proxy: object) -> None:
        # The driver hears it when the server hangs up, so looking costs no round trip; the pool then connects anew.
        if connection.driver_connection.is_closed():
            raise DisconnectionError

    return engine


def _sqlite_engine(address: str) -> AsyncEngine:
    arguments = {"timeout": SQLITE_BUSY_TIMEOUT_S, "factory": WalConnection}
    engine = create_async_engine(address, connect_args=arguments, hide_parameters=True)

    @event.listens_for(engine.sync_engine, "connect")
    def configure(connection: Any, _record: object) -> None:
        connection.isolation_level = None  # we say BEGIN ourselves, see below
        cursor = connection.cursor()
        for pragma in SQLITE_PRAGMAS:
            cursor.execute(pragma)
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def begin(connection: Any) -> None:
        # A writer must wait for its turn at the beginning: one that has read first cannot wait, it fails at once.
        is_reading = connection.get_execution_options().get("reading", False)
        connection.exec_driver_sql("BEGIN" if is_reading else "BEGIN IMMEDIATE")

    return engine


async def dispose(engine: AsyncEngine) -> None:
    """Release every connection, whatever the server does."""
    with suppress(TimeoutError):
        async with asyncio.timeout(CLOSE_TIMEOUT_S):
            await engine.dispose()


@asynccontextmanager
async def reading(engine: AsyncEngine) -> AsyncGenerator[AsyncConnection, None]:
    """A connection that only reads, all of it at one moment on SQLite; no writer waits for it. Errors: Unavailable."""
    async with translated(), engine.connect() as connection:
        yield await connection.execution_options(reading=True)


@asynccontextmanager
async def writing(engine: AsyncEngine) -> AsyncGenerator[AsyncConnection, None]:
    """One transaction: committed at the end of the block, rolled back when it raises. Errors: Unavailable."""
    async with translated(), engine.begin() as connection:
        yield connection


@asynccontextmanager
async def translated() -> AsyncGenerator[None, None]:
    """Database failures of the block leave it as Unavailable; integrity and programming errors are faults of ours.

    Errors: Unavailable; Refused when the server turns this user or database name away.
    """
    try:
        yield
    except (OperationalError, InterfaceError, PoolTimeoutError, sqlite3.OperationalError, *_PASSING) as error:
        # asyncpg's word for an argument of the wrong type, and SQLite's for a statement that cannot be meant.
        if isinstance(error, ValueError) or result_code(getattr(error, "orig", error)) == sqlite3.SQLITE_ERROR:
            raise
        raise Unavailable(f"the database does not answer: {error}") from error
    except _TURNED_AWAY as error:
        raise Refused(f"the database turns us away: {error}") from error
    except DBAPIError as error:
        raise _judged(error) from error
    except (OSError, TimeoutError) as error:
        raise Unavailable(f"the database does not answer: {str(error) or type(error).__name__}") from error


def storable(text: str) -> str:
    """A text with everything escaped that a database may refuse: a reason can quote the very worst input."""
    return text.encode(errors="backslashreplace").decode().replace("\x00", "\\x00")


def _judged(error: DBAPIError) -> Exception:
    """What SQLAlchemy has wrapped, by what the driver said."""
    cause = error.orig.__cause__ if error.orig is not None else None
    if error.connection_invalidated or isinstance(cause, _PASSING):
        return Unavailable(f"the database connection broke: {error}")
    if isinstance(cause, _TURNED_AWAY):
        return Refused(f"the database turns us away: {error}")
    return error
