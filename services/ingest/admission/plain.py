"""Batches decoded and judged together: what SDKs send, at a third of what it costs item by item.

Promise: each item gets the event that `admit.admit_item` would give it, or None when anything in it is out of the
ordinary; then that one decides. A property of both is tested with made-up batches. Must not know HTTP, the log, write
keys or any clock.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Annotated, Literal

import msgspec

from services.ingest.admission.content import identify_traits, page_properties, with_shared
from services.ingest.admission.members import Members, are_harmless, holds_nul
from services.ingest.admission.moment import are_as_ours, happened_ms, ours_ms
from services.ingest.limits import BATCH_EVENTS_MAX, EVENT_BYTES_MAX
from services.ingest.refusal import Rejected
from shared.clock import rfc3339
from shared.event import IDENTIFIER_BYTES_MAX, RESERVED_NAMES, Event

_UNSET = msgspec.UNSET

# So many characters are short enough in any script.
_Text = Annotated[str, msgspec.Meta(max_length=IDENTIFIER_BYTES_MAX // 4)]
# What a column of numbers holds has few digits; the length of any other is for the careful way to judge.
_Number = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]


class Plain(msgspec.Struct, rename="camel", gc=False):
    """An item of which the decoder has judged all but its objects, its times and what it needs beside these."""

    type: Literal["track", "page", "screen", "identify", "group", "alias"]
    message_id: _Text | None = None
    timestamp: str | None = None
    user_id: _Text | _Number | None = None
    anonymous_id: _Text | None = None
    event: _Text | None = None
    name: Members = _UNSET
    category: Members = _UNSET
    group_id: _Text | None = None
    previous_id: _Text | None = None
    original_timestamp: str | None = None
    sent_at: str | None = None
    properties: Members = _UNSET
    traits: Members = _UNSET
    context: Members = _UNSET


class PlainBatch(msgspec.Struct, rename="camel"):
    """A body with nothing but such items; None stands for one that is not plain for sure."""

    batch: Annotated[list[Plain | None], msgspec.Meta(min_length=1, max_length=BATCH_EVENTS_MAX)]
    write_key: str | None = None
    sent_at: Members = _UNSET
    context: Members = _UNSET


class _Sizes(msgspec.Struct):
    batch: list[msgspec.Raw]


_decode = msgspec.json.Decoder(PlainBatch).decode
_decode_sizes = msgspec.json.Decoder(_Sizes).decode
_decode_item = msgspec.json.Decoder(Plain).decode


def read_plain(body: bytes) -> PlainBatch | None:
    """The batch, or None when it has an item that has to be looked at alone."""
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
    batch.batch = _with_harmless_objects(batch.batch)
    return batch


def read_each(texts: Sequence[bytes]) -> list[Plain | None]:
    """The same for items that were taken apart, in order."""
    return _with_harmless_objects([_read_one(text) for text in texts])


def _read_one(text: bytes) -> Plain | None:
    if len(text) > EVENT_BYTES_MAX or holds_nul(text):
        return None
    try:
        if not text.isascii():
            text.decode()
        return _decode_item(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _with_harmless_objects(items: list[Plain | None]) -> list[Plain | None]:
    """The items; None for those whose objects are not surely within their bounds."""
    if are_harmless(_objects(items)):
        return items
    return [item if are_harmless(_objects([item])) else None for item in items]


def _objects(items: Sequence[Plain | None]) -> list[msgspec.Raw]:
    return [
        part
        for item in items
        if item is not None
        for part in (item.properties, item.traits, item.context)
        if part is not _UNSET
    ]


def admit_plain(
    items: Sequence[Plain | None],
    *,
    source: str,
    received_ms: int,
    sent_ms: int | None,
    context: dict[str, msgspec.Raw],
) -> list[Event | None]:
    """The items' events, in order; None for one that would be refused, or may be. `context` is their envelope's."""
    plain = [item for item in items if item is not None]
    times = _occurred(plain, received_ms=received_ms, sent_ms=sent_ms)
    contexts = _contexts(plain, context)
    events = [
        None if occurred_at is None else _event(item, occurred_at, whole, source)
        for item, occurred_at, whole in zip(plain, times, contexts, strict=True)
    ]
    if len(plain) == len(items):
        return events
    following = iter(events)
    return [None if item is None else next(following) for item in items]


def _contexts(items: Sequence[Plain], shared: dict[str, msgspec.Raw]) -> list[Members]:
    """Each item's context with what its envelope says for all; most of one batch have the same one, or none."""
    if not shared:
        return [item.context for item in items]
    whole: dict[bytes, Members] = {b"": with_shared(_UNSET, shared)}
    for item in items:
        if item.context is not _UNSET and (own := bytes(item.context)) not in whole:
            whole[own] = with_shared(item.context, shared)
    return [whole[b"" if item.context is _UNSET else bytes(item.context)] for item in items]


