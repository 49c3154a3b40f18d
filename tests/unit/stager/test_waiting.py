"""Waiting: whoever is due comes up in order of (deadline, customer), whatever happens to deadlines in between."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from services.stager.fold.instants import NEVER
from services.stager.fold.profile import Profile, new_profile
from services.stager.simulate.waiting import Waiting
from shared.clock import HOUR_MS

_NAMES = "abcde"
# Few instants on both sides of the hours' ends, so that deadlines meet.
_INSTANTS = st.sampled_from([hour * HOUR_MS + off for hour in (-2, 0, 1, 50) for off in (-1, 0, 1)])
_STEPS = st.lists(st.tuples(st.sampled_from(_NAMES), _INSTANTS | st.just(NEVER)), max_size=30)


def customer(name: str, due_ms: int) -> Profile:
    profile = new_profile(name)
    profile.due_or_never_ms = due_ms
    return profile


@given(steps=_STEPS, ticks=st.lists(_INSTANTS, max_size=5))
def test_the_first_is_always_the_smallest_deadline_and_customer(steps: list[tuple[str, int]], ticks: list[int]) -> None:
    waiting, profiles = Waiting(), {name: customer(name, NEVER) for name in _NAMES}
    for tick_ms in [*sorted(ticks), NEVER - 1]:
        for name, due_ms in steps[: len(steps) // 2]:
            profile = profiles[name]
            was_ms, profile.due_or_never_ms = profile.due_or_never_ms, due_ms
            if due_ms < was_ms:  # one that moves away is found out when it comes up
                waiting.put(profile)
        steps = steps[len(steps) // 2 :]

        while (found := waiting.first(tick_ms)) is not None:
            assert waiting.earliest_ms <= tick_ms
            expected = min((profile.due_or_never_ms, profile.customer) for profile in profiles.values())
            assert (found.due_or_never_ms, found.customer) == expected
            found.due_or_never_ms = NEVER
        assert min(profile.due_or_never_ms for profile in profiles.values()) > tick_ms
        assert min(profile.due_or_never_ms for profile in profiles.values()) >= waiting.earliest_ms


def test_who_was_removed_waits_no_longer_until_put_again() -> None:
    waiting, ann = Waiting(), customer("ann", 5)
    waiting.put(ann)
    waiting.remove(ann)

    gone = waiting.first(10)
    waiting.put(ann)

    assert gone is None
    assert waiting.first(10) is ann
