"""The stager's tables as the notifier knows them, to read: whether they are there, and the columns of two of them.

The columns named here are all that is known of these; the stager's migrations keep them.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, TypeAlias

import msgspec
from sqlalchemy import Column, Integer, LargeBinary, MetaData, Table, Text, inspect, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from shared.database import reading
from shared.errors import Refused

Person: TypeAlias = tuple[int, str]
"""A customer: their partition, and their id."""

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

_NAMES = frozenset({"positions", "transitions", customers.name, visits.name})
_decode = msgspec.json.Decoder(dict[str, Any]).decode


async def check_tables(engine: AsyncEngine) -> None:
    """Errors: Unavailable; Refused when the stager's tables are not in this database."""
    async with reading(engine) as connection:
        names = await connection.run_sync(lambda sync: inspect(sync).get_table_names())
    if not set(names) >= _NAMES:
        raise Refused("the stager's tables are not in this database: run `stageline migrate`")


async def traits_of(connection: AsyncConnection, people: Collection[Person]) -> dict[Person, dict[str, Any]]:
    """The traits of each of these as of now; whoever was never heard of is left out."""
    key = (customers.c.partition, customers.c.customer)
    rows = await connection.execute(select(*key, customers.c.traits).where(tuple_(*key).in_(sorted(people))))
    return {(row.partition, row.customer): _decode(row.traits) for row in rows}
