"""A step: one channel, where it goes, and the templates of what it says.

Frozen values and nothing else: this module must not know files, the log, the database or any clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from urllib.parse import urlsplit

from services.notifier.campaign.template import Template
from services.notifier.delivery.delivery import ChannelName

NO_TEMPLATES: Mapping[str, Template] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Step:
    """One item of `send:`.

    `target` is what the file says: a URL, an address, `traits.x` for what the customer's trait holds at the moment of
    sending, or empty. `parts` are the templates by name; without any, the transition itself is the message.
    """

    channel: ChannelName
    target: str = ""
    parts: Mapping[str, Template] = field(default_factory=lambda: NO_TEMPLATES)


def channel_of(step: Step) -> ChannelName:
    """The channel that a step's messages go by."""
    return step.channel


def target_of(step: Step) -> str:
    """Where the channel sends, as far as the file says it."""
    return step.target


def endpoint_of(step: Step) -> str:
    """The machine behind the target, a word without blanks: what is down is down for every target on it."""
    parts = urlsplit(step.target)
    return f"{parts.scheme}://{parts.netloc}" if parts.netloc else str(step.channel)
