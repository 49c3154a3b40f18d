"""A request's body as it arrives: in pieces, unpacked when it is gzip whatever the headers say, then bounded."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncGenerator, Iterator
from typing import Any, Literal

from starlette.types import Receive

from services.ingest.limits import BODY_TIMEOUT_S, CHUNK_BYTES_MAX, CHUNK_TIMEOUT_S
from services.ingest.refusal import Code, Rejected
from services.ingest.request.capacity import Slot
from shared.errors import Unavailable

# Concatenated files are honest, and so are the blocks of bgzip, whatever their number. Each costs a new window, so
# those that bring less than a line of history would are counted, and empty ones by the million are refused.
GZIP_MEMBER_BYTES_MIN = 32
GZIP_SMALL_MEMBERS_MAX = 10_000

_MAGIC = b"\x1f\x8b"
_GZIP_WINDOW = 31  # zlib's way of saying: gzip only, with its largest window


class BrokenOff(Rejected):
    """The caller stopped sending before the body was whole."""

    def __init__(self, message: str, code: Code = Code.BROKEN_BODY) -> None:
        super().__init__(code, message)


class BrokenGzip(BrokenOff):
    """The body is gzip that cannot be unpacked to its end: the same body again will not be better."""

    def __init__(self, message: str) -> None:
        super().__init__(message, Code.BROKEN_GZIP)


class Stopping(Unavailable):
    """The service is stopping; go on from the line after acknowledged_line."""


class Unpacker:
    """Bytes in, plain bytes out in pieces of at most CHUNK_BYTES_MAX; knows gzip by its first two bytes."""

    def __init__(self) -> None:
        self._head = b""
        self._is_gzip: bool | None = None
        self._inflater: zlib._Decompress | None = None  # its window costs as much as decoding fifty events
        self._member_bytes = 0
        self._small_members = -1  # the first one follows none

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """What this chunk unpacks to. Errors: BrokenGzip when it is no gzip although it began as such."""
        if self._is_gzip is None:
            chunk = self._head + chunk
            if len(chunk) < len(_MAGIC):
                self._head = chunk
                return
            self._is_gzip = chunk.startswith(_MAGIC)
            self._head = b""
        for place in range(0, len(chunk), CHUNK_BYTES_MAX):
            part = chunk[place : place + CHUNK_BYTES_MAX]
            if self._is_gzip:
                yield from self._inflated(part)
            else:
                yield part

    def end(self) -> bytes:
        """What was held back. Errors: BrokenGzip when the gzip is not whole."""
        if self._is_gzip and not (self._inflater and self._inflater.eof):
            raise BrokenGzip("the gzip body ends early")
        return self._head

    def _inflated(self, part: bytes) -> Iterator[bytes]:
        is_full = False
        while part or is_full:
            inflater = self._inflater
            if inflater is None or inflater.eof:
                inflater = self._inflater = self._next_member()
            try:
                piece = inflater.decompress(part, CHUNK_BYTES_MAX)
            except zlib.error as error:
                raise BrokenGzip(f"the body is not gzip: {error}") from error
            if piece:
                self._member_bytes += len(piece)
                yield piece
            part = inflater.unused_data if inflater.eof else inflater.unconsumed_tail
            is_full = len(piece) == CHUNK_BYTES_MAX and not inflater.eof  # zlib may hold more back

    def _next_member(self) -> zlib._Decompress:
        self._small_members += self._member_bytes < GZIP_MEMBER_BYTES_MIN
        self._member_bytes = 0
        if self._small_members >= GZIP_SMALL_MEMBERS_MAX:
            raise BrokenGzip(f"the body has {GZIP_SMALL_MEMBERS_MAX} gzip members of next to nothing")
        return zlib.decompressobj(_GZIP_WINDOW)


async def chunks(receive: Receive, stop: asyncio.Event) -> AsyncGenerator[bytes, None]:
    """The body's chunks as they arrive; to be closed by whoever stops reading.

    Errors: BrokenOff when the caller goes away or is silent before the end; Stopping, also in the middle of a wait.
    """
    stopping = asyncio.ensure_future(stop.wait())
    try:
        more = True
        while more:
            chunk, more = await _next_before(stopping, receive)
            if chunk:
                yield chunk
    finally:
        stopping.cancel()


async def _next_before(stopping: asyncio.Future[Literal[True]], receive: Receive) -> tuple[bytes, bool]:
    reading = asyncio.ensure_future(_next(receive))
    either: set[asyncio.Future[Any]] = {reading, stopping}
    try:
        await asyncio.wait(either, timeout=CHUNK_TIMEOUT_S, return_when=asyncio.FIRST_COMPLETED)
        if reading.done():
            return reading.result()
        if stopping.done():
            raise Stopping
        raise BrokenOff(f"nothing came for {CHUNK_TIMEOUT_S:.0f} s")
    finally:
        reading.cancel()


async def read_body(receive: Receive, *, bytes_max: int, slot: Slot) -> bytes:
    """The whole body, unpacked.

    Errors: Rejected when it has more than `bytes_max` bytes after unpacking, breaks off or takes too long; Crowded.
    """
    try:
        async with asyncio.timeout(BODY_TIMEOUT_S) as patience:
            with slot.coming(lambda: _expire(patience)):
                return await _read_all(receive, bytes_max=bytes_max, slot=slot)
    except TimeoutError as error:
        slot.check()
        raise BrokenOff(f"the body took more than {BODY_TIMEOUT_S:.0f} s") from error


def _expire(patience: asyncio.Timeout) -> None:
    if not patience.expired():
        patience.reschedule(asyncio.get_running_loop().time())


async def _read_all(receive: Receive, *, bytes_max: int, slot: Slot) -> bytes:
    parts: list[bytes] = []
    size = 0
    unpacker = Unpacker()
    more = True
    while more:
        chunk, more = await _next(receive)
        for piece in unpacker.feed(chunk):
            size += len(piece)
            if size > bytes_max:
                raise Rejected(Code.BODY_TOO_LARGE, f"the body has more than {bytes_max} bytes")
            slot.take(len(piece))
            parts.append(piece)
    parts.append(unpacker.end())
    return b"".join(parts)


async def _next(receive: Receive) -> tuple[bytes, bool]:
    """A chunk, which may be empty, and whether more follow."""
    message = await receive()
    if message["type"] == "http.disconnect":
        raise BrokenOff("the caller went away before the end of the body")
    return message.get("body", b""), message.get("more_body", False)
