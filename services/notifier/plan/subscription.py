"""Subscriptions: every transition of some lifecycles to a tool that wants them all, decided like campaigns.

Plain functions of values: this module must not know files, the log, the database, a channel or any clock. A
subscription has no conditions of its own (visit, consent, hours, caps): what it asks for is news, not a message to the
customer.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from services.notifier.campaign.campaign import Campaign, Change, Trigger
from services.notifier.campaign.step import Step, channel_of, endpoint_of, target_of
from services.notifier.delivery.delivery import Decision, Outcome, delivery_id
from services.notifier.plan.plan import instant_of
from shared.transition import Transition

SIGN = "@"  # a campaign's name cannot begin with it: both kinds of names stand in one column

NEVER_TOO_OLD_MS = 2**62  # older than anything can become


@dataclass(frozen=True, slots=True)
class Subscription:
    """One subscription. `lifecycles` and `changes` narrow it (None: all); `steps` are in file order, never empty.

    Transitions of imported history are left out unless `historical`.
    """

    name: str
    steps: tuple[Step, ...]
    lifecycles: frozenset[str] | None = None
    changes: frozenset[str] | None = None
    historical: bool = False
    description: str = ""

    @property
    def sign(self) -> str:
        """What stands where a campaign's name stands: `@NAME`."""
        return SIGN + self.name

    def as_campaign(self) -> Campaign:
        """What the send contract holds its deliveries against: a campaign without any condition."""
        trigger = Trigger("", "", Change.MOVED)
        return Campaign(self.sign, trigger, self.steps, too_old_ms=NEVER_TOO_OLD_MS, description=self.description)


def wants(subscription: Subscription, transition: Transition) -> bool:
    """Whether a subscription is for this transition."""
    if transition.historical and not subscription.historical:
        return False
    is_change = subscription.changes is None or transition.change in subscription.changes
    return is_change and (subscription.lifecycles is None or transition.lifecycle in subscription.lifecycles)


def plan_subscriptions(
    subscriptions: Iterable[Subscription], transition: Transition, *, partition: int, now_ms: int
) -> list[Decision]:
    """The decision for each step of each subscription that wants this transition: all of them due at once.

    Errors: Malformed when the transition's `at` is no instant.
    """
    return [
        _decision(one, number, step, transition, partition=partition, now_ms=now_ms)
        for one in subscriptions
        if wants(one, transition)
        for number, step in enumerate(one.steps, start=1)
    ]


def _decision(
    one: Subscription, number: int, step: Step, transition: Transition, *, partition: int, now_ms: int
) -> Decision:
    return Decision(
        id=delivery_id(transition.id, one.sign, number),
        campaign=one.sign,
        step=number,
        channel=channel_of(step),
        target=target_of(step),
        endpoint=endpoint_of(step),
        partition=partition,
        stage="",  # of nobody's visit: it stays true whatever the customer does
        while_in=True,
        at_ms=instant_of(transition.at),
        transition=transition,
        outcome=Outcome.PENDING,
        reason="",
        decided_ms=now_ms,
        due_ms=now_ms,
    )
