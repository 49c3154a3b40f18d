"""A delivery: one message about one transition, for one customer, by one channel.

Frozen values and nothing else: this module must not know the log, the database, a channel or any clock.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NewType
from uuid import UUID, uuid5

from shared.transition import Transition

NEVER_MS = 2**62  # when a delivery is due that waits for another one: later than every instant, and every database's

# Never change this: it would give every delivery another id, and receivers would take repeats for news.
_DELIVERY_IDS = UUID("6f0d2f5c-4d0e-5c9a-9b1e-0b6a3d1c7e42")


ChannelName = NewType("ChannelName", str)
"""A way for messages to go: the names of `channels.py`."""


class Outcome(StrEnum):
    """What became of a delivery. The first four will go on, the others are final."""

    PENDING = "pending"
    HELD = "held"  # not yet: the hold of its campaign, quiet hours, or nobody can judge it just now
    FAILED = "failed"  # to be tried again
    WAITING = "waiting"  # a fallback whose turn has not come
    SENT = "sent"
    DEAD = "dead"  # given up; an operator may have it sent again
    NO_ADDRESS = "no_address"
    LEFT = "left"  # the customer has moved on
    OFF = "off"  # the campaign is gone, paused, over or not yet begun
    FILTERED = "filtered"  # its `where` does not hold
    NO_CONSENT = "no_consent"
    TOO_OLD = "too_old"
    CAPPED = "capped"
    CONTROL = "control"  # in the control group
    NOT_SAMPLED = "not_sampled"  # outside the experiment
    HISTORICAL = "historical"
    SKIPPED = "skipped"  # a fallback that was not needed
    CANCELLED = "cancelled"  # by an operator


FALLS_BACK = frozenset({Outcome.DEAD, Outcome.NO_ADDRESS})  # after these the next step stands in


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What the plan decides for one step of one campaign on one transition.

    `id` is the same whoever decides and however often: it is the idempotency key towards the receiver. `target` is
    where the channel sends (a URL; empty for the console), `endpoint` the machine behind it. The message is true while
    the customer is in `stage` (`while_in`) or outside it (not `while_in`). `due_ms` is None when nothing is to be sent:
    then `outcome` is final and `reason` says why. `followers`: how many fallback steps come right after this one.
    """

    id: UUID
    campaign: str
    step: int
    channel: ChannelName
    target: str
    endpoint: str
    partition: int
    stage: str
    while_in: bool
    transition: Transition
    at_ms: int
    outcome: Outcome
    reason: str
    decided_ms: int
    due_ms: int | None
    followers: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A delivery taken for sending.

    `take` counts how often it was taken, and fences what is recorded of this taking. `attempt` counts how often it was
    handed to its channel, this time included, from 1. Its age counts from `fresh_ms`. `may_have_arrived`: nobody knows
    what became of an earlier attempt.
    """

    id: UUID
    campaign: str
    step: int
    channel: ChannelName
    target: str
    endpoint: str
    partition: int
    stage: str
    while_in: bool
    transition: Transition
    at_ms: int
    fresh_ms: int
    attempt: int
    take: int
    followers: int = 0
    may_have_arrived: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a taking came to. `due_ms` is when to look at it again, None when `outcome` is final.

    `is_attempt`: the channel was asked. `followers` are the ids of the fallback steps that this decides about: the
    first is released when the outcome falls back, else none is needed any more. A target that is `gone` is disabled.
    `keeps_place`: it may have arrived, and so its place under a cap is not given back.
    """

    id: UUID
    take: int
    outcome: Outcome
    reason: str
    finished_ms: int
    due_ms: int | None
    is_attempt: bool = False
    followers: Sequence[UUID] = ()
    gone: str | None = None
    keeps_place: bool = False


def delivery_id(transition: str, campaign: str, step: int) -> UUID:
    """The one id of this step of this campaign on the transition of this id."""
    return uuid5(_DELIVERY_IDS, f"{transition}/{campaign}/{step}")


def followers_of(delivery: Delivery) -> list[UUID]:
    """The ids of the fallback steps that wait for this delivery, nearest first."""
    steps = range(delivery.step + 1, delivery.step + 1 + delivery.followers)
    return [delivery_id(delivery.transition.id, delivery.campaign, step) for step in steps]
