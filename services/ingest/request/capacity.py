"""How much may be under way at once, in requests and bytes: a slow log costs callers a 503, never the process, and slow
callers cost one another their place, never their neighbours.

A request is coming until its body is whole, and then waits for the log. When more than `requests_max` are coming, or
bytes run out, whoever has been coming longest is turned away: one that sends at an ordinary speed has its body there in
milliseconds and is never that one, so that no lower bound on speed is needed and a slow line harms nobody while there
is room. What waits for the log keeps its place, and at its bound newcomers are refused. Imports, which come for hours,
have half of the bytes at most, and the imports of one key a quarter.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager

from shared.errors import Unavailable

IMPORTS_SHARE = 2  # one part in so many of the bytes is for imports
KEY_SHARE = 2  # and of that for one key: whatever it does, another one can import too


class Crowded(Unavailable):
    """Too much is waiting for the log already."""


class Seat:
    """One request's share of the room; what it has taken is given back when the request ends."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self.held = 0
        self.is_waiting = False
        self.is_turned_away = False

    def check(self) -> None:
        """Errors: Crowded when it has been turned away."""
        if self.is_turned_away:
            raise Crowded("the body came too slowly, and others needed its place")

    def take(self, size: int) -> None:
        """Hold `size` bytes more. Errors: Crowded, with nothing taken."""
        self._room.take(size, seat=self)
        self.held += size

    @contextmanager
    def coming(self, turn_away: Callable[[], None]) -> Generator[None, None, None]:
        """While the body arrives; `turn_away` is called when others need the place. Errors: Crowded, at the end too."""
        self._room.admit(self, turn_away)
        try:
            yield
        except BaseException:
            self._room.forget(self)
            raise
        self._room.let_wait(self)

    def take_import(self, size: int, *, source: str) -> None:
        """Hold `size` bytes for an import of this key. Errors: Crowded, with nothing taken."""
        self._room.check_import(size, source=source)
        self.take(size)
        self._room.note_import(self, source)


class Room:
    """The bounds themselves, shared by all requests of the process."""

    def __init__(self, *, bytes_max: int, requests_max: int) -> None:
        self._requests_max = requests_max
        self._import_bytes_max = bytes_max // IMPORTS_SHARE
        self._bytes_left = bytes_max
        self._waiting_left = requests_max
        self._coming: dict[Seat, Callable[[], None]] = {}  # the oldest first
        self._importing: dict[Seat, str] = {}  # with the name of its key

    @contextmanager
    def seat(self) -> Generator[Seat, None, None]:
        """A seat for one request."""
        seat = Seat(self)
        try:
            yield seat
        finally:
            self._waiting_left += seat.is_waiting
            self._bytes_left += seat.held
            self._importing.pop(seat, None)

    def take(self, size: int, *, seat: Seat) -> None:
        """Hold `size` bytes for a seat, turning away others that are coming if need be. Errors: Crowded."""
        seat.check()
        missing = size - self._bytes_left
        if missing > 0 and missing > sum(each.held for each in self._coming if each is not seat):
            raise Crowded("too many bytes are waiting for the log")
        while size > self._bytes_left:
            self._turn_away_oldest(but=seat)
        self._bytes_left -= size

    def admit(self, seat: Seat, turn_away: Callable[[], None]) -> None:
        """Let a request come in, in the place of the oldest one if there is no other."""
        if len(self._coming) >= self._requests_max:
            self._turn_away_oldest(but=seat)
        self._coming[seat] = turn_away

    def forget(self, seat: Seat) -> None:
        """A request is coming no more."""
        self._coming.pop(seat, None)

    def let_wait(self, seat: Seat) -> None:
        """A body is whole: from now on it waits for the log. Errors: Crowded."""
        self.forget(seat)
        seat.check()
        if self._waiting_left == 0:
            raise Crowded("too many requests are waiting for the log")
        self._waiting_left -= 1
        seat.is_waiting = True

    def check_import(self, size: int, *, source: str) -> None:
        """Errors: Crowded when `size` more bytes would be beyond the share of imports, or of this key's."""
        mine = sum(seat.held for seat, importer in self._importing.items() if importer == source)
        if mine + size > self._import_bytes_max // KEY_SHARE:
            raise Crowded(f"{source} sends as many imports as it may at once")
        if sum(seat.held for seat in self._importing) + size > self._import_bytes_max:
            raise Crowded("too many imports are running")

    def note_import(self, seat: Seat, source: str) -> None:
        """What this seat holds is an import's."""
        self._importing[seat] = source

    def _turn_away_oldest(self, *, but: Seat) -> None:
        oldest = next(seat for seat in self._coming if seat is not but)
        turn_away = self._coming.pop(oldest)
        self._bytes_left += oldest.held
        oldest.held = 0
        oldest.is_turned_away = True
        turn_away()
