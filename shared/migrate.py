"""Brings one service's tables to this program's version, and tells whether they are there.

Each service owns a folder of Alembic scripts and a version table of its own (`alembic_version_stager`), so that
services sharing a database migrate apart. A whole upgrade is one transaction under a lock: any number of processes may
start it at once, one does the work, and one that is killed half-way leaves nothing. A database that is newer than this
program is left alone: a migration lets the version before it run on.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

from alembic import command, context
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, MetaData, text
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.database import reading, writing

LOCK_SPACE = 0x57A6E  # the first half of the advisory lock's key, so that no other program's lock is met by chance


@dataclass(frozen=True, slots=True)
class Migrations:
    """The Alembic scripts of one service: a folder with `env.py` and `versions/`."""

    service: str
    folder: Path

    @property
    def version_table(self) -> str:
        """Where the service's version stands in the database."""
        return f"alembic_version_{self.service}"


async def migrate(engine: AsyncEngine, migrations: Migrations) -> None:
    """Upgrade the service's tables to this program's version; nothing to do is fine.

    Waits for another process that is migrating, as long as a statement of `engine` may take. Errors: Unavailable.
    """
    async with writing(engine) as connection:
        await connection.run_sync(_upgrade, migrations)


async def is_current(engine: AsyncEngine, migrations: Migrations) -> bool:
    """Whether the service's tables are there and not older than this program. Errors: Unavailable."""
    async with reading(engine) as connection:
        return await connection.run_sync(_is_current, migrations)


def run_environment(metadata: MetaData) -> None:
    """The whole of a service's `env.py`: run the scripts on the connection that `migrate` has opened and locked."""
    attributes = context.config.attributes
    context.configure(
        connection=attributes["connection"], target_metadata=metadata, version_table=attributes["version_table"]
    )
    with context.begin_transaction():
        context.run_migrations()


def _upgrade(connection: Connection, migrations: Migrations) -> None:
    if connection.dialect.name == "postgresql":
        # SQLite needs none: its transactions begin IMMEDIATE, so they wait for one another.
        key = {"space": LOCK_SPACE, "service": crc32(migrations.service.encode()) >> 1}
        connection.execute(text("SELECT pg_advisory_xact_lock(:space, :service)"), key)
    if _is_current(connection, migrations):
        return
    config = _config(migrations)
    config.attributes.update(connection=connection, version_table=migrations.version_table)
    command.upgrade(config, "head")


def _is_current(connection: Connection, migrations: Migrations) -> bool:
    scripts = ScriptDirectory.from_config(_config(migrations))
    known = {script.revision for script in scripts.walk_revisions()}
    found = MigrationContext.configure(connection, opts={"version_table": migrations.version_table}).get_current_heads()
    # A version that this program has never heard of was written by a newer one.
    return any(version not in known for version in found) or (bool(found) and set(found) == set(scripts.get_heads()))


def _config(migrations: Migrations) -> Config:
    config = Config()
    config.set_main_option("script_location", str(migrations.folder).replace("%", "%%"))  # % is configparser's escape
    return config
