"""The value of an `events` record: one fact about one customer, as ingest writes it and stager folds it.

JSON in UTF-8. `properties`, `traits` and `context` stay raw bytes until somebody asks for a member: most events are
folded without ever opening them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

from shared.errors import Malformed

EventType = Literal["track", "page", "screen", "identify", "group", "alias", "forget", "import_end", "tick"]

IDENTIFIER_BYTES_MAX = 512  # ids and names are keys in tables and in the log; real ones stay below 100

# The names under which events that are no tracks are counted (LANGUAGE.md 2).
RESERVED_NAMES = {"page": "$page", "screen": "$screen", "identify": "$identify", "group": "$group"}


class Event(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One customer event.

    `customer` is empty and `id` may be empty only for `tick` and `import_end`, which concern a whole partition.
    `occurred_at` is RFC 3339 with an offset; `properties`, `traits` and `context` are JSON objects when present.
    """

    type: EventType
    id: str = ""
    customer: str = ""
    name: str = ""
    occurred_at: str = ""
    properties: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    traits: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    group: str | None = None
    anonymous_id: str | None = None
    context: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    source: str = ""
    historical: bool = False


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Event)


def encode(event: Event) -> bytes:
    """The record value of an event."""
    return _encoder.encode(event)


def encode_all(events: Sequence[Event]) -> list[bytes]:
    """The record values of many events, at half the cost of one after another."""
    values = _encoder.encode_lines(events).split(b"\n")
    values.pop()
    if len(values) == len(events):
        return values
    return [_encoder.encode(event) for event in events]  # members that came with line breaks keep them


def decode(value: bytes | None) -> Event:
    """The event of a record value.

    Errors: Malformed when the value is no event (quarantine it); its members are not looked into.
    """
    if value is None:
        raise Malformed("the record has no value")
    try:
        event = _decoder.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed(f"not an event: {error}") from error
    if event.type not in ("tick", "import_end"):
        _check_fields(event)
    return event


def _check_fields(event: Event) -> None:
    if not (event.id and event.customer and event.name and event.occurred_at):
        raise Malformed(f"a {event.type} needs id, customer, name and occurred_at")
    if "\0" in event.customer or len(event.customer.encode()) > IDENTIFIER_BYTES_MAX:
        raise Malformed(f"a customer's id has no NUL and at most {IDENTIFIER_BYTES_MAX} bytes")


def tick() -> bytes:
    """The record value of a tick: the log stamps it, and that is all it says."""
    return b'{"type":"tick"}'
