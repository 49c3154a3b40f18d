"""The circuit of each endpoint: a dead receiver is left alone, and delays nobody else."""

from __future__ import annotations

from services.notifier.sending.endpoints import FAILURES_MAX, OPEN_MS, OPEN_MS_MAX, WINDOW_FIRST, WINDOW_MAX, Endpoints
from shared.clock import MINUTE_MS

NOW = 1_000_000


def fail(endpoints: Endpoints, times: int, *, now_ms: int = NOW, retry_after_ms: int = 0) -> None:
    for _ in range(times):
        endpoints.begin("a")
        endpoints.fail("a", now_ms=now_ms, retry_after_ms=retry_after_ms)


def test_a_receiver_that_hangs_from_the_beginning_holds_but_a_few():
    endpoints = Endpoints()
    for _ in range(WINDOW_FIRST):
        assert endpoints.room("a", now_ms=NOW) > 0
        endpoints.begin("a")
    assert endpoints.room("a", now_ms=NOW) == 0
    assert endpoints.room("b", now_ms=NOW) == WINDOW_FIRST


def test_a_receiver_that_answers_gets_more_at_once_up_to_a_limit():
    endpoints = Endpoints()
    for _ in range(2 * WINDOW_MAX):
        endpoints.begin("a")
        endpoints.succeed("a")
    assert endpoints.room("a", now_ms=NOW) == WINDOW_MAX


def test_failures_in_a_row_open_the_circuit():
    endpoints = Endpoints()
    fail(endpoints, FAILURES_MAX - 1)
    assert endpoints.room("a", now_ms=NOW) == 1
    fail(endpoints, 1)
    assert endpoints.room("a", now_ms=NOW + OPEN_MS - 1) == 0
    assert endpoints.open_count(now_ms=NOW) == 1


def test_a_success_in_between_starts_the_count_anew():
    endpoints = Endpoints()
    for _ in range(FAILURES_MAX):
        fail(endpoints, FAILURES_MAX - 1)
        endpoints.begin("a")
        endpoints.succeed("a")
    assert endpoints.room("a", now_ms=NOW) > 0


def test_after_its_time_one_message_is_let_through():
    endpoints = Endpoints()
    fail(endpoints, FAILURES_MAX)
    assert endpoints.room("a", now_ms=NOW + OPEN_MS) == 1
    endpoints.begin("a")
    assert endpoints.room("a", now_ms=NOW + OPEN_MS) == 0


def test_its_success_closes_the_circuit():
    endpoints = Endpoints()
    fail(endpoints, FAILURES_MAX)
    endpoints.begin("a")
    endpoints.succeed("a")
    endpoints.begin("a")
    endpoints.succeed("a")
    assert endpoints.room("a", now_ms=NOW + OPEN_MS) > 1


def test_its_failure_opens_the_circuit_for_twice_as_long_up_to_a_limit():
    endpoints = Endpoints()
    fail(endpoints, FAILURES_MAX + 1)
    assert endpoints.room("a", now_ms=NOW + 2 * OPEN_MS - 1) == 0
    assert endpoints.room("a", now_ms=NOW + 2 * OPEN_MS) == 1
    fail(endpoints, 30)
    assert endpoints.room("a", now_ms=NOW + OPEN_MS_MAX) == 1


def test_a_receiver_that_asks_to_be_left_alone_is_left_alone():
    endpoints = Endpoints()
    fail(endpoints, 1, retry_after_ms=MINUTE_MS)
    assert endpoints.room("a", now_ms=NOW + MINUTE_MS - 1) == 0
    assert endpoints.room("a", now_ms=NOW + MINUTE_MS) > 0


def test_what_nobody_knows_the_end_of_gives_its_place_back():
    endpoints = Endpoints()
    for _ in range(WINDOW_FIRST):
        endpoints.begin("a")
        endpoints.abandon("a")
    assert endpoints.room("a", now_ms=NOW) == WINDOW_FIRST
