"""What may be under way at once: bounded, and slow callers cost one another their place, never their neighbours."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from services.ingest.request.capacity import Capacity, Crowded, Slot


class Comers:
    """Requests whose bodies are arriving, and which of them were turned away."""

    def __init__(self, capacity: Capacity, stack: ExitStack) -> None:
        self._capacity = capacity
        self._stack = stack
        self.turned_away: list[str] = []

    def come(self, name: str, *, size: int = 0) -> Slot:
        slot = self._stack.enter_context(self._capacity.slot())
        self._capacity.admit(slot, lambda: self.turned_away.append(name))
        slot.take(size)
        return slot


def test_room_is_given_back_whatever_happens() -> None:
    capacity = Capacity(bytes_max=100, requests_max=1)

    for _ in range(3):
        with capacity.slot() as slot, slot.coming(_never):
            slot.take(60)
            with pytest.raises(Crowded):
                slot.take(60)

    with capacity.slot() as slot, slot.coming(_never):
        slot.take(100)


def test_beyond_the_bound_of_those_that_are_coming_the_oldest_is_turned_away() -> None:
    with ExitStack() as stack:
        comers = Comers(Capacity(bytes_max=100, requests_max=2), stack)
        first, _, _ = comers.come("first"), comers.come("second"), comers.come("third")

        assert comers.turned_away == ["first"]
        with pytest.raises(Crowded, match="too slowly"):
            first.take(1)


def test_when_bytes_run_out_the_oldest_that_are_coming_are_turned_away() -> None:
    with ExitStack() as stack:
        comers = Comers(Capacity(bytes_max=100, requests_max=9), stack)
        for name in ("first", "second", "third"):
            comers.come(name, size=30)

        comers.come("large", size=65)

        assert comers.turned_away == ["first", "second"]


def test_what_waits_for_the_log_keeps_its_bytes_and_its_place() -> None:
    capacity = Capacity(bytes_max=100, requests_max=1)
    with capacity.slot() as waiting, capacity.slot() as other:
        with waiting.coming(_never):
            waiting.take(60)

        with pytest.raises(Crowded, match="bytes"), other.coming(_never):
            other.take(60)
        with pytest.raises(Crowded, match="requests"), other.coming(_never):
            other.take(10)


def test_nobody_is_turned_away_for_what_has_no_room_anyway() -> None:
    with ExitStack() as stack:
        comers = Comers(Capacity(bytes_max=100, requests_max=9), stack)
        comers.come("small", size=30)

        with pytest.raises(Crowded):
            comers.come("huge", size=101)

        assert comers.turned_away == []


def test_one_key_cannot_take_the_imports_of_all() -> None:
    capacity = Capacity(bytes_max=80, requests_max=9)
    with ExitStack() as stack:
        slots = [stack.enter_context(capacity.slot()) for _ in range(6)]
        for slot in slots[:2]:
            slot.take_import(10, source="web")

        with pytest.raises(Crowded, match="web"):
            slots[2].take_import(10, source="web")

        for slot in slots[2:4]:
            slot.take_import(10, source="shop")
        with pytest.raises(Crowded, match="too many imports"):
            slots[4].take_import(10, source="app")

        slots[5].take(40)  # half of the bytes is for requests


def _never() -> None:
    raise AssertionError("nobody else needs the place")
