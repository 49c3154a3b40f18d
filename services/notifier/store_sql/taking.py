"""The statements that take deliveries: which lanes have something due, and the longest due of one lane.

Lanes are found by hopping from each to the next in the index, so that a million deliveries in one of them cost the
others nothing.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row, exists, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from services.notifier.delivery.delivery import ChannelName, Delivery
from services.notifier.delivery.lane import endpoint_in
from services.notifier.store_sql.tables import deliveries
from shared.transition import decode

_TAKEN = (
    deliveries.c.id, deliveries.c.campaign, deliveries.c.step, deliveries.c.channel, deliveries.c.target,
    deliveries.c.lane, deliveries.c.partition, deliveries.c.stage, deliveries.c.while_in, deliveries.c.body,
    deliveries.c.at_ms, deliveries.c.fresh_ms, deliveries.c.attempts, deliveries.c.takes, deliveries.c.followers,
    deliveries.c.decided_ms, deliveries.c.seq, deliveries.c.counted_ms,
)  # fmt: skip


async def due_lanes(connection: AsyncConnection, channel: ChannelName, *, now_ms: int) -> list[str]:
    """The lanes of a channel in which something is due, in order of name."""
    is_open = (deliveries.c.channel == channel, deliveries.c.due_ms.is_not(None))
    lanes = select(func.min(deliveries.c.lane).label("lane")).where(*is_open).cte("lanes", recursive=True)
    following = select(func.min(deliveries.c.lane)).where(*is_open, deliveries.c.lane > lanes.c.lane).scalar_subquery()
    lanes = lanes.union_all(select(following).where(lanes.c.lane.is_not(None)))
    is_due = exists().where(
        deliveries.c.channel == channel, deliveries.c.lane == lanes.c.lane, deliveries.c.due_ms <= now_ms
    )
    rows = await connection.execute(select(lanes.c.lane).where(lanes.c.lane.is_not(None), is_due))
    return sorted(row.lane for row in rows)


async def take_lane(
    connection: AsyncConnection, channel: ChannelName, lane: str, limit: int, *, now_ms: int, lease_ms: int
) -> list[Delivery]:
    """Up to `limit` due deliveries of a lane, longest due first, leased."""
    # A CTE that locks is run exactly once; as a plain subquery PostgreSQL may run it again and lock more.
    due = (
        select(deliveries.c.id)
        .where(deliveries.c.channel == channel, deliveries.c.lane == lane, deliveries.c.due_ms <= now_ms)
        .order_by(deliveries.c.due_ms, deliveries.c.seq)
        .limit(limit)
        .with_for_update(skip_locked=True)
        .cte("due")
    )
    statement = (
        update(deliveries)
        .where(deliveries.c.id.in_(select(due.c.id)))
        .values(attempts=deliveries.c.attempts + 1, takes=deliveries.c.takes + 1, due_ms=now_ms + lease_ms)
        .returning(*_TAKEN)
    )
    rows = (await connection.execute(statement)).all()
    return [_delivery(row) for row in sorted(rows, key=lambda row: (row.decided_ms, row.seq, row.step))]


def _delivery(row: Row[Any]) -> Delivery:
    return Delivery(
        id=row.id,
        campaign=row.campaign,
        step=row.step,
        channel=ChannelName(row.channel),
        target=row.target,
        endpoint=endpoint_in(row.lane),
        partition=row.partition,
        stage=row.stage,
        while_in=row.while_in,
        transition=decode(row.body),
        at_ms=row.at_ms,
        fresh_ms=row.fresh_ms,
        attempt=row.attempts,
        take=row.takes,
        followers=row.followers,
        may_have_arrived=row.counted_ms is not None,
    )
