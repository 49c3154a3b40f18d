"""The deliveries in PostgreSQL or SQLite: the same statements on both.

The databases differ in one thing only: PostgreSQL skips rows that another sender is taking (`SKIP LOCKED`), SQLite has
one writer at a time and needs no such thing (SQLAlchemy leaves the words out there).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Select, and_, bindparam, func, select, true, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.notifier.deliveries import (
    LISTED_MAX,
    Claim,
    DeliveryRow,
    FenceLost,
    OutcomeCount,
    PartitionDecisions,
    Position,
    Standing,
)
from services.notifier.delivery import ChannelName, Decision, Delivery, Outcome, Result
from services.notifier.tables import deliveries, positions
from shared.database import translated
from shared.errors import Refused
from shared.migrate import Migrations, is_current
from shared.transition import decode, encode

MIGRATIONS = Migrations("notifier", Path(__file__).parent / "migrations")

_ROW = (
    deliveries.c.id, deliveries.c.campaign, deliveries.c.step, deliveries.c.channel, deliveries.c.target,
    deliveries.c.customer, deliveries.c.lifecycle, deliveries.c.transition, deliveries.c.outcome, deliveries.c.reason,
    deliveries.c.attempts, deliveries.c.decided_ms, deliveries.c.due_ms, deliveries.c.finished_ms,
)  # fmt: skip


class SqlDeliveries:
    """`Deliveries` over an engine of shared.database; it closes the engine."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._insert = postgresql.insert if engine.dialect.name == "postgresql" else sqlite.insert

    async def open(self) -> None:
        """Connect. Errors: Unavailable; Refused when the tables are missing or older than this program."""
        if not await is_current(self._engine, MIGRATIONS):
            raise Refused("the notifier's tables are missing or too old: run `stageline migrate`")

    async def close(self) -> None:
        """Release every connection."""
        await self._engine.dispose()

    async def claim(self, partitions: Collection[int]) -> dict[int, Claim]:
        """Raise the epoch of each partition (making its row when new) and return where it stands."""
        if not partitions:
            return {}
        new = [{"partition": p, "epoch": 1, "next_offset": 0, "seq": 0} for p in sorted(partitions)]
        raised = {"epoch": positions.c.epoch + 1}
        statement = self._insert(positions).values(new).on_conflict_do_update(index_elements=["partition"], set_=raised)
        async with translated(), self._engine.begin() as connection:
            rows = await connection.execute(statement.returning(*positions.c))
            return {row.partition: Claim(Position(row.next_offset, row.seq), row.epoch) for row in rows}

    async def decide(self, batches: Sequence[PartitionDecisions]) -> None:
        """Keep it all in one transaction. Errors: FenceLost; Unavailable."""
        async with translated(), self._engine.begin() as connection:
            # Always in the same order, so that two owners who overlap wait for one another and never deadlock.
            lost = [b.partition for b in sorted(batches, key=_partition) if not await _advance(connection, b)]
            if lost:
                raise FenceLost(frozenset(lost))
            rows = [_row(decision) for batch in batches for decision in batch.decisions]
            if rows:
                await connection.execute(self._insert(deliveries).on_conflict_do_nothing(), rows)

    async def add(self, decisions: Sequence[Decision]) -> int:
        """Keep decisions made outside a partition's reading; how many were not there before."""
        if not decisions:
            return 0
        statement = self._insert(deliveries).values([_row(decision) for decision in decisions])
        async with translated(), self._engine.begin() as connection:
            added = await connection.execute(statement.on_conflict_do_nothing().returning(deliveries.c.id))
            return len(added.all())

    async def redrive(self, ids: Collection[UUID], *, now_ms: int) -> int:
        """Make those whose outcome is final due again; how many there were."""
        statement = (
            update(deliveries)
            .where(deliveries.c.id.in_(ids), deliveries.c.due_ms.is_(None))
            .values(outcome=Outcome.PENDING, attempts=0, due_ms=now_ms)
            .returning(deliveries.c.id)
        )
        async with translated(), self._engine.begin() as connection:
            return len((await connection.execute(statement)).all()) if ids else 0

    async def take(
        self, channels: Collection[ChannelName], *, now_ms: int, lease_ms: int, limit: int
    ) -> list[Delivery]:
        """Up to `limit` due deliveries of these channels, hidden from others for `lease_ms`."""
        # A CTE that locks is run exactly once; as a plain subquery PostgreSQL may run it again and lock more.
        due = (
            select(deliveries.c.id)
            .where(deliveries.c.due_ms <= now_ms, deliveries.c.channel.in_(channels))
            .order_by(deliveries.c.due_ms, deliveries.c.seq)
            .limit(limit)
            .with_for_update(skip_locked=True)
            .cte("due")
        )
        statement = (
            update(deliveries)
            .where(deliveries.c.id.in_(select(due.c.id)))
            .values(attempts=deliveries.c.attempts + 1, due_ms=now_ms + lease_ms)
            .returning(*_ROW, deliveries.c.body, deliveries.c.seq)
        )
        async with translated(), self._engine.begin() as connection:
            rows = (await connection.execute(statement)).all()
        return [_delivery(row) for row in sorted(rows, key=lambda row: (row.decided_ms, row.seq, row.step))]

    async def record(self, results: Sequence[Result]) -> None:
        """Keep the results of attempts; those whose attempt is not the latest are left out."""
        statement = (
            update(deliveries)
            .where(deliveries.c.id == bindparam("of_id"), deliveries.c.attempts == bindparam("of_attempt"))
            .values(
                outcome=bindparam("outcome"),
                reason=bindparam("reason"),
                finished_ms=bindparam("finished_ms"),
                due_ms=bindparam("due_ms"),
            )
        )
        async with translated(), self._engine.begin() as connection:
            await connection.execute(statement, [_result(result) for result in sorted(results, key=_id)])

    async def newest(
        self, *, customer: str | None, campaign: str | None, outcome: Outcome | None, limit: int
    ) -> list[DeliveryRow]:
        """The newest deliveries first, narrowed by what is not None; `limit` is cut to LISTED_MAX."""
        wanted = {"customer": customer, "campaign": campaign, "outcome": outcome}
        order = (deliveries.c.decided_ms.desc(), deliveries.c.seq.desc(), deliveries.c.step.desc())
        rows = await self._read(select(*_ROW).where(_narrowed(wanted)).order_by(*order).limit(min(limit, LISTED_MAX)))
        return [DeliveryRow(**{**row._asdict(), "outcome": Outcome(row.outcome)}) for row in rows]

    async def counts(self) -> list[OutcomeCount]:
        """Deliveries by campaign and outcome, in that order, without zeros."""
        group = (deliveries.c.campaign, deliveries.c.outcome)
        rows = await self._read(select(*group, func.count().label("deliveries")).group_by(*group))
        return sorted(OutcomeCount(row.campaign, Outcome(row.outcome), row.deliveries) for row in rows)

    async def standing(self) -> Standing:
        """How far all notifiers together are."""
        offsets = await self._read(select(positions.c.partition, positions.c.next_offset))
        [pending] = await self._read(select(func.count()).where(deliveries.c.due_ms.is_not(None)))
        return Standing({row.partition: row.next_offset for row in offsets}, pending[0])

    async def _read(self, statement: Select[Any]) -> Sequence[Row[Any]]:
        async with translated(), self._engine.connect() as connection:
            rows: Sequence[Row[Any]] = (await connection.execute(statement)).all()
            return rows


