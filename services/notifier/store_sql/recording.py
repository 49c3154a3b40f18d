"""The statements that write deliveries: decided, departed from, recorded, cancelled, sent again."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from uuid import UUID

from sqlalchemy import BigInteger, Boolean, bindparam, case, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from services.notifier.delivery.deliveries import PartitionDecisions
from services.notifier.delivery.delivery import FALLS_BACK, Decision, Outcome, Result
from services.notifier.delivery.lane import lane_of
from services.notifier.store_sql.tables import deliveries, positions
from shared.transition import encode

_parent = deliveries.alias("parent")


async def advance(connection: AsyncConnection, batch: PartitionDecisions) -> bool:
    """Move a partition's position on; False when somebody else owns it."""
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


async def depart(connection: AsyncConnection, batch: PartitionDecisions) -> None:
    """End what the departures of a partition have made untrue; what is under way right now is sent, and says so."""
    if not batch.departures:
        return
    statement = (
        update(deliveries)
        .where(
            deliveries.c.customer == bindparam("of_customer"),
            deliveries.c.lifecycle == bindparam("of_lifecycle"),
            deliveries.c.stage == bindparam("of_stage"),
            deliveries.c.while_in == bindparam("of_while_in"),
            deliveries.c.seq < bindparam("before_seq"),
            deliveries.c.partition == batch.partition,
            deliveries.c.due_ms.is_not(None),
        )
        .values(_ended(Outcome.LEFT, now_ms=batch.now_ms) | {"reason": bindparam("why")})
    )
    rows = [
        {
            "of_customer": one.customer, "of_lifecycle": one.lifecycle, "of_stage": one.stage,
            "of_while_in": one.while_in, "before_seq": one.seq, "why": one.reason,
        }
        for one in batch.departures
    ]  # fmt: skip
    await connection.execute(statement, rows)


async def record(connection: AsyncConnection, results: Sequence[Result]) -> None:
    """Keep what takings came to, then decide about the fallbacks that waited for them."""
    is_meant = (deliveries.c.id == bindparam("of_id"), deliveries.c.takes == bindparam("of_take"))
    # What was cancelled meanwhile stays so, unless it went out all the same: then the row tells the truth.
    still_counts = or_(deliveries.c.due_ms.is_not(None), bindparam("is_sent"))
    statement = (
        update(deliveries)
        .where(*is_meant, still_counts)
        .values(
            outcome=bindparam("outcome"),
            reason=bindparam("reason"),
            finished_ms=bindparam("finished_ms"),
            due_ms=bindparam("due_ms"),
            counted_ms=case(
                (bindparam("is_known", type_=Boolean), bindparam("counted", type_=BigInteger)),
                else_=deliveries.c.counted_ms,
            ),
            attempts=deliveries.c.attempts - bindparam("given_back"),
        )
    )
    ordered = sorted(results, key=lambda result: str(result.id))
    await connection.execute(statement, [_result(result) for result in ordered])
    await _release(connection, [result for result in ordered if result.due_ms is None and result.followers])


async def _release(connection: AsyncConnection, results: Sequence[Result]) -> None:
    rows = [row for result in results for row in _followers(result)]
    if not rows:
        return
    # Only where the result was kept: one that came too late decides nothing about its fallbacks either.
    outcome = select(_parent.c.outcome).where(_parent.c.id == bindparam("of_parent")).scalar_subquery()
    statement = (
        update(deliveries)
        .where(
            deliveries.c.id == bindparam("of_id"),
            deliveries.c.outcome == Outcome.WAITING,
            outcome == bindparam("of_outcome"),
        )
        .values(outcome=bindparam("becomes"), reason=bindparam("why"), due_ms=bindparam("due"))
    )
    await connection.execute(statement, rows)


def _followers(result: Result) -> list[dict[str, object]]:
    parent = {"of_parent": result.id, "of_outcome": result.outcome}
    if result.outcome in FALLS_BACK:
        released = {"becomes": Outcome.PENDING, "why": "the step before did not get through", "due": result.finished_ms}
        return [{**parent, **released, "of_id": result.followers[0]}]
    ended = {"becomes": Outcome.SKIPPED, "why": f"not needed: the step before is {result.outcome}", "due": None}
    return [{**parent, **ended, "of_id": follower} for follower in result.followers]


async def cancel(connection: AsyncConnection, ids: Collection[UUID], *, now_ms: int) -> int:
    """End these deliveries unless they have ended; how many that were."""
    is_open = (deliveries.c.id.in_(ids), deliveries.c.due_ms.is_not(None))
    ended = _ended(Outcome.CANCELLED, now_ms=now_ms) | {"reason": "cancelled by an operator"}
    return (await connection.execute(update(deliveries).where(*is_open).values(ended))).rowcount


async def redrive(connection: AsyncConnection, ids: Collection[UUID], *, now_ms: int) -> int:
    """Have these sent again, whatever they came to; what is still open is left alone."""
    is_over = (deliveries.c.id.in_(ids), deliveries.c.due_ms.is_(None))
    statement = (
        update(deliveries)
        .where(*is_over)
        .values(
            outcome=Outcome.PENDING, reason="sent again by an operator", due_ms=now_ms, fresh_ms=now_ms, attempts=0,
        )
    )  # fmt: skip
    return (await connection.execute(statement)).rowcount


def row_of(decision: Decision) -> dict[str, object]:
    """A decision as a new row."""
    transition = decision.transition
    return {
        "id": decision.id, "campaign": decision.campaign, "step": decision.step, "channel": decision.channel,
        "target": decision.target, "customer": transition.customer, "lifecycle": transition.lifecycle,
        "transition": transition.id, "seq": transition.seq, "body": encode(transition), "outcome": decision.outcome,
        "reason": decision.reason, "attempts": 0, "decided_ms": decision.decided_ms, "due_ms": decision.due_ms,
        "finished_ms": None, "lane": lane_of(decision.endpoint, decision.campaign), "partition": decision.partition,
        "stage": decision.stage, "while_in": decision.while_in, "followers": decision.followers, "takes": 0,
        "at_ms": decision.at_ms, "fresh_ms": decision.at_ms, "counted_ms": None,
    }  # fmt: skip


def _ended(outcome: Outcome, *, now_ms: int) -> dict[str, object]:
    return {"outcome": outcome, "due_ms": None, "finished_ms": now_ms}


def _result(result: Result) -> dict[str, object]:
    is_sent = result.outcome is Outcome.SENT
    return {
        "of_id": result.id,
        "of_take": result.take,
        "outcome": result.outcome,
        "reason": result.reason,
        "finished_ms": result.finished_ms,
        "due_ms": result.due_ms,
        # What was not tried this time may have a place of an earlier attempt of which nobody knows whether it arrived.
        "is_known": result.is_attempt and not result.keeps_place,
        "counted": result.finished_ms if is_sent else None,
        "is_sent": is_sent,
        "given_back": 0 if result.is_attempt else 1,
    }
