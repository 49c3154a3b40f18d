"""The retry schedule: Standard Webhooks, with jitter, and with the receiver's own wish."""

from __future__ import annotations

from services.notifier.sending.retry import ATTEMPTS_MAX, JITTER, WAITS_MS, next_attempt_ms
from shared.clock import DAY_MS, HOUR_MS, SECOND_MS


def test_the_second_attempt_comes_five_seconds_after_the_first():
    assert next_attempt_ms(1, now_ms=1_000, chance=0) == 1_000 + 5 * SECOND_MS


def test_after_the_last_attempt_there_is_none():
    assert next_attempt_ms(ATTEMPTS_MAX, now_ms=0, chance=0) is None
    assert next_attempt_ms(ATTEMPTS_MAX - 1, now_ms=0, chance=0) == 24 * HOUR_MS


def test_jitter_only_ever_lengthens_a_wait():
    waits = [next_attempt_ms(4, now_ms=0, chance=chance) for chance in (0, 0.5, 0.999)]
    assert waits == sorted(waits)
    assert waits[0] == WAITS_MS[4]
    assert waits[-1] <= WAITS_MS[4] * (1 + JITTER)


def test_a_receiver_may_ask_for_more_patience_but_not_for_less():
    assert next_attempt_ms(1, now_ms=0, chance=0, retry_after_ms=60_000) == 60_000
    assert next_attempt_ms(3, now_ms=0, chance=0, retry_after_ms=1) == WAITS_MS[3]


def test_a_receiver_cannot_put_a_delivery_off_for_ever():
    assert next_attempt_ms(1, now_ms=0, chance=0, retry_after_ms=10**15) == DAY_MS
