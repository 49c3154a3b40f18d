"""The send contract: whether a delivery may go out now, judged in one place and one order.

Still true of the customer? campaign on? not too old? `where`? consent? hold? quiet hours? in the experiment? Then the
cap, which only the database can reserve, and then it is sent. A plain function of values: this module must not know
the database, a channel, the environment or any clock.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias
from zoneinfo import ZoneInfo

import msgspec

from services.notifier.campaign.campaign import Campaign, Cap, QuietHours, Sample
from services.notifier.campaign.condition import Condition, Subject
from services.notifier.campaign.step import channel_of
from services.notifier.delivery.customers import CustomerNow
from services.notifier.delivery.delivery import Delivery, Outcome
from services.notifier.plan.quiet import known_zone, quiet_until
from shared.clock import rfc3339
from shared.transition import Transition

MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class Send:
    """It may go out, once `cap` (None: none) has a place for it. `note` is for the row: what people should know."""

    cap: Cap | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Hold:
    """Not before `due_ms`; then it is judged anew."""

    due_ms: int
    reason: str


@dataclass(frozen=True, slots=True)
class End:
    """Never. The outcome is final."""

    outcome: Outcome
    reason: str


Judgement: TypeAlias = Send | Hold | End


def judge(
    delivery: Delivery, campaign: Campaign | None, customer: CustomerNow, *, disabled: Mapping[str, str], now_ms: int
) -> Judgement:
    """What may be done with a delivery now. `disabled` are targets that want no more, with what they said."""
    ended = _still_true(delivery, customer) or _still_on(delivery, campaign, now_ms=now_ms)
    if ended is not None:
        return ended
    assert campaign is not None, "a campaign that is gone is off"
    return (
        _fresh_enough(delivery, campaign, now_ms=now_ms)
        or _meant(delivery, campaign, customer, now_ms=now_ms)
        or _held(delivery, campaign, now_ms=now_ms)
        or _outside_quiet_hours(campaign, customer, now_ms=now_ms)
        or _sampled(campaign, delivery.transition.customer)
        or _reachable(delivery, disabled)
        or Send(campaign.cap, _zone_note(campaign, customer))
    )


def _still_true(delivery: Delivery, customer: CustomerNow) -> End | None:
    if not delivery.stage:  # of nobody's visit
        return None
    if not delivery.while_in:
        back = customer.entry is not None
        return End(Outcome.LEFT, f"the customer is back in `{delivery.stage}`") if back else None
    if customer.entry is None:
        return End(Outcome.LEFT, f"the customer is no longer in `{delivery.stage}`")
    if customer.entry != delivery.transition.entry:
        visit = f"visit {delivery.transition.entry} to `{delivery.stage}` is over, this is visit {customer.entry}"
        return End(Outcome.LEFT, visit)
    return None


def _still_on(delivery: Delivery, campaign: Campaign | None, *, now_ms: int) -> End | None:
    if campaign is None:
        return End(Outcome.OFF, "there is no such campaign any more")
    if campaign.is_paused:
        return End(Outcome.OFF, "the campaign is paused")
    if campaign.start_ms is not None and min(delivery.at_ms, now_ms) < campaign.start_ms:
        return End(Outcome.OFF, f"the campaign begins at {rfc3339(campaign.start_ms)}")
    if campaign.end_ms is not None and now_ms >= campaign.end_ms:
        return End(Outcome.OFF, f"the campaign ended at {rfc3339(campaign.end_ms)}")
    step = campaign.steps[delivery.step - 1] if delivery.step <= len(campaign.steps) else None
    if step is None or channel_of(step) != delivery.channel:
        return End(Outcome.OFF, f"the campaign has no such step {delivery.step} any more")
    return None


def _fresh_enough(delivery: Delivery, campaign: Campaign, *, now_ms: int) -> End | None:
    if now_ms - delivery.fresh_ms <= campaign.too_old_ms:
        return None
    return End(Outcome.TOO_OLD, f"it happened at {rfc3339(delivery.at_ms)}, and now it is {rfc3339(now_ms)}")


def _meant(delivery: Delivery, campaign: Campaign, customer: CustomerNow, *, now_ms: int) -> End | None:
    """Whether `where` and `consent` hold."""
    subject = _subject(delivery, customer, now_ms=now_ms)
    if not _holds(campaign.where, subject):
        return End(Outcome.FILTERED, "`where` does not hold")
    if not _holds(campaign.consent, subject):
        return End(Outcome.NO_CONSENT, "`consent` does not hold")
    return None


def _holds(condition: Condition | None, subject: Subject) -> bool:
    return condition is None or condition.holds(subject)


def _held(delivery: Delivery, campaign: Campaign, *, now_ms: int) -> Hold | None:
    if not campaign.hold_ms:
        return None  # the log's clock may be ahead of ours: nobody waits for that
    until_ms = delivery.at_ms + campaign.hold_ms
    return Hold(until_ms, f"held until {rfc3339(until_ms)}") if until_ms > now_ms else None


def _outside_quiet_hours(campaign: Campaign, customer: CustomerNow, *, now_ms: int) -> Hold | None:
    if campaign.quiet_hours is None:
        return None
    zone, note = zone_of(campaign.quiet_hours, customer.traits)
    until_ms = quiet_until(campaign.quiet_hours, zone, now_ms)
    return None if until_ms is None else Hold(until_ms, f"quiet hours until {rfc3339(until_ms)} ({zone.key}){note}")


def zone_of(hours: QuietHours, traits: Mapping[str, Any]) -> tuple[ZoneInfo, str]:
    """The customer's zone, and a note where theirs is not known; without one the default, which every file checks."""
    fallback = known_zone(hours.zone)
    assert fallback is not None, "the default zone was checked when the file was read"
    named = _reach(traits, hours.trait) if hours.trait else None
    if named is None:
        return fallback, ""
    zone = known_zone(named) if isinstance(named, str) else None
    return (fallback, f"; unknown zone {str(named)[:60]!r}, {hours.zone} used") if zone is None else (zone, "")


