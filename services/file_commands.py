"""The commands that work on files alone, or send one: no service runs here, and no command needs another's imports."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from services.notifier.file.campaigns import Rules
    from services.stager.language.definition import Lifecycle

Files = Annotated[list[Path], typer.Argument(help="YAML files, or folders of them.")]

lifecycles_app = typer.Typer(invoke_without_command=True, help="The ready-made lifecycles and segments.")


def add_file_commands(app: typer.Typer) -> None:
    """Add them all to the command line."""
    for command in (check, simulate, explain, schema):
        app.command()(command)
    app.command("test")(tell_stories)
    app.command("import")(import_file)
    app.add_typer(lifecycles_app, name="lifecycles")


def check(
    files: Files,
    events: Annotated[
        Path | None, typer.Option(help="A sample of events: warn of what the files name and it does not have.")
    ] = None,
) -> None:
    """Validate lifecycles, segments, campaigns and stories; every fault with its place, and what was perhaps meant."""
    from services.notifier.file import campaigns as campaign_file
    from services.notifier.file import subscriptions as subscription_file
    from services.stager.commands.plural import plural
    from services.stager.commands.story import check_stories
    from services.stager.language import file as lifecycle_file
    from shared.document.files import read_paths
    from shared.document.nodes import in_order

    read, warnings = read_paths(files)
    lifecycles = lifecycle_file.load_documents(read)
    campaigns = campaign_file.load_documents(read, _rules(lifecycles.lifecycles))
    subscriptions = subscription_file.load_documents(read)
    stories, in_stories = check_stories(document for documents, _ in read for document in documents)
    faults = {*warnings, *lifecycles.faults, *campaigns.faults, *subscriptions.faults, *in_stories}
    if lifecycles.lifecycles:
        faults |= set(subscription_file.check_lifecycles(subscriptions, [part.name for part in lifecycles.lifecycles]))
    if events is not None:
        from services.stager.commands.sample import unseen_in_sample

        faults |= set(unseen_in_sample((document for documents, _ in read for document in documents), events))
    for fault in in_order(faults):
        typer.echo(fault.render(), err=True)
    if any(fault.severity == "error" for fault in faults):
        raise typer.Exit(1)
    segments = sum(part.segment for part in lifecycles.lifecycles)
    counts = {
        "lifecycle": len(lifecycles.lifecycles) - segments,
        "segment": segments,
        "campaign": len(campaigns.campaigns),
    }
    if subscriptions.subscriptions:
        counts["subscription"] = len(subscriptions.subscriptions)
    if stories:
        counts["story"] = stories
    typer.echo("ok: " + ", ".join(f"{count} {plural(noun, count)}" for noun, count in counts.items()))


def campaign_rules(lifecycles: Sequence[Path]) -> Rules:
    """How campaigns are read: conditions in the stager's language, and held against these lifecycles, if any."""
    from services.stager.language.file import load_paths

    return _rules(load_paths(lifecycles).lifecycles if lifecycles else ())


def _rules(lifecycles: Sequence[Lifecycle]) -> Rules:
    from services.notifier.campaign.condition import Surroundings
    from services.notifier.file.campaigns import Rules
    from services.stager.condition import compile_condition, offer_of

    offers = {part.name: offer_of(part) for part in lifecycles}
    return Rules(compile_condition, {name: Surroundings(*offer) for name, offer in offers.items()} or None)


def simulate(
    lifecycle: Annotated[list[Path], typer.Option(help="Lifecycle files, or folders of them; may be repeated.")],
    events: Annotated[str, typer.Option(help="A file of events, one JSON object a line; - for standard input.")],
    until: Annotated[str | None, typer.Option(help="Let time pass until then (default: the last event).")] = None,
    customer: Annotated[str | None, typer.Option(help="Print only this customer's transitions.")] = None,
    summary: Annotated[bool, typer.Option("--summary", help="Print tables and a picture of the flow.")] = False,  # noqa: FBT002
    speed: Annotated[bool, typer.Option("--speed", help="Print the throughput in events per second.")] = False,  # noqa: FBT002
    processes: Annotated[
        int | None, typer.Option(help="Number of worker processes (default: one per core for long files).", min=1)
    ] = None,
) -> None:
    """Fold a file of events without any server and print each transition as one line of JSON."""
    from services.stager.commands.simulate import Report, run_simulation

    report = Report(customer=customer, summary=summary, speed=speed)
    raise typer.Exit(run_simulation(lifecycle, events=events, until=until, report=report, processes=processes))


def explain(
    lifecycle: Annotated[list[Path], typer.Option(help="Lifecycle files, or folders of them; may be repeated.")],
    events: Annotated[str, typer.Option(help="A file of events, one JSON object a line; - for standard input.")],
    customer: Annotated[str, typer.Option(help="The customer's id.")],
    at: Annotated[str | None, typer.Option(help="As of when (default: the last event).")] = None,
    json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,  # noqa: FBT002  # typer's way
) -> None:
    """Say why a customer is where they are: clause by clause, with values, and what time alone will do to them next."""
    from services.stager.commands.explain import run_explanation

    raise typer.Exit(run_explanation(lifecycle, events=events, customer=customer, at=at, as_json=json))


def schema() -> None:
    """Print the JSON Schema of lifecycle files, for editors."""
    import json

    from services.stager.language.schema import file_schema

    typer.echo(json.dumps(file_schema(), indent=2))


def tell_stories(files: Files) -> None:
    """Run stories: what happens to a customer step by step, and where they must then be. Print what differs and why."""
    from services.stager.commands.story import run_stories

    raise typer.Exit(run_stories(files))


@lifecycles_app.callback()
def lifecycles(context: typer.Context) -> None:
    """List the ready-made lifecycles and segments: what each is for, what is in it, and the events that it needs."""
    from services.stager.commands.lifecycles import print_list

    if context.invoked_subcommand is None:
        print_list()


@lifecycles_app.command()
def show(name: Annotated[str, typer.Argument(help="A file, a lifecycle or a segment from the list.")]) -> None:
    """Print the file that is or holds it, to be saved and changed."""
    from services.stager.commands.lifecycles import print_file

    print_file(name)


def import_file(
    file: Annotated[Path, typer.Argument(help="History, one JSON object a line; may be gzip.")],
    url: Annotated[str, typer.Option(help="Where ingest listens.")] = "http://127.0.0.1:8080",
    key: Annotated[str, typer.Option(envvar="STAGELINE_WRITE_KEY", help="The write key.")] = "",
    name: Annotated[str, typer.Option(help="Name of the import (default: the file's name).")] = "",
) -> None:
    """Send a file of history to ingest. Sending the same file again, also after a break, adds nothing twice."""
    from services.ingest.imports.command import Destination, run_import

    raise typer.Exit(run_import(file, Destination(url, key), name=name))
