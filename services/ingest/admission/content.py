"""What items of each kind carry beside their ids: a page's own members, traits in other places, a shared context.

Pure. Whoever asks has seen to it that the objects are within their bounds (`members.py`).
"""

from __future__ import annotations

import msgspec

from services.ingest.admission.members import Members, checked, merged, split
from services.ingest.refusal import Code, Rejected


def page_properties(properties: Members, *, name: Members, category: Members) -> Members:
    """The properties of a page or screen: its own name and category are among them, and win.

    Errors: Rejected when one of these is no text.
    """
    own: dict[str, msgspec.Raw] = {}
    for field, value in (("name", name), ("category", category)):
        if value is msgspec.UNSET or bytes(value) == b"null":
            continue
        text = bytes(value)
        if not text.startswith(b'"') or b"\\u0000" in text:
            raise Rejected(Code.INVALID_FIELD, f"{field} must be text without NUL", field=field)
        own[field] = value
    return merged(properties, own)


def identify_traits(traits: Members, *, context: Members) -> Members:
    """The traits of an identify, which RudderStack's SDKs put into its context only. Errors: Rejected."""
    if traits is not msgspec.UNSET:
        return traits
    return checked(split(context).get("traits", msgspec.UNSET), "context.traits")


def with_shared(context: Members, shared: dict[str, msgspec.Raw]) -> Members:
    """An item's context and what its envelope says for all; the item wins."""
    own = split(context)
    return merged(context, {name: part for name, part in shared.items() if name not in own})
