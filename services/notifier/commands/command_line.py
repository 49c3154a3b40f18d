"""`stageline preview` and `stageline replay`, as the command line has them.

Each imports what it needs when it runs, as every command does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from shared.settings import read_settings

if TYPE_CHECKING:
    from services.notifier.file.campaigns import Rules
    from services.notifier.settings import NotifierSettings

RulesOf = Callable[[Sequence[Path]], "Rules"]
"""How campaigns are read beside these lifecycles."""

Folders = Annotated[
    list[Path] | None, typer.Option(help="Campaign files or folders of them (default: STAGELINE_CAMPAIGNS).")
]


def add_campaign_commands(app: typer.Typer, rules_of: RulesOf) -> None:
    """Add both commands."""
    _add_preview(app, rules_of)
    _add_replay(app)


def _add_preview(app: typer.Typer, rules_of: RulesOf) -> None:
    @app.command()
    def preview(
        campaign: Annotated[str, typer.Argument(help="The campaign's name.")],
        customer: Annotated[str | None, typer.Option(help="A real customer: as the tables know them now.")] = None,
        transition: Annotated[
            Path | None, typer.Option(help="A file of transitions, as `simulate` prints them, instead of the tables'.")
        ] = None,
        campaigns: Folders = None,
    ) -> None:
        """Print what a campaign would say to a customer, on the newest transition that it answers; sends nothing."""
        from services.notifier.commands.campaigns import named, preview_campaign
        from services.notifier.file.load import load_campaigns

        settings = _settings(campaigns)
        known = load_campaigns(settings, rules_of(settings.lifecycles))
        chosen = known[named(campaign, known)]
        text, is_whole = asyncio.run(preview_campaign(settings, chosen, customer=customer, transitions=transition))
        typer.echo(text)
        if not is_whole:
            raise typer.Exit(1)


def _add_replay(app: typer.Typer) -> None:
    @app.command()
    def replay(
        subscription: Annotated[str, typer.Argument(help="The subscription's name.")],
        from_time: Annotated[str | None, typer.Option(help="Transitions that happened at this time or later.")] = None,
        from_seq: Annotated[str | None, typer.Option(help="PARTITION:SEQ: this `seq` of it and later.")] = None,
        campaigns: Folders = None,
    ) -> None:
        """Send a subscription its transitions again, under the ids that they had; a running notifier sends them."""
        from services.notifier.commands.campaigns import beginning, named, replay_subscription
        from services.notifier.file.load import load_subscriptions

        settings = _settings(campaigns)
        known = load_subscriptions(settings)
        chosen, begin = known[named(subscription, known)], beginning(from_time=from_time, from_seq=from_seq)
        done = asyncio.run(replay_subscription(settings, chosen, begin=begin))
        typer.echo(f"{done.transitions} transitions: {done.again} deliveries again, {done.new} for the first time")


def _settings(campaigns: list[Path] | None) -> NotifierSettings:
    from services.notifier.settings import NotifierSettings

    settings = read_settings(NotifierSettings)
    return settings if campaigns is None else settings.model_copy(update={"campaigns": tuple(campaigns)})
