"""What the deliveries promise about leaving, caps, fallbacks, operators and lanes, over both databases."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

import pytest

from services.notifier.campaign.campaign import Campaign
from services.notifier.delivery.deliveries import Departure, Reservation
from services.notifier.delivery.delivery import NEVER_MS, Delivery, Outcome, followers_of
from services.notifier.plan.plan import plan
from services.notifier.store_sql.deliveries import SqlDeliveries
from shared.clock import DAY_MS
from shared.database import make_engine
from tests.builders_notifier import NOW_MS, a_campaign, a_decision, a_step, a_transition
from tests.contract.delivering import LEASE_MS, keep, outcomes, result, take

FALLBACK = a_campaign(steps=(a_step(), a_step(), a_step()), fallbacks=frozenset({2, 3}))


def leaving(*, seq: int, **given: Any) -> Departure:
    usual = {"customer": "ann", "lifecycle": "shop", "stage": "at_risk", "while_in": True}
    return Departure(**{**usual, **given}, seq=seq, reason="left")


async def test_leaving_ends_what_is_open_of_that_visit(kept: SqlDeliveries) -> None:
    await keep(kept, a_decision(seq=1))
    await keep(kept, departures=[leaving(seq=2)])
    assert await outcomes(kept) == ["left"]
    assert await take(kept, now_ms=NOW_MS + LEASE_MS) == []


async def test_a_stage_that_is_entered_and_left_in_one_batch_leaves_nothing_open(kept: SqlDeliveries) -> None:
    await keep(kept, a_decision(seq=1), departures=[leaving(seq=2)])
    assert await outcomes(kept) == ["left"]


@pytest.mark.parametrize(
    "other",
    [{"seq": 1}, {"seq": 2, "customer": "bob"}, {"seq": 2, "stage": "active"}, {"seq": 2, "lifecycle": "hotel"},
     {"seq": 2, "while_in": False}],
    ids=["earlier", "another customer", "another stage", "another lifecycle", "coming back"],
)  # fmt: skip
async def test_other_departures_end_nothing(kept: SqlDeliveries, other: dict[str, Any]) -> None:
    await keep(kept, a_decision(seq=1), departures=[leaving(**other)])
    assert await outcomes(kept) == ["pending"]


async def test_leaving_ends_what_is_held_retried_and_waiting_too(kept: SqlDeliveries) -> None:
    await keep(kept, *plan([FALLBACK], a_transition(seq=1), partition=0, now_ms=NOW_MS))
    (taken,) = await take(kept)
    await kept.record([result(taken, Outcome.FAILED, due_ms=NOW_MS + DAY_MS)])
    await keep(kept, departures=[leaving(seq=2)])
    assert await outcomes(kept) == ["left", "left", "left"]


async def test_what_fails_after_the_customer_has_left_is_not_tried_again(kept: SqlDeliveries) -> None:
    await keep(kept, a_decision(seq=1))
    (taken,) = await take(kept)
    await keep(kept, departures=[leaving(seq=2)])
    await kept.record([result(taken, Outcome.FAILED, due_ms=NOW_MS + 5)])
    assert await outcomes(kept) == ["left"]


async def test_what_went_out_while_the_customer_left_is_told_as_sent(kept: SqlDeliveries) -> None:
    await keep(kept, a_decision(seq=1))
    (taken,) = await take(kept)
    await keep(kept, departures=[leaving(seq=2)])
    await kept.record([result(taken, Outcome.SENT)])
    assert await outcomes(kept) == ["sent"]


async def test_a_hold_gives_the_attempt_back(kept: SqlDeliveries) -> None:
    await keep(kept, a_decision())
    (held,) = await take(kept)
    await kept.record([result(held, Outcome.HELD, due_ms=NOW_MS + 5, is_attempt=False)])
    (again,) = await take(kept, now_ms=NOW_MS + 5)
    assert (again.attempt, again.take) == (1, 2)


def wanted(delivery: Delivery, *, messages: int = 1, campaign: str | None = "win-back") -> Reservation:
    return Reservation(delivery.id, delivery.take, "ann", campaign, messages, NOW_MS - DAY_MS)


async def test_a_cap_gives_no_more_places_than_it_has(kept: SqlDeliveries) -> None:
    await keep(kept, *(a_decision(seq=seq) for seq in (1, 2, 3)))
    first, second, third = await take(kept)
    granted = await kept.reserve([wanted(one, messages=2) for one in (first, second, third)], now_ms=NOW_MS)
    assert granted == {first.id, second.id}


async def test_senders_who_ask_at_once_do_not_overrun_a_cap(kept: SqlDeliveries, notifier_address: str) -> None:
    await keep(kept, *(a_decision(seq=seq) for seq in range(1, 21)))
    taken = await take(kept, limit=20)
    others = [SqlDeliveries(make_engine(notifier_address)) for _ in range(4)]
    asked = [
        other.reserve([wanted(one, messages=3) for one in taken[number::4]], now_ms=NOW_MS)
        for number, other in enumerate(others)
    ]
    granted = await asyncio.gather(*asked)
    for other in others:
        await other.close()
    assert sum(map(len, granted)) == 3


async def test_a_place_is_given_back_when_sending_failed_and_kept_when_it_was_sent(kept: SqlDeliveries) -> None:
    await keep(kept, *(a_decision(seq=seq) for seq in (1, 2, 3)))
    first, second, third = await take(kept)
    assert await kept.reserve([wanted(first)], now_ms=NOW_MS) == {first.id}
    await kept.record([result(first, Outcome.FAILED, due_ms=NOW_MS + 5)])
    assert await kept.reserve([wanted(second)], now_ms=NOW_MS) == {second.id}
    await kept.record([result(second, Outcome.SENT)])
    assert await kept.reserve([wanted(third)], now_ms=NOW_MS) == set()


async def test_what_may_have_arrived_keeps_its_place(kept: SqlDeliveries) -> None:
    await keep(kept, a_decision(seq=1), a_decision(seq=2))
    first, second = await take(kept)
    await kept.reserve([wanted(first)], now_ms=NOW_MS)
    await kept.record([result(first, Outcome.FAILED, due_ms=NOW_MS + 5, keeps_place=True)])
    assert await kept.reserve([wanted(second)], now_ms=NOW_MS) == set()


async def test_what_may_have_arrived_before_keeps_its_place_when_it_ends(kept: SqlDeliveries) -> None:
    await keep(kept, a_decision(seq=1), a_decision(seq=2))
    lost, second = await take(kept)
    await kept.reserve([wanted(lost)], now_ms=NOW_MS)
    (again, _) = await take(kept, now_ms=NOW_MS + LEASE_MS)
    assert (lost.may_have_arrived, again.may_have_arrived) == (False, True)
    await kept.record([result(again, Outcome.LEFT, is_attempt=False)])
    assert await kept.reserve([wanted(second)._replace(take=2)], now_ms=NOW_MS) == set()


async def test_a_place_is_free_again_when_its_time_is_over(kept: SqlDeliveries) -> None:
    await keep(kept, a_decision(seq=1), a_decision(seq=2))
    first, second = await take(kept)
    await kept.reserve([wanted(first)], now_ms=NOW_MS)
    assert await kept.reserve([wanted(second)._replace(since_ms=NOW_MS - 1)], now_ms=NOW_MS) == set()
    assert await kept.reserve([wanted(second)._replace(since_ms=NOW_MS)], now_ms=NOW_MS) == {second.id}


async def test_after_a_crash_the_same_delivery_takes_no_second_place(kept: SqlDeliveries) -> None:
    await keep(kept, a_decision())
    (lost,) = await take(kept)
    await kept.reserve([wanted(lost)], now_ms=NOW_MS)
    (again,) = await take(kept, now_ms=NOW_MS + LEASE_MS)
    assert await kept.reserve([wanted(lost)], now_ms=NOW_MS) == set()
    assert await kept.reserve([wanted(again)], now_ms=NOW_MS) == {again.id}


async def test_a_cap_counts_this_campaign_or_all_of_them(kept: SqlDeliveries) -> None:
    await keep(kept, a_decision(a_campaign("other")), a_decision(seq=2))
    other, own = sorted(await take(kept), key=lambda one: one.campaign)
    await kept.record([result(other, Outcome.SENT)])
    assert await kept.reserve([wanted(own, campaign=None)], now_ms=NOW_MS) == set()
    assert await kept.reserve([wanted(own)], now_ms=NOW_MS) == {own.id}


async def fallbacks(deliveries: SqlDeliveries, campaign: Campaign = FALLBACK) -> None:
    await keep(deliveries, *plan([campaign], a_transition(seq=1), partition=0, now_ms=NOW_MS))


async def test_a_fallback_waits_for_the_step_before(kept: SqlDeliveries) -> None:
    await fallbacks(kept)
    assert await outcomes(kept) == ["pending", "waiting", "waiting"]
    assert [one.step for one in await take(kept, now_ms=NOW_MS + 365 * DAY_MS)] == [1]
    rows = await kept.newest(customer=None, campaign=None, outcome=Outcome.WAITING, limit=10)
    assert {row.due_ms for row in rows} == {NEVER_MS}


@pytest.mark.parametrize("failed", [Outcome.DEAD, Outcome.NO_ADDRESS])
async def test_a_step_that_did_not_get_through_lets_the_next_one_try(kept: SqlDeliveries, failed: Outcome) -> None:
    await fallbacks(kept)
    await kept.record([result((await take(kept))[0], failed)])
    assert await outcomes(kept) == [failed, "pending", "waiting"]
    (second,) = await take(kept)
    await kept.record([result(second, Outcome.SENT)])
    assert await outcomes(kept) == [failed, "sent", "skipped"]


@pytest.mark.parametrize("final", [Outcome.SENT, Outcome.CAPPED, Outcome.NO_CONSENT, Outcome.LEFT])
async def test_fallbacks_are_not_needed_after_any_other_end(kept: SqlDeliveries, final: Outcome) -> None:
    await fallbacks(kept)
    await kept.record([result((await take(kept))[0], final)])
    assert await outcomes(kept) == [final, "skipped", "skipped"]


async def test_a_failure_that_will_be_retried_releases_nothing(kept: SqlDeliveries) -> None:
    await fallbacks(kept)
    await kept.record([result((await take(kept))[0], Outcome.FAILED, due_ms=NOW_MS + 5)])
    assert await outcomes(kept) == ["failed", "waiting", "waiting"]


async def test_a_sender_that_comes_too_late_releases_nothing(kept: SqlDeliveries) -> None:
    await fallbacks(kept)
    (late,) = await take(kept)
    await take(kept, now_ms=NOW_MS + LEASE_MS)
    await kept.record([result(late, Outcome.DEAD)])
    assert await outcomes(kept) == ["pending", "waiting", "waiting"]


def test_the_id_of_a_fallback_is_that_of_its_own_decision() -> None:
    first, *others = plan([FALLBACK], a_transition(), partition=0, now_ms=NOW_MS)
    ids: list[UUID] = [other.id for other in others]
    taken = Delivery(
        id=first.id, campaign=first.campaign, step=1, channel=first.channel, target="", endpoint="console", partition=0,
        stage="at_risk", while_in=True, transition=first.transition, at_ms=NOW_MS, fresh_ms=NOW_MS, attempt=1, take=1,
        followers=first.followers,
    )  # fmt: skip
    assert followers_of(taken) == ids
