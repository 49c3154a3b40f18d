"""Fingerprints: small numbers and ids that stand for a meaning, the same in every process and every re-run."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from enum import Enum
from hashlib import blake2b
from typing import Any, Final

import msgspec

DIGEST_BYTES: Final = 6

# The first prime from the digits of pi that has 48 bits: no pattern in ids is in step with it.
_PRIME: Final = 0xA43F6A8885BD
_number: Final = int.from_bytes
_VARIANT: Final = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}


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
    """Six bytes that stand for an event's id among a customer's recent ones: the id as a number, modulo a prime.

    An honest id is taken for one of 32 others once in 10^13 events. Senders who find ids that collide gain nothing:
    they could send the same id twice. So a hash that withstands them would only cost time; six bytes, not eight, keep
    the profile of a busy customer below 300.
    """
    return (_number(event_id.encode()) % _PRIME).to_bytes(DIGEST_BYTES)


def transition_id(*, customer: str, lifecycle: str, n: int, born: int) -> str:
    """The id of a transition: a UUID of version 8 (RFC 9562) from its place in the customer's chain."""
    text = blake2b(f"{lifecycle}\0{n}\0{born}\0{customer}".encode(), digest_size=16).hexdigest()
    return f"{text[:8]}-{text[8:12]}-8{text[13:16]}-{_VARIANT[text[16]]}{text[17:20]}-{text[20:]}"
