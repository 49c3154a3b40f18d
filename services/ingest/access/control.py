"""Who may come in, and how fast: the write keys of the moment, and what each of them has used of its rate.

Keys are replaced while the service runs; a key that stays keeps what it has used.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import structlog

from services.ingest.access.keys import SETTING, WriteKey, WriteKeys, parse_write_keys
from services.ingest.refusal import Code, Rejected
from shared.clock import Clock
from shared.errors import Refused
from shared.waiting import wait_for

LOOK_AGAIN_S = 2.0  # between two looks at the file of keys: soon enough for a rotation, nothing to the disk
BURST_S = 2  # a key may use this many seconds of its rate at once: SDKs send in batches, not evenly


class OverRate(Rejected):
    """A key has sent more than its rate; `retry_after_s` is when it may go on."""

    def __init__(self, source: str, *, rate: int, retry_after_s: int) -> None:
        super().__init__(Code.RATE_LIMITED, f"{source} may send {rate} events a second; wait {retry_after_s} s")
        self.retry_after_s = retry_after_s


class _Allowance:
    """What one key may still send: refilled by its rate up to a burst; the last request may overdraw it."""

    def __init__(self, rate: int, now_ms: int) -> None:
        self.left = float(rate * BURST_S)
        self._refilled_ms = now_ms

    def refill(self, rate: int, now_ms: int) -> None:
        self.left = min(rate * BURST_S, self.left + rate * max(0, now_ms - self._refilled_ms) / 1000)
        self._refilled_ms = now_ms


class AccessControl:
    """Knows the keys. `rate` is for keys that have none of their own, in events a second; 0 is no limit."""

    def __init__(self, keys: WriteKeys, *, clock: Clock, rate: int = 0) -> None:
        self._keys = keys
        self._clock = clock
        self._rate = rate
        self._allowances: dict[bytes, _Allowance] = {}
        self._import_allowances: dict[bytes, _Allowance] = {}
        self._looked_at: bytes | None = None

    def find(self, text: str | None) -> WriteKey:
        """The key that this text is. Errors: Rejected."""
        key = self._keys.find(text) if text else None
        if key is None:
            raise Rejected(Code.UNKNOWN_KEY, "the write key is unknown" if text else "a write key is needed")
        return key

    def charge(self, key: WriteKey, events: int) -> None:
        """Count events that a key sends. Errors: OverRate, with nothing counted, when it has no allowance left."""
        rate = key.rate or self._rate
        if not rate:
            return
        allowance = self._refilled(self._allowances, key, rate)
        if allowance.left <= 0:
            raise OverRate(key.source, rate=rate, retry_after_s=int(-allowance.left / rate) + 1)
        allowance.left -= events

    def pause_s(self, key: WriteKey) -> float:
        """Count an event of an import; returns how long the import is to wait until its rate allows the next.

        Imports have the key's rate once more, for themselves: history must not push out what happens now.
        Errors: Rejected when the key was revoked meanwhile; an import may go on for hours.
        """
        if key.digest not in self._keys.digests:
            raise Rejected(Code.UNKNOWN_KEY, "the write key was revoked")
        rate = key.rate or self._rate
        if not rate:
            return 0.0
        allowance = self._refilled(self._import_allowances, key, rate)
        allowance.left -= 1
        return max(0.0, -allowance.left / rate)

    def _refilled(self, allowances: dict[bytes, _Allowance], key: WriteKey, rate: int) -> _Allowance:
        now_ms = self._clock.now_ms()
        allowance = allowances.setdefault(key.digest, _Allowance(rate, now_ms))
        allowance.refill(rate, now_ms)
        return allowance

    def replace(self, keys: WriteKeys) -> None:
        """From now on these keys count."""
        self._keys = keys
        for allowances in (self._allowances, self._import_allowances):
            for digest in allowances.keys() - keys.digests:
                del allowances[digest]

    async def watch(self, path: Path, stop: asyncio.Event) -> None:
        """Until `stop`, look at the file of keys again and again."""
        while not stop.is_set():
            self.look(path)
            await wait_for(stop, timeout_s=LOOK_AGAIN_S)

    def look(self, path: Path) -> None:
        """Take over what stands in the file of keys since the last look; a file with a fault changes nothing."""
        content = _content(path)
        if content is None or content == self._looked_at:
            return
        self._looked_at = content
        try:
            keys = _keys(content)
        except Refused as error:
            structlog.get_logger().error("the write keys stay as they were", reason=str(error))
            return
        self.replace(keys)
        structlog.get_logger().info("write keys read", keys=len(keys))


def _content(path: Path) -> bytes | None:
    """What the file holds; None while it cannot be read, as for a moment when it is replaced."""
    try:
        return path.read_bytes()
    except OSError:
        return None


def _keys(content: bytes) -> WriteKeys:
    """The keys of a file, at least one. Errors: Refused, without showing any of it."""
    try:
        keys = parse_write_keys(content.decode())
    except UnicodeDecodeError as error:
        raise Refused(f"{SETTING}_FILE: not UTF-8 text: byte {error.start} is wrong") from error
    if not keys:
        raise Refused(f"{SETTING}_FILE: it holds no key")
    return keys
