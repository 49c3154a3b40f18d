"""Laws of time and order: between two deadlines nothing changes, and what LANGUAGE.md says is free of order is so."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as some

from services.stager.fold.instants import NEVER
from services.stager.fold.lifecycles import CompiledLifecycle
from services.stager.fold.metrics.family import Occurrence
from services.stager.fold.metrics.registry import make_family
from services.stager.fold.moment import Moment
from services.stager.fold.profile import Profile
from services.stager.fold.rules import Rules, compile_rules
from services.stager.language.definition import Between, Calendar, Kind, MetricValue, Within
from services.stager.simulate.simulation import Simulation, read_lines
from tests.oracle import interpreter
from tests.oracle.generate import draw_case
from tests.oracle.real import load
from tests.unit.fold.builders import at, days, metric

FAR_MS = days(800)
T = at("2026-06-15T12:00:00Z")
TIMES = some.lists(some.integers(0, 60 * 24), min_size=1, max_size=40)  # hours before T


def lived(seed: int) -> tuple[Rules, list[Profile]]:
    """The profiles after a random history; not one in which something happens every minute for years."""
    case = draw_case(seed)
    lifecycles = load(case.text)
    try:
        interpreter.simulate(lifecycles, case.lines, case.until_ms)
    except interpreter.TooLong:
        assume(False)  # hypothesis's own way to pass over a case
    rules = compile_rules(lifecycles)
    simulation = Simulation(rules)
    for line in read_lines([line.encode() for line in case.lines], lambda *_: None):
        simulation.take(line)
    return rules, list(simulation.profiles.values())


def moments(profile: Profile, lifecycle: CompiledLifecycle) -> Moment:
    """What the conditions of a lifecycle see of a customer at their clock."""
    moment, place = Moment(), profile.places[lifecycle.index]
    moment.t_ms, moment.memories, moment.traits = profile.clock_ms, profile.memories, profile.traits.values
    moment.since_ms = place.since_ms if place is not None and place.stage is not None else None
    return moment


@settings(deadline=None, max_examples=40)
@given(some.integers(0, 100_000))
def test_between_two_deadlines_no_condition_changes_its_answer(seed: int) -> None:
    rules, profiles = lived(seed)
    dice = random.Random(seed)
    for profile in profiles:
        for lifecycle in rules.lifecycles:
            moment = moments(profile, lifecycle)
            for stage in lifecycle.stages.values():
                for expression in filter(None, (stage.definition.when, stage.definition.until)):
                    condition = lifecycle.compiler.condition(expression)
                    moment.t_ms = profile.clock_ms
                    answer = condition.holds(moment)
                    end_ms = NEVER if condition.horizon is None else condition.horizon(moment)
                    last_ms = min(end_ms - 1, profile.clock_ms + FAR_MS)
                    for instant in (last_ms, dice.randint(profile.clock_ms, last_ms), profile.clock_ms + 1):
                        moment.t_ms = min(instant, last_ms)
                        assert condition.holds(moment) is answer, (stage.name, instant, end_ms)


@settings(deadline=None, max_examples=40)
@given(some.integers(0, 100_000))
def test_between_two_deadlines_no_metric_changes_its_value(seed: int) -> None:
    rules, profiles = lived(seed)
    dice = random.Random(seed)
    for profile in profiles:
        for lifecycle in rules.lifecycles:
            moment = moments(profile, lifecycle)
            for each in lifecycle.definition.metrics:
                read, horizon = lifecycle.compiler.compile_as(MetricValue(each.name, each.kind), Kind.ANY)
                moment.t_ms = profile.clock_ms
                for _ in range(4):  # from one deadline to the next
                    value, now_ms = read(moment), moment.t_ms
                    end_ms = NEVER if horizon is None else horizon(moment)
                    last_ms = min(end_ms - 1, now_ms + FAR_MS)
                    for instant in (last_ms, dice.randint(now_ms, last_ms), now_ms + 1):
                        moment.t_ms = min(instant, last_ms)
                        assert read(moment) == value, (each, now_ms, instant, end_ms)
                    moment.t_ms = last_ms + 1


ORDERLESS = [
    (function, window)
    for function in ("count", "sum", "avg", "min", "max", "distinct", "days")
    for window in (None, Within(days(20)), Within(days(10), ago_ms=days(5)), Between(T - days(30), T - days(3)),
                   Calendar("week", back=1), Calendar("month"))
]  # fmt: skip


@pytest.mark.parametrize(("function", "window"), ORDERLESS, ids=str)
@settings(deadline=None, max_examples=15)
@given(times=TIMES, seed=some.integers(0, 1000))
def test_a_windows_value_does_not_depend_on_the_order_of_arrival(
    function: Any, window: Any, times: list[int], seed: int
) -> None:
    zone = "Europe/Oslo" if function == "days" or isinstance(window, Calendar) else None
    path = {} if function in ("count", "days") else {"path": "p"}
    family = make_family(metric("m", function, window=window, zone=zone, **path))
    shuffled = random.Random(seed).sample(times, len(times))

    assert folded(family, times) == folded(family, shuffled)


@pytest.mark.parametrize("function", ["first", "last", "latest", "regular"])
@settings(deadline=None, max_examples=30)
@given(times=TIMES, seed=some.integers(0, 1000))
def test_first_last_latest_and_regular_do_not_depend_on_the_order_of_arrival(
    function: Any, times: list[int], seed: int
) -> None:
    options = {"period_ms": days(7), "periods": 4} if function == "regular" else {}
    family = make_family(metric("m", function, path="p", **options))
    shuffled = random.Random(seed).sample(times, len(times))

    assert folded(family, times) == folded(family, shuffled)


def folded(family: Any, hours: list[int]) -> Any:
    """The value at T of events that all arrive at T, so many hours after they occurred; one hour, one event."""
    occurrence, memory = Occurrence(), None
    occurrence.clock_ms, occurrence.is_tracked = T, True
    for hour in hours:
        occurrence.occurred_ms = T - hour * 3_600_000
        occurrence.id, occurrence.value = f"e{hour}", (hour % 7 - 3) * 1_500_000
        memory = family.fold(memory, occurrence)
    return family.value(memory, T)
