"""Lines out of pieces: what an import reads, never holding more than one line however long it is."""

from __future__ import annotations

from collections.abc import Iterator

from services.ingest.limits import EVENT_BYTES_MAX


class Lines:
    """Cuts pieces at their newlines. A line longer than an event may be comes out as None, its bytes forgotten."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self._is_too_long = False

    def feed(self, piece: bytes) -> Iterator[bytes | None]:
        """The lines that this piece completes, in order, without their line ends."""
        *complete, rest = piece.split(b"\n")
        for part in complete:
            self._hold(part)
            yield self._take()
        self._hold(rest)

    def end(self) -> Iterator[bytes | None]:
        """The last line, when no newline closed it."""
        if self._rest or self._is_too_long:
            yield self._take()

    def _hold(self, part: bytes) -> None:
        if self._is_too_long or len(self._rest) + len(part) > EVENT_BYTES_MAX + 1:  # one more for a carriage return
            self._is_too_long = True
            self._rest.clear()
        else:
            self._rest += part

    def _take(self) -> bytes | None:
        line = None if self._is_too_long else bytes(self._rest).removesuffix(b"\r")
        self._rest.clear()
        self._is_too_long = False
        return line
