"""What an operator does to many deliveries at once, in bounded transactions."""

from __future__ import annotations

from services.notifier.delivery.deliveries import Deliveries

BATCH = 500  # ids in one statement: far below what either database takes, and a short transaction


async def redrive_campaign(deliveries: Deliveries, campaign: str, *, now_ms: int) -> int:
    """Have every letter of a campaign that was dead before now sent again; how many.

    Errors: Unavailable; then some may be on their way.
    """
    changed = 0
    # One that dies again meanwhile has had its turn: a campaign whose receiver is gone would never come to an end.
    while ids := await deliveries.dead_of(campaign, before_ms=now_ms, limit=BATCH):
        moved = await deliveries.redrive(ids, now_ms=now_ms)
        changed += moved
        if not moved:  # somebody else is at it
            break
    return changed
