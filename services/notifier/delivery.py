"""A delivery: one message about one transition, for one customer, by one channel.

Frozen values and nothing else: this module must not know the log, the database, a channel or any clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NewType
from uuid import UUID

from shared.transition import Transition

ChannelName = NewType("ChannelName", str)
"""A way for messages to go: the names of `channels.py`."""


class Outcome(StrEnum):
    """What became of a delivery. `pending` and `failed` will be tried (again); the others are final."""

    PENDING = "pending"
    SENT = "sent"
    FAILED = "failed"
    DEAD = "dead"
    TOO_OLD = "too_old"
    HISTORICAL = "historical"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What the plan decides for one step of one campaign on one transition.

    `id` is the same whoever decides and however often: it is the idempotency key towards the receiver. `target` is
    where the channel sends (a URL; empty for the console). `due_ms` is None when nothing is to be sent: then `outcome`
    is final and `reason` says why.
    """

    id: UUID
    campaign: str
    step: int
    channel: ChannelName
    target: str
    transition: Transition
    outcome: Outcome
    reason: str
    decided_ms: int
    due_ms: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A delivery taken for sending. `attempt` counts from 1 and fences the recording of this very attempt."""

    id: UUID
    campaign: str
    step: int
    channel: ChannelName
    target: str
    transition: Transition
    attempt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What an attempt came to. `due_ms` is when to try again: only for `failed`; None is final."""

    id: UUID
    attempt: int
    outcome: Outcome
    reason: str
    finished_ms: int
    due_ms: int | None
