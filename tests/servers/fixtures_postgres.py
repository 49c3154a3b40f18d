"""Pytest fixtures: a PostgreSQL server for the session, a database for each test that asks for one."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator

import pytest

from tests.servers.postgres import PostgresServer, ServerMissing, find_server


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """One server for each test process; skipped by name where there is none, but never in CI."""
    try:
        server = find_server()
        server.start()
    except ServerMissing as error:
        if os.environ.get("CI"):
            pytest.fail(str(error))
        pytest.skip(str(error))
    yield server
    server.close()


@pytest.fixture
async def postgres_address(postgres_server: PostgresServer) -> AsyncIterator[str]:
    """An empty database of this test's own, as a STAGELINE_DATABASE address."""
    address = await postgres_server.create_database()
    yield address
    await postgres_server.drop_database(address)
