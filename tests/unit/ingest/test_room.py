"""What may be under way at once: bounded, and slow callers cost one another their place, never their neighbours."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from services.ingest.request.capacity import Crowded, Room, Seat


class Comers:
    """Requests whose bodies are arriving, and which of them were turned away."""

    def __init__(self, room: Room, stack: ExitStack) -> None:
        self._room = room
        self._stack = stack
        self.turned_away: list[str] = []

    def come(self, name: str, *, size: int = 0) -> Seat:
        seat = self._stack.enter_context(self._room.seat())
        self._room.admit(seat, lambda: self.turned_away.append(name))
        seat.take(size)
        return seat


def test_room_is_given_back_whatever_happens() -> None:
    room = Room(bytes_max=100, requests_max=1)

    for _ in range(3):
        with room.seat() as seat, seat.coming(_never):
            seat.take(60)
            with pytest.raises(Crowded):
                seat.take(60)

    with room.seat() as seat, seat.coming(_never):
        seat.take(100)


def test_beyond_the_bound_of_those_that_are_coming_the_oldest_is_turned_away() -> None:
    with ExitStack() as stack:
        comers = Comers(Room(bytes_max=100, requests_max=2), stack)
        first, _, _ = comers.come("first"), comers.come("second"), comers.come("third")

        assert comers.turned_away == ["first"]
        with pytest.raises(Crowded, match="too slowly"):
            first.take(1)


def test_when_bytes_run_out_the_oldest_that_are_coming_are_turned_away() -> None:
    with ExitStack() as stack:
        comers = Comers(Room(bytes_max=100, requests_max=9), stack)
        for name in ("first", "second", "third"):
            comers.come(name, size=30)

        comers.come("large", size=65)

        assert comers.turned_away == ["first", "second"]


def test_what_waits_for_the_log_keeps_its_bytes_and_its_place() -> None:
    room = Room(bytes_max=100, requests_max=1)
    with room.seat() as waiting, room.seat() as other:
        with waiting.coming(_never):
            waiting.take(60)

        with pytest.raises(Crowded, match="bytes"), other.coming(_never):
            other.take(60)
        with pytest.raises(Crowded, match="requests"), other.coming(_never):
            other.take(10)


def test_nobody_is_turned_away_for_what_has_no_room_anyway() -> None:
    with ExitStack() as stack:
        comers = Comers(Room(bytes_max=100, requests_max=9), stack)
        comers.come("small", size=30)

        with pytest.raises(Crowded):
            comers.come("huge", size=101)

        assert comers.turned_away == []


def test_one_key_cannot_take_the_imports_of_all() -> None:
    room = Room(bytes_max=80, requests_max=9)
    with ExitStack() as stack:
        seats = [stack.enter_context(room.seat()) for _ in range(6)]
        for seat in seats[:2]:
            seat.take_import(10, source="web")

        with pytest.raises(Crowded, match="web"):
            seats[2].take_import(10, source="web")

        for seat in seats[2:4]:
            seat.take_import(10, source="shop")
        with pytest.raises(Crowded, match="too many imports"):
            seats[4].take_import(10, source="app")

        seats[5].take(40)  # half of the bytes is for requests


def _never() -> None:
    raise AssertionError("nobody else needs the place")
