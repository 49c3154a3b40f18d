"""One item as clients send it (Segment's message shape), decoded and no further judged than its types."""

from __future__ import annotations

import hashlib
import json
import re

import msgspec

from services.ingest.admission.members import Members
from services.ingest.limits import EVENT_BYTES_MAX
from services.ingest.refusal import Code, Rejected

Identifier = str | int | None
"""Clients with numeric ids send them bare; they are read as their digits."""


class Item(msgspec.Struct, rename="camel", gc=False):
    """What an item may say; the rest is left out. `name` and `category` stay bytes: only pages own them."""

    type: str | None = None
    event: str | None = None
    name: Members = msgspec.UNSET
    category: Members = msgspec.UNSET
    user_id: Identifier = None
    anonymous_id: Identifier = None
    group_id: Identifier = None
    previous_id: Identifier = None
    message_id: Identifier = None
    timestamp: str | None = None
    original_timestamp: str | None = None
    sent_at: str | None = None
    properties: Members = msgspec.UNSET
    traits: Members = msgspec.UNSET
    context: Members = msgspec.UNSET


_decode = msgspec.json.Decoder(Item).decode
_decode_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode

# What a retry may change, or says nothing about the fact itself.
_NOT_CONTENT = ("sentAt", "writeKey", "receivedAt", "messageId")

_PLACE = re.compile(r"^(?P<what>.*?)(?: - at `\$\.?(?P<where>.*)`)?$", re.DOTALL)

_MISSING = re.compile(r"Object missing required field `(?P<field>.*)`")


def read_item(text: bytes) -> Item:
    """Decode an item. Errors: Rejected, naming the field whose type is wrong."""
    if len(text) > EVENT_BYTES_MAX:
        raise Rejected(Code.EVENT_TOO_LARGE, f"the event has {len(text)} bytes, more than {EVENT_BYTES_MAX}")
    try:
        if not text.isascii():
            text.decode()  # what stays bytes below would let broken UTF-8 through
        return _decode(text)
    except msgspec.ValidationError as error:
        raise misfit(error) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Rejected(Code.NOT_JSON, f"not JSON: {error}") from error
    except RecursionError as error:
        raise Rejected(Code.TOO_DEEP, "nested too deep") from error


def misfit(error: msgspec.ValidationError) -> Rejected:
    """The rejection that says what msgspec found wrong, and in which field."""
    match = _PLACE.match(str(error))
    assert match is not None
    if missing := _MISSING.fullmatch(match["what"]):
        field = ".".join(filter(None, (match["where"], missing["field"])))
        return Rejected(Code.MISSING_FIELD, f"{missing['field']} is missing", field=field)
    return Rejected(Code.INVALID_FIELD, match["what"], field=match["where"] or None)


def derived_id(text: bytes, kind: str, *, salt: str) -> str:
    """The id of an item that has none: the same content and salt give the same id, in whatever order its keys stand."""
    content = {
        name: _canonical(bytes(part)) for name, part in _decode_members(text).items() if name not in _NOT_CONTENT
    }
    content |= {"type": kind, "\0salt": salt}
    return hashlib.blake2b(json.dumps(content, sort_keys=True).encode(), digest_size=16).hexdigest()


def _canonical(part: bytes) -> str:
    try:
        return json.dumps(json.loads(part), sort_keys=True)
    except (ValueError, RecursionError):  # members that nobody opens may hold what Python does not read
        return part.decode()
