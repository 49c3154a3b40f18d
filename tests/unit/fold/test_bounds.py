"""What is bounded: the memory of a busy customer, and the work of loading a large file."""

from __future__ import annotations

import random
from collections.abc import Callable
from time import process_time
from typing import Any

import pytest

from services.stager.fold.decimals import MILLION
from services.stager.fold.metrics.family import Occurrence
from services.stager.fold.metrics.registry import make_family
from services.stager.fold.metrics.timeline import ENTRIES_MAX
from services.stager.fold.metrics.within import Sliding
from services.stager.fold.rules import compile_rules
from services.stager.language.definition import Stage, Within
from services.stager.language.file import load_text
from shared.log import RECORD_BYTES_MAX
from shared.transition import encode
from tests.bench.fold import mean_bytes, shoppers
from tests.unit.fold.builders import Story, at, at_least, days, lifecycle, metric

START = at("2026-01-01")
EVERY_MS = 500_000  # 15,552 events in a window of 90 days


def fed(family: Any, count: int, moment: Callable[[int], int] = lambda at_ms: at_ms) -> tuple[Any, Occurrence]:
    """The memory after so many events, one after another; `moment` moves each when it occurred."""
    occurrence, memory = Occurrence(), None
    for number in range(count):
        occurrence.clock_ms = START + number * EVERY_MS
        occurrence.occurred_ms = moment(occurrence.clock_ms)
        occurrence.value = number % 10 * MILLION
        memory = family.fold(memory, occurrence)
    return memory, occurrence


def test_a_hundred_thousand_events_of_one_customer_take_no_more_room_than_five_hundred() -> None:
    family = make_family(metric("n", "count", window=Within(days(90))))
    memory, last = fed(family, 100_000)
    count = family.value(memory, last.clock_ms) // MILLION

    assert len(memory[0]) <= ENTRIES_MAX + 1
    slot = days(90) // ENTRIES_MAX // EVERY_MS + 1
    assert abs(count - days(90) // EVERY_MS) <= slot


def test_the_profile_of_a_busy_customer_stays_small() -> None:
    story = Story(lifecycle(Stage("a", at_least("n", 1)), metrics=(metric("n", "count", window=Within(days(90))),)))
    sizes = []
    for number in range(2_000):
        story.event(START + number * EVERY_MS)
        if number in (600, 1_999):
            sizes.append(len(story.profiles["ann"].encode()))

    assert max(sizes) < 4_000


def test_the_profile_of_a_customer_of_a_real_shop_takes_less_than_200_bytes() -> None:
    assert mean_bytes(shoppers()) < 200


@pytest.mark.parametrize("function", ["count", "sum", "min", "max", "avg"])
def test_a_window_is_exact_up_to_the_limit(function: Any) -> None:
    path = {} if function == "count" else {"path": "p"}
    family = make_family(metric("n", function, window=Within(days(90)), **path))
    memory, last = fed(family, ENTRIES_MAX)
    expected = {"count": ENTRIES_MAX, "sum": 2296, "min": 0, "max": 9, "avg": 4.484375}

    assert family.value(memory, last.clock_ms) == round(expected[function] * MILLION)


def test_beyond_the_limit_no_event_is_lost_while_its_slot_is_in_the_window() -> None:
    family = make_family(metric("n", "count", window=Within(days(90))))
    memory, last = fed(family, 5_000)

    assert family.value(memory, last.clock_ms) == 5_000 * MILLION


def test_a_merged_entry_leaves_with_the_latest_of_its_events() -> None:
    family = make_family(metric("n", "count", window=Within(days(90))))
    assert isinstance(family, Sliding)
    memory, _ = fed(family, 2_000)
    first = memory[0][0]

    assert 0 <= first - START < family.slot_ms
    assert family.value(memory, first + days(90) - 1) == 2_000 * MILLION
    assert family.value(memory, first + days(90)) < 2_000 * MILLION


def test_late_events_merge_into_the_same_slots_whatever_their_order() -> None:
    dice = random.Random(3)
    family = make_family(metric("n", "count", window=Within(days(90))))
    memory, last = fed(family, 3_000, lambda at_ms: at_ms - dice.randrange(days(20)))

    assert len(memory[0]) <= ENTRIES_MAX + 1
    assert family.value(memory, last.clock_ms) == 3_000 * MILLION


def test_different_values_are_counted_up_to_512() -> None:
    family = make_family(metric("d", "distinct", path="p"))
    occurrence, memory = Occurrence(), None
    for number in range(2_000):
        occurrence.value = number * MILLION
        memory = family.fold(memory, occurrence)

    assert len(memory) == 512
    assert family.value(memory, 0) == 512 * MILLION


def test_a_file_of_fifty_stages_and_two_hundred_metrics_is_loaded_at_once() -> None:
    text = large_file(stages=50, metrics=200)
    begun = process_time()
    loaded = load_text(text, file="large.yaml")
    rules = compile_rules(loaded.lifecycles)
    took_s = process_time() - begun

    assert not loaded.errors
    assert (len(rules.metrics), len(rules.lifecycles[0].stages)) == (200, 50)
    assert took_s < 3  # a second on a machine that does nothing else; more would be another order of growth


def large_file(*, stages: int, metrics: int) -> str:
    """A file in which every metric is read, and every stage asks four of them."""
    lines = ["lifecycle: large", "metrics:"]
    lines += [f"  m{n}: {{sum: p, of: Event {n % 40}, where: kind == {n}, within: {n + 1}d}}" for n in range(metrics)]
    lines.append("stages:")
    for n in range(stages):
        asked = [f"m{(4 * n + k) % metrics}" for k in range(4)]
        lines.append(f"  - stage: s{n}\n    when: {asked[0]} > {n} and ({asked[1]} + {asked[2]} > 2 or {asked[3]} < 7)")
        lines.append(f"    until: {asked[3]} > 9 and traits.plan == 'x{n}'")
    return "\n".join(lines)


def test_what_a_transition_carries_fits_into_a_record_the_longest_values_first() -> None:
    names = [f"t{number}" for number in range(10)]
    carry = ", ".join(f"traits.{name}" for name in (*names, "plan"))
    stages = "stages: [{stage: a}, {stage: b, when: n >= 1}]"
    text = f"lifecycle: a\nmetrics: {{n: {{count: x}}}}\ncarry: [{carry}]\n{stages}"
    story = Story(*load_text(text, file="a.yaml").lifecycles)
    for number, name in enumerate(names):
        story.identify("2026-01-01", **{name: "x" * (30_000 - number), "plan": "pro"})

    (moved,) = story.event("2026-01-02", "x")

    assert len(encode(moved)) < RECORD_BYTES_MAX
    kept = {label: value for label, value in moved.carried.items() if value is not None}
    assert set(kept) == {"traits.t8", "traits.t9", "traits.plan"}


def test_labels_that_alone_are_too_long_leave_nothing_to_carry() -> None:
    carry = ", ".join(f"traits.{'x' * 60}{number}" for number in range(2_000))
    text = f"lifecycle: a\ncarry: [{carry}]\nstages: [{{stage: a}}]"
    story = Story(*load_text(text, file="a.yaml").lifecycles)

    (moved,) = story.event("2026-01-02", "x")

    assert moved.carried == {}
