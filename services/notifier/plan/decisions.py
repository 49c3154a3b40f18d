"""From the records of one partition to what is kept of them, without repeats and records that are no transitions.

Plain functions of values, like PLAN: this module must not know the database, the environment or any clock.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from services.notifier.campaign.campaign import Campaign
from services.notifier.delivery.deliveries import Claim, Departure, PartitionDecisions, Position
from services.notifier.delivery.delivery import Decision
from services.notifier.plan.plan import plan, watched_by
from services.notifier.plan.subscription import Subscription, plan_subscriptions
from shared.errors import Malformed
from shared.log import Record
from shared.transition import Transition, decode

SEQ_MAX = 2**62  # far above what a partition can reach, and a number that every database can hold


class Skipped(NamedTuple):
    """A record that is no transition, and why."""

    offset: int
    reason: str


@dataclass(frozen=True, slots=True)
class PartitionDecided:
    """What to keep of some records of a partition, and which of them could not be used."""

    batch: PartitionDecisions
    skipped: Sequence[Skipped]


def decide_partition(
    partition: int,
    claim: Claim,
    records: Sequence[Record],
    campaigns: Sequence[Campaign],
    *,
    subscriptions: Sequence[Subscription] = (),
    now_ms: int,
) -> PartitionDecided:
    """Decide records of one partition, in offset order and at least one.

    A record whose `seq` is not above the last one seen is a repeat and comes to nothing. A record that cannot be used
    moves the position like any other: it can never be used later either.
    """
    seq = claim.position.seq
    decisions: list[Decision] = []
    departures: list[Departure] = []
    watched = watched_by(campaign.trigger for campaign in campaigns)
    skipped: list[Skipped] = []
    for record in records:
        try:
            transition = _transition(record.value)
            if transition.seq <= seq:
                continue
            decisions += plan(campaigns, transition, partition=partition, now_ms=now_ms)
            decisions += plan_subscriptions(subscriptions, transition, partition=partition, now_ms=now_ms)
            departures += departures_of(transition, watched)
            seq = transition.seq
        except Malformed as error:
            skipped.append(Skipped(record.offset, str(error)))
    position = Position(records[-1].offset + 1, seq)
    batch = PartitionDecisions(partition, claim.epoch, claim.position, position, decisions, departures, now_ms)
    return PartitionDecided(batch, skipped)


def departures_of(transition: Transition, watched: Collection[tuple[str, str]]) -> list[Departure]:
    """What a move makes untrue about the stages that campaigns watch: leaving cancels what was not yet sent."""
    if transition.change != "moved":
        return []
    sides = (
        (transition.from_stage, True, f"left `{transition.from_stage}` at {transition.at}"),
        (transition.to_stage, False, f"back in `{transition.to_stage}` at {transition.at}"),
    )
    return [
        Departure(transition.customer, transition.lifecycle, stage, while_in, transition.seq, reason)
        for stage, while_in, reason in sides
        if stage is not None and (transition.lifecycle, stage) in watched
    ]


def _transition(value: bytes | None) -> Transition:
    transition = decode(value)
    if not 0 < transition.seq < SEQ_MAX:
        raise Malformed(f"`seq` is out of range: {transition.seq}")
    if any("\0" in text for text in (transition.id, transition.customer, transition.lifecycle)):
        raise Malformed("a name holds a NUL character, which PostgreSQL cannot keep")
    return transition
