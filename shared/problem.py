"""What a caller is told when something cannot be done: the members of RFC 9457, and `code` and `message` for SDKs."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import msgspec

MEDIA_TYPE = "application/problem+json"
FAULT = "something went wrong here; it is logged"

_encode = msgspec.json.Encoder().encode


def content(status: HTTPStatus, message: str, *, code: str | None = None, field: str | None = None) -> dict[str, Any]:
    """The members in their order; without a `code` it is the status in words, like `not_found`."""
    named = {} if field is None else {"field": field}
    said = {"success": False, "code": code or status.name.lower(), "message": message, **named}
    return said | {"type": "about:blank", "title": status.phrase, "status": int(status), "detail": message}


def body_of(status: HTTPStatus, message: str, *, code: str | None = None) -> bytes:
    """The body of an answer that says no more."""
    return _encode(content(status, message, code=code))


def whole_answer(status: HTTPStatus, message: str) -> bytes:
    """A whole HTTP/1.1 answer, after which the connection ends."""
    body = body_of(status, message)
    head = (
        f"HTTP/1.1 {int(status)} {status.phrase}\r\ncontent-type: {MEDIA_TYPE}\r\n"
        f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
    )
    return head.encode() + body
