"""`stageline deliveries`: what became of messages, dead letters sent again, the rest cancelled; on the tables directly.

Imports the database only when a command runs. The running notifiers need not be asked: they see what is due in the
tables, within a second.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, TypeVar
from uuid import UUID

import typer

from services.notifier.delivery.delivery import Outcome
from shared.clock import SystemClock, rfc3339
from shared.errors import Refused
from shared.settings import Settings, read_settings

if TYPE_CHECKING:
    from services.notifier.delivery.deliveries import Deliveries, DeliveryRow

LISTED = 20  # a screenful

app = typer.Typer(no_args_is_help=True, help="See what became of messages; send dead ones again, cancel others.")

_Answer = TypeVar("_Answer")
Ids = Annotated[list[UUID] | None, typer.Argument(help="Ids of deliveries.")]


@app.command(name="list")
def list_newest(
    customer: Annotated[str | None, typer.Option(help="Only this customer's.")] = None,
    campaign: Annotated[str | None, typer.Option(help="Only this campaign's.")] = None,
    outcome: Annotated[Outcome | None, typer.Option(help="Only with this outcome; dead ones are dead letters.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many at most.")] = LISTED,
) -> None:
    """Print the newest deliveries, newest first."""
    wanted = {"customer": customer, "campaign": campaign}
    for row in _with_tables(lambda tables: tables.newest(**wanted, outcome=outcome, limit=limit)):
        typer.echo(_line(row))


@app.command()
def redrive(
    ids: Ids = None,
    campaign: Annotated[str | None, typer.Option(help="All dead letters of this campaign.")] = None,
) -> None:
    """Have dead letters sent again, one by id or all of a campaign. Each is judged anew before it goes."""
    from services.notifier.operate.bulk import redrive_campaign

    now_ms = SystemClock().now_ms()
    if campaign is None and ids:
        changed = _with_tables(lambda tables: tables.redrive(ids, now_ms=now_ms))
    elif campaign is not None and not ids:
        changed = _with_tables(lambda tables: redrive_campaign(tables, campaign, now_ms=now_ms))
    else:
        raise Refused("say which: one or more ids, or --campaign NAME")
    typer.echo(f"{changed} sent again")


@app.command()
def cancel(ids: Annotated[list[UUID], typer.Argument(help="Ids of deliveries.")]) -> None:
    """End deliveries that have not ended."""
    now_ms = SystemClock().now_ms()
    typer.echo(f"{_with_tables(lambda tables: tables.cancel(ids, now_ms=now_ms))} cancelled")


def _with_tables(ask: Callable[[Deliveries], Awaitable[_Answer]]) -> _Answer:
    from services.notifier.store_sql.deliveries import SqlDeliveries
    from shared.database import make_engine

    async def asked() -> _Answer:
        tables = SqlDeliveries(make_engine(read_settings(Settings).database))
        try:
            await tables.open()
            return await ask(tables)
        finally:
            await tables.close()

    return asyncio.run(asked())


def _line(row: DeliveryRow) -> str:
    said = f"  {row.reason}" if row.reason else ""
    return f"{row.id}  {rfc3339(row.decided_ms)}  {row.campaign} {row.step}  {row.customer}  {row.outcome}{said}"
