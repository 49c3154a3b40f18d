"""PLAN: from campaigns and one transition to the deliveries that are to be, sent or only recorded.

Plain functions of values: this module must not know the log, the database, a channel, the environment or any clock.
What concerns the moment of sending (quiet hours, caps, consent) is `contract.py`'s: it needs to know the customer as
of then.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from services.notifier.campaign.campaign import Campaign, Change, Trigger
from services.notifier.campaign.step import channel_of, endpoint_of, target_of
from services.notifier.delivery.delivery import NEVER_MS, Decision, Outcome, delivery_id
from shared.clock import rfc3339, to_ms
from shared.errors import Malformed
from shared.transition import Transition


def plan(campaigns: Iterable[Campaign], transition: Transition, *, partition: int, now_ms: int) -> list[Decision]:
    """The decision for each step of each campaign that answers this transition, in the order of campaigns and steps.

    Errors: Malformed when the transition's `at` is no instant.
    """
    answering = [campaign for campaign in campaigns if answers(campaign.trigger, transition)]
    if not answering:
        return []
    at_ms = instant_of(transition.at)
    return [
        decision
        for campaign in answering
        for decision in _decisions(campaign, transition, partition=partition, at_ms=at_ms, now_ms=now_ms)
    ]


def answers(trigger: Trigger, transition: Transition) -> bool:
    """Whether a trigger is for this transition."""
    if trigger.lifecycle != transition.lifecycle:
        return False
    match trigger.change:
        case Change.MOVED:
            is_it = transition.change == "moved" and transition.to_stage == trigger.stage
            is_from = trigger.came_from is None or transition.from_stage in trigger.came_from
            return is_it and is_from and _is_entry(trigger, transition)
        case Change.LEFT:
            is_it = transition.change == "moved" and transition.from_stage == trigger.stage
            return is_it and (trigger.went_to is None or transition.to_stage in trigger.went_to)
        case Change.LINGERED:
            is_it = transition.change == "lingered" and transition.to_stage == trigger.stage
            return is_it and trigger.nth in (None, transition.nth) and _is_entry(trigger, transition)


def instant_of(text: str) -> int:
    """The instant of a transition's `at`, in milliseconds. Errors: Malformed."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise Malformed(f"the transition's `at` is no instant: {text!r}") from error
    if moment.tzinfo is None:
        raise Malformed(f"the transition's `at` has no offset: {text!r}")
    return to_ms(moment)


def true_while(trigger: Trigger, transition: Transition) -> tuple[str, bool]:
    """As long as what is the message true: the stage, and whether the customer is to be inside or outside of it.

    To be `out` of a segment is to be nowhere (LANGUAGE.md 5): it is asked as not being `in`.
    """
    if trigger.change is Change.LEFT:
        is_entering = (transition.from_stage, transition.to_stage) == ("out", "in")
        return ("in", True) if is_entering else (trigger.stage, False)
    is_out = transition.to_stage == "out" and transition.entry == 0
    return ("in", False) if is_out else (trigger.stage, True)


def watched_by(triggers: Iterable[Trigger]) -> set[tuple[str, str]]:
    """The lifecycles and stages on which it depends whether the messages of these triggers are true."""
    stages = {(trigger.lifecycle, trigger.stage) for trigger in triggers}
    return stages | {(lifecycle, "in") for lifecycle, stage in stages if stage == "out"}


def _is_entry(trigger: Trigger, transition: Transition) -> bool:
    return not trigger.is_first_entry or transition.entry == 1


def _decisions(
    campaign: Campaign, transition: Transition, *, partition: int, at_ms: int, now_ms: int
) -> Sequence[Decision]:
    outcome, reason = _verdict(campaign, transition, at_ms=at_ms, now_ms=now_ms)
    stage, while_in = true_while(campaign.trigger, transition)
    goes_out = outcome is Outcome.PENDING
    first_due_ms = max(now_ms, at_ms + campaign.hold_ms) if campaign.hold_ms else now_ms
    if goes_out and first_due_ms > now_ms:
        outcome, reason = Outcome.HELD, f"held until {rfc3339(first_due_ms)}"
    return [
        Decision(
            id=delivery_id(transition.id, campaign.name, number),
            campaign=campaign.name,
            step=number,
            channel=channel_of(step),
            target=target_of(step),
            endpoint=endpoint_of(step),
            partition=partition,
            stage=stage,
            while_in=while_in,
            transition=transition,
            at_ms=at_ms,
            outcome=Outcome.WAITING if goes_out and number in campaign.fallbacks else outcome,
            reason=f"stands in for step {number - 1}" if goes_out and number in campaign.fallbacks else reason,
            decided_ms=now_ms,
            due_ms=None if not goes_out else NEVER_MS if number in campaign.fallbacks else first_due_ms,
            followers=_followers(campaign, number),
        )
        for number, step in enumerate(campaign.steps, start=1)
    ]


def _followers(campaign: Campaign, number: int) -> int:
    count = 0
    while number + count + 1 in campaign.fallbacks:
        count += 1
    return count


def _verdict(campaign: Campaign, transition: Transition, *, at_ms: int, now_ms: int) -> tuple[Outcome, str]:
    if transition.historical:
        return Outcome.HISTORICAL, "the transition belongs to imported history"
    if now_ms - at_ms > campaign.too_old_ms:
        return Outcome.TOO_OLD, f"it happened at {transition.at} and was read at {rfc3339(now_ms)}"
    return Outcome.PENDING, ""
