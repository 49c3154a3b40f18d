"""Subscriptions: every transition of some lifecycles to a tool that wants them all, decided like campaigns.

Plain functions of values: this module must not know files, the log, the database, a channel or any clock. A
subscription has no conditions of its own (visit, consent, hours, caps): what it asks for is news, not a message to the
customer.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from services.notifier.delivery import Decision, Outcome
from services.notifier.plan import delivery_id
from services.notifier.step import Step, channel_of, target_of
from shared.transition import Transition

SIGN = "@"  # a campaign's name cannot begin with it: both kinds of names stand in one column

ChangeName: TypeAlias = Literal["moved", "lingered"]


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


def wants(subscription: Subscription, transition: Transition) -> bool:
    """Whether a subscription is for this transition."""
    if transition.historical and not subscription.historical:
        return False
    is_change = subscription.changes is None or transition.change in subscription.changes
    return is_change and (subscription.lifecycles is None or transition.lifecycle in subscription.lifecycles)


def plan_subscriptions(subscriptions: Iterable[Subscription], transition: Transition, *, now_ms: int) -> list[Decision]:
    """The decision for each step of each subscription that wants this transition: all of them due at once."""
    return [
        _decision(one, number, step, transition, now_ms=now_ms)
        for one in subscriptions
        if wants(one, transition)
        for number, step in enumerate(one.steps, start=1)
    ]


def _decision(one: Subscription, number: int, step: Step, transition: Transition, *, now_ms: int) -> Decision:
    return Decision(
        id=delivery_id(transition, one.sign, number),
        campaign=one.sign,
        step=number,
        channel=channel_of(step),
        target=target_of(step),
        transition=transition,
        outcome=Outcome.PENDING,
        reason="",
        decided_ms=now_ms,
        due_ms=now_ms,
    )
