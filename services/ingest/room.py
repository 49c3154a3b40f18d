"""How much may wait at once: requests and bytes under way. A slow log costs callers a 503, never the process."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from shared.errors import Unavailable


class Crowded(Unavailable):
    """Too much is waiting for the log already."""


class Seat:
    """One request's share of the room; what it has taken is given back when the request ends."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self.held = 0

    def take(self, size: int) -> None:
        """Hold `size` bytes more. Errors: Crowded, with nothing taken."""
        self._room.take(size)
        self.held += size


class Room:
    """The bound itself, shared by all requests of the process."""

    def __init__(self, *, bytes_max: int, requests_max: int) -> None:
        self._bytes_left = bytes_max
        self._requests_left = requests_max

    @contextmanager
    def seat(self) -> Generator[Seat, None, None]:
        """A seat for one request. Errors: Crowded at once, never a wait."""
        if self._requests_left == 0:
            raise Crowded("too many requests are waiting for the log")
        self._requests_left -= 1
        seat = Seat(self)
        try:
            yield seat
        finally:
            self._requests_left += 1
            self._bytes_left += seat.held

    def take(self, size: int) -> None:
        """Hold `size` bytes for a seat. Errors: Crowded."""
        if size > self._bytes_left:
            raise Crowded("too many bytes are waiting for the log")
        self._bytes_left -= size
