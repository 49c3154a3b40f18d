"""The statement that reserves a place under a cap: counted and taken in one step, one customer at a time."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from services.notifier.delivery.deliveries import Reservation
from services.notifier.store_sql.tables import deliveries

_LOCKS = 7  # tells these locks from others that the database may be asked for

_other = deliveries.alias("other")


async def reserve(connection: AsyncConnection, wanted: Sequence[Reservation], *, now_ms: int) -> set[UUID]:
    """The ids of those that got a place, in the order in which they are wanted."""
    await _lock(connection, sorted({one.customer for one in wanted}))
    return {one.id for one in wanted if await _take_place(connection, one, now_ms=now_ms)}


async def _lock(connection: AsyncConnection, customers: Sequence[str]) -> None:
    """Let nobody else count these customers' messages until the transaction ends; always in the same order."""
    if connection.dialect.name != "postgresql":
        return  # one writer at a time
    for customer in customers:
        await connection.execute(select(func.pg_advisory_xact_lock(_LOCKS, func.hashtext(customer))))


async def _take_place(connection: AsyncConnection, one: Reservation, *, now_ms: int) -> bool:
    counted = select(func.count()).where(
        _other.c.customer == one.customer, _other.c.counted_ms > one.since_ms, _other.c.id != one.id
    )
    # What tools subscribe to is no message to the customer.
    of_whom = _other.c.campaign.not_like("@%") if one.campaign is None else _other.c.campaign == one.campaign
    counted = counted.where(of_whom)
    statement = (
        update(deliveries)
        .where(
            deliveries.c.id == one.id,
            deliveries.c.takes == one.take,
            deliveries.c.due_ms.is_not(None),
            counted.scalar_subquery() < one.messages,
        )
        .values(counted_ms=now_ms)
    )
    return (await connection.execute(statement)).rowcount == 1
