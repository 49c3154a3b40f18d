"""Trying a campaign out: its messages sent now to its own receivers, for one customer, outside of every rule.

Nothing of it is kept, no cap is used, and each message has an id that no real delivery has.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from services.notifier.campaign.campaign import Campaign, Change
from services.notifier.campaign.step import Step
from services.notifier.channel.channel import Answer, Channel
from services.notifier.delivery.customers import Customers, Whose
from services.notifier.delivery.delivery import ChannelName, Delivery
from services.notifier.delivery.message import Message
from services.notifier.plan.plan import plan
from services.notifier.sending.compose import compose
from services.notifier.sending.sender import result_of
from services.notifier.unsubscribe import UnsubscribeLinks
from shared.clock import Clock, rfc3339
from shared.partition import partition_for
from shared.transition import TimeCause, Transition


@dataclass(frozen=True, slots=True)
class TrialResult:
    """What one step came to."""

    step: int
    channel: str
    target: str
    outcome: str
    reason: str


class Trial:
    """Tries campaigns out."""

    def __init__(
        self,
        campaigns: Mapping[str, Campaign],
        customers: Customers,
        channels: Mapping[ChannelName, Channel],
        *,
        partitions: int,
        links: UnsubscribeLinks,
        clock: Clock,
    ) -> None:
        self._campaigns = campaigns
        self._customers = customers
        self._channels = channels
        self._partitions = partitions
        self._links = links
        self._clock = clock

    async def run(self, name: str, customer: str) -> list[TrialResult] | None:
        """What each step came to, in order; None when there is no such campaign. Errors: Unavailable."""
        campaign = self._campaigns.get(name)
        if campaign is None:
            return None
        partition = partition_for(customer.encode(), self._partitions)
        whose = Whose(partition, customer, campaign.trigger.lifecycle, campaign.trigger.stage)
        seen = (await self._customers.look([whose]))[whose]
        now_ms = self._clock.now_ms()
        transition = as_if(campaign, customer, entry=seen.entry or 1, now_ms=now_ms)
        results = []
        for decision in plan([campaign], transition, partition=partition, now_ms=now_ms):
            delivery = Delivery(
                id=decision.id, campaign=name, step=decision.step, channel=decision.channel, target=decision.target,
                endpoint=decision.endpoint, partition=partition, stage=decision.stage, while_in=decision.while_in,
                transition=transition, at_ms=now_ms, fresh_ms=now_ms, attempt=1, take=1,
            )  # fmt: skip
            answer = await self._send(delivery, campaign.steps[decision.step - 1], seen.traits)
            result = result_of(delivery, answer, now_ms=now_ms, chance=0)
            results.append(TrialResult(decision.step, decision.channel, decision.target, result.outcome, result.reason))
        return results

    async def _send(self, delivery: Delivery, step: Step, traits: Mapping[str, Any]) -> Answer:
        message = compose(delivery, step, traits=traits, links=self._links)
        if not isinstance(message, Message):
            return message
        return await self._channels[delivery.channel].send(message, now_ms=self._clock.now_ms())


def as_if(campaign: Campaign, customer: str, *, entry: int, now_ms: int) -> Transition:
    """A transition that the campaign answers, of just now and of nobody's log."""
    trigger = campaign.trigger
    is_left, is_linger = trigger.change is Change.LEFT, trigger.change is Change.LINGERED
    came_from = trigger.stage if is_left or is_linger else min(filter(None, trigger.came_from or ()), default=None)
    went_to = min(filter(None, trigger.went_to or ()), default=None) if is_left else trigger.stage
    return Transition(
        id=f"trial-{uuid4()}", customer=customer, lifecycle=trigger.lifecycle,
        change="lingered" if is_linger else "moved", from_stage=came_from, to_stage=went_to, at=rfc3339(now_ms),
        entry=1 if trigger.is_first_entry else entry, nth=(trigger.nth or 1) if is_linger else 0,
        stay_ms=None if came_from is None else 0, cause=TimeCause(), historical=False, n=1, seq=1, version="trial",
    )  # fmt: skip
