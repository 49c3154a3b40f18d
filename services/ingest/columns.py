"""Batches of plain tracks, admitted column by column: what servers send most, at a third of the cost of one by one.

Promise: gives what `admit.admit_read` would give, or None when anything at all is out of the ordinary; then that one
decides. A property of both is tested with made-up batches. Must not know HTTP, the log, write keys or any clock.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import repeat
from operator import attrgetter

import msgspec

from services.ingest.item import Item
from services.ingest.moment import common_second, moment_ms
from services.ingest.refusal import Rejected
from shared.clock import rfc3339
from shared.event import Event

_SURE_LENGTH = 128  # characters: below the bound of identifiers in any script

_fields = attrgetter(
    "type", "user_id", "message_id", "event", "timestamp", "properties", "context", "anonymous_id",
    "original_timestamp", "sent_at",
)  # fmt: skip


def admit_tracks(items: Sequence[Item], *, source: str, received_ms: int, sent_ms: int | None) -> list[Event] | None:
    """The events of harmless items, in order; None when one of them is no plain track with a user, an id and a time."""
    count = len(items)
    types, users, ids, names, times, properties, contexts, *others = zip(*map(_fields, items), strict=True)
    if types.count("track") != count or any(column.count(None) != count for column in others):
        return None
    if not (_are_texts(users) and _are_texts(ids) and _are_texts(names) and _are_texts(times)):
        return None
    if any(name[0] == "$" for name in set(names)):
        return None
    occurred = _occurred(times, received_ms=received_ms, sent_ms=sent_ms)
    if occurred is None:
        return None
    nothing = repeat(None, count)
    return list(
        map(
            Event, types, ids, users, names, occurred, properties, repeat(msgspec.UNSET, count), nothing,
            repeat(None, count), contexts, repeat(source, count),
        )
    )  # fmt: skip


def _are_texts(column: Sequence[object]) -> bool:
    """Whether all are texts that need no closer look: not empty, short, without NUL."""
    if set(map(type, column)) != {str}:
        return False
    lengths = set(map(len, column))  # type: ignore[arg-type]
    return 0 not in lengths and max(lengths) <= _SURE_LENGTH and "\0" not in "".join(column)  # type: ignore[arg-type]


def _occurred(times: Sequence[str], *, received_ms: int, sent_ms: int | None) -> list[str] | None:
    try:
        if sent_ms is not None:
            late_ms = received_ms - sent_ms
            instants = [moment_ms(text, "timestamp") + late_ms for text in times]
            return None if min(instants) < 0 else [rfc3339(min(at, received_ms)) for at in instants]
        if not _are_common(times):
            instants = [moment_ms(text, "timestamp") for text in times]
            return None if min(instants) < 0 else [rfc3339(min(at, received_ms)) for at in instants]
    except Rejected:
        return None
    received = rfc3339(received_ms)
    return [min(received, text) for text in times]


def _are_common(times: Sequence[str]) -> bool:
    """Whether all are written as we write them, so that texts compare as instants do, none before 1970."""
    if set(map(len, times)) != {24} or set("".join([text[19] + text[23] for text in times])) != {".", "Z"}:
        return False
    milliseconds = "".join([text[20:23] for text in times])
    return (
        milliseconds.isdecimal() and milliseconds.isascii() and all(map(common_second, {text[:19] for text in times}))
    )
