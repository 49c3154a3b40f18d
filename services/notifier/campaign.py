"""A checked campaign: what to send on which transition.

Frozen values and nothing else: this module must not know files, the log, the database or any clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from services.notifier.step import Step
from shared.clock import HOUR_MS

TOO_OLD_MS = 72 * HOUR_MS  # a weekend with a dead notifier is still answered; older news would surprise people


class Change(StrEnum):
    """Which side of a stage a campaign watches."""

    MOVED = "moved"  # into the stage
    LEFT = "left"
    LINGERED = "lingered"


@dataclass(frozen=True, slots=True)
class Trigger:
    """The transitions that a campaign answers. `nth` only narrows lingers (1 the first of a visit; None: each)."""

    lifecycle: str
    stage: str
    change: Change
    nth: int | None = None


@dataclass(frozen=True, slots=True)
class Campaign:
    """One campaign. `steps` are in file order and never empty; a transition older than `too_old_ms` is not sent."""

    name: str
    trigger: Trigger
    steps: tuple[Step, ...]
    too_old_ms: int = TOO_OLD_MS
    description: str = ""
