"""What a database's failures are called, told on the small database; the stores' suites cover the rest."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from shared.database import make_engine, reading, writing
from shared.errors import Unavailable


async def test_a_statement_that_cannot_be_meant_is_a_fault_of_ours(tmp_path: Path) -> None:
    engine = make_engine(f"sqlite+aiosqlite:///{tmp_path / 'empty.db'}")
    try:
        with pytest.raises(OperationalError, match="no such table"):
            async with reading(engine) as connection:
                await connection.execute(text("SELECT 1 FROM nowhere"))
    finally:
        await engine.dispose()


async def test_a_file_that_cannot_be_written_is_unavailable(tmp_path: Path) -> None:
    path = tmp_path / "kept.db"
    engine = make_engine(f"sqlite+aiosqlite:///{path}")
    try:
        async with writing(engine) as connection:
            await connection.execute(text("CREATE TABLE facts (fact TEXT)"))
            await connection.execute(text("PRAGMA busy_timeout = 10"))
        holder = sqlite3.connect(path, isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")
        with pytest.raises(Unavailable, match="locked"):
            async with writing(engine) as connection:
                await connection.execute(text("INSERT INTO facts VALUES ('one')"))
        holder.close()
    finally:
        await engine.dispose()


async def test_a_folder_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    engine = make_engine(f"sqlite+aiosqlite:///{tmp_path / 'none' / 'any.db'}")
    with pytest.raises(Unavailable, match="unable to open"):
        async with reading(engine) as connection:
            await connection.execute(text("SELECT 1"))
    await engine.dispose()


async def test_a_failure_tells_nothing_of_the_values_of_its_statement(tmp_path: Path) -> None:
    path = tmp_path / "kept.db"
    engine = make_engine(f"sqlite+aiosqlite:///{path}")
    async with writing(engine) as connection:
        await connection.execute(text("CREATE TABLE facts (fact TEXT)"))
    path.chmod(0o400)
    with pytest.raises(Exception, match="facts") as caught:
        async with writing(engine) as connection:
            await connection.execute(text("INSERT INTO facts VALUES (:fact, 1)"), {"fact": "jane@shop.example"})
    await engine.dispose()

    assert "jane" not in str(caught.value)


@pytest.mark.postgres
async def test_whoever_is_frozen_in_a_transaction_is_ended_by_the_server(postgres_stager_address: str) -> None:
    engine = make_engine(postgres_stager_address)
    async with reading(engine) as connection:
        limit = (await connection.execute(text("SHOW idle_in_transaction_session_timeout"))).scalar_one()
    await engine.dispose()

    assert limit == "10s"
