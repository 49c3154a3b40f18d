"""Fair shares: how many deliveries of each lane are taken next.

Every lane with something due gets its part, a campaign of higher priority a larger one, and no endpoint more than it
has room for. A plain function of values.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from services.notifier.delivery.lane import campaign_in, endpoint_in


def share_out(
    lanes: Sequence[str],
    *,
    free: int,
    turn: int,
    room: Callable[[str], int],
    priority: Callable[[str], int],
) -> Mapping[str, int]:
    """Up to `free` in all. `turn` counts callings: with more lanes than places, each comes round.

    `room` is asked of endpoints and `priority` (from 1) of campaigns.
    """
    rooms = {endpoint: room(endpoint) for endpoint in {endpoint_in(lane) for lane in lanes}}
    willing = [lane for lane in lanes if rooms[endpoint_in(lane)] > 0]
    if not willing:
        return {}
    first = turn % len(willing)
    ordered = sorted(willing[first:] + willing[:first], key=lambda lane: -priority(campaign_in(lane)))
    weights = {lane: priority(campaign_in(lane)) for lane in ordered}
    # One endpoint's room is divided among its lanes first, so that a campaign cannot take it all from another.
    within = {endpoint: sum(weights[lane] for lane in ordered if endpoint_in(lane) == endpoint) for endpoint in rooms}
    total, shares = sum(weights.values()), {}
    for lane in ordered:
        endpoint = endpoint_in(lane)
        fair = min(free * weights[lane] // total, rooms[endpoint] * weights[lane] // within[endpoint])
        shares[lane] = max(1, fair)
    return _cut(shares, free, rooms)


def _cut(shares: Mapping[str, int], free: int, rooms: dict[str, int]) -> Mapping[str, int]:
    """The shares within what there is: small ones were rounded up."""
    kept = {}
    for lane, share in shares.items():
        given = min(share, free, rooms[endpoint_in(lane)])
        if given > 0:
            kept[lane] = given
            free -= given
            rooms[endpoint_in(lane)] -= given
    return kept
