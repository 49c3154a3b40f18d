"""What the fold reads of a record before anything is changed: when it occurred, and its members.

Whatever is wrong with a record shows here. Knows nothing of profiles and metrics.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

import msgspec

from services.stager.fold.instants import instant_of
from shared.errors import Malformed
from shared.event import Event

# Local calendars need a year on each side of the instants they are asked for.
OCCURRED_MIN_MS: Final = -62_100_000_000_000
OCCURRED_MAX_MS: Final = 253_300_000_000_000

DEPTH_MAX: Final = 100  # nesting of members: whoever looks into them later calls itself on each level; ingest takes 32

_decode_members = msgspec.json.Decoder(dict[str, Any] | None).decode
NO_MEMBERS: Final[dict[str, Any]] = {}  # never written to


def occurred_at(event: Event, received_ms: int) -> int:
    """The instant at which it occurred, cut to when it was received."""
    occurred_ms = instant_of(event.occurred_at)
    if occurred_ms is None or not OCCURRED_MIN_MS < occurred_ms < OCCURRED_MAX_MS:
        raise Malformed(f"occurred_at is no time: {event.occurred_at!r}")
    if occurred_ms > received_ms:
        return received_ms
    return occurred_ms


def members_of(event: Event) -> dict[str, Any]:
    """The properties, decoded; those of an identify or a group are its traits."""
    if event.type in ("identify", "group"):
        return _object("traits", event.traits)
    return _object("properties", event.properties)


def _object(field: str, raw: msgspec.Raw | msgspec.UnsetType) -> dict[str, Any]:
    if raw is msgspec.UNSET:
        return NO_MEMBERS
    try:
        members = _decode_members(raw) or NO_MEMBERS  # null is none, also with a space before it
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed(f"{field} is no JSON object: {error}") from error
    if is_too_deep(members):
        raise Malformed(f"{field}: nested more than {DEPTH_MAX} deep")
    return members


def is_too_deep(members: dict[str, Any]) -> bool:
    """Whether an object, itself the first level, is nested beyond the bound."""
    for member in members.values():  # nearly all are flat, and told at once
        kind = type(member)
        if kind is dict or kind is list:
            return _is_too_deep(members)
    return False


def _is_too_deep(members: dict[str, Any]) -> bool:
    level: Collection[Any] = (members,)
    for _ in range(DEPTH_MAX):
        inner = (part for outer in level for part in (outer.values() if type(outer) is dict else outer))
        level = [part for part in inner if type(part) is dict or type(part) is list]
        if not level:
            return False
    return True
