"""PLAN: from campaigns and one transition to the deliveries that are to be, sent or only recorded.

Plain functions of values: this module must not know the log, the database, a channel, the environment or any clock.
What concerns the moment of sending (holding back, quiet hours, caps, consent) is no part of it: it needs to know the
customer as of then.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID, uuid5

from services.notifier.campaign import Campaign, Change, Trigger
from services.notifier.delivery import Decision, Outcome
from services.notifier.step import channel_of, target_of
from shared.clock import rfc3339, to_ms
from shared.errors import Malformed
from shared.transition import Transition

# Never change this: it would give every delivery another id, and receivers would take repeats for news.
_DELIVERY_IDS = UUID("6f0d2f5c-4d0e-5c9a-9b1e-0b6a3d1c7e42")


def plan(campaigns: Iterable[Campaign], transition: Transition, *, now_ms: int) -> list[Decision]:
    """The decision for each step of each campaign that answers this transition, in the order of campaigns and steps.

    Errors: Malformed when the transition's `at` is no instant.
    """
    answering = [campaign for campaign in campaigns if answers(campaign.trigger, transition)]
    if not answering:
        return []
    at_ms = _instant(transition.at)
    return [
        decision for campaign in answering for decision in _decisions(campaign, transition, at_ms=at_ms, now_ms=now_ms)
    ]


def answers(trigger: Trigger, transition: Transition) -> bool:
    """Whether a trigger is for this transition."""
    if trigger.lifecycle != transition.lifecycle:
        return False
    match trigger.change:
        case Change.MOVED:
            return transition.change == "moved" and transition.to_stage == trigger.stage
        case Change.LEFT:
            return transition.change == "moved" and transition.from_stage == trigger.stage
        case Change.LINGERED:
            is_it = transition.change == "lingered" and transition.to_stage == trigger.stage
            return is_it and trigger.nth in (None, transition.nth)


def delivery_id(transition: Transition, campaign: str, step: int) -> UUID:
    """The one id of this step of this campaign on this transition."""
    return uuid5(_DELIVERY_IDS, f"{transition.id}/{campaign}/{step}")


def _decisions(campaign: Campaign, transition: Transition, *, at_ms: int, now_ms: int) -> Sequence[Decision]:
    outcome, reason = _verdict(campaign, transition, at_ms=at_ms, now_ms=now_ms)
    return [
        Decision(
            id=delivery_id(transition, campaign.name, number),
            campaign=campaign.name,
            step=number,
            channel=channel_of(step),
            target=target_of(step),
            transition=transition,
            outcome=outcome,
            reason=reason,
            decided_ms=now_ms,
            due_ms=now_ms if outcome is Outcome.PENDING else None,
        )
        for number, step in enumerate(campaign.steps, start=1)
    ]


def _verdict(campaign: Campaign, transition: Transition, *, at_ms: int, now_ms: int) -> tuple[Outcome, str]:
    if transition.historical:
        return Outcome.HISTORICAL, "the transition belongs to imported history"
    if now_ms - at_ms > campaign.too_old_ms:
        return Outcome.TOO_OLD, f"it happened at {transition.at} and was read at {rfc3339(now_ms)}"
    return Outcome.PENDING, ""


def _instant(text: str) -> int:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise Malformed(f"the transition's `at` is no instant: {text!r}") from error
    if moment.tzinfo is None:
        raise Malformed(f"the transition's `at` has no offset: {text!r}")
    return to_ms(moment)
