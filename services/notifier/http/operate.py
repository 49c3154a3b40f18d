"""What an operator does with deliveries over HTTP: look at one, cancel, have it sent again, try a campaign out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from fastapi import APIRouter, HTTPException
from pydantic import BaseModel

from services.notifier.delivery.deliveries import Deliveries
from services.notifier.http.api import Name
from services.notifier.operate.bulk import redrive_campaign
from services.notifier.operate.trial import Trial, TrialResult
from shared.clock import Clock


class Changed(BaseModel):
    """How many deliveries a request has changed."""

    deliveries: int


class RedriveRequest(BaseModel):
    """Whose dead letters are to be sent again."""

    campaign: Name


class TrialRequest(BaseModel):
    """For whom a campaign is tried out; the message goes to the campaign's own receivers, with this customer's data."""

    customer: Name


class TargetRequest(BaseModel):
    """A target as it stands in the campaign's file."""

    target: Name


class DisabledView(BaseModel):
    """A target that has said it wants no more."""

    target: str
    reason: str


def make_router(deliveries: Deliveries, trial: Trial, *, clock: Clock, on_enabled: Callable[[], None]) -> APIRouter:
    """The routes; who may ask is the application's to say. `on_enabled` is called when a target was enabled."""
    routes = APIRouter()

    @routes.post("/deliveries/redrive")
    async def redrive_all(wanted: RedriveRequest) -> Changed:
        """Have every dead letter of a campaign sent again; each is judged anew before."""
        return Changed(deliveries=await redrive_campaign(deliveries, wanted.campaign, now_ms=clock.now_ms()))

    @routes.post("/deliveries/{delivery}/redrive", responses=_NOT_THEN)
    async def redrive_one(delivery: UUID) -> Changed:
        """Have a delivery that has ended sent again, with the same id; it is judged anew before."""
        changed = await deliveries.redrive([delivery], now_ms=clock.now_ms())
        return await _changed(deliveries, delivery, changed, wrong="it has not ended yet")

    @routes.post("/deliveries/{delivery}/cancel", responses=_NOT_THEN)
    async def cancel_one(delivery: UUID) -> Changed:
        """End a delivery that has not ended."""
        changed = await deliveries.cancel([delivery], now_ms=clock.now_ms())
        return await _changed(deliveries, delivery, changed, wrong="it has ended already")

    @routes.get("/targets/disabled")
    async def list_disabled() -> list[DisabledView]:
        """The targets that have said they want no more (HTTP 410)."""
        found = await deliveries.disabled()
        return [DisabledView(target=target, reason=reason) for target, reason in sorted(found.items())]

    @routes.post("/targets/enable", responses={404: {"description": "the target is not disabled"}})
    async def enable(wanted: TargetRequest) -> None:
        """Send to a target again; its dead letters are had again with `/deliveries/redrive`."""
        if not await deliveries.enable(wanted.target):
            raise HTTPException(404, "the target is not disabled")
        on_enabled()

    @routes.post("/campaigns/{campaign}/test", responses={404: {"description": "no such campaign"}})
    async def try_out(campaign: Name, wanted: TrialRequest) -> list[TrialResult]:
        """Send a campaign's steps now, as if this customer had just made the transition, whatever its rules say."""
        results = await trial.run(campaign, wanted.customer)
        if results is None:
            raise HTTPException(404, f"there is no campaign {campaign!r}")
        return results

    return routes


_NOT_THEN: dict[int | str, dict[str, Any]] = {
    404: {"description": "no such delivery"},
    409: {"description": "not at this point of its life"},
}


async def _changed(deliveries: Deliveries, delivery: UUID, changed: int, *, wrong: str) -> Changed:
    if changed:
        return Changed(deliveries=changed)
    if await deliveries.find(delivery) is None:
        raise HTTPException(404, f"there is no delivery {delivery}")
    raise HTTPException(409, wrong)