def _zone_note(campaign: Campaign, customer: CustomerNow) -> str:
    return zone_of(campaign.quiet_hours, customer.traits)[1] if campaign.quiet_hours else ""


def _sampled(campaign: Campaign, customer: str) -> End | None:
    if campaign.sample is None:
        return None
    place = draw(campaign.sample, customer)
    if place < campaign.sample.share:
        return None
    if place < campaign.sample.share + campaign.sample.control:
        return End(Outcome.CONTROL, "in the control group: recorded, not sent")
    return End(Outcome.NOT_SAMPLED, "outside the sample")


def draw(sample: Sample, customer: str) -> int:
    """A customer's place from 0 to 999,999 in the experiment of this name: always the same, and even over customers."""
    digest = hashlib.sha256(f"{sample.name}\0{customer}".encode()).digest()
    return int.from_bytes(digest[:8]) * MILLION >> 64


def _reachable(delivery: Delivery, disabled: Mapping[str, str]) -> End | None:
    said = disabled.get(delivery.target) if delivery.target else None
    return None if said is None else End(Outcome.DEAD, f"the target is disabled: {said}")


def _subject(delivery: Delivery, customer: CustomerNow, *, now_ms: int) -> Subject:
    transition = delivery.transition
    return Subject(customer.traits, _values(transition), now_ms, _since_ms(delivery))


def _since_ms(delivery: Delivery) -> int | None:
    """When the visit began that the transition leads to or stays in."""
    if delivery.transition.change == "moved":
        return None if delivery.transition.to_stage is None else delivery.at_ms
    return delivery.at_ms - (delivery.transition.stay_ms or 0)


def _values(transition: Transition) -> dict[str, Any]:
    carried = {} if transition.carried is msgspec.UNSET else transition.carried
    return {
        **carried, "from": transition.from_stage, "to": transition.to_stage, "change": transition.change,
        "entry": transition.entry, "nth": transition.nth, "stay": transition.stay_ms, "at": transition.at,
    }  # fmt: skip


def _reach(traits: Mapping[str, Any], path: tuple[str, ...]) -> Any:
    found: Any = traits
    for step in path:
        found = found.get(step) if isinstance(found, Mapping) else None
    return found
