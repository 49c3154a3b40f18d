"""Builders of transitions, campaigns and deliveries: a test says only what matters to it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

import msgspec

from services.notifier.campaign.campaign import Campaign, Change, Trigger
from services.notifier.campaign.step import Step
from services.notifier.delivery.delivery import ChannelName, Decision, Delivery
from services.notifier.delivery.message import Message
from services.notifier.file.campaigns import Rules
from services.notifier.plan.plan import plan
from services.stager.condition import compile_condition
from shared.clock import rfc3339
from shared.transition import TimeCause, Transition, encode

NOW_MS = 1_800_000_000_000


def a_transition(**given: Any) -> Transition:
    """`ann` moves from `active` to `at_risk` in `shop`, now."""
    usual = Transition(
        id="0f5c8a52-4a57-5d10-9c2e-6d3c7f3f9f01", customer="ann", lifecycle="shop", change="moved",
        from_stage="active", to_stage="at_risk", at=rfc3339(NOW_MS), entry=1, nth=0, stay_ms=1_000, cause=TimeCause(),
        historical=False, n=2, seq=1, version="v1",
    )  # fmt: skip
    return msgspec.structs.replace(usual, **given)


def a_lingering(**given: Any) -> Transition:
    """`ann` lingers in `at_risk` of `shop`, for the first time in this visit."""
    return a_transition(**{"change": "lingered", "from_stage": "at_risk", "nth": 1, **given})


def a_campaign(name: str = "win-back", *, change: Change = Change.MOVED, **given: Any) -> Campaign:
    """Writes a line when somebody moves into `at_risk` of `shop`."""
    trigger = given.pop("trigger", None) or Trigger("shop", "at_risk", change, given.pop("nth", None))
    return Campaign(name, **{"trigger": trigger, "steps": (Step(ChannelName("console")),), **given})


def a_decision(campaign: Campaign | None = None, *, now_ms: int = NOW_MS, **transition: Any) -> Decision:
    """The only decision on a transition, of its own unless `id` is given."""
    moved = a_transition(**{"id": str(uuid4()), **transition})
    (decision,) = plan([campaign or a_campaign()], moved, partition=0, now_ms=now_ms)
    return decision


def a_delivery(*, transition: Transition | None = None, **given: Any) -> Delivery:
    """A taken delivery of `win-back` to `ann`, who is in the visit to `at_risk` that began just now."""
    usual = Delivery(
        id=uuid4(), campaign="win-back", step=1, channel=ChannelName("console"), target="", endpoint="console",
        partition=0, stage="at_risk", while_in=True, transition=transition or a_transition(), at_ms=NOW_MS,
        fresh_ms=NOW_MS, attempt=1, take=1,
    )  # fmt: skip
    return replace(usual, **given)


def a_message(channel: str = "console", **given: Any) -> Message:
    """A message of `win-back` about `ann`, without templates."""
    usual: dict[str, Any] = {
        "id": uuid4(),
        "campaign": "win-back",
        "channel": ChannelName(channel),
        "target": "",
        "transition": a_transition(),
    }
    return Message(**{**usual, **given})


def a_step(channel: str = "console", target: str = "") -> Step:
    """A step of a channel without templates."""
    return Step(ChannelName(channel), target)


RULES = Rules(compile_condition)
"""How the tests' campaigns are read when nobody knows their lifecycles."""


@dataclass(frozen=True)
class FakeRecord:
    """A record of the log."""

    offset: int
    value: bytes | None
    timestamp: int = NOW_MS
    key: bytes | None = b"ann"
    headers: tuple[tuple[str, bytes], ...] = ()


def records(*values: Transition | bytes | None, first_offset: int = 0) -> list[FakeRecord]:
    """Records of these values, one offset after the other."""
    return [
        FakeRecord(offset, encode(value) if isinstance(value, Transition) else value)
        for offset, value in enumerate(values, start=first_offset)
    ]
