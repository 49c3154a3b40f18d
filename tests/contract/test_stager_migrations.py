"""The stager's tables are what the migrations make, however often and by however many they are run."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, text

from services.stager.store_sql.tables import MIGRATIONS, metadata
from shared.database import make_engine
from shared.migrate import is_current, migrate


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def empty_address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite+aiosqlite:///{tmp_path / 'empty.db'}"
    address: str = request.getfixturevalue("postgres_address")
    return address


def differences(connection: Connection) -> list[object]:
    """What Alembic would still change."""
    options = {"version_table": MIGRATIONS.version_table, "compare_server_default": True}
    return list(compare_metadata(MigrationContext.configure(connection, opts=options), metadata))


async def test_the_migrations_make_exactly_the_tables_of_the_program(empty_address: str) -> None:
    engine = make_engine(empty_address)
    await migrate(engine, MIGRATIONS)

    async with engine.connect() as connection:
        assert await connection.run_sync(differences) == []
    await engine.dispose()


async def test_migrating_twice_is_fine(empty_address: str) -> None:
    engine = make_engine(empty_address)
    await migrate(engine, MIGRATIONS)
    await migrate(engine, MIGRATIONS)

    assert await is_current(engine, MIGRATIONS)
    await engine.dispose()


async def test_several_may_migrate_at_once(empty_address: str) -> None:
    engines = [make_engine(empty_address) for _ in range(4)]
    await asyncio.gather(*(migrate(engine, MIGRATIONS) for engine in engines))

    assert all([await is_current(engine, MIGRATIONS) for engine in engines])
    for engine in engines:
        await engine.dispose()


async def test_an_empty_database_is_not_current(empty_address: str) -> None:
    engine = make_engine(empty_address)
    assert not await is_current(engine, MIGRATIONS)
    await engine.dispose()


async def test_a_newer_database_is_current_and_left_alone(empty_address: str) -> None:
    engine = make_engine(empty_address)
    await migrate(engine, MIGRATIONS)
    async with engine.begin() as connection:
        await connection.execute(text(f"UPDATE {MIGRATIONS.version_table} SET version_num = '9999'"))

    await migrate(engine, MIGRATIONS)

    assert await is_current(engine, MIGRATIONS)
    await engine.dispose()


@pytest.mark.postgres
async def test_text_sorts_by_code_point_on_postgres(postgres_stager_address: str) -> None:
    engine = make_engine(postgres_stager_address)
    query = text(
        "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public'"
        " AND data_type = 'text' AND collation_name IS DISTINCT FROM 'C'"
    )
    async with engine.connect() as connection:
        assert [tuple(row) for row in await connection.execute(query)] == [("quarantine", "reason")]
    await engine.dispose()
