"""The moment at which conditions are looked at: an instant, and what is known of one customer and visit then.

One is reused for every evaluation of a partition; the fold alone writes it. It decides nothing.
"""

from __future__ import annotations

from typing import Any


class Moment:
    """What an expression may read.

    `memories` holds each metric's memory by its index, `traits` decoded JSON by name, `properties` those of the event
    whose `where` is asked, `since_ms` the begin of the visit (None while there is no stage).
    """

    __slots__ = ("memories", "properties", "since_ms", "t_ms", "traits")

    def __init__(self) -> None:
        self.t_ms = 0
        self.since_ms: int | None = None
        self.memories: list[Any] = []
        self.traits: dict[str, Any] = {}
        self.properties: dict[str, Any] = {}
