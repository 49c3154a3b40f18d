"""The registry of channels: a line each, and the file that it names; nothing else has to be touched for a new one."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from services.notifier import channel_console, channel_email, channel_kafka, channel_slack, channel_webhook
from services.notifier.channel import Channel
from services.notifier.channel_kind import Means
from services.notifier.delivery import ChannelName
from services.notifier.step import Step

KINDS = (
    channel_console.KIND,
    channel_email.KIND,
    channel_kafka.KIND,
    channel_slack.KIND,
    channel_webhook.KIND,
)


def make_channels(means: Means) -> dict[ChannelName, Channel]:
    """The channels that these settings make possible. Errors: Refused when a setting is wrong."""
    made = ((kind.name, kind.make(means)) for kind in KINDS)
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
