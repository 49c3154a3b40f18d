"""The send contract applied to what was taken: looks at each customer as of now, judges, and reserves the caps.

What may not go out becomes a result at once; what may is cleared, with all that sending it needs to know.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from services.notifier import metrics
from services.notifier.campaign.campaign import Campaign, Cap
from services.notifier.delivery.customers import CustomerNow, Customers, Whose
from services.notifier.delivery.deliveries import Deliveries, Reservation
from services.notifier.delivery.delivery import Delivery, Outcome, Result, followers_of
from services.notifier.plan.contract import End, Hold, Send, judge
from shared.clock import Clock

DISABLED_KEPT_S = 1.0  # what another process disables or enables is noticed within this; a look a batch costs more


class Cleared(NamedTuple):
    """What may be sent now. `note` is for the row."""

    delivery: Delivery
    campaign: Campaign
    customer: CustomerNow
    cap: Cap | None
    note: str


@dataclass(frozen=True, slots=True)
class Passage:
    """What a batch came to: some may be sent, the others have their result already."""

    cleared: Sequence[Cleared]
    results: Sequence[Result]


class Gate:
    """Between taking and sending."""

    def __init__(
        self, deliveries: Deliveries, customers: Customers, campaigns: Mapping[str, Campaign], *, clock: Clock
    ) -> None:
        self._deliveries = deliveries
        self._customers = customers
        self._campaigns = campaigns
        self._clock = clock
        self._disabled: Mapping[str, str] = {}
        self._disabled_until_s = 0.0

    def forget_disabled(self) -> None:
        """Ask the tables anew which targets want no more: one was disabled or enabled just now."""
        self._disabled_until_s = 0.0

    def priority(self, campaign: str) -> int:
        """The priority of a campaign; what is gone is ended in passing, at the least."""
        known = self._campaigns.get(campaign)
        return known.priority if known is not None else 1

    async def admit(self, taken: Sequence[Delivery]) -> Passage:
        """Judge what was taken. Errors: Unavailable; then nothing of it was sent."""
        disabled = await self._all_disabled()
        seen = await self._customers.look([_whose(delivery) for delivery in taken])
        cleared: list[Cleared] = []
        results: list[Result] = []
        now_ms = self._clock.now_ms()
        for delivery in taken:
            campaign, customer = self._campaigns.get(delivery.campaign), seen[_whose(delivery)]
            judgement = judge(delivery, campaign, customer, disabled=disabled, now_ms=now_ms)
            if isinstance(judgement, Send):
                assert campaign is not None, "what is sent belongs to a campaign"
                cleared.append(Cleared(delivery, campaign, customer, judgement.cap, judgement.note))
            else:
                results.append(withheld(delivery, judgement, now_ms=now_ms))
        admitted, capped = await self._reserve(cleared, now_ms=now_ms)
        _count([*results, *capped], admitted)
        return Passage(admitted, [*results, *capped])

    async def _all_disabled(self) -> Mapping[str, str]:
        now_s = time.monotonic()
        if now_s >= self._disabled_until_s:
            self._disabled = await self._deliveries.disabled()
            self._disabled_until_s = now_s + DISABLED_KEPT_S
        return self._disabled

    async def _reserve(self, cleared: Sequence[Cleared], *, now_ms: int) -> tuple[list[Cleared], list[Result]]:
        """Those that need no place under a cap or got one, and the results of the others."""
        first_priority_first = sorted(cleared, key=lambda one: -one.campaign.priority)
        wanted = [_reservation(one, one.cap, now_ms=now_ms) for one in first_priority_first if one.cap is not None]
        granted = await self._deliveries.reserve(wanted, now_ms=now_ms) if wanted else set()
        admitted = [one for one in cleared if one.cap is None or one.delivery.id in granted]
        capped = [
            withheld(one.delivery, End(Outcome.CAPPED, _full(one.cap)), now_ms=now_ms)
            for one in cleared
            if one.cap is not None and one.delivery.id not in granted
        ]
        return admitted, capped


def withheld(delivery: Delivery, judgement: Hold | End, *, now_ms: int) -> Result:
    """The result of what is not sent, now or ever."""
    return Result(
        id=delivery.id,
        take=delivery.take,
        outcome=Outcome.HELD if isinstance(judgement, Hold) else judgement.outcome,
        reason=judgement.reason,
        finished_ms=now_ms,
        due_ms=judgement.due_ms if isinstance(judgement, Hold) else None,
        followers=followers_of(delivery),
    )


def _whose(delivery: Delivery) -> Whose:
    transition = delivery.transition
    return Whose(delivery.partition, transition.customer, transition.lifecycle, delivery.stage)


def _reservation(one: Cleared, cap: Cap, *, now_ms: int) -> Reservation:
    campaign = None if cap.of_all else one.delivery.campaign
    customer, since_ms = one.delivery.transition.customer, now_ms - cap.within_ms
    return Reservation(one.delivery.id, one.delivery.take, customer, campaign, cap.messages, since_ms)


def _full(cap: Cap) -> str:
    return f"the customer has had {cap.messages} of {'all campaigns' if cap.of_all else 'this campaign'} already"


def _count(results: Sequence[Result], admitted: Sequence[Cleared]) -> None:
    for result in results:
        metrics.JUDGED.labels(result.outcome).inc()
    metrics.UNKNOWN_ZONES.inc(sum(bool(one.note) for one in admitted))
