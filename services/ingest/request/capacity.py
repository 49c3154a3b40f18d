"""How much may be under way at once, in requests and bytes: a slow log costs callers a 503, never the process, and slow
callers compete with one another only.

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


class Slot:
    """One request's share of the capacity; what it has taken is given back when the request ends."""

    def __init__(self, capacity: Capacity) -> None:
        self._capacity = capacity
        self.held = 0
        self.is_waiting = False
        self.is_turned_away = False

    def check(self) -> None:
        """Errors: Crowded when it has been turned away."""
        if self.is_turned_away:
            raise Crowded("the body came too slowly, and others needed its place")

    def take(self, size: int) -> None:
        """Hold `size` bytes more. Errors: Crowded, with nothing taken."""
        self._capacity.take(size, slot=self)
        self.held += size

    @contextmanager
    def coming(self, turn_away: Callable[[], None]) -> Generator[None, None, None]:
        """While the body arrives; `turn_away` is called when others need the place. Errors: Crowded, at the end too."""
        self._capacity.admit(self, turn_away)
        try:
            yield
        except BaseException:
            self._capacity.forget(self)
            raise
        self._capacity.let_wait(self)

    def take_import(self, size: int, *, source: str) -> None:
        """Hold `size` bytes for an import of this key. Errors: Crowded, with nothing taken."""
        self._capacity.check_import(size, source=source)
        self.take(size)
        self._capacity.note_import(self, source)


class Capacity:
    """The bounds themselves, shared by all requests of the process."""

    def __init__(self, *, bytes_max: int, requests_max: int) -> None:
        self._requests_max = requests_max
        self._import_bytes_max = bytes_max // IMPORTS_SHARE
        self._bytes_left = bytes_max
        self._waiting_left = requests_max
        self._coming: dict[Slot, Callable[[], None]] = {}  # the oldest first
        self._importing: dict[Slot, str] = {}  # with the name of its key

    @contextmanager
    def slot(self) -> Generator[Slot, None, None]:
        """A slot for one request."""
        slot = Slot(self)
        try:
            yield slot
        finally:
            self._waiting_left += slot.is_waiting
            self._bytes_left += slot.held
            self._importing.pop(slot, None)

    def take(self, size: int, *, slot: Slot) -> None:
        """Hold `size` bytes for a slot, turning away others that are coming if need be. Errors: Crowded."""
        slot.check()
        missing = size - self._bytes_left
        if missing > 0 and missing > sum(each.held for each in self._coming if each is not slot):
            raise Crowded("too many bytes are waiting for the log")
        while size > self._bytes_left:
            self._turn_away_oldest(but=slot)
        self._bytes_left -= size

    def admit(self, slot: Slot, turn_away: Callable[[], None]) -> None:
        """Let a request come in, in the place of the oldest one if there is no other."""
        if len(self._coming) >= self._requests_max:
            self._turn_away_oldest(but=slot)
        self._coming[slot] = turn_away

    def forget(self, slot: Slot) -> None:
        """A request is coming no more."""
        self._coming.pop(slot, None)

    def let_wait(self, slot: Slot) -> None:
        """A body is whole: from now on it waits for the log. Errors: Crowded."""
        self.forget(slot)
        slot.check()
        if self._waiting_left == 0:
            raise Crowded("too many requests are waiting for the log")
        self._waiting_left -= 1
        slot.is_waiting = True

    def check_import(self, size: int, *, source: str) -> None:
        """Errors: Crowded when `size` more bytes would be beyond the share of imports, or of this key's."""
        mine = sum(slot.held for slot, importer in self._importing.items() if importer == source)
        if mine + size > self._import_bytes_max // KEY_SHARE:
            raise Crowded(f"{source} sends as many imports as it may at once")
        if sum(slot.held for slot in self._importing) + size > self._import_bytes_max:
            raise Crowded("too many imports are running")

    def note_import(self, slot: Slot, source: str) -> None:
        """What this slot holds is an import's."""
        self._importing[slot] = source

    def _turn_away_oldest(self, *, but: Slot) -> None:
        oldest = next(slot for slot in self._coming if slot is not but)
        turn_away = self._coming.pop(oldest)
        self._bytes_left += oldest.held
        oldest.held = 0
        oldest.is_turned_away = True
        turn_away()
