"""What an attempt comes to."""

from __future__ import annotations

from services.notifier.channel.channel import Failed, Rejected, Sent
from services.notifier.delivery.delivery import Outcome
from services.notifier.sending.retry import ATTEMPTS_MAX
from services.notifier.sending.sender import REASON_LENGTH_MAX, result_of
from tests.builders_notifier import NOW_MS, a_delivery


def test_sent_is_final():
    result = result_of(a_delivery(), Sent("status 204"), now_ms=NOW_MS, chance=0)
    assert (result.outcome, result.due_ms, result.reason) == (Outcome.SENT, None, "status 204")


def test_a_rejection_is_final():
    result = result_of(a_delivery(), Rejected("gone"), now_ms=NOW_MS, chance=0)
    assert (result.outcome, result.due_ms) == (Outcome.DEAD, None)


def test_a_failure_is_tried_again():
    result = result_of(a_delivery(), Failed("down"), now_ms=NOW_MS, chance=0)
    assert (result.outcome, result.due_ms) == (Outcome.FAILED, NOW_MS + 5_000)


def test_the_last_failure_is_the_end():
    result = result_of(a_delivery(attempt=ATTEMPTS_MAX), Failed("down"), now_ms=NOW_MS, chance=0)
    assert (result.outcome, result.due_ms, result.reason) == (Outcome.DEAD, None, "down")


def test_a_result_belongs_to_its_attempt():
    delivery = a_delivery(take=3)
    result = result_of(delivery, Sent(), now_ms=NOW_MS, chance=0)
    assert (result.id, result.take, result.is_attempt, result.finished_ms) == (delivery.id, 3, True, NOW_MS)


def test_a_reason_is_kept_short_and_storable():
    result = result_of(a_delivery(), Failed("550 Empf\udce4nger\0" + "x" * 5_000), now_ms=NOW_MS, chance=0)
    assert result.reason.startswith("550 Empf\\udce4nger\\x00xxx")
    assert len(result.reason) == REASON_LENGTH_MAX
