"""Random lifecycles and segments, as values, that pass every check of the language."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from services.stager.language.definition import (
    Between,
    Calendar,
    Carried,
    EventNames,
    Kind,
    Lifecycle,
    Linger,
    Metric,
    MetricValue,
    Stage,
    TraitValue,
    Window,
    Within,
)
from tests.oracle.draw_expression import ExpressionDraw
from tests.oracle.world import EVENTS, PROPERTIES, RESERVED, TRAITS, World

MINUTE_MS = 60_000
SPINE = ("count", "count", "sum", "first", "last", "last", "latest")
ALL = (*SPINE, "avg", "min", "max", "distinct", "changed", "days", "days", "regular", "regular", "sequence", "sequence")
WINDOWED = ("count", "sum", "avg", "min", "max", "distinct", "days")
TIMES = ("first", "last", "changed", "sequence")
STAGE_NAMES = ("prospect", "active", "loyal", "at_risk", "gone")


def draw_lifecycles(world: World) -> tuple[Lifecycle, ...]:
    """One to three of them, lifecycles and segments, in no order of name."""
    count = world.pick((1, 1, 1, 2, 3))
    names = world.dice.sample(("shop", "vip", "a-file", "z_last"), count)
    drawn = tuple(draw_segment(world, name) if world.chance(0.3) else draw_lifecycle(world, name) for name in names)
    return (*drawn, draw_watch(world)) if world.only or world.chance(0.2) else drawn


def draw_watch(world: World) -> Lifecycle:
    """A lifecycle that shows what its metrics are worth, again and again."""
    metrics = tuple(draw_metric(world, f"m{i}") for i in range(4))
    carry = tuple(Carried(metric.name, MetricValue(metric.name, metric.kind)) for metric in metrics)
    stage = Stage("here", linger=Linger((world.unit_ms,), max(MINUTE_MS, world.unit_ms)))
    return Lifecycle("watch", (stage,), metrics, carry=carry, has_carry=True)


def draw_metric(world: World, name: str) -> Metric:
    """One metric."""
    function = world.pick(world.only or (SPINE if world.spine else ALL))
    kind = Kind.TIME if function in TIMES else Kind.ANY if function == "latest" else Kind.NUMBER
    window = draw_window(world) if function in WINDOWED else None
    more: dict[str, Any] = {}
    if function in ("sum", "avg", "min", "max", "distinct", "latest"):
        more["path"] = (
            world.pick(PROPERTIES) if function in ("distinct", "latest") else world.pick((("n",), ("o", "x")))
        )
    if function == "changed":
        return Metric(name, "changed", kind, path=world.pick(TRAITS))
    if function == "regular":
        more.update(period_ms=world.duration(3), periods=world.pick((1, 2, 4, 12)), at_least=world.pick((1, 1, 2, 3)))
    if function == "sequence" and world.chance(0.7):
        more["within_ms"] = world.duration()
    if function == "days" or isinstance(window, Calendar):
        more["zone"] = world.zone
    steps = tuple(draw_names(world) for _ in range(world.pick((1, 2, 2, 3, 4)) if function == "sequence" else 1))
    where = ExpressionDraw(world, of_event=True).truth(1) if world.chance(0.25) else None
    return Metric(name, function, kind, steps, where=where, window=window, **more)  # type: ignore[arg-type]


def draw_names(world: World) -> EventNames:
    """The names that one step matches."""
    if world.chance(0.2):
        return None
    pool = EVENTS[:2] if world.only else (*EVENTS, *EVENTS, *RESERVED)
    return frozenset(world.pick(pool) for _ in range(world.pick((1, 1, 1, 2))))


def draw_window(world: World) -> Window | None:
    """A window, or none."""
    if world.chance(0.35):
        return None
    shape = "within" if world.spine else world.pick(("within", "within", "ago", "between", "calendar", "calendar"))
    if shape == "between":
        start, end = sorted((world.time(), world.time(30)))
        return Between(start, end + 1)
    if shape == "calendar":
        return Calendar(world.pick(("day", "day", "week", "month")), world.pick((0, 0, 1, 2, 13)))
    return Within(world.duration(), world.duration(4) if shape == "ago" else 0)


def draw_linger(world: World) -> Linger | None:
    """When it lingers, if it does."""
    if world.chance(0.6):
        return None
    first = world.duration(4)
    shape = world.pick(("one", "list", "times", "forever"))
    every = max(MINUTE_MS, world.duration(3))
    if shape == "one":
        return Linger((first,))
    if shape == "list":
        return Linger((first, first + world.duration(2), first + world.duration(2) + 10 * world.unit_ms))
    if shape == "times":
        return Linger(tuple(first + i * every for i in range(world.pick((2, 3, 4)))))
    return Linger((first,), every)


def draw_stage(world: World, name: str, metrics: tuple[Metric, ...]) -> Stage:
    """A stage with a condition and perhaps options."""
    stays = world.chance(0.25)
    draw = ExpressionDraw(world, metrics, stays=stays)
    until = draw.truth(1) if stays or world.chance(0.35) else None
    return Stage(
        name,
        when=draw.truth(),
        until=until,
        re_enter_ms=world.pick((0, 0, 0, None, world.duration())),
        min_stay_ms=world.duration() if world.chance(0.2) else 0,
        linger=draw_linger(world),
    )


def draw_lifecycle(world: World, name: str) -> Lifecycle:
    """A lifecycle in which every stage can be reached."""
    metrics = tuple(draw_metric(world, f"m{i}") for i in range(world.pick((1, 2, 3, 4))))
    names = STAGE_NAMES[: world.pick((1, 2, 3, 3, 4, 5))]
    stages = [draw_stage(world, stage, metrics) for stage in names]
    if world.chance(0.6):
        stages[0] = replace(stages[0], when=None, until=None)
    forward_only = world.chance(0.2)
    for i in range(len(stages)):
        if len(stages) > 1 and world.chance(0.25):
            came_from = frozenset(world.pick([other for other in names if other != names[i]]) for _ in range(2))
            changed = [*stages[:i], replace(stages[i], came_from=came_from), *stages[i + 1 :]]
            stages = changed if all_reachable(changed, forward_only=forward_only) else stages
    carry = draw_carry(world, metrics)
    return Lifecycle(name, tuple(stages), metrics, forward_only=forward_only, carry=carry, has_carry=bool(carry))


def draw_segment(world: World, name: str) -> Lifecycle:
    """A segment."""
    metrics = tuple(draw_metric(world, f"m{i}") for i in range(world.pick((1, 2, 3))))
    carry = draw_carry(world, metrics)
    stages = (Stage("out"), draw_stage(world, "in", metrics))
    return Lifecycle(name, stages, metrics, segment=True, carry=carry, has_carry=bool(carry))


def draw_carry(world: World, metrics: tuple[Metric, ...]) -> tuple[Carried, ...]:
    """What the transitions take along."""
    if world.chance(0.5):
        return ()
    paths = world.dice.sample((("plan",), ("n",), ("o", "x"), ("l",), ("day",)), 2)
    traits = tuple(Carried("traits." + ".".join(path), TraitValue(path)) for path in paths)
    return (*traits, *(Carried(metric.name, MetricValue(metric.name, metric.kind)) for metric in metrics))


def all_reachable(stages: list[Stage], *, forward_only: bool) -> bool:
    """Whether some path leads to every stage."""
    order = [stage.name for stage in stages]
    reached = {stage.name for stage in stages if stage.came_from is None}
    for _ in stages:
        for stage in stages:
            doors = (stage.came_from or frozenset()) & reached
            if any(not forward_only or order.index(door) < order.index(stage.name) for door in doors):
                reached.add(stage.name)
    return len(reached) == len(stages)
