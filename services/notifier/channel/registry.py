"""The registry of channels: a line each, and the file that it names; nothing else has to be touched for a new one."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from services.notifier.campaign.step import Step
from services.notifier.channel import console, email, kafka, slack, webhook
from services.notifier.channel.channel import Channel
from services.notifier.channel.kind import ChannelContext
from services.notifier.delivery.delivery import ChannelName

KINDS = (console.KIND, email.KIND, kafka.KIND, slack.KIND, webhook.KIND)


def make_channels(context: ChannelContext) -> dict[ChannelName, Channel]:
    """The channels that these settings make possible. Errors: Refused when a setting is wrong."""
    made = ((kind.name, kind.make(context)) for kind in KINDS)
    return {name: channel for name, channel in made if channel is not None}


def at_once_max(name: ChannelName) -> int:
    """How many messages this channel can have under way."""
    return next(kind.at_once_max for kind in KINDS if kind.name == name)


def missing_settings(steps: Iterable[Step], made: Collection[ChannelName]) -> list[str]:
    """What must be set before these steps can be sent, a sentence each."""
    wanted = {step.channel for step in steps}
    return [
        f"a campaign sends by {kind.name}: set {kind.needs}"
        for kind in KINDS
        if kind.name in wanted and kind.name not in made
    ]
