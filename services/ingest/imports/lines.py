"""Lines out of pieces: what an import reads, never holding more than one line however long it is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from services.ingest.limits import EVENT_BYTES_MAX

BEGINNING_BYTES = 512  # of a line that is too long: enough to recognise it by


class TooLong(NamedTuple):
    """A line longer than an event may be: only how it began is kept."""

    beginning: bytes


class Lines:
    """Cuts pieces at their newlines."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self._is_too_long = False

    def feed(self, piece: bytes) -> Iterator[bytes | TooLong]:
        """The lines that this piece completes, in order, without their line ends."""
        *complete, rest = piece.split(b"\n")
        for part in complete:
            self._hold(part)
            yield self._take()
        self._hold(rest)

    def end(self) -> Iterator[bytes | TooLong]:
        """The last line, when no newline closed it."""
        if self._rest:
            yield self._take()

    def _hold(self, part: bytes) -> None:
        if self._is_too_long:
            return
        self._rest += part
        if len(self._rest) > EVENT_BYTES_MAX + 1:  # one more for a carriage return
            self._is_too_long = True
            del self._rest[BEGINNING_BYTES:]

    def _take(self) -> bytes | TooLong:
        rest = bytes(self._rest)
        line = TooLong(rest) if self._is_too_long else rest.removesuffix(b"\r")
        self._rest.clear()
        self._is_too_long = False
        return line
