"""The deliveries in PostgreSQL or SQLite: the same statements on both.

The databases differ in two things only. PostgreSQL skips rows that another sender is taking (`SKIP LOCKED`) and locks a
customer while places under a cap are counted; SQLite has one writer at a time and needs neither.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Select, and_, delete, func, select, true
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncEngine

from services.notifier.delivery.deliveries import (
    LISTED_MAX,
    Claim,
    DeliveryRow,
    OutcomeCount,
    PartitionDecisions,
    Position,
    Reservation,
    Share,
    Standing,
)
from services.notifier.delivery.delivery import ChannelName, Decision, Delivery, Outcome, Result
from services.notifier.store_sql import recording, reserving, taking
from services.notifier.store_sql.tables import deliveries, disabled, positions
from shared.database import dispose, reading, writing
from shared.errors import FenceLost, Refused
from shared.migrate import Migrations, is_current

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
        await dispose(self._engine)

    async def claim(self, partitions: Collection[int]) -> dict[int, Claim]:
        """Raise the epoch of each partition (making its row when new) and return where it stands."""
        if not partitions:
            return {}
        new = [{"partition": p, "epoch": 1, "next_offset": 0, "seq": 0} for p in sorted(partitions)]
        raised = {"epoch": positions.c.epoch + 1}
        statement = self._insert(positions).values(new).on_conflict_do_update(index_elements=["partition"], set_=raised)
        async with writing(self._engine) as connection:
            rows = await connection.execute(statement.returning(*positions.c))
            return {row.partition: Claim(Position(row.next_offset, row.seq), row.epoch) for row in rows}

    async def decide(self, batches: Sequence[PartitionDecisions]) -> None:
        """Keep it all in one transaction. Errors: FenceLost; Unavailable."""
        async with writing(self._engine) as connection:
            # Always in the same order, so that two owners who overlap wait for one another and never deadlock.
            ordered = sorted(batches, key=_partition)
            lost = [batch.partition for batch in ordered if not await recording.advance(connection, batch)]
            if lost:
                raise FenceLost(frozenset(lost))
            rows = [recording.row_of(decision) for batch in batches for decision in batch.decisions]
            if rows:
                await connection.execute(self._insert(deliveries).on_conflict_do_nothing(), rows)
            for batch in ordered:  # after the rows: a stage may be entered and left within one batch
                await recording.depart(connection, batch)

    async def add(self, decisions: Sequence[Decision]) -> int:
        """Keep decisions made outside a partition's reading; how many were not there before."""
        if not decisions:
            return 0
        statement = self._insert(deliveries).on_conflict_do_nothing().returning(deliveries.c.id)
        rows = [recording.row_of(decision) for decision in decisions]
        async with writing(self._engine) as connection:
            # Rows beside the statement, not in it: then no statement gets more arguments than the database takes.
            return len((await connection.execute(statement, rows)).all())

    async def take(self, channel: ChannelName, share: Share, *, now_ms: int, lease_ms: int) -> list[Delivery]:
        """Due deliveries of a channel, of each lane as many as `share` says, longest due first, leased."""
        async with writing(self._engine) as connection:
            lanes = await taking.due_lanes(connection, channel, now_ms=now_ms)
            shares = share(lanes) if lanes else {}
            taken: list[Delivery] = []
            for lane, limit in shares.items():
                taken += await taking.take_lane(connection, channel, lane, limit, now_ms=now_ms, lease_ms=lease_ms)
            return taken

    async def record(self, results: Sequence[Result]) -> None:
        """Keep what takings came to; those that are not the latest are left out."""
        async with writing(self._engine) as connection:
            await recording.record(connection, results)
            gone = [
                {"target": result.gone, "reason": result.reason, "disabled_ms": result.finished_ms}
                for result in results
                if result.gone is not None
            ]
            if gone:
                await connection.execute(self._insert(disabled).on_conflict_do_nothing(), gone)

    async def reserve(self, wanted: Sequence[Reservation], *, now_ms: int) -> set[UUID]:
        """The ids of those that got a place under their cap; asking again for the same id takes no second one."""
        async with writing(self._engine) as connection:
            return await reserving.reserve(connection, wanted, now_ms=now_ms)

    async def disabled(self) -> dict[str, str]:
        """The targets that want no more, with what they said."""
        return {row.target: row.reason for row in await self._read(select(disabled.c.target, disabled.c.reason))}

    async def enable(self, target: str) -> bool:
        """Let a target be sent to again; False when it was not disabled."""
        async with writing(self._engine) as connection:
            return bool((await connection.execute(delete(disabled).where(disabled.c.target == target))).rowcount)

    async def cancel(self, ids: Collection[UUID], *, now_ms: int) -> int:
        """End these deliveries unless they have ended; how many that were."""
        async with writing(self._engine) as connection:
            return await recording.cancel(connection, ids, now_ms=now_ms)

    async def redrive(self, ids: Collection[UUID], *, now_ms: int) -> int:
        """Have these sent again, whatever they came to: due at once, attempts and age counting anew; how many."""
        async with writing(self._engine) as connection:
            return await recording.redrive(connection, ids, now_ms=now_ms)

    async def dead_of(self, campaign: str, *, before_ms: int, limit: int) -> list[UUID]:
        """The oldest dead letters of a campaign, of those that were given up before this instant."""
        is_dead = _narrowed({"campaign": campaign, "outcome": Outcome.DEAD})
        statement = select(deliveries.c.id).where(is_dead, deliveries.c.finished_ms < before_ms)
        rows = await self._read(statement.order_by(deliveries.c.decided_ms, deliveries.c.seq).limit(limit))
        return [row.id for row in rows]

    async def find(self, id: UUID) -> DeliveryRow | None:  # noqa: A002
        """One delivery."""
        rows = await self._read(select(*_ROW).where(deliveries.c.id == id))
        return _shown(rows[0]) if rows else None

    async def newest(
        self, *, customer: str | None, campaign: str | None, outcome: Outcome | None, limit: int
    ) -> list[DeliveryRow]:
        """The newest deliveries first, narrowed by what is not None; `limit` is cut to LISTED_MAX."""
        wanted = {"customer": customer, "campaign": campaign, "outcome": outcome}
        order = (deliveries.c.decided_ms.desc(), deliveries.c.seq.desc(), deliveries.c.step.desc())
        rows = await self._read(select(*_ROW).where(_narrowed(wanted)).order_by(*order).limit(min(limit, LISTED_MAX)))
        return [_shown(row) for row in rows]

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
        async with reading(self._engine) as connection:
            rows: Sequence[Row[Any]] = (await connection.execute(statement)).all()
            return rows


def _partition(batch: PartitionDecisions) -> int:
    return batch.partition


def _shown(row: Row[Any]) -> DeliveryRow:
    return DeliveryRow(**{**row._asdict(), "outcome": Outcome(row.outcome)})


def _narrowed(wanted: Mapping[str, str | None]) -> ColumnElement[bool]:
    return and_(true(), *(deliveries.c[name] == value for name, value in wanted.items() if value is not None))
