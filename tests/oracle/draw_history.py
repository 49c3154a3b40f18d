"""Random histories in simulate's input format: on the grid, out of order, repeated, imported, and sometimes broken."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from tests.oracle.values import written
from tests.oracle.world import EVENTS, TEXTS, World

NUMBERS = (0, 1, 1, 2, 3, -1, 1.0, 2.5, 0.1, 0.2, 1e3, 5e-7, 1.5e-6, 1234567.1234565, 10**12, 1e13, 10**25, 333.333333)
DAYS = (
    "2026-02-30",
    "2026-01-31",
    "x",
    "0001-01-01",
    "9999-12-31T23:59:59.999Z",
    "9999-12-31T23:59-23:59",
    "1969-12-31",
)
REMEMBERED = 32  # ids: a repeat beyond them is a new event
CUSTOMERS: tuple[dict[str, Any], ...] = (
    {"userId": "u1"},
    {"userId": "u2"},
    {"anonymousId": "an"},
    {"userId": 7, "anonymousId": "an"},
    {"userId": None, "anonymousId": "ü☃"},
)
BROKEN = (
    "{",
    "[]",
    '{"type": "track"}',
    '{"event": "a", "userId": "u1"}',
    '{"event": "$page", "userId": "u1", "timestamp": "2030-01-01T00:00:00Z"}',
    '{"event": "a", "timestamp": "2030-01-01T00:00:00Z"}',
    '{"event": "a", "userId": "", "timestamp": "2030-01-01T00:00:00Z"}',
    '{"event": "a", "userId": "u1", "timestamp": "soon"}',
    '{"event": "a", "userId": "u1", "timestamp": "2030-01-01T00:00:00Z", "properties": [1]}',
    '{"type": "identify", "userId": "u1", "timestamp": "2030-01-01T00:00:00Z", "traits": "x"}',
    '{"type": "dance", "userId": "u1", "timestamp": "2030-01-01T00:00:00Z"}',
)


@dataclass
class HistoryDraw:
    """Draws the lines of one case, with a clock that mostly goes on."""

    world: World
    now: int
    customers: tuple[dict[str, Any], ...]
    lines: list[str] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    importing: bool = False
    lateness: float = 0.15

    def advance(self) -> None:
        """Let time pass: nothing, a step of the grid, a millisecond, or what ends an import."""
        world = self.world
        step = world.pick((0, 0, 0, 1, 1, 1, 2, 3, 5)) * world.unit_ms + world.nudge(0.15)
        if world.chance(0.05):
            step = world.pick((599_999, 600_000, 600_001))
        self.now += step

    def line(self) -> None:
        """Add one line."""
        world = self.world
        self.advance()
        if world.chance(0.07):
            self.importing = not self.importing
            if not self.importing and world.chance(0.6):
                return self.add({"type": "import_end", "timestamp": written(self.now)})
        if world.chance(0.03):
            return self.lines.append(world.pick(("", "   ", *BROKEN)))
        if self.ids and world.chance(0.06):
            return self.lines.append(world.pick(self.lines))
        if len(self.lines) > REMEMBERED + 1 and world.chance(0.1):
            back = world.pick((REMEMBERED - 1, REMEMBERED, REMEMBERED + 1, REMEMBERED + 2))
            return self.lines.append(self.lines[-back])
        return self.add(self.message())

    def add(self, message: dict[str, Any]) -> None:
        """Write it down."""
        self.lines.append(json.dumps(message, ensure_ascii=self.world.chance(0.5)))

    def message(self) -> dict[str, Any]:
        """One event."""
        world = self.world
        message: dict[str, Any] = {**self.body(), **world.pick(self.customers), **self.times()}
        if self.importing or world.chance(0.03):
            message["historical"] = True
        elif world.chance(0.05):
            message["historical"] = world.pick((False, "true", 1, None))
        if world.chance(0.4):
            message["messageId"] = (
                world.pick(self.ids) if self.ids and world.chance(0.15) else f"id{world.dice.randint(0, 999)}"
            )
            self.ids.append(message["messageId"])
        return message

    def times(self) -> dict[str, str]:
        """When it happened and when it came in."""
        world = self.world
        back = world.duration(world.pick((2, 12))) if world.chance(self.lateness) else 0
        if self.importing:
            return {"timestamp": self.write(world.time()), "receivedAt": written(self.now)}
        if back or world.chance(0.2):
            ahead = world.duration() if world.chance(0.1) else 0
            return {"timestamp": self.write(self.now - back + ahead), "receivedAt": written(self.now)}
        return {"timestamp": self.write(self.now)}

    def write(self, at: int) -> str:
        """One of the ways to write an instant."""
        text = written(at)
        if self.world.chance(0.8):
            return text
        if text.endswith(".000Z"):
            text = text[:-5] + self.world.pick(("Z", "", "+00:00", ".000999Z"))
        return text.replace("T", " ") if self.world.chance(0.2) else text

    def body(self) -> dict[str, Any]:
        """What kind of event it is, and what it says."""
        kind = self.world.pick(("track",) * 12 + ("identify",) * 5 + ("page", "page", "screen", "group", "group"))
        if kind == "track":
            named = {"event": self.world.pick(EVENTS), "properties": self.properties()}
            return named if self.world.chance(0.5) else {"type": "track", **named}
        if kind in ("identify", "group"):
            return {"type": kind, "traits": self.traits() if kind == "identify" else self.properties()}
        extra = {key: self.world.pick(TEXTS) for key in ("name", "category") if self.world.chance(0.4)}
        return {"type": kind, "properties": self.properties(), **extra}

    def properties(self) -> dict[str, Any] | None:
        """Some properties."""
        if self.world.chance(0.1):
            return None
        keys = ("n", "n", "s", "f", "o", "l", "name", "Plan Name", "day")
        return {key: self.raw(key) for key in keys if self.world.chance(0.5)}

    def traits(self) -> dict[str, Any]:
        """Some traits, null among them."""
        keys = ("plan", "n", "f", "day", "o", "l", "Plan Name", "in")
        return {key: None if self.world.chance(0.1) else self.raw(key) for key in keys if self.world.chance(0.35)}

    def raw(self, key: str) -> Any:
        """A value for a key: mostly of its usual type."""
        world = self.world
        if world.chance(0.08):
            return world.pick((None, True, "1", 1, [], {}, [1, "x"], {"x": 1}, {"y": {"x": 2}}))
        match key:
            case "n":
                return world.pick(NUMBERS) if world.chance(0.4) else world.dice.randint(0, 3)
            case "f":
                return world.chance(0.5)
            case "day":
                return self.write(world.time(40)) if world.chance(0.8) else world.pick(DAYS)
            case "o":
                return {"x": world.pick((1, 2, 2.5, "x", None, True)), "y": 1}
            case "l":
                return [world.pick((1, 1.0, "x", "pro", True, None, [1])) for _ in range(world.pick((0, 1, 3)))]
        return world.pick(TEXTS[:4]) if world.chance(0.8) else world.pick(TEXTS)


def draw_history(world: World) -> tuple[list[str], int | None]:
    """The lines, and `until`."""
    customers = CUSTOMERS[: world.pick((1, 1, 1, 2, 3, 5))]
    draw = HistoryDraw(world, world.start_ms + 10 * world.unit_ms, customers, importing=world.chance(0.15))
    draw.lateness = world.pick((0.0, 0.1, 0.1, 0.2, 0.6))
    for _ in range(world.pick((1, 3, 6, 10, 10, 15, 20, 30, 60, 120))):
        draw.line()
    if world.chance(0.1):
        world.dice.shuffle(draw.lines)
    if world.chance(0.3):
        return draw.lines, None
    return draw.lines, draw.now + world.pick((-3, 0, 2, 5, 10, 20, 40)) * world.unit_ms + world.nudge(0.2)
