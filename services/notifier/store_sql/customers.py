"""Where customers stand, from the stager's tables in PostgreSQL or SQLite."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.notifier.delivery.customers import CustomerNow, Whose
from services.notifier.store_sql.stager_tables import check_tables, traits_of, visits
from shared.database import reading


class SqlCustomers:
    """`Customers` over an engine of shared.database, which stays the caller's to close."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def open(self) -> None:
        """Connect. Errors: Unavailable; Refused when the stager's tables are missing."""
        await check_tables(self._engine)

    async def look(self, wanted: Collection[Whose]) -> dict[Whose, CustomerNow]:
        """Each of the wanted as of now, the unknown ones too."""
        if not wanted:
            return {}
        async with reading(self._engine) as connection:
            entries = await _entries(connection, wanted)
            traits = await traits_of(connection, {(one.partition, one.customer) for one in wanted})
        return {one: CustomerNow(entries.get(one), traits.get((one.partition, one.customer), {})) for one in wanted}


async def _entries(connection: AsyncConnection, wanted: Collection[Whose]) -> dict[Whose, int]:
    key = (visits.c.partition, visits.c.customer, visits.c.lifecycle, visits.c.stage)
    rows = await connection.execute(select(*key, visits.c.entry).where(tuple_(*key).in_(sorted(set(wanted)))))
    return {Whose(row.partition, row.customer, row.lifecycle, row.stage): row.entry for row in rows}
