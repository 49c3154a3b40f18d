"""Why something was refused: what the caller is told, in a shape that machines read too."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from shared.errors import Refused


class Code(StrEnum):
    """The closed set of reasons; part of the interface, so a name never changes."""

    NOT_JSON = "not_json"
    INVALID_FIELD = "invalid_field"
    MISSING_FIELD = "missing_field"
    TOO_DEEP = "too_deep"
    TOO_MANY_MEMBERS = "too_many_members"
    EVENT_TOO_LARGE = "event_too_large"
    BODY_TOO_LARGE = "body_too_large"
    TOO_MANY_EVENTS = "too_many_events"
    BROKEN_BODY = "broken_body"
    BROKEN_GZIP = "broken_gzip"
    UNKNOWN_KEY = "unknown_key"
    RATE_LIMITED = "rate_limited"
    SCHEMA = "schema"
    IMPORT_RUNNING = "import_running"
    IMPORT_GAP = "import_gap"
    IMPORT_DIFFERS = "import_differs"
    UNAVAILABLE = "unavailable"


class Refusal(msgspec.Struct, frozen=True, omit_defaults=True):
    """One refused item. `index` counts from 0 in a batch; `field` is the path in the item, None for the whole item."""

    index: int
    code: Code
    message: str
    field: str | None = None


class Rejected(Refused):
    """An item or a whole request cannot be admitted."""

    def __init__(self, code: Code, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.field = field

    def at(self, index: int) -> Refusal:
        """This rejection as the refusal of the item at `index`."""
        return Refusal(index, self.code, self.message, self.field)
