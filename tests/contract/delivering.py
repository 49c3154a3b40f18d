"""Keeping, taking and recording deliveries, as the contract tests of `Deliveries` do it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from services.notifier.delivery.deliveries import Departure, PartitionDecisions, Position
from services.notifier.delivery.delivery import ChannelName, Decision, Delivery, Outcome, Result, followers_of
from services.notifier.store_sql.deliveries import SqlDeliveries
from tests.builders_notifier import NOW_MS

LEASE_MS = 60_000


async def keep(deliveries: SqlDeliveries, *decisions: Decision, departures: Sequence[Departure] = ()) -> None:
    claim = (await deliveries.claim([0]))[0]
    position = Position(claim.position.offset + 1, claim.position.seq + 1)
    await deliveries.decide(
        [PartitionDecisions(0, claim.epoch, claim.position, position, decisions, departures, NOW_MS)]
    )


async def take(deliveries: SqlDeliveries, *, now_ms: int = NOW_MS, limit: int = 10) -> list[Delivery]:
    def share(lanes: Sequence[str]) -> Mapping[str, int]:
        return dict.fromkeys(lanes, limit)

    return await deliveries.take(ChannelName("console"), share, now_ms=now_ms, lease_ms=LEASE_MS)


def result(delivery: Delivery, outcome: Outcome, **given: Any) -> Result:
    usual = Result(
        id=delivery.id, take=delivery.take, outcome=outcome, reason="", finished_ms=NOW_MS, due_ms=None,
        is_attempt=True, followers=followers_of(delivery),
    )  # fmt: skip
    return replace(usual, **given)


async def outcomes(deliveries: SqlDeliveries) -> list[str]:
    rows = await deliveries.newest(customer=None, campaign=None, outcome=None, limit=100)
    return [str(row.outcome) for row in sorted(rows, key=lambda row: (row.transition, row.step))]
