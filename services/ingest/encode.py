"""Events become records of the `events` topic: JSON value, customer as key, CloudEvents 1.0 binary mode headers.

Source: CloudEvents 1.0 Kafka protocol binding, 3.2; W3C Trace Context.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from shared.event import Event, encode, encode_all
from shared.log import Entry

_SPEC = ("ce_specversion", b"1.0")
_CONTENT = ("content-type", b"application/json")
_TYPES = {
    kind: ("ce_type", f"stageline.{kind}".encode())
    for kind in ("track", "page", "screen", "identify", "group", "alias", "import_end")
}
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


def entries(events: Sequence[Event], *, source: str, traceparent: str | None = None) -> list[Entry]:
    """One record an event, in order; all of one source. A malformed `traceparent` is left out."""
    alike = _shared_headers(source, traceparent)
    return [
        Entry(
            event.customer.encode(),
            value,
            [*alike, ("ce_id", event.id.encode()), _TYPES[event.type], ("ce_time", event.occurred_at.encode())],
        )
        for event, value in zip(events, encode_all(events), strict=True)
    ]


def import_ends(*, source: str, partitions: int) -> list[Entry]:
    """The record that ends an import, once for every partition: each has customers whose history it may be."""
    value = encode(Event(type="import_end", source=source))
    headers = (*_shared_headers(source, None), _TYPES["import_end"])
    return [Entry(None, value, headers, partition) for partition in range(partitions)]


def _shared_headers(source: str, traceparent: str | None) -> tuple[tuple[str, bytes], ...]:
    shared_headers = (_SPEC, ("ce_source", f"/sources/{source}".encode()), _CONTENT)
    if traceparent is None or not _TRACEPARENT.fullmatch(traceparent):
        return shared_headers
    return (*shared_headers, ("traceparent", traceparent.encode()))
