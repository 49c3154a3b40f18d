"""The command line, and the one program that runs all three services together.

Each command imports what it needs when it runs, so that `check` and `simulate` start in a blink.
"""

from __future__ import annotations

import asyncio
import errno
import io
import os
import sys
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import typer

from services.file_commands import add_file_commands, campaign_rules
from services.notifier.commands.command_line import add_campaign_commands
from services.notifier.commands.deliveries import app as deliveries_app
from shared.clock import Clock, SystemClock
from shared.errors import StagelineError
from shared.run import run
from shared.settings import Settings, read_settings
from shared.telemetry import configure_logging
from shared.waiting import until_available

if TYPE_CHECKING:
    from shared.log import Log

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False, help="Stageline.")

app.add_typer(deliveries_app, name="deliveries")


def main() -> None:
    """Run the command line; a named failure is one line on stderr and exit code 1."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a terminal without the letter still gets the line
    try:
        app()
    except StagelineError as error:
        sys.stderr.write(f"stageline: {error}\n")
        sys.exit(1)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        sys.stderr.write(f"stageline: cannot write: {error.strerror}\n")
        os._exit(1)  # what is still held back would be written once more, and fail once more


# Services


@app.command()
def up() -> None:
    """Run ingest, stager and notifier in one process, on the embedded log and SQLite unless told otherwise."""
    from services.ingest.settings import IngestSettings
    from services.notifier.settings import NotifierSettings
    from services.stager.settings import StagerSettings

    ingest = read_settings(IngestSettings)
    if "drain_listen_s" not in ingest.model_fields_set:
        ingest = ingest.model_copy(update={"drain_listen_s": 0.0})  # nobody probes it, and Ctrl-C need not wait
    _run(ingest, read_settings(StagerSettings), read_settings(NotifierSettings))


@app.command()
def ingest() -> None:
    """Run ingest alone."""
    from services.ingest.settings import IngestSettings

    _run(read_settings(IngestSettings))


@app.command()
def stager() -> None:
    """Run the stager alone."""
    from services.stager.settings import StagerSettings

    _run(read_settings(StagerSettings))


@app.command()
def notifier() -> None:
    """Run the notifier alone."""
    from services.notifier.settings import NotifierSettings

    _run(read_settings(NotifierSettings))


@app.command()
def migrate() -> None:
    """Bring the tables to this version. Safe to repeat, and for several at once."""
    settings = read_settings(Settings)
    asyncio.run(migrate_tables(settings.database))
    typer.echo("the tables are up to date")


def _run(*settings: Settings) -> None:
    configure_logging(settings[0].log_level)
    sys.exit(run(lambda stop: _serve(settings, stop)))


async def _serve(settings: Sequence[Settings], stop: asyncio.Event) -> None:
    """Run the services of these settings on one log. On `stop` they end one after another, the first source first: what
    ingest has accepted is folded, and what the stager has published is read, as far as each gets in its own drain.
    """
    clock = SystemClock()
    if settings[0].database.startswith("sqlite"):
        await migrate_tables(settings[0].database)
    async with _opened_log(settings[0], clock, stop) as log, asyncio.TaskGroup() as tasks:
        before = stop
        for part in settings:
            ended = asyncio.Event()
            tasks.create_task(_serve_one(part, before, ended, log, clock))
            before = ended


async def _serve_one(
    settings: Settings, stop: asyncio.Event, ended: asyncio.Event, log: Log, clock: Clock
) -> None:  # fmt: skip
    from services.ingest.settings import IngestSettings
    from services.stager.settings import StagerSettings

    if isinstance(settings, IngestSettings):
        from services.ingest.main import serve as serve_ingest

        await serve_ingest(settings, stop, log=log, clock=clock)
    elif isinstance(settings, StagerSettings):
        from services.stager.main import serve as serve_stager

        await serve_stager(settings, stop, log=log, clock=clock)
    else:
        from services.notifier.main import serve as serve_notifier
        from services.notifier.settings import NotifierSettings

        assert isinstance(settings, NotifierSettings)
        await serve_notifier(settings, stop, log=log, clock=clock, rules=campaign_rules(settings.lifecycles))
    ended.set()


@asynccontextmanager
async def _opened_log(settings: Settings, clock: Clock, stop: asyncio.Event) -> AsyncGenerator[Log, None]:
    """The log that the address names, open."""
    kind, _, place = settings.log.partition(":")
    log: Log
    if kind == "kafka":
        from shared.log_kafka import KafkaLog

        log = KafkaLog(
            place.removeprefix("//"),
            session_timeout_s=settings.session_timeout_s,
            group_instance_id=settings.group_instance_id,
        )
    else:
        from shared.log_embedded import EmbeddedLog

        log = EmbeddedLog(place, clock=clock, session_timeout_s=settings.session_timeout_s)
    await until_available(log.open, stop, what="the log")
    try:
        yield log
    finally:
        await log.close()


async def migrate_tables(database: str) -> None:
    """Bring the tables of all services to this version. Errors: Unavailable."""
    from services.notifier.store_sql.deliveries import MIGRATIONS as NOTIFIER_MIGRATIONS
    from services.stager.store_sql.tables import MIGRATIONS as STAGER_MIGRATIONS
    from shared.database import dispose, make_engine
    from shared.migrate import migrate as migrate_one

    engine = make_engine(database)
    try:
        for migrations in (STAGER_MIGRATIONS, NOTIFIER_MIGRATIONS):
            await migrate_one(engine, migrations)
    finally:
        await dispose(engine)


add_file_commands(app)
add_campaign_commands(app, campaign_rules)


if __name__ == "__main__":
    main()