def _event(item: Plain, occurred_at: str, context: Members, source: str) -> Event | None:
    user = item.user_id
    customer = (str(user) if isinstance(user, int) else user) or item.anonymous_id
    if not customer or not item.message_id:
        return None
    other = item.anonymous_id or None
    if other == customer:
        other = None
    # By place: twelve keywords take as long as all the rest of making one.
    if item.type == "track":
        if not item.event or item.event[0] == "$":
            return None
        return Event(
            "track", item.message_id, customer, item.event, occurred_at, item.properties, _UNSET, None, other,
            context, source,
        )  # fmt: skip
    content = _content(item, context)
    if content is None:
        return None
    return Event(
        item.type, item.message_id, customer, RESERVED_NAMES[item.type], occurred_at, *content, other, context, source
    )


def _content(item: Plain, context: Members) -> tuple[Members, Members, str | None] | None:
    """What an item that is no track carries: properties, traits, group; None when something is missing or wrong."""
    try:
        match item.type:
            case "page" | "screen":
                return page_properties(item.properties, name=item.name, category=item.category), _UNSET, None
            case "identify":
                return _UNSET, identify_traits(item.traits, context=context), None
            case "group" if item.group_id:
                return _UNSET, item.traits, item.group_id
    except Rejected:
        pass  # it is for the careful way to say what is wrong
    return None


def _occurred(items: Sequence[Plain], *, received_ms: int, sent_ms: int | None) -> Sequence[str | None]:
    """When each of them happened, as `admit` finds it; None where that is no time, or one before 1970.

    The items of one batch come from one SDK: a member that says a time stands in all of them, or in none.
    """
    columns = [_column(items, member) for member in _TIME_MEMBERS]
    if not items or not all(is_whole for _, is_whole in columns):
        return [_occurred_at(item, received_ms=received_ms, sent_ms=sent_ms) for item in items]
    (timestamps, _), (originals, _), (sents, _) = columns
    if sent_ms is None and not sents:
        said = timestamps or originals
        received = rfc3339(received_ms)
        return [min(text, received) for text in said] if said else [received] * len(items)
    said = originals or timestamps
    if not said:
        return [rfc3339(received_ms)] * len(items)
    sent_all = ours_ms(sents) if sents else [sent_ms or 0] * len(said)
    happened = [received_ms - (sent - one) for one, sent in zip(ours_ms(said), sent_all, strict=True)]
    return [None if instant < 0 else rfc3339(min(instant, received_ms)) for instant in happened]


_TIME_MEMBERS = (attrgetter("timestamp"), attrgetter("original_timestamp"), attrgetter("sent_at"))


def _column(items: Sequence[Plain], member: Callable[[Plain], str | None]) -> tuple[Sequence[str], bool]:
    """What a member says in each item, empty when in none; and whether that is all there is to know of it."""
    texts = [text for text in map(member, items) if text is not None]
    return texts, not texts or (len(texts) == len(items) and are_as_ours(texts))


def _occurred_at(item: Plain, *, received_ms: int, sent_ms: int | None) -> str | None:
    try:
        occurred_ms = happened_ms(
            item.timestamp, original=item.original_timestamp, sent_at=item.sent_at,
            sent_ms=sent_ms, received_ms=received_ms,
        )  # fmt: skip
    except Rejected:
        return None
    return None if occurred_ms < 0 else rfc3339(min(occurred_ms, received_ms))
