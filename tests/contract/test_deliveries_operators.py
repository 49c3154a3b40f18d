"""What the deliveries promise to operators, and of lanes, over both databases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import uuid4

from services.notifier.campaign.step import Step
from services.notifier.channel.channel import Rejected
from services.notifier.delivery.delivery import ChannelName, Outcome
from services.notifier.file.subscriptions import STEPS_MAX
from services.notifier.operate.replay import ROWS_MAX
from services.notifier.plan.subscription import Subscription, plan_subscriptions
from services.notifier.sending.sender import result_of
from services.notifier.store_sql.deliveries import SqlDeliveries
from shared.clock import DAY_MS
from tests.builders_notifier import NOW_MS, a_campaign, a_decision, a_transition
from tests.contract.delivering import LEASE_MS, keep, result, take


async def test_a_dead_letter_is_sent_again_with_all_its_attempts(kept: SqlDeliveries) -> None:
    await keep(kept, a_decision())
    (taken,) = await take(kept)
    await kept.record([result(taken, Outcome.DEAD)])
    assert await kept.dead_of("win-back", before_ms=NOW_MS + 1, limit=10) == [taken.id]
    assert await kept.dead_of("win-back", before_ms=NOW_MS, limit=10) == []
    assert await kept.redrive([taken.id, uuid4()], now_ms=NOW_MS + DAY_MS) == 1
    (again,) = await take(kept, now_ms=NOW_MS + DAY_MS)
    assert (again.id, again.attempt, again.fresh_ms) == (taken.id, 1, NOW_MS + DAY_MS)


async def test_what_is_still_open_is_not_driven_again(kept: SqlDeliveries) -> None:
    await keep(kept, a_decision())
    (taken,) = await take(kept)
    assert await kept.redrive([taken.id], now_ms=NOW_MS) == 0


async def test_an_operator_cancels_what_has_not_ended(kept: SqlDeliveries) -> None:
    open_one, sent = a_decision(seq=1), a_decision(seq=2)
    await keep(kept, sent)
    await kept.record([result((await take(kept))[0], Outcome.SENT)])
    await keep(kept, open_one)
    assert await kept.cancel([open_one.id, sent.id], now_ms=NOW_MS) == 1
    found = await kept.find(open_one.id)
    assert found is not None
    assert (found.outcome, found.due_ms) == (Outcome.CANCELLED, None)


async def test_a_delivery_that_is_not_there_is_not_found(kept: SqlDeliveries) -> None:
    assert await kept.find(uuid4()) is None


async def test_a_target_that_is_gone_stays_so_until_it_is_enabled(kept: SqlDeliveries) -> None:
    await keep(kept, a_decision())
    (taken,) = await take(kept)
    await kept.record([result(taken, Outcome.DEAD, gone="https://x.example", reason="status 410")])
    assert await kept.disabled() == {"https://x.example": "status 410"}
    assert [await kept.enable("https://x.example") for _ in range(2)] == [True, False]
    assert await kept.disabled() == {}


async def test_only_lanes_with_something_due_are_offered(kept: SqlDeliveries) -> None:
    late = a_decision(a_campaign("late", hold_ms=DAY_MS))
    await keep(kept, a_decision(a_campaign("a")), a_decision(a_campaign("b"), seq=2), late)
    offered: list[str] = []

    def share(lanes: Sequence[str]) -> Mapping[str, int]:
        offered.extend(lanes)
        return {lanes[1]: 5}

    taken = await kept.take(ChannelName("console"), share, now_ms=NOW_MS, lease_ms=LEASE_MS)
    assert offered == ["console a", "console b"]
    assert [one.campaign for one in taken] == ["b"]


async def test_each_lane_gives_no_more_than_its_share(kept: SqlDeliveries) -> None:
    await keep(kept, *(a_decision(a_campaign(name), seq=seq) for name in "ab" for seq in range(1, 6)))
    taken = await take(kept, limit=2)
    assert sorted(one.campaign for one in taken) == ["a", "a", "b", "b"]


async def test_a_reason_in_no_encoding_is_kept_with_its_bytes_escaped(kept: SqlDeliveries) -> None:
    await keep(kept, a_decision())
    (delivery,) = await take(kept)
    answer = Rejected("refused: 550 Empf\udce4nger\0")  # a mail server's Latin-1, as its client reads it
    await kept.record([result_of(delivery, answer, now_ms=NOW_MS, chance=0)])
    found = await kept.find(delivery.id)
    assert found is not None
    assert found.reason == "refused: 550 Empf\\udce4nger\\x00"


async def test_as_many_are_added_at_once_as_a_replay_makes_of_one_page(kept: SqlDeliveries) -> None:
    steps = (Step(ChannelName("console")),) * STEPS_MAX
    crm = Subscription("crm", steps)
    moves = [a_transition(id=f"move-{seq}", seq=seq) for seq in range(1, ROWS_MAX + 1)]
    made = [one for move in moves for one in plan_subscriptions([crm], move, partition=0, now_ms=NOW_MS)]
    assert await kept.add(made) == len(made) == STEPS_MAX * ROWS_MAX
    assert await kept.add(made) == 0
    assert await kept.redrive([one.id for one in made], now_ms=NOW_MS) == 0
