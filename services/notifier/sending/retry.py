"""When a failed delivery is tried again: the Standard Webhooks schedule, spread by jitter.

Pure: this module must not know any clock, the database or a channel; the random number is an argument.
"""

from __future__ import annotations

from shared.clock import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS

# The wait before attempt 1, 2, ... (Standard Webhooks, "Retry schedule"): three days in all, so that an outage over a
# weekend loses nothing.
WAITS_MS = (
    0, 5 * SECOND_MS, 5 * MINUTE_MS, 30 * MINUTE_MS, 2 * HOUR_MS, 5 * HOUR_MS, 10 * HOUR_MS, 14 * HOUR_MS,
    20 * HOUR_MS, 24 * HOUR_MS,
)  # fmt: skip
ATTEMPTS_MAX = len(WAITS_MS)
JITTER = 0.2  # waits are stretched by up to a fifth: a receiver that comes back is not met by all at once
RETRY_AFTER_MS_MAX = DAY_MS  # a receiver may ask for patience, not for ever


def next_attempt_ms(attempt: int, *, now_ms: int, chance: float, retry_after_ms: int = 0) -> int | None:
    """When to try again after `attempt` (from 1) has failed at `now_ms`; None when that was the last one.

    `chance` is a random number in [0, 1). `retry_after_ms` is what the receiver asked for: it may lengthen the wait.
    """
    if attempt >= ATTEMPTS_MAX:
        return None
    wait_ms = int(WAITS_MS[attempt] * (1 + JITTER * chance))
    return now_ms + max(wait_ms, min(retry_after_ms, RETRY_AFTER_MS_MAX))