async def _advance(connection: AsyncConnection, batch: PartitionDecisions) -> bool:
    statement = (
        update(positions)
        .where(
            positions.c.partition == batch.partition,
            positions.c.epoch == batch.epoch,
            positions.c.next_offset == batch.was.offset,
        )
        .values(next_offset=batch.position.offset, seq=batch.position.seq)
    )
    return (await connection.execute(statement)).rowcount == 1


def _partition(batch: PartitionDecisions) -> int:
    return batch.partition


def _id(result: Result) -> str:
    return str(result.id)


def _narrowed(wanted: Mapping[str, str | None]) -> ColumnElement[bool]:
    return and_(true(), *(deliveries.c[name] == value for name, value in wanted.items() if value is not None))


def _row(decision: Decision) -> dict[str, object]:
    transition = decision.transition
    return {
        "id": decision.id,
        "campaign": decision.campaign,
        "step": decision.step,
        "channel": decision.channel,
        "target": decision.target,
        "customer": transition.customer,
        "lifecycle": transition.lifecycle,
        "transition": transition.id,
        "seq": transition.seq,
        "body": encode(transition),
        "outcome": decision.outcome,
        "reason": decision.reason,
        "attempts": 0,
        "decided_ms": decision.decided_ms,
        "due_ms": decision.due_ms,
        "finished_ms": None,
    }


def _delivery(row: Row[Any]) -> Delivery:
    return Delivery(
        id=row.id,
        campaign=row.campaign,
        step=row.step,
        channel=ChannelName(row.channel),
        target=row.target,
        transition=decode(row.body),
        attempt=row.attempts,
    )


def _result(result: Result) -> dict[str, object]:
    return {
        "of_id": result.id,
        "of_attempt": result.attempt,
        "outcome": result.outcome,
        "reason": result.reason,
        "finished_ms": result.finished_ms,
        "due_ms": result.due_ms,
    }
