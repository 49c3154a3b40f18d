"""A lane: what one campaign sends to one endpoint, and how its name is written. Plain functions of values."""

from __future__ import annotations


def lane_of(endpoint: str, campaign: str) -> str:
    """The lane of what a campaign sends to an endpoint."""
    return f"{endpoint} {campaign}"


def endpoint_in(lane: str) -> str:
    """The endpoint of a lane."""
    return lane.rpartition(" ")[0]


def campaign_in(lane: str) -> str:
    """The campaign of a lane."""
    return lane.rpartition(" ")[2]
