"""The last things refused, for the operator: why, from whom, and how the payload began. In memory only, and bounded."""

from __future__ import annotations

from collections import deque

import msgspec

from services.ingest.refusal import Code

REJECTS_KEPT_MAX = 500  # with an excerpt each, at most half a megabyte
EXCERPT_BYTES_MAX = 512  # enough to recognise an event by


class Reject(msgspec.Struct, frozen=True, gc=False):
    """One refusal. `source` is None where the write key was not known; `excerpt` is the beginning of what was sent."""

    received_at: str
    source: str | None
    route: str
    code: Code
    message: str
    field: str | None
    excerpt: str


class Rejects:
    """The newest refusals, the oldest of them forgotten first."""

    def __init__(self) -> None:
        self._kept: deque[Reject] = deque(maxlen=REJECTS_KEPT_MAX)

    def add(self, reject: Reject) -> None:
        """Keep one."""
        self._kept.append(reject)

    def newest(self, count: int, *, source: str | None) -> list[Reject]:
        """The newest first; only those of `source` when it is given."""
        found = [reject for reject in reversed(self._kept) if source is None or reject.source == source]
        return found[:count]


def excerpt_of(text: bytes) -> str:
    """How a payload begins, as text whatever it is."""
    return text[:EXCERPT_BYTES_MAX].decode(errors="replace")
