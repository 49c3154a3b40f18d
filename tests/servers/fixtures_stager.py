"""Pytest fixtures: the stager's migrated tables, on both databases, a fresh copy for each test."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.stager.store import Store
from services.stager.store_sql.postgres import StorePostgres
from services.stager.store_sql.sqlite import StoreSqlite
from services.stager.store_sql.tables import MIGRATIONS
from shared.clock import Clock, ManualClock
from shared.database import make_engine
from shared.migrate import migrate
from tests.servers.postgres import PostgresServer

NOW_MS = 1_800_000_000_000


def make_store(address: str, clock: Clock | None = None) -> Store:
    """The adapter for this address, not opened yet."""
    kind = StoreSqlite if address.startswith("sqlite") else StorePostgres
    return kind(make_engine(address), clock or ManualClock(NOW_MS))


async def migrate_address(address: str) -> None:
    """Make the stager's tables there, and leave no connection behind."""
    engine = make_engine(address)
    await migrate(engine, MIGRATIONS)
    await engine.dispose()


@pytest.fixture(scope="session")
async def sqlite_stager_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("stager") / "template.db"
    await migrate_address(f"sqlite+aiosqlite:///{path}")
    return path


@pytest.fixture(scope="session")
async def postgres_stager_template(postgres_server: PostgresServer) -> AsyncIterator[str]:
    address = await postgres_server.create_database()
    await migrate_address(address)
    yield address.rpartition("/")[2]
    await postgres_server.drop_database(address)


@pytest.fixture
def sqlite_stager_address(sqlite_stager_template: Path, tmp_path: Path) -> str:
    path = tmp_path / "stager.db"
    shutil.copy(sqlite_stager_template, path)
    return f"sqlite+aiosqlite:///{path}"


@pytest.fixture
async def postgres_stager_address(postgres_server: PostgresServer, postgres_stager_template: str) -> AsyncIterator[str]:
    address = await postgres_server.create_database(template=postgres_stager_template)
    yield address
    await postgres_server.drop_database(address)


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def stager_address(request: pytest.FixtureRequest) -> str:
    """Every test that asks for it runs on both databases."""
    address: str = request.getfixturevalue(f"{request.param}_stager_address")
    return address


@pytest.fixture
async def store(stager_address: str) -> AsyncIterator[Store]:
    """An open store on fresh tables; its clock stands at NOW_MS."""
    async for each in _opened(stager_address):
        yield each


@pytest.fixture
async def other_store(stager_address: str) -> AsyncIterator[Store]:
    """What another process sees: a store of its own on the same tables."""
    async for each in _opened(stager_address):
        yield each


async def _opened(address: str) -> AsyncIterator[Store]:
    store = make_store(address)
    await store.open()
    yield store
    await store.close()
