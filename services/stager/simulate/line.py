"""The lines that `simulate` and `explain` read: Segment's messages, one JSON object a line (LANGUAGE.md 8).

Shape: each good line becomes an Event with its log time, as if ingest had written it; knows nothing of lifecycles.
"""

from __future__ import annotations

import json
import math
from typing import Any, Final, Literal, get_args

import msgspec

from services.stager.fold.instants import instant_of
from services.stager.fold.records import OCCURRED_MAX_MS, OCCURRED_MIN_MS, is_too_deep
from shared.clock import rfc3339
from shared.document.nodes import nearest
from shared.errors import Malformed
from shared.event import RESERVED_NAMES, Event

_NAMED: Final = frozenset(("page", "screen"))

_Identifier = str | int | None
_Type = Literal["track", "page", "screen", "identify", "group", "import_end"]
_TYPES: Final = get_args(_Type)


class Line(msgspec.Struct, frozen=True, gc=False):
    """An event and when the log received it, in milliseconds; also when it occurred, where that was read."""

    event: Event
    received_ms: int
    occurred_ms: int | None = None


class _Sender(msgspec.Struct, rename="camel"):
    """Of a line as it is written, whom it is about."""

    user_id: _Identifier = None
    anonymous_id: _Identifier = None


class _Message(msgspec.Struct, rename="camel"):
    """A line as it is written; what is not named here does not matter."""

    timestamp: str
    type: _Type = "track"
    message_id: _Identifier = None
    user_id: _Identifier = None
    anonymous_id: _Identifier = None
    event: str | None = None
    name: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    category: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    properties: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    traits: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    received_at: str | None = None
    historical: Any = False


MEMBERS: Final = tuple(field.encode_name for field in msgspec.structs.fields(_Message))

_decode = msgspec.json.Decoder(_Message).decode
_decode_sender = msgspec.json.Decoder(_Sender).decode
_decode_any = msgspec.json.Decoder().decode
_decode_object = msgspec.json.Decoder(dict[str, Any] | None).decode
_decode_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_encode = msgspec.json.Encoder().encode


_BEYOND: Final = 1e15  # a thousand times what LANGUAGE.md 2 takes for a number
_UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_TIMES: Final = ("timestamp", "receivedAt")
_SAID: Final = {bool: "a flag", int: "a number", float: "a number", list: "a list", type(None): "null", str: "a text"}
_WRITTEN_PLAIN: Final = {"userid": "userId", "anonymousid": "anonymousId"}
_TOO_DEEP: Final = "it is nested too deeply"


def read_line(line: bytes, number: int) -> Line:
    """The event of a line; `number` counts from 1. Errors: Malformed, saying what is wrong."""
    try:
        message = _decode(line)
    except _UNREADABLE as error:
        raise Malformed(_reason(line, error)) from error
    occurred_at = message.timestamp
    occurred_ms = received_ms = _instant("timestamp", occurred_at)
    if message.received_at is not None:
        received_ms = _instant("receivedAt", message.received_at)
        if occurred_ms > received_ms:
            occurred_ms, occurred_at = received_ms, rfc3339(received_ms)
    kind = message.type
    if kind == "import_end":
        return Line(Event(type="import_end"), received_ms)
    event = Event(
        kind,
        _identifier(message.message_id) or f"{number:012d}",
        _identifier(message.user_id) or _anonymous(message, line),
        _track_name(message.event) if kind == "track" else RESERVED_NAMES[kind],
        occurred_at,
        _page_properties(message) if kind in _NAMED else _object("properties", message.properties),
        _object("traits", message.traits),
        historical=message.historical is True,
    )
    return Line(event, received_ms, occurred_ms)


