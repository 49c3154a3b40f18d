"""The notifier's tables, with the stager's beside them, on either database: a fresh copy for each test."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.notifier.store_sql.deliveries import MIGRATIONS, SqlDeliveries
from shared.database import make_engine
from shared.migrate import migrate
from tests.servers.postgres import PostgresServer


async def _migrated(address: str) -> None:
    engine = make_engine(address)
    await migrate(engine, MIGRATIONS)
    await engine.dispose()


@pytest.fixture(scope="session")
async def sqlite_notifier_template(sqlite_stager_template: Path) -> Path:
    path = sqlite_stager_template.with_name("both.db")
    shutil.copy(sqlite_stager_template, path)
    await _migrated(f"sqlite+aiosqlite:///{path}")
    return path


@pytest.fixture(scope="session")
async def postgres_notifier_template(
    postgres_server: PostgresServer, postgres_stager_template: str
) -> AsyncIterator[str]:
    address = await postgres_server.create_database(template=postgres_stager_template)
    await _migrated(address)
    yield address.rpartition("/")[2]
    await postgres_server.drop_database(address)


@pytest.fixture
def sqlite_notifier_address(sqlite_notifier_template: Path, tmp_path: Path) -> str:
    path = tmp_path / "both.db"
    shutil.copy(sqlite_notifier_template, path)
    return f"sqlite+aiosqlite:///{path}"


@pytest.fixture
async def postgres_notifier_address(
    postgres_server: PostgresServer, postgres_notifier_template: str
) -> AsyncIterator[str]:
    address = await postgres_server.create_database(template=postgres_notifier_template)
    yield address
    await postgres_server.drop_database(address)


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def notifier_address(request: pytest.FixtureRequest) -> str:
    """Every test that asks for it runs on both databases."""
    return str(request.getfixturevalue(f"{request.param}_notifier_address"))


@pytest.fixture
async def kept(notifier_address: str) -> AsyncIterator[SqlDeliveries]:
    """Open deliveries."""
    deliveries = SqlDeliveries(make_engine(notifier_address))
    await deliveries.open()
    yield deliveries
    await deliveries.close()
