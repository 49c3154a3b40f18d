"""The stager's transitions and customers as the notifier may look at them: to read, never to write.

Only the columns named here are leaned on (DESIGN.md 7, "Read models").
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.notifier.store_sql.stager_tables import check_tables, traits_of
from shared.database import reading
from shared.transition import Transition, decode

LOOKED_AT_MAX = 10_000  # a customer's own transitions that are looked through for one that a campaign answers

_PARTITIONS = "SELECT partition FROM positions WHERE seq > 0 ORDER BY partition"
_AFTER = """
    SELECT body FROM transitions
    WHERE partition = :partition AND seq > :seq AND at_ms >= :at_ms ORDER BY seq LIMIT :limit
"""
_OF_CUSTOMER = """
    SELECT body FROM transitions
    WHERE partition = :partition AND customer = :customer AND lifecycle = :lifecycle ORDER BY seq DESC LIMIT :limit
"""


class SqlTransitions:
    """Reads over an engine of shared.database, which stays the caller's to close."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def open(self) -> None:
        """Connect. Errors: Unavailable; Refused when the stager's tables are not in this database."""
        await check_tables(self._engine)

    async def partitions(self) -> list[int]:
        """The partitions that have any. Errors: Unavailable."""
        return [row.partition for row in await self._rows(_PARTITIONS)]

    async def after(self, partition: int, *, seq: int, at_ms: int, limit: int) -> Sequence[Transition]:
        """Up to `limit` transitions above `seq` that happened at `at_ms` or later, in order of `seq`."""
        rows = await self._rows(_AFTER, partition=partition, seq=seq, at_ms=at_ms, limit=limit)
        return [decode(row.body) for row in rows]

    async def newest_of(self, customer: str, *, partition: int, lifecycle: str) -> Sequence[Transition]:
        """The newest transitions of a customer in a lifecycle, newest first."""
        place = {"partition": partition, "customer": customer, "lifecycle": lifecycle}
        rows = await self._rows(_OF_CUSTOMER, **place, limit=LOOKED_AT_MAX)
        return [decode(row.body) for row in rows]

    async def traits(self, customer: str, *, partition: int) -> dict[str, Any] | None:
        """The customer's traits as of now, or None for a customer never heard of."""
        async with reading(self._engine) as connection:
            return (await traits_of(connection, {(partition, customer)})).get((partition, customer))

    async def _rows(self, statement: str, **given: object) -> Sequence[Any]:
        async with reading(self._engine) as connection:
            return (await connection.execute(text(statement), given)).all()
