"""Customers as the stager would leave them in its tables: where they are, and their traits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from sqlalchemy import delete, insert

from services.stager.store_sql.tables import customers, visits
from shared.database import make_engine, writing
from shared.transition import Transition
from tests.builders_notifier import NOW_MS


class StagedCustomers:
    """Writes the stager's read models."""

    def __init__(self, address: str) -> None:
        self._engine = make_engine(address)

    async def close(self) -> None:
        await self._engine.dispose()

    async def move(self, *moves: Transition, partition: int = 0) -> None:
        """Each customer is where their move leads, and nowhere else in that lifecycle."""
        async with writing(self._engine) as connection:
            for one in moves:
                here = (visits.c.customer == one.customer, visits.c.lifecycle == one.lifecycle)
                await connection.execute(delete(visits).where(*here, visits.c.partition == partition))
                if one.to_stage is not None and (one.to_stage, one.entry) != ("out", 0):
                    await connection.execute(insert(visits).values(_visit(one, partition)))

    async def identify(self, customer: str, *, partition: int = 0, **traits: Any) -> None:
        """These are all the traits of a customer now."""
        row: Mapping[str, Any] = {"partition": partition, "customer": customer, "traits": msgspec.json.encode(traits)}
        async with writing(self._engine) as connection:
            await connection.execute(
                delete(customers).where(customers.c.customer == customer, customers.c.partition == partition)
            )
            await connection.execute(insert(customers).values(row))


def _visit(one: Transition, partition: int) -> dict[str, Any]:
    return {
        "partition": partition, "lifecycle": one.lifecycle, "stage": one.to_stage, "customer": one.customer,
        "since_ms": NOW_MS, "entry": one.entry, "n": one.n,
    }  # fmt: skip
