"""A checked campaign: what to send on which transition, to whom, and when not.

Frozen values and nothing else: this module must not know files, the log, the database or any clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from services.notifier.campaign.condition import Condition
from services.notifier.campaign.step import Step
from shared.clock import HOUR_MS

TOO_OLD_MS = 72 * HOUR_MS  # a weekend with a dead notifier is still answered; older news would surprise people
PRIORITY = 5  # the middle of 1 to 9, so that there is room on both sides


class Change(StrEnum):
    """Which side of a stage a campaign watches."""

    MOVED = "moved"  # into the stage
    LEFT = "left"
    LINGERED = "lingered"


@dataclass(frozen=True, slots=True)
class Trigger:
    """The transitions that a campaign answers.

    `nth` only narrows lingers (1 the first of a visit; None: each); `is_first_entry` keeps to a customer's first visit.
    `came_from` and `went_to` narrow a move by its other end; None is any, and a None inside is "no stage".
    """

    lifecycle: str
    stage: str
    change: Change
    nth: int | None = None
    is_first_entry: bool = False
    came_from: frozenset[str | None] | None = None
    went_to: frozenset[str | None] | None = None


@dataclass(frozen=True, slots=True)
class QuietHours:
    """The part of each local day in which nothing is sent: minutes after midnight, `start` included, `end` not.

    `start` after `end` means over midnight. The zone is the customer's `trait` where one is named and known, else
    `zone` (IANA).
    """

    start: int
    end: int
    zone: str = "UTC"
    trait: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Cap:
    """At most so many messages to one customer in any stretch of `within_ms`.

    `of_all`: the messages of all campaigns count, else this campaign's only.
    """

    messages: int
    within_ms: int
    of_all: bool = False


@dataclass(frozen=True, slots=True)
class Sample:
    """Who is in the experiment: shares of all customers, in millionths, drawn by a hash of `name` and customer.

    `control` follows `share` on the same scale: those customers are recorded and not sent; the rest is left out.
    """

    name: str
    share: int
    control: int


@dataclass(frozen=True, slots=True)
class Campaign:
    """One campaign. `steps` are in file order and never empty; a transition older than `too_old_ms` is not sent.

    `fallbacks` are the numbers (from 1) of the steps that go only when the one before could not reach the customer.
    Higher `priority` (1 to 9) goes first. `start_ms` is included, `end_ms` is not; None is open. `hold_ms` counts from
    the transition's `at`.
    """

    name: str
    trigger: Trigger
    steps: tuple[Step, ...]
    too_old_ms: int = TOO_OLD_MS
    description: str = ""
    fallbacks: frozenset[int] = frozenset()
    where: Condition | None = None
    consent: Condition | None = None
    hold_ms: int = 0
    quiet_hours: QuietHours | None = None
    cap: Cap | None = None
    sample: Sample | None = None
    priority: int = PRIORITY
    start_ms: int | None = None
    end_ms: int | None = None
    is_paused: bool = False
