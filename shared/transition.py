"""The value of a `transitions` record: one change of one customer in one lifecycle (LANGUAGE.md 6).

The record is a function of the log alone, byte for byte: the same bytes stand in the table and on the topic.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import msgspec

from shared.errors import Malformed


class EventCause(msgspec.Struct, frozen=True, tag_field="kind", tag="event", gc=False):
    """An event made the change; `occurred_at` as cut to the log's time, RFC 3339."""

    id: str
    name: str
    occurred_at: str


class TimeCause(msgspec.Struct, frozen=True, tag_field="kind", tag="time", gc=False):
    """Only the passing of time made the change."""


class Transition(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One flat record: moved from a stage to another, or lingered in one.

    `at` is RFC 3339 with milliseconds and `Z`, `stay_ms` milliseconds; nulls are written; `carried` stands only where
    the lifecycle's file has `carry`.
    """

    id: str
    customer: str
    lifecycle: str
    change: Literal["moved", "lingered"]
    from_stage: str | None = msgspec.field(name="from")
    to_stage: str | None = msgspec.field(name="to")
    at: str
    entry: int
    nth: int
    stay_ms: int | None
    cause: EventCause | TimeCause
    historical: bool
    n: int
    seq: int
    version: str
    carried: dict[str, Any] | msgspec.UnsetType = msgspec.UNSET


class StageValue(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The value of a `stages` record: a customer's current stage in one lifecycle; key `lifecycle/customer`."""

    customer: str
    lifecycle: str
    stage: str | None
    since: str
    entry: int
    n: int
    version: str


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Transition)


def encode(value: Transition | StageValue) -> bytes:
    """The record value of a transition or of a current stage."""
    return _encoder.encode(value)


def encode_lines(transitions: Sequence[Transition]) -> bytes:
    """The record values of many, a line for each."""
    return _encoder.encode_lines(transitions)


def decode(value: bytes | None) -> Transition:
    """The transition of a record value. Errors: Malformed when it is none."""
    try:
        return _decoder.decode(value or b"")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed(f"not a transition: {error}") from error
