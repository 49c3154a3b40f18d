"""The stager's HTTP routes: how many customers are where, how they moved, and whether all is caught up."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from fastapi import Depends, FastAPI
from pydantic import BaseModel

from services.stager.fold.rules import Rules
from services.stager.http.customers import CustomerRoutes
from services.stager.settings import StagerSettings
from services.stager.store import Store
from services.stager.worker.worker import Worker
from shared.clock import CALENDAR_END_MS, Clock, rfc3339, within_calendar
from shared.http import SmallBodies, add_operator_routes, answer_unavailable, require_admin
from shared.log import Log
from shared.topics import Topics


class StageCustomers(BaseModel):
    """A stage and the number of customers in it now."""

    stage: str
    customers: int


class LifecycleCustomers(BaseModel):
    """A lifecycle or segment with its stages in journey order, those without customers included."""

    lifecycle: str
    stages: list[StageCustomers]


class Flow(BaseModel):
    """All moves so far from one place to another (null: no stage) and the mean stay before, in milliseconds."""

    lifecycle: str
    from_stage: str | None
    to_stage: str | None
    moves: int
    mean_stay_ms: int


class Progress(BaseModel):
    """How far all owners together are.

    `behind`: records of the log not yet folded; `overdue`: partitions in which a deadline has come and nobody has
    lapsed yet; `next_due_at`: the earliest written deadline, RFC 3339 (it may turn out to be nobody's); `unpublished`:
    transitions saved and not yet remembered as published; `transitions`: all saved so far.
    """

    behind: int
    overdue: int
    next_due_at: str | None
    unpublished: int
    transitions: int


def make_app(
    *,
    settings: StagerSettings,
    worker: Worker,
    store: Store,
    log: Log,
    topics: Topics,
    clock: Clock,
    rules: Rules,
) -> FastAPI:
    """The stager's application. Documentation pages are off: they would load scripts from elsewhere."""
    about = "Customers per stage, moves, progress."
    app = FastAPI(title="Stageline stager", description=about, docs_url=None, redoc_url=None)
    app.add_middleware(SmallBodies)
    add_operator_routes(app, lambda: worker.not_ready)
    answer_unavailable(app)
    admin = [Depends(require_admin(settings.admin_token))]
    stages = {one.name: list(one.stages) for one in rules.lifecycles}
    app.get("/lifecycles", dependencies=admin)(_lifecycles(store, stages))
    app.get("/flows", dependencies=admin)(_flows(store))
    app.get("/progress", dependencies=admin)(_progress(store, log, topics, clock))
    customers = CustomerRoutes(store=store, log=log, topics=topics, rules=rules, clock=clock)
    app.include_router(customers.router, dependencies=admin)
    return app


def _lifecycles(store: Store, stages: dict[str, list[str]]) -> Callable[[], Awaitable[list[LifecycleCustomers]]]:
    async def lifecycles() -> list[LifecycleCustomers]:
        """Customers per stage now."""
        counted = {(row.lifecycle, row.stage): row.customers for row in await store.stage_counts()}
        return [
            LifecycleCustomers(
                lifecycle=name,
                stages=[StageCustomers(stage=stage, customers=counted.get((name, stage), 0)) for stage in names],
            )
            for name, names in stages.items()
        ]

    return lifecycles


def _flows(store: Store) -> Callable[[], Awaitable[list[Flow]]]:
    async def flows() -> list[Flow]:
        """Moves between stages so far, and how long customers had stayed before."""
        return [
            Flow(
                lifecycle=row.lifecycle,
                from_stage=row.from_stage or None,
                to_stage=row.to_stage or None,
                moves=row.moves,
                mean_stay_ms=row.stay_ms // row.moves,
            )
            for row in await store.moves()
        ]

    return flows


def _progress(store: Store, log: Log, topics: Topics, clock: Clock) -> Callable[[], Awaitable[Progress]]:
    async def progress() -> Progress:
        """How far the stager is, over all partitions and owners."""
        standings, ends = await store.standings(), await log.ends(topics.events)
        dues = [due for number in ends if (due := await store.next_due(number, historical=True)) is not None]
        soonest_ms = within_calendar(min(dues, default=CALENDAR_END_MS))
        return Progress(
            behind=sum(max(0, end - standings[n].offset) if n in standings else end for n, end in ends.items()),
            overdue=sum(due_ms <= clock.now_ms() for due_ms in dues),
            next_due_at=None if soonest_ms is None else rfc3339(soonest_ms),
            unpublished=sum(standing.seq - standing.published_seq for standing in standings.values()),
            transitions=sum(standing.seq for standing in standings.values()),
        )

    return progress
