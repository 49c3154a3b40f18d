"""JSON objects inside an event (`properties`, `traits`, `context`): checked, bounded, and left as the bytes they were.

Promise: what passes can be decoded by every later reader, is nested at most DEPTH_MAX deep and holds no NUL, which
PostgreSQL cannot keep. Must not know: what the members mean.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import itemgetter
from typing import Any

import msgspec

from services.ingest.limits import DEPTH_MAX, MEMBERS_MAX
from services.ingest.refusal import Code, Rejected

Members = msgspec.Raw | msgspec.UnsetType

_MEMBER_BYTES_MIN = 2  # a list item and its comma: fewer bytes than this times MEMBERS_MAX cannot hold too many

_decode_any = msgspec.json.Decoder().decode
_decode_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_encode = msgspec.json.Encoder().encode


def checked(members: Members, field: str) -> Members:
    """The object as it is, or UNSET for none and null, sure to be readable later.

    Errors: Rejected when it is no object, is beyond the bounds, or holds what skipping over it lets pass, like 1e400.
    """
    if members is msgspec.UNSET:
        return members
    text = _text_of_object(members, field)
    if text is None:
        return msgspec.UNSET
    if not _has_no_large_number(text):
        _readable(text, field)
    return members


def are_harmless(objects: Sequence[msgspec.Raw]) -> bool:
    """Whether each of these passes `checked` for sure: at a glance at all of them together.

    Promise: never true when one of them would be refused; UTF-8 is not its matter.
    """
    if not objects:
        return True
    texts = b"\0" + b"\0".join(objects)  # no JSON text holds this byte, so that it stands only where one begins
    structure = texts.translate(None, _NOT_STRUCTURE)
    return (
        set(map(_first, texts[1:].split(b"\0"))) == {b"{"}
        and _longest(structure) <= MEMBERS_MAX  # for a member there is a comma or a bracket
        and _longest(structure.translate(None, b",")) <= 2 * DEPTH_MAX  # what opens also closes
        and (_has_no_large_number(texts) or _are_readable(objects))
        and not holds_nul(texts)
    )


def _are_readable(objects: Sequence[msgspec.Raw]) -> bool:
    """Whether all can be decoded: hexadecimal ids look like large numbers more often than not."""
    try:
        for part in objects:
            _decode_any(part)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True


_first = itemgetter(slice(1))
_NOT_STRUCTURE = bytes(set(range(256)) - set(b"{}[],\0"))


def _longest(texts: bytes) -> int:
    return max(map(len, texts.split(b"\0")))


_DIGITS_SURE_MAX = 200  # fewer digits and an exponent below 100 stay below 1e308, what a float can hold
_SHAPES = bytes.maketrans(b"123456789E+", b"000000000e0")


def _has_no_large_number(text: bytes) -> bool:
    shape = text.translate(_SHAPES)
    return b"0e000" not in shape and b"0" * _DIGITS_SURE_MAX not in shape


def merged(members: Members, over: dict[str, msgspec.Raw]) -> Members:
    """The object with `over` put into it; `over` wins. Every other member keeps its bytes."""
    if not over:
        return members
    if members is msgspec.UNSET:
        return msgspec.Raw(_encode(over))
    return msgspec.Raw(_encode({**_decode_members(members), **over}))


def split(members: Members) -> dict[str, msgspec.Raw]:
    """The members of a checked object, each as its bytes; empty for none."""
    return {} if members is msgspec.UNSET else _decode_members(members)


def _text_of_object(members: msgspec.Raw, field: str) -> bytes | None:
    text = bytes(members)
    if text == b"null":
        return None
    if not text.startswith(b"{"):
        raise Rejected(Code.INVALID_FIELD, f"{field} must be an object", field=field)
    if _needs_a_look(text):
        _look_through(_readable(text, field), field)
    return text


def _needs_a_look(text: bytes) -> bool:
    """Whether a bound might be passed: a few scans in C spare nearly every event the walk in Python."""
    brackets = text.count(b"{") + text.count(b"[")
    return (
        brackets > DEPTH_MAX
        or (len(text) > _MEMBER_BYTES_MIN * MEMBERS_MAX and brackets + text.count(b",") > MEMBERS_MAX)
        or holds_nul(text)
    )


def holds_nul(text: bytes) -> bool:
    """Whether a text of this JSON may hold a NUL, which can stand there only as an escape."""
    return b"\\" in text and b"\\u0000" in text  # looking for one byte first is many times faster


def _readable(text: bytes, field: str) -> Any:
    """The decoded value. Errors: Rejected for what skipping over it lets pass, a number like 1e400 above all."""
    try:
        return _decode_any(text)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Rejected(Code.INVALID_FIELD, f"{field} cannot be read: {error}", field=field) from error
    except RecursionError as error:
        raise _too_deep(field) from error


def _look_through(value: Any, field: str) -> None:
    members = 0
    waiting: list[tuple[Any, int]] = [(value, 1)]
    while waiting:
        part, depth = waiting.pop()
        if isinstance(part, str):
            if "\0" in part:
                raise Rejected(Code.INVALID_FIELD, f"{field} holds a NUL character", field=field)
            continue
        if not isinstance(part, (dict, list)):
            continue
        if depth > DEPTH_MAX:
            raise _too_deep(field)
        members += len(part)
        if members > MEMBERS_MAX:
            raise Rejected(Code.TOO_MANY_MEMBERS, f"{field} has more than {MEMBERS_MAX} members", field=field)
        inner = part if isinstance(part, list) else [*part.keys(), *part.values()]
        waiting += [(child, depth + 1) for child in inner]


def _too_deep(field: str) -> Rejected:
    return Rejected(Code.TOO_DEEP, f"{field} is nested more than {DEPTH_MAX} deep", field=field)