def _reason(line: bytes, error: Exception) -> str:
    """What is wrong with a line that is no message."""
    if isinstance(error, RecursionError):
        return _TOO_DEEP
    try:
        value = _decode_any(line)
    except _UNREADABLE as broken:
        if line.rstrip().endswith(b"},"):
            return "a line is one JSON object, without a comma at its end"
        return f"a line is one JSON object, and this is no JSON: {broken}"
    if not isinstance(value, dict):
        return "a line is one JSON object, and this is something else"
    if "timestamp" not in value:
        return "there is no `timestamp`, which says when it happened, as in `2026-01-31T10:20:30Z`"
    kind = value.get("type", "track")
    if kind not in _TYPES:
        near = nearest(kind, _TYPES) if isinstance(kind, str) else None
        return f"`type` is one of {', '.join(_TYPES)}; got {kind!r}" + (f" (did you mean `{near}`?)" if near else "")
    field = next((field for field in MEMBERS if str(error).endswith(f"`$.{field}`")), None)
    if field not in value:
        return str(error)
    wanted = "a text such as `2026-01-31T10:20:30Z`" if field in _TIMES else "a text"
    return f"`{field}` is {wanted}, not {_SAID.get(type(value[field]), 'an object')}"


def customer_of(line: bytes) -> str:
    """Whom a line is about, without a look at the rest of it; empty where `read_line` finds nobody or fails."""
    try:
        sender = _decode_sender(line)
    except _UNREADABLE:
        return ""
    return _identifier(sender.user_id) or _identifier(sender.anonymous_id)


def _instant(field: str, text: str) -> int:
    instant_ms = instant_of(text)
    if instant_ms is None:
        raise Malformed(f"{field} is no time: {text!r}")
    if not OCCURRED_MIN_MS < instant_ms < OCCURRED_MAX_MS:
        raise Malformed(f"{field} lies outside of the years 3 to 9995: {text!r}")
    return instant_ms


def _identifier(given: _Identifier) -> str:
    """Text as it is, an integer as its digits; empty when absent."""
    return given if type(given) is str else "" if given is None else str(given)


def _anonymous(message: _Message, line: bytes) -> str:
    customer = _identifier(message.anonymous_id)
    if not customer:
        raise Malformed(f"neither userId nor anonymousId names a customer{_other_name(line)}")
    return customer


def _other_name(line: bytes) -> str:
    """What to say of `user_id` and the like."""
    for key in _decode_members(line):
        meant = _WRITTEN_PLAIN.get(key.replace("_", "").lower())
        if meant is not None and key != meant:
            return f"; there is `{key}` (did you mean `{meant}`?)"
    return ""


def _track_name(name: str | None) -> str:
    if not name:
        raise Malformed("a track needs an event")
    if name[0] == "$":
        raise Malformed(f"a track's name may not begin with $: {name!r}")
    return name


def _page_properties(message: _Message) -> msgspec.Raw:
    """The properties of a page or screen: its own name and category are properties too, and win."""
    raw = _object("properties", message.properties)
    members = {} if raw is msgspec.UNSET else _decode_members(raw)
    for field, own in (("name", message.name), ("category", message.category)):
        if own is not msgspec.UNSET and bytes(own).strip() != b"null":
            members[field] = own
    whole = _object("properties", msgspec.Raw(_encode(members)))
    assert whole is not msgspec.UNSET, "an object is never null"
    return whole


def _object(field: str, raw: msgspec.Raw | msgspec.UnsetType) -> msgspec.Raw | msgspec.UnsetType:
    """The bytes of an object, UNSET for null. All of it is looked at: what the fold opens later must not fail there."""
    if raw is msgspec.UNSET:
        return raw
    try:
        members = _decode_object(raw)
    except RecursionError as error:
        raise Malformed(f"{field}: {_TOO_DEEP}") from error
    except _UNREADABLE as error:
        return _within_doubles(field, raw, error)
    if members is None:
        return msgspec.UNSET
    if is_too_deep(members):
        raise Malformed(f"{field}: {_TOO_DEEP}")
    return raw


def _within_doubles(field: str, raw: msgspec.Raw, error: Exception) -> msgspec.Raw | msgspec.UnsetType:
    """The object with a smaller one for each number that no double can hold: all beyond 10^12 are missing alike."""
    try:
        members = json.loads(bytes(raw), parse_float=_small, parse_int=_small, parse_constant=_refuse)
        if isinstance(members, dict):
            return _object(field, msgspec.Raw(_encode(members)))
    except (ValueError, RecursionError):
        pass  # that was not what is wrong with it
    raise Malformed(f"{field}: {error}") from error


def _small(text: str) -> float | int:
    number = float(text)
    if abs(number) >= _BEYOND:
        return math.copysign(_BEYOND, number)
    return number if text.strip("-0123456789") else int(text)


def _refuse(word: str) -> None:
    raise ValueError(word)
