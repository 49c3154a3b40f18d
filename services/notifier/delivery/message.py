"""A message: what a channel sends, ready for one customer.

Frozen values and nothing else: this module must not know templates, the log, the database or any clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from uuid import UUID

from services.notifier.delivery.delivery import ChannelName
from shared.transition import Transition

NO_PARTS: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message. `id` is the delivery's: the idempotency key towards the receiver.

    `target` is where it goes: a URL, a mail address, or empty where the channel has one place only. `parts` are the
    rendered templates by name (`subject`, `text`, `html`, `body`), those that the file gives. `unsubscribe` is the
    customer's own link, or empty.
    """

    id: UUID
    campaign: str
    channel: ChannelName
    target: str
    transition: Transition
    parts: Mapping[str, str] = field(default_factory=lambda: NO_PARTS)
    unsubscribe: str = ""
