"""The last things refused, for the operator: why, from whom, and how the payload began. In memory only, and bounded."""

from __future__ import annotations

import re
from collections import deque
from itertools import chain, count

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
    """The newest refusals. When there are too many, the oldest of the source that has most is forgotten, so that one
    sender's flood leaves what there is to see of the others.
    """

    def __init__(self) -> None:
        self._kept: dict[str | None, deque[tuple[int, Reject]]] = {}
        self._numbers = count()
        self._size = 0

    def add(self, reject: Reject) -> None:
        """Keep one."""
        self._kept.setdefault(reject.source, deque()).append((next(self._numbers), reject))
        if self._size < REJECTS_KEPT_MAX:
            self._size += 1
        else:
            max(self._kept.values(), key=len).popleft()

    def newest(self, count: int, *, source: str | None) -> list[Reject]:
        """The newest first; only those of `source` when it is given."""
        kept = self._kept.values() if source is None else [self._kept.get(source, ())]
        return [reject for _, reject in sorted(chain.from_iterable(kept), reverse=True)[:count]]


# As JSON and as what was meant to be JSON or a form; a key that is cut off in the middle has no second quote.
_KEY = re.compile(
    rb"""((?:write|api)_?key\\?["']?\s*[:=]\s*)(?:\\?"(?:[^"\\]|\\.)*(?:"|\\?\Z)|'[^']*'?|[^\s,&}"']+)""",
    re.IGNORECASE | re.DOTALL,
)


def excerpt_of(text: bytes) -> str:
    """How a payload begins, as text whatever it is, without the write key: that one is kept nowhere in clear."""
    return _KEY.sub(rb'\1"(hidden)"', text[:EXCERPT_BYTES_MAX]).decode(errors="replace")
