"""Batches of plain tracks and identifies, decoded and judged together: what servers send most, at a third of the cost.

Promise: gives what `admit.admit` would give, or None when anything at all is out of the ordinary; then that one
decides. A property of both is tested with made-up batches. Must not know HTTP, the log, write keys or any clock.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

import msgspec

from services.ingest.limits import BATCH_EVENTS_MAX, EVENT_BYTES_MAX
from services.ingest.members import Members, are_harmless, holds_nul
from services.ingest.moment import all_moments_ms, are_as_ours
from shared.clock import rfc3339
from shared.event import IDENTIFIER_BYTES_MAX, RESERVED_NAMES, Event

_UNSET = msgspec.UNSET

# So many characters are short enough in any script. Empty texts are no ids, and no names.
_Text = Annotated[str, msgspec.Meta(min_length=1, max_length=IDENTIFIER_BYTES_MAX // 4)]


class Plain(msgspec.Struct, rename="camel", gc=False):
    """An item of which the decoder has judged all but its objects, its time and what it needs beside these."""

    type: Literal["track", "identify"]
    message_id: _Text
    timestamp: str
    user_id: _Text | None = None
    anonymous_id: _Text | None = None
    event: _Text | None = None
    group_id: None = None
    previous_id: None = None
    original_timestamp: None = None
    sent_at: None = None
    properties: Members = _UNSET
    traits: Members = _UNSET
    context: Members = _UNSET


class PlainBatch(msgspec.Struct, rename="camel"):
    """A body with nothing but such items."""

    batch: Annotated[list[Plain], msgspec.Meta(min_length=1, max_length=BATCH_EVENTS_MAX)]
    write_key: str | None = None
    sent_at: str | None = None
    context: Members = _UNSET


class _Sizes(msgspec.Struct):
    batch: list[msgspec.Raw]


_decode = msgspec.json.Decoder(PlainBatch).decode
_decode_sizes = msgspec.json.Decoder(_Sizes).decode


def read_plain(body: bytes) -> PlainBatch | None:
    """The batch, or None when an item is not plain for sure."""
    try:
        if not body.isascii():
            body.decode()  # members that stay bytes would let broken UTF-8 through
        batch = _decode(body)
        if len(body) > EVENT_BYTES_MAX and max(map(len, _decode_sizes(body).batch)) > EVENT_BYTES_MAX:
            return None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if holds_nul(body):
        return None
    items = batch.batch
    objects = [part for item in items for part in (item.properties, item.traits, item.context) if part is not _UNSET]
    return batch if are_harmless(objects) else None


def admit_plain(items: Sequence[Plain], *, source: str, received_ms: int, sent_ms: int | None) -> list[Event] | None:
    """The events of a plain batch's items, in order; None when one of them would be refused, or may be."""
    occurred = _occurred([item.timestamp for item in items], received_ms=received_ms, sent_ms=sent_ms)
    if occurred is None:
        return None
    events: list[Event] = []
    for item, occurred_at in zip(items, occurred, strict=True):
        event = _event(item, occurred_at, source=source)
        if event is None:
            return None
        events.append(event)
    return events


def _event(item: Plain, occurred_at: str, *, source: str) -> Event | None:
    customer = item.user_id or item.anonymous_id
    other = item.anonymous_id if item.anonymous_id != customer else None
    if customer is None:
        return None
    # By place: twelve keywords take as long as all the rest of making one.
    if item.type == "identify":
        if item.traits is _UNSET:  # some SDKs have them elsewhere
            return None
        return Event(
            "identify", item.message_id, customer, RESERVED_NAMES["identify"], occurred_at, _UNSET, item.traits, None,
            other, item.context, source,
        )  # fmt: skip
    if item.event is None or item.event[0] == "$":
        return None
    return Event(
        "track", item.message_id, customer, item.event, occurred_at, item.properties, _UNSET, None, other,
        item.context, source,
    )  # fmt: skip


def _occurred(times: Sequence[str], *, received_ms: int, sent_ms: int | None) -> Sequence[str] | None:
    """When all of it happened, as `admit` finds it; None when one of these is no time, or one before 1970."""
    if sent_ms is None and are_as_ours(times):
        received = rfc3339(received_ms)
        return times if max(times) <= received else [min(text, received) for text in times]
    late_ms = 0 if sent_ms is None else received_ms - sent_ms
    instants = all_moments_ms(times)
    if instants is None or min(instants) + late_ms < 0:
        return None
    return [rfc3339(min(instant + late_ms, received_ms)) for instant in instants]
