"""Laws of the fold that hold for every history: bytes, repeats, chains, deadlines, hash seeds."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as some

from services.stager.fold.profile import Profile, decode_profile
from services.stager.language.definition import (
    Calendar,
    Compare,
    InStage,
    Lifecycle,
    Linger,
    Logic,
    Stage,
    TraitValue,
    Within,
)
from shared.transition import encode
from tests.unit.fold.builders import (
    Story,
    at,
    at_least,
    below,
    days,
    duration,
    lifecycle,
    metric,
    segment,
    silent_for,
    text,
)

START = at("2026-01-01T00:00:00Z")
HOUR = 3_600_000
LIFECYCLES: Sequence[Lifecycle] = (
    lifecycle(
        Stage("prospect", linger=Linger((2 * HOUR,), every_ms=30 * HOUR)),
        Stage("active", at_least("recent", 1), min_stay_ms=3 * HOUR),
        Stage("loyal", at_least("recent", 3), below("recent", 2), re_enter_ms=5 * HOUR),
        Stage("lost", Logic("and", (at_least("recent", 0), silent_for("last", 20 * HOUR)))),
        metrics=(
            metric("recent", "count", window=Within(10 * HOUR, ago_ms=HOUR)),
            metric("last", "last"),
            metric("regular", "regular", period_ms=2 * HOUR, periods=4),
        ),
    ),
    segment(
        Logic("or", (at_least("today", 20), Compare("==", TraitValue(("plan",)), text("pro")))),
        metrics=(
            metric("today", "sum", path="price", window=Calendar("day"), zone="Europe/Oslo"),
            metric("kinds", "distinct", path="price", window=Within(days(1))),
            metric("best", "latest", path="price"),
        ),
        until=Compare(">=", InStage(), duration(7 * HOUR)),
        linger=Linger((HOUR,)),
    ),
)
Step = tuple[int, str, int, int]  # minutes on, kind, minutes late, a number
STEPS = some.lists(
    some.tuples(
        some.sampled_from((0, 1, 59, 60, 61, 600, 1500)),
        some.sampled_from(("event", "event", "identify", "past", "repeat", "tick")),
        some.sampled_from((0, 0, 30, 900)),
        some.integers(0, 12),
    ),
    max_size=40,
)


def play(steps: Sequence[Step], *, between: Callable[[Story, int], None] = lambda story, now: None) -> Story:
    """Play the steps, doing something `between` any two."""
    story, now = Story(*LIFECYCLES), START
    for count, (on, kind, late, amount) in enumerate(steps):
        now += on * 60_000
        occurred, customer = now - late * 60_000, f"c{amount % 3}"
        if kind == "tick":
            story.tick(now)
        elif kind == "identify":
            story.identify(now, occurred=occurred, customer=customer, plan=("pro", "free", None)[amount % 3])
        else:
            event_id = f"r{count // 2}" if kind == "repeat" else None
            is_past = kind == "past"
            story.event(now, customer=customer, occurred=occurred, event_id=event_id, historical=is_past, price=amount)
        between(story, now)
    story.partition.import_ms = None
    story.tick(now + days(3))
    return story


def written(story: Story) -> list[bytes]:
    return [encode(transition) for transition in story.transitions]


def encode_all(story: Story, now: int) -> None:
    del now
    for customer, profile in story.profiles.items():
        story.profiles[customer] = stored(story, profile)


def stored(story: Story, profile: Profile) -> Profile:
    body = profile.encode()
    again = decode_profile(profile.customer, body, story.rules)
    assert again.encode() == body
    assert (again.due_ms, again.historical) == (profile.due_ms, profile.historical)
    return again


@settings(deadline=None)
@given(STEPS)
def test_storing_profiles_between_any_two_records_changes_nothing(steps: list[Step]) -> None:
    assert written(play(steps, between=encode_all)) == written(play(steps))


@settings(deadline=None)
@given(STEPS)
def test_every_chain_is_without_a_gap(steps: list[Step]) -> None:
    story = play(steps)

    last: dict[tuple[str, str], tuple[int, str | None]] = {}
    for place, change in enumerate(story.transitions, start=1):
        before = last.get((change.customer, change.lifecycle), (0, "out" if change.lifecycle == "vip" else None))
        assert (change.seq, change.n, change.from_stage) == (place, before[0] + 1, before[1])
        last[change.customer, change.lifecycle] = (change.n, change.to_stage)


@settings(deadline=None)
@given(STEPS)
def test_evaluating_where_nothing_is_due_changes_nothing(steps: list[Step]) -> None:
    def look(story: Story, now: int) -> None:
        for profile in story.profiles.values():
            due_ms = profile.due_ms
            instant = now + 17 * 60_000 + 1
            if due_ms is not None and profile.clock_ms < instant < due_ms:
                for place in profile.places:
                    assert place is not None
                    place.due_ms = min(place.due_ms, instant)
                profile.rearm()
                assert story.partition.lapse([profile], until_ms=instant) == []
                assert profile.due_ms == due_ms or (profile.due_ms or 0) > instant

    assert written(play(steps, between=look)) == written(play(steps))


@settings(deadline=None)
@given(STEPS)
def test_a_partition_taken_over_between_any_two_records_gives_the_same(steps: list[Step]) -> None:
    def take_over(story: Story, now: int) -> None:
        encode_all(story, now)
        old = story.partition
        story.partition = type(old)(old.rules, clock_ms=old.clock_ms, seq=old.seq, import_ms=old.import_ms)

    assert written(play(steps, between=take_over)) == written(play(steps))


def test_the_hash_seed_of_the_process_changes_nothing() -> None:
    program = (
        "from tests.unit.fold.test_laws import *\n"
        "steps = [(60, kind, 0, n) for n in range(9) for kind in ('event', 'identify', 'past', 'tick')]\n"
        "story = play(steps)\n"
        "print(written(story), [profile.encode() for profile in story.profiles.values()])\n"
    )
    root = Path(__file__).parents[3]
    outputs = {
        subprocess.run(
            [sys.executable, "-c", program],
            cwd=root,
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(root)},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }

    assert len(outputs) == 1
