"""The notifier over HTTP: what became of the deliveries, for people and for the demo; and the operator routes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, FastAPI, HTTPException, Query
from pydantic import BaseModel, Field

from services.notifier.delivery.deliveries import LISTED_MAX, Deliveries, DeliveryRow
from services.notifier.delivery.delivery import NEVER_MS, Outcome
from shared.clock import rfc3339
from shared.http import Readiness, SmallBodies, add_operator_routes, answer_unavailable, require_admin

LISTED = 100  # when nobody asks for more
NAME_LENGTH_MAX = 2_000  # of what is asked for: as long as the longest address that a campaign may send to

Name = Annotated[str, Field(max_length=NAME_LENGTH_MAX, pattern=r"^[^\x00]*$")]
"""What a caller names, to be looked for in the database: PostgreSQL takes no NUL, so nothing there has such a name."""


class DeliveryView(BaseModel):
    """One delivery. Times are RFC 3339; `due_at` is when it is tried next, null when its outcome is final and while it
    waits for another step.
    """

    id: UUID
    campaign: str
    step: int
    channel: str
    target: str
    customer: str
    lifecycle: str
    transition: str
    outcome: Outcome
    reason: str
    attempts: int
    decided_at: str
    due_at: str | None
    finished_at: str | None


class CountView(BaseModel):
    """How many deliveries of a campaign have come to an outcome."""

    campaign: str
    outcome: Outcome
    deliveries: int


class DeliveryFilter(BaseModel):
    """Which deliveries to list; what is absent narrows nothing."""

    customer: Name | None = None
    campaign: Name | None = None
    outcome: Outcome | None = None
    limit: Annotated[int, Query(ge=1, le=LISTED_MAX)] = LISTED


class Progress(BaseModel):
    """How far all notifiers together are.

    `behind`: transitions on the topic not yet decided; `pending`: deliveries still to be sent or tried again.
    """

    behind: int
    pending: int


def make_app(
    deliveries: Deliveries,
    *,
    admin_token: str,
    is_ready: Readiness,
    progress: Callable[[], Awaitable[Progress]],
    operate: APIRouter | None = None,
) -> FastAPI:
    """The application. Without a token its API answers requests of this machine only, else 403.

    `operate` are the routes that change something.
    """
    app = FastAPI(title="Stageline notifier", docs_url=None, redoc_url=None)
    app.add_middleware(SmallBodies)
    add_operator_routes(app, is_ready)
    answer_unavailable(app)
    admin = [Depends(require_admin(admin_token))]

    @app.get("/deliveries", dependencies=admin)
    async def list_deliveries(wanted: Annotated[DeliveryFilter, Query()]) -> list[DeliveryView]:
        """The newest deliveries first."""
        rows = await deliveries.newest(
            customer=wanted.customer, campaign=wanted.campaign, outcome=wanted.outcome, limit=wanted.limit
        )
        return [_view(row) for row in rows]

    @app.get("/deliveries/summary", dependencies=admin)
    async def count_deliveries() -> list[CountView]:
        """How many deliveries of each campaign have come to which outcome."""
        counts = await deliveries.counts()
        return [CountView(campaign=c.campaign, outcome=c.outcome, deliveries=c.deliveries) for c in counts]

    @app.get("/deliveries/{delivery}", dependencies=admin, responses={404: {"description": "no such delivery"}})
    async def show_delivery(delivery: UUID) -> DeliveryView:
        """One delivery."""
        row = await deliveries.find(delivery)
        if row is None:
            raise HTTPException(404, f"there is no delivery {delivery}")
        return _view(row)

    app.get("/progress", dependencies=admin)(progress)
    if operate is not None:
        app.include_router(operate, dependencies=admin)
    return app


def _view(row: DeliveryRow) -> DeliveryView:
    return DeliveryView(
        id=row.id,
        campaign=row.campaign,
        step=row.step,
        channel=row.channel,
        target=row.target,
        customer=row.customer,
        lifecycle=row.lifecycle,
        transition=row.transition,
        outcome=row.outcome,
        reason=row.reason,
        attempts=row.attempts,
        decided_at=rfc3339(row.decided_ms),
        due_at=None if row.due_ms is None or row.due_ms == NEVER_MS else rfc3339(row.due_ms),
        finished_at=None if row.finished_ms is None else rfc3339(row.finished_ms),
    )
