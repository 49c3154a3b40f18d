"""How many messages each endpoint may have under way: a dead receiver soon gets none, and delays nobody else.

A circuit for each endpoint (Nygard, "Release It!"): it opens after failures in a row, lets one message through when its
time is over, and closes with the first success. Before that, the window of an endpoint grows with every success and
halves with every failure, so that a receiver that hangs from the first message on holds but a few. No input or output;
times are arguments.
"""

from __future__ import annotations

from dataclasses import dataclass

from shared.clock import MINUTE_MS, SECOND_MS

WINDOW_FIRST = 4  # before anything is known of a receiver: a hundred hanging ones leave room for the others
WINDOW_MAX = 150  # what one receiver gets at once at most: a third of a sender, should it hang all of a sudden
FAILURES_MAX = 5  # in a row, until the circuit opens: a deployment of the receiver may cost one or two
OPEN_MS = 10 * SECOND_MS  # the first time; doubled while the message let through fails, too, ...
OPEN_MS_MAX = 5 * MINUTE_MS  # ... up to this: a receiver that is back is noticed within it
IDLE_MAX = 10_000  # endpoints remembered; beyond, those with nothing under way and no failures are forgotten


@dataclass(slots=True)
class _Endpoint:
    window: int = WINDOW_FIRST
    running: int = 0
    failures: int = 0
    open_until_ms: int = 0


class Endpoints:
    """Every endpoint of one sender, which alone changes it."""

    def __init__(self) -> None:
        self._known: dict[str, _Endpoint] = {}

    def room(self, endpoint: str, *, now_ms: int) -> int:
        """How many more messages it may get now; 0 while few have come back, so that some are taken at once."""
        known = self._known.get(endpoint)
        if known is None:
            return WINDOW_FIRST
        if known.open_until_ms > now_ms:
            return 0
        if known.failures >= FAILURES_MAX:
            return 1 - min(known.running, 1)
        free = known.window - known.running
        return free if free >= max(1, known.window // 4) else 0

    def begin(self, endpoint: str) -> None:
        """A message is on its way."""
        if len(self._known) >= IDLE_MAX:
            self._known = {name: one for name, one in self._known.items() if one.running or one.failures}
        self._known.setdefault(endpoint, _Endpoint()).running += 1

    def succeed(self, endpoint: str) -> None:
        """It has arrived, or was refused for good: somebody is there."""
        known = self._known[endpoint]
        known.running -= 1
        known.failures = 0
        known.window = min(WINDOW_MAX, known.window + 1)

    def fail(self, endpoint: str, *, now_ms: int, retry_after_ms: int = 0) -> None:
        """It has not; `retry_after_ms` is how long the receiver asked to be left alone."""
        known = self._known[endpoint]
        known.running -= 1
        known.failures += 1
        known.window = max(1, known.window // 2)
        if known.failures >= FAILURES_MAX:
            doublings = min(known.failures - FAILURES_MAX, 10)  # enough to reach the longest time
            open_ms = min(OPEN_MS * 2**doublings, OPEN_MS_MAX)
            known.open_until_ms = max(known.open_until_ms, now_ms + open_ms)
        wished_ms = min(retry_after_ms, OPEN_MS_MAX)
        known.open_until_ms = max(known.open_until_ms, now_ms + wished_ms if wished_ms else 0)

    def abandon(self, endpoint: str) -> None:
        """Nobody knows what became of it."""
        self._known[endpoint].running -= 1

    def open_count(self, *, now_ms: int) -> int:
        """How many endpoints are left alone just now."""
        return sum(one.open_until_ms > now_ms for one in self._known.values())
