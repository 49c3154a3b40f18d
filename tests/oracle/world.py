"""The small world of a random case: a coarse grid of times, a few names, so that boundaries meet to the millisecond."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from tests.oracle.values import parse_time

UNITS = (1_000, 60_000, 3_600_000, 86_400_000)
EVENTS = ("a", "b", "c", "Order Completed")
RESERVED = ("$page", "$screen", "$identify", "$group")
PROPERTIES = (("n",), ("n",), ("s",), ("f",), ("o", "x"), ("l",), ("name",), ("Plan Name",), ("day",))
TRAITS = (("plan",), ("plan",), ("n",), ("f",), ("day",), ("o", "x"), ("l",), ("Plan Name",), ("in",))
TEXTS = ("x", "y", "pro", "Pro", "", "straße ☃", 'q"\\', "ΟΔΟΣ", "İ")

# Where clocks jump: at midnight (Beirut, São Paulo, Asunción), a minute later (St. John's), by a whole day (Apia,
# Kwajalein), by half an hour (Lord Howe), by two hours (Troll), before the epoch (Lisbon), and as usual.
PLACES = (
    ("UTC", "2026-01-30T00:00"),
    ("UTC", "2025-12-28T00:00"),
    ("Europe/Berlin", "2026-03-28T12:00"),
    ("America/New_York", "2025-10-31T12:00"),
    ("Asia/Beirut", "2025-03-29T12:00"),
    ("America/Sao_Paulo", "2018-11-03T00:00"),
    ("America/Asuncion", "2024-03-23T00:00"),
    ("America/St_Johns", "2006-10-28T12:00"),
    ("Pacific/Apia", "2011-12-28T12:00"),
    ("Australia/Lord_Howe", "2026-04-04T00:00"),
    ("Asia/Kathmandu", "2026-02-27T00:00"),
    ("Africa/Cairo", "2026-04-22T12:00"),
    ("Africa/Casablanca", "2026-02-14T00:00"),
    ("Antarctica/Troll", "2026-03-28T12:00"),
    ("America/Nuuk", "2024-03-30T12:00"),
    ("Pacific/Kwajalein", "1993-08-20T00:00"),
    ("Europe/Lisbon", "1969-12-30T00:00"),
)

T = TypeVar("T")


@dataclass(frozen=True)
class World:
    """The dice and the grid of one case; with `spine` only the plainest metrics, with `only` just these functions."""

    dice: random.Random
    spine: bool
    unit_ms: int
    start_ms: int
    zone: str
    only: tuple[str, ...] = ()

    def chance(self, probability: float) -> bool:
        """True as often as said."""
        return self.dice.random() < probability

    def pick(self, options: Sequence[T]) -> T:
        """One of them."""
        return self.dice.choice(options)

    def duration(self, most: int = 6) -> int:
        """A few units, now and then a millisecond more or less."""
        return self.dice.randint(1, most) * self.unit_ms + self.nudge(0.15)

    def nudge(self, probability: float) -> int:
        """Mostly nothing, else a millisecond this way or that."""
        return self.pick((-1, 1)) if self.chance(probability) else 0

    def time(self, most: int = 24) -> int:
        """An instant on the grid, or a millisecond beside it."""
        return self.start_ms + self.dice.randint(0, most) * self.unit_ms + self.nudge(0.2)

    def numeral(self) -> int:
        """A small number in millionths."""
        return self.pick((0, 1, 1, 2, 2, 3, 4, 5, 7)) * 1_000_000 + self.pick((0, 0, 0, 0, 500_000, 1, -1, 333_333))


def draw_world(seed: int, *, spine: bool, only: tuple[str, ...]) -> World:
    """The world of a seed."""
    dice = random.Random(seed)
    zone, start = dice.choice(PLACES)
    start_ms = parse_time(start)
    assert start_ms is not None
    return World(dice, spine, dice.choice(UNITS), start_ms, zone, only)
