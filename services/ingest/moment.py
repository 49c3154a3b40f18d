"""Times as clients write them: RFC 3339 with an offset; one without is anybody's guess, and refused."""

from __future__ import annotations

import re
from datetime import datetime
from functools import lru_cache
from typing import Annotated

import msgspec

from services.ingest.refusal import Code, Rejected
from shared.clock import to_ms

_Moment = Annotated[datetime, msgspec.Meta(tz=True)]

_COMMON_LENGTH = 24  # of 2026-01-31T10:20:30.123Z, which nearly every client writes
_SECOND_LENGTH = 19


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
        return to_ms(msgspec.convert(text, _Moment))
    except msgspec.ValidationError as error:
        raise Rejected(
            Code.INVALID_FIELD, f"{error}: a time is written like 2026-01-31T10:20:30Z", field=field
        ) from error


_FORM = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}")


@lru_cache(maxsize=4096)
def common_second(second: str) -> bool:
    """Whether this is a second since 1970 as we write it ourselves, without fraction and offset."""
    try:
        return _FORM.fullmatch(second) is not None and _second_ms(second) >= 0
    except msgspec.ValidationError:
        return False


@lru_cache(maxsize=4096)  # a batch's times share few seconds; reading one costs five times as much as finding it here
def _second_ms(second: str) -> int:
    return to_ms(msgspec.convert(second + "Z", _Moment))
