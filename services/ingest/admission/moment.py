"""Times as clients write them: RFC 3339 with an offset; one without is anybody's guess, and refused.

What is finer than a millisecond is cut, never rounded: no time moves into the second after its own.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import Annotated

import msgspec

from services.ingest.refusal import Code, Rejected
from shared.clock import to_ms

_Moment = Annotated[datetime, msgspec.Meta(tz=True)]

_COMMON_LENGTH = 24  # of 2026-01-31T10:20:30.123Z, which nearly every client writes
_SECOND_LENGTH = 19
_FINER = re.compile(r"(\.[0-9]{3})[0-9]+")  # msgspec would round it to microseconds


def moment_ms(text: str, field: str) -> int:
    """Milliseconds since the epoch. Errors: Rejected, naming the field."""
    if len(text) == _COMMON_LENGTH and text[-1] == "Z" and text[_SECOND_LENGTH] == ".":
        millisecond = text[20:23]
        if millisecond.isdecimal() and millisecond.isascii():
            try:
                return _second_ms(text[:_SECOND_LENGTH]) + int(millisecond)
            except msgspec.ValidationError:
                pass  # the whole text makes the better message
    try:
        return to_ms(msgspec.convert(_FINER.sub(r"\1", text, count=1), _Moment))
    except msgspec.ValidationError as error:
        raise Rejected(
            Code.INVALID_FIELD, f"{error}: a time is written like 2026-01-31T10:20:30Z", field=field
        ) from error


def happened_ms(
    timestamp: str | None, *, original: str | None, sent_at: str | None, sent_ms: int | None, received_ms: int
) -> int:
    """When a live item happened: the sender's time, corrected by how wrong its clock was when it sent.

    `sent_at` is the item's own, `sent_ms` its envelope's. Errors: Rejected, naming the field.
    """
    timestamp_ms = None if timestamp is None else moment_ms(timestamp, "timestamp")
    original_ms = None if original is None else moment_ms(original, "originalTimestamp")
    if sent_at is not None:
        sent_ms = moment_ms(sent_at, "sentAt")
    if sent_ms is None:
        said_ms = original_ms if timestamp_ms is None else timestamp_ms
        return received_ms if said_ms is None else said_ms
    said_ms = timestamp_ms if original_ms is None else original_ms
    return received_ms if said_ms is None else received_ms - (sent_ms - said_ms)


_FORM = b"0000-00-00T00:00:00.000Z"
_DIGITS_ALIKE = bytes.maketrans(b"123456789", b"000000000")


def are_as_ours(texts: Sequence[str]) -> bool:
    """Whether all are times as we write them ourselves, none before 1970: such texts compare as their instants do."""
    if "\n".join(texts).encode().translate(_DIGITS_ALIKE) != b"\n".join([_FORM] * len(texts)):
        return False
    try:
        return all(_second_ms(second) >= 0 for second in {text[:_SECOND_LENGTH] for text in texts})
    except msgspec.ValidationError:
        return False


def ours_ms(texts: Sequence[str]) -> list[int]:
    """Milliseconds since the epoch of texts that are as ours."""
    return [_second_ms(text[:_SECOND_LENGTH]) + int(text[_SECOND_LENGTH + 1 : -1]) for text in texts]


@lru_cache(maxsize=4096)  # a batch's times share few seconds; reading one costs five times as much as finding it here
def _second_ms(second: str) -> int:
    return to_ms(msgspec.convert(second + "Z", _Moment))
