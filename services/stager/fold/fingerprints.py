"""Fingerprints: small numbers and ids that stand for a meaning, the same in every process and every re-run."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from enum import Enum
from hashlib import blake2b
from typing import Any
from uuid import UUID

import msgspec


def fingerprint(meaning: object) -> int:
    """32 bits of a frozen definition (or plain value): equal meanings, equal bits."""
    text = msgspec.json.encode(_plain(meaning))
    return int.from_bytes(blake2b(text, digest_size=4).digest(), "big")


def _plain(meaning: Any) -> Any:
    """The meaning without anything whose order differs from process to process."""
    if is_dataclass(meaning):
        members = [_plain(getattr(meaning, field.name)) for field in fields(meaning)]
        return [type(meaning).__name__, *members]
    if isinstance(meaning, frozenset):
        return ["set", *sorted(meaning)]
    if isinstance(meaning, tuple):
        return [_plain(item) for item in meaning]
    return meaning.value if isinstance(meaning, Enum) else meaning


def id_digest(event_id: str) -> bytes:
    """Eight bytes that stand for an event's id among the recent ones."""
    return blake2b(event_id.encode(), digest_size=8).digest()


def transition_id(*, customer: str, lifecycle: str, n: int, born: int) -> str:
    """The id of a transition: a UUID of version 8 (RFC 9562) from its place in the customer's chain."""
    digest = bytearray(blake2b(f"{lifecycle}\0{n}\0{born}\0{customer}".encode(), digest_size=16).digest())
    digest[6] = digest[6] & 0x0F | 0x80
    digest[8] = digest[8] & 0x3F | 0x80
    return str(UUID(bytes=bytes(digest)))
