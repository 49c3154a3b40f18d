"""The steps of a campaign file: which keys each channel takes, and what is said about a wrong one."""

from __future__ import annotations

from services.notifier.campaign_fields import check_keys, read_choice, read_url, require
from services.notifier.delivery import ChannelName
from services.notifier.step import ConsoleStep, Step, WebhookStep
from shared.document import Faults, Mapping, Node

EVERY_STEP = ("channel", "fallback")  # `fallback` is the campaign's to read, not the channel's

_KEYS: dict[ChannelName, tuple[str, ...]] = {ChannelName.CONSOLE: (), ChannelName.WEBHOOK: ("url",)}


def read_step(node: Node, faults: Faults) -> Step | None:
    """A step, or None when something in it is wrong (and has been reported)."""
    if not isinstance(node, Mapping):
        faults.add(node, "a step is a mapping such as `channel: console`")
        return None
    word = read_choice(require(node, "channel", faults, of="a step"), [*map(str, ChannelName)], faults, of="`channel`")
    if word is None:
        return None
    channel = ChannelName(word)
    check_keys(node, (*EVERY_STEP, *_KEYS[channel]), faults, of=f"a {channel} step")
    match channel:
        case ChannelName.CONSOLE:
            return ConsoleStep()
        case ChannelName.WEBHOOK:
            url = read_url(require(node, "url", faults, of="a webhook step"), faults, of="`url`")
            return None if url is None else WebhookStep(url)
