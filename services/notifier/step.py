"""One step of a campaign: by which channel a message goes, and where to.

Frozen values and nothing else: this module must not know files, the log, the database or any clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias
from urllib.parse import urlsplit

from services.notifier.delivery import ChannelName


@dataclass(frozen=True, slots=True)
class ConsoleStep:
    """A line on the standard output."""


@dataclass(frozen=True, slots=True)
class WebhookStep:
    """A signed POST; `url` is absolute, http or https (whether http may be used is the channel's to say)."""

    url: str


Step: TypeAlias = ConsoleStep | WebhookStep


def channel_of(step: Step) -> ChannelName:
    """The channel that a step's messages go by."""
    match step:
        case ConsoleStep():
            return ChannelName.CONSOLE
        case WebhookStep():
            return ChannelName.WEBHOOK


def target_of(step: Step) -> str:
    """Where the channel sends: a URL for a webhook, empty for the console."""
    match step:
        case ConsoleStep():
            return ""
        case WebhookStep(url):
            return url


def endpoint_of(step: Step) -> str:
    """The machine behind the target, a word without blanks: what is down is down for every target on it."""
    match step:
        case ConsoleStep():
            return "console"
        case WebhookStep(url):
            parts = urlsplit(url)
            return f"{parts.scheme}://{parts.netloc}"
