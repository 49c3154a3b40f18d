"""The command line, and the one program that runs all three services together.

Each command imports what it needs when it runs, so that `check` and `simulate` start in a blink.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from shared.clock import Clock, SystemClock
from shared.errors import StagelineError
from shared.run import run
from shared.settings import Settings, read_settings
from shared.telemetry import configure_logging
from shared.waiting import until_available

if TYPE_CHECKING:
    from shared.log import Log

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False, help="Stageline.")

lifecycles_app = typer.Typer(invoke_without_command=True, help="The ready-made lifecycles and segments.")
app.add_typer(lifecycles_app, name="lifecycles")

Files = Annotated[list[Path], typer.Argument(help="YAML files, or folders of them.")]


def main() -> None:
    """Run the command line; a named failure is one line on stderr and exit code 1."""
    try:
        app()
    except StagelineError as error:
        sys.stderr.write(f"stageline: {error}\n")
        sys.exit(1)


# Services


@app.command()
def up() -> None:
    """Run ingest, stager and notifier in one process, on the embedded log and SQLite unless told otherwise."""
    from services.ingest.settings import IngestSettings
    from services.notifier.settings import NotifierSettings
    from services.stager.settings import StagerSettings

    _run(read_settings(IngestSettings), read_settings(StagerSettings), read_settings(NotifierSettings))


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
        await serve_notifier(settings, stop, log=log, clock=clock)
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
    from services.notifier.deliveries_sql import MIGRATIONS as NOTIFIER_MIGRATIONS
    from services.stager.tables import MIGRATIONS as STAGER_MIGRATIONS
    from shared.database import make_engine
    from shared.migrate import migrate as migrate_one

    engine = make_engine(database)
    try:
        for migrations in (STAGER_MIGRATIONS, NOTIFIER_MIGRATIONS):
            await migrate_one(engine, migrations)
    finally:
        await engine.dispose()


# Files


@app.command()
def check(
    files: Files,
    events: Annotated[
        Path | None, typer.Option(help="A sample of events: warn of event names in the files that it does not have.")
    ] = None,
) -> None:
    """Validate lifecycles, segments and campaigns; every fault with its place, and a suggestion where one is near."""
    from services.notifier.campaign_file import check_against
    from services.notifier.campaign_file import load_paths as load_campaigns
    from services.stager.language.file import load_paths as load_lifecycles

    lifecycles, campaigns = load_lifecycles(files), load_campaigns(files)
    faults = {*lifecycles.faults, *campaigns.faults}
    if lifecycles.lifecycles:
        stages = {part.name: [stage.name for stage in part.stages] for part in lifecycles.lifecycles}
        faults |= set(check_against(campaigns, stages))
    if events is not None:
        from services.stager.sample import unseen_in_sample

        faults |= set(unseen_in_sample(files, events))
    for fault in sorted(faults):
        typer.echo(fault.render(), err=True)
    if any(fault.severity == "error" for fault in faults):
        raise typer.Exit(1)
    segments = sum(part.segment for part in lifecycles.lifecycles)
    counts = {
        "lifecycle": len(lifecycles.lifecycles) - segments,
        "segment": segments,
        "campaign": len(campaigns.campaigns),
    }
    typer.echo("ok: " + ", ".join(f"{count} {noun}{'' if count == 1 else 's'}" for noun, count in counts.items()))


@app.command()
def simulate(
    lifecycle: Annotated[list[Path], typer.Option(help="Lifecycle files, or folders of them; may be repeated.")],
    events: Annotated[str, typer.Option(help="A file of events, one JSON object a line; - for standard input.")],
    until: Annotated[str | None, typer.Option(help="Let time pass until then (default: the last event).")] = None,
    customer: Annotated[str | None, typer.Option(help="Print only this customer's transitions.")] = None,
    summary: Annotated[bool, typer.Option("--summary", help="Print tables and a picture of the flow.")] = False,  # noqa: FBT002
    speed: Annotated[bool, typer.Option("--speed", help="Say how many events a second it were.")] = False,  # noqa: FBT002
) -> None:
    """Fold a file of events without any server and print each transition as one line of JSON."""
    from services.stager.simulate_command import Report, run_simulation

    report = Report(customer=customer, summary=summary, speed=speed)
    raise typer.Exit(run_simulation(lifecycle, events=events, until=until, report=report))


@app.command()
def explain(
    lifecycle: Annotated[list[Path], typer.Option(help="Lifecycle files, or folders of them; may be repeated.")],
    events: Annotated[str, typer.Option(help="A file of events, one JSON object a line; - for standard input.")],
    customer: Annotated[str, typer.Option(help="Whom to explain.")],
    at: Annotated[str | None, typer.Option(help="As of when (default: the last event).")] = None,
    json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,  # noqa: FBT002  # typer's way
) -> None:
    """Say why a customer is where he is: clause by clause, with values, and when it will next change by itself."""
    from services.stager.explain_command import run_explanation

    raise typer.Exit(run_explanation(lifecycle, events=events, customer=customer, at=at, as_json=json))


@app.command()
def schema() -> None:
    """Print the JSON Schema of lifecycle files, for editors."""
    import json

    from services.stager.language.schema import file_schema

    typer.echo(json.dumps(file_schema(), indent=2))


@app.command(name="test")
def tell_stories(files: Files) -> None:
    """Run stories: what happens to a customer step by step, and where he must then be; prints what differs, and why."""
    from services.stager.story_command import run_stories

    raise typer.Exit(run_stories(files))


@lifecycles_app.callback()
def lifecycles(context: typer.Context) -> None:
    """List the ready-made lifecycles and segments: what each is for, and the events that it needs."""
    from services.stager.lifecycles_command import print_list

    if context.invoked_subcommand is None:
        print_list()


@lifecycles_app.command()
def show(name: Annotated[str, typer.Argument(help="A name from the list.")]) -> None:
    """Print one of them, to be saved and changed."""
    from services.stager.lifecycles_command import print_file

    print_file(name)


@app.command("import")
def import_file(
    file: Annotated[Path, typer.Argument(help="History, one JSON object a line; may be gzip.")],
    url: Annotated[str, typer.Option(help="Where ingest listens.")] = "http://127.0.0.1:8080",
    key: Annotated[str, typer.Option(envvar="STAGELINE_WRITE_KEY", help="The write key.")] = "",
) -> None:
    """Send a file of history to ingest. Sending the same file again, also after a break, adds nothing twice."""
    from services.ingest.import_command import Destination, run_import

    raise typer.Exit(run_import(file, Destination(url, key)))


if __name__ == "__main__":
    main()
