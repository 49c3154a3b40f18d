"""Replay: a subscription's deliveries made due again from a given time or `seq` on.

A delivery that was made before goes out under the id that it had, so that a receiver which has it can tell; one that
was never made (the subscription is younger than the transition) is made now. What is still to be sent stays as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from services.notifier.delivery.deliveries import Deliveries
from services.notifier.plan.subscription import Subscription, plan_subscriptions
from shared.errors import Refused
from shared.transition import Transition

ROWS_MAX = 1_000  # transitions read and decided at a time: one transaction of well under a second


@dataclass(frozen=True, slots=True)
class Beginning:
    """Where a replay begins: transitions that happened at `at_ms` or later, or `seq` and later of one partition."""

    at_ms: int = 0
    partition: int | None = None
    seq: int = 1


@dataclass(frozen=True, slots=True)
class Replayed:
    """How many transitions were looked at, how many deliveries go out again, and how many for the first time."""

    transitions: int = 0
    again: int = 0
    new: int = 0


class Transitions(Protocol):
    """The stager's history, to read."""

    async def partitions(self) -> list[int]:
        """The partitions that have any. Errors: Unavailable."""

    async def after(self, partition: int, *, seq: int, at_ms: int, limit: int) -> Sequence[Transition]:
        """Up to `limit` transitions above `seq` that happened at `at_ms` or later, in order of `seq`."""


async def replay(
    subscription: Subscription, transitions: Transitions, deliveries: Deliveries, *, begin: Beginning, now_ms: int
) -> Replayed:
    """Make them due now; a running notifier sends them. Safe to repeat after a crash. Errors: Unavailable; Refused."""
    known = await transitions.partitions()
    if begin.partition is not None and begin.partition not in known:
        raise Refused(f"partition {begin.partition} has no transitions; there are some in {known}")
    done = Replayed()
    for partition in known if begin.partition is None else [begin.partition]:
        seq = begin.seq - 1
        while rows := await transitions.after(partition, seq=seq, at_ms=begin.at_ms, limit=ROWS_MAX):
            decisions = [
                one
                for row in rows
                for one in plan_subscriptions([subscription], row, partition=partition, now_ms=now_ms)
            ]
            again = await deliveries.redrive([one.id for one in decisions], now_ms=now_ms)
            new = await deliveries.add(decisions)
            done = Replayed(done.transitions + len(rows), done.again + again, done.new + new)
            seq = rows[-1].seq
    return done
