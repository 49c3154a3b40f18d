"""Fair shares: every campaign gets its part, no endpoint more than it can take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hypothesis import given
from hypothesis import strategies as st

from services.notifier.delivery.lane import lane_of
from services.notifier.sending.shares import share_out


def share(
    *lanes: tuple[str, str],
    free: int = 100,
    turn: int = 0,
    rooms: Mapping[str, int] | None = None,
    priorities: Mapping[str, int] | None = None,
) -> dict[tuple[str, str], int]:
    names = {lane_of(*lane): lane for lane in lanes}
    given = share_out(
        sorted(names), free=free, turn=turn, room=lambda one: (rooms or {}).get(one, 1_000),
        priority=lambda one: (priorities or {}).get(one, 5),
    )  # fmt: skip
    return {names[lane]: count for lane, count in given.items()}


def test_campaigns_of_one_priority_get_the_same():
    assert share(("e", "big"), ("e", "small")) == {("e", "big"): 50, ("e", "small"): 50}


def test_a_higher_priority_gets_more_but_not_everything():
    shares = share(("e", "high"), ("e", "low"), priorities={"high": 9, "low": 1})
    assert shares == {("e", "high"): 90, ("e", "low"): 10}


def test_an_endpoint_without_room_gets_nothing_and_takes_nothing_from_others():
    assert share(("dead", "a"), ("alive", "a"), rooms={"dead": 0}) == {("alive", "a"): 100}


def test_campaigns_share_the_room_of_their_endpoint():
    assert share(("e", "a"), ("e", "b"), rooms={"e": 4}) == {("e", "a"): 2, ("e", "b"): 2}


def test_with_more_lanes_than_places_each_comes_round():
    lanes: Sequence[tuple[str, str]] = [("e", name) for name in "abcd"]
    seen = {lane for turn in range(4) for lane in share(*lanes, free=1, turn=turn)}
    assert seen == set(lanes)


@given(
    st.lists(st.tuples(st.sampled_from("xyz"), st.sampled_from("abcdef")), unique=True, max_size=12),
    st.integers(0, 50),
    st.integers(0, 100),
    st.dictionaries(st.sampled_from("xyz"), st.integers(0, 20)),
    st.dictionaries(st.sampled_from("abcdef"), st.integers(1, 9)),
)
def test_nobody_gets_more_than_there_is(lanes: list, free: int, turn: int, rooms: dict, priorities: dict):
    shares = share(*lanes, free=free, turn=turn, rooms=rooms, priorities=priorities)
    assert sum(shares.values()) <= free
    for endpoint in "xyz":
        assert sum(count for (place, _), count in shares.items() if place == endpoint) <= rooms.get(endpoint, 1_000)
