"""Where customers stand, from the stager's tables in PostgreSQL or SQLite.

The columns named here are all that the notifier knows of those tables; the stager's migrations keep them.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import msgspec
from sqlalchemy import Column, Integer, LargeBinary, MetaData, Table, Text, inspect, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.notifier.customers import CustomerNow, Whose
from shared.database import reading
from shared.errors import Refused

_metadata = MetaData()

visits = Table(
    "visits",
    _metadata,
    Column("partition", Integer),
    Column("lifecycle", Text),
    Column("stage", Text),
    Column("customer", Text),
    Column("entry", Integer),
)
customers = Table(
    "customers",
    _metadata,
    Column("partition", Integer),
    Column("customer", Text),
    Column("traits", LargeBinary),
)

_decode = msgspec.json.Decoder(dict[str, Any]).decode


class SqlCustomers:
    """`Customers` over an engine of shared.database; it closes the engine."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def open(self) -> None:
        """Connect. Errors: Unavailable; Refused when the stager's tables are missing."""
        async with reading(self._engine) as connection:
            names = await connection.run_sync(lambda sync: inspect(sync).get_table_names())
        if not {visits.name, customers.name} <= set(names):
            raise Refused("the stager's tables are missing: run `stageline migrate`")

    async def close(self) -> None:
        """Release every connection."""
        await self._engine.dispose()

    async def look(self, wanted: Collection[Whose]) -> dict[Whose, CustomerNow]:
        """Each of the wanted as of now, the unknown ones too."""
        if not wanted:
            return {}
        async with reading(self._engine) as connection:
            entries = await _entries(connection, wanted)
            traits = await _traits(connection, wanted)
        return {one: CustomerNow(entries.get(one), traits.get((one.partition, one.customer), {})) for one in wanted}


async def _entries(connection: AsyncConnection, wanted: Collection[Whose]) -> dict[Whose, int]:
    key = (visits.c.partition, visits.c.customer, visits.c.lifecycle, visits.c.stage)
    rows = await connection.execute(select(*key, visits.c.entry).where(tuple_(*key).in_(sorted(set(wanted)))))
    return {Whose(row.partition, row.customer, row.lifecycle, row.stage): row.entry for row in rows}


async def _traits(connection: AsyncConnection, wanted: Collection[Whose]) -> dict[tuple[int, str], dict[str, Any]]:
    key = (customers.c.partition, customers.c.customer)
    people = sorted({(one.partition, one.customer) for one in wanted})
    rows = await connection.execute(select(*key, customers.c.traits).where(tuple_(*key).in_(people)))
    return {(row.partition, row.customer): _decode(row.traits) for row in rows}
