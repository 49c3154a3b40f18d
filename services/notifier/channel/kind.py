"""What a channel tells about itself: how its steps are written, and how it is made.

Each `channel_*.py` ends with its kind; `channels.py` lists them. Nothing else has to know that a channel exists.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from services.notifier.campaign.template import Markup
from services.notifier.channel.channel import AT_ONCE_MAX, Channel
from services.notifier.delivery.delivery import ChannelName
from services.notifier.settings import NotifierSettings
from shared.document.nodes import Faults, Node
from shared.log import Log
from shared.topics import Topics

ReadTarget = Callable[[Node | None, Faults], str | None]
"""The target that a step's key says (None: the key is not there); None when that is a fault, which is reported."""

NO_MARKUP: Mapping[str, Markup] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class ChannelContext:
    """What a channel can be made of."""

    settings: NotifierSettings
    log: Log
    topics: Topics


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelKind:
    """One kind of channel.

    `parts` are the templates that a step may have, the first of them also under the key `template`; of each group in
    `required` it must have one. `target_key` names the key that says where to, read by `read_target`. `make` gives
    None where the settings do not allow this channel; `needs` then says what to set. `at_once_max` is how many messages
    it can have under way; any more would only wait, and their leases would run.
    """

    name: ChannelName
    make: Callable[[ChannelContext], Channel | None]
    needs: str = ""
    at_once_max: int = AT_ONCE_MAX
    parts: Mapping[str, Markup] = field(default_factory=lambda: NO_MARKUP)
    required: tuple[tuple[str, ...], ...] = ()
    target_key: str | None = None
    needs_target: bool = False
    read_target: ReadTarget = lambda _node, _faults: ""
