"""What clients send becomes events or refusals, item by item: a bad one never sinks its neighbours.

Plain functions of values: must not know HTTP, the log, write keys or any clock; the time of receipt is an argument.
Source: Segment's HTTP tracking API; skew by `received - (sentAt - originalTimestamp)`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal, assert_never

import msgspec

from services.ingest.item import Identifier, Item, derived_id, read_item
from services.ingest.members import Members, bounded, checked, merged, split
from services.ingest.refusal import Code, Refusal, Rejected
from shared.clock import to_ms
from shared.event import IDENTIFIER_BYTES_MAX, RESERVED_NAMES, Event, occurred_text

Kind = Literal["track", "page", "screen", "identify", "group"]
KINDS: dict[str, Kind] = {
    "track": "track", "page": "page", "screen": "screen", "identify": "identify", "group": "group",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Intake:
    """What the items of one request share.

    `kind`: what the route says every item is (None: each says it itself, else it is `kind_default`); `sent_ms` and
    `context` are the envelope's; `historical` items bring their own time, which is taken as it is.
    """

    source: str
    received_ms: int
    kind: Kind | None = None
    kind_default: Kind | None = None
    sent_ms: int | None = None
    context: dict[str, msgspec.Raw] = field(default_factory=dict)
    historical: bool = False


@dataclass(frozen=True, slots=True)
class Admission:
    """Events in the order they were sent, and the refusals of the others."""

    events: list[Event]
    refusals: list[Refusal]


def admit(items: Iterable[bytes], intake: Intake) -> Admission:
    """Judge every item on its own."""
    events: list[Event] = []
    refusals: list[Refusal] = []
    for index, text in enumerate(items):
        try:
            events.append(admit_item(text, intake))
        except Rejected as rejected:
            refusals.append(rejected.at(index))
    return Admission(events, refusals)


def admit_item(text: bytes, intake: Intake) -> Event:
    """The event of one item. Errors: Rejected, with the field that is wrong."""
    item = read_item(text)
    kind = intake.kind or _kind(item.type, intake)
    customer, anonymous = _customer(item)
    properties, traits, group = _substance(item, kind)
    return Event(
        type=kind,
        id=_identifier(item.message_id, "messageId") or derived_id(text, kind),
        customer=customer,
        name=_name(item, kind),
        occurred_at=occurred_text(_occurred_ms(item, intake)),
        properties=properties,
        traits=traits,
        group=group,
        anonymous_id=anonymous,
        context=_context(item, intake),
        source=intake.source,
        historical=intake.historical,
    )


def _kind(said: str | None, intake: Intake) -> Kind:
    kind = KINDS.get(said) if said is not None else intake.kind_default
    if kind is not None:
        return kind
    if said is None:
        raise Rejected(Code.MISSING_FIELD, f"type is missing: one of {', '.join(KINDS)}", field="type")
    raise Rejected(Code.INVALID_FIELD, f"type must be one of {', '.join(KINDS)}", field="type")


def _customer(item: Item) -> tuple[str, str | None]:
    """Who it is about, and the anonymous id when that is somebody else."""
    user = _identifier(item.user_id, "userId")
    anonymous = _identifier(item.anonymous_id, "anonymousId")
    customer = user or anonymous
    if customer is None:
        raise Rejected(Code.MISSING_FIELD, "userId or anonymousId is needed", field="userId")
    return customer, anonymous if anonymous != customer else None


def _identifier(value: Identifier, field_name: str) -> str | None:
    """The id as text; None for null and empty text, which are no ids."""
    if value is None or value == "":
        return None
    return _short_text(str(value), field_name)


def _short_text(text: str, field_name: str) -> str:
    if len(text) * 4 > IDENTIFIER_BYTES_MAX and len(text.encode()) > IDENTIFIER_BYTES_MAX:
        raise Rejected(
            Code.INVALID_FIELD, f"{field_name} is longer than {IDENTIFIER_BYTES_MAX} bytes", field=field_name
        )
    if "\0" in text:
        raise Rejected(Code.INVALID_FIELD, f"{field_name} holds a NUL character", field=field_name)
    return text


def _name(item: Item, kind: Kind) -> str:
    if kind != "track":
        return RESERVED_NAMES[kind]
    if not item.event:
        raise Rejected(Code.MISSING_FIELD, "a track needs the name of its event", field="event")
    if item.event.startswith("$"):
        raise Rejected(Code.INVALID_FIELD, "names that begin with $ are reserved", field="event")
    return _short_text(item.event, "event")


def _substance(item: Item, kind: Kind) -> tuple[Members, Members, str | None]:
    """What the kind carries: properties, traits, group. What it does not carry must be an object all the same."""
    properties = checked(item.properties, "properties")
    traits = checked(item.traits, "traits")
    match kind:
        case "track":
            return properties, msgspec.UNSET, None
        case "page" | "screen":
            return merged(properties, _own_properties(item)), msgspec.UNSET, None
        case "identify":
            return msgspec.UNSET, _traits_of_identify(item, traits), None
        case "group":
            group = _identifier(item.group_id, "groupId")
            if group is None:
                raise Rejected(Code.MISSING_FIELD, "a group call needs groupId", field="groupId")
            return msgspec.UNSET, traits, group
        case _:
            assert_never(kind)


def _own_properties(item: Item) -> dict[str, msgspec.Raw]:
    """A page's or screen's own name and category, which are properties too."""
    own: dict[str, msgspec.Raw] = {}
    for name, value in (("name", item.name), ("category", item.category)):
        if value is msgspec.UNSET or bytes(value) == b"null":
            continue
        if not bytes(value).startswith(b'"'):
            raise Rejected(Code.INVALID_FIELD, f"{name} must be text", field=name)
        own[name] = value
    return own


def _traits_of_identify(item: Item, traits: Members) -> Members:
    """RudderStack's SDKs put an identify's traits into its context only."""
    if traits is not msgspec.UNSET:
        return traits
    inner = split(bounded(item.context, "context")).get("traits", msgspec.UNSET)
    return checked(inner, "context.traits")


def _context(item: Item, intake: Intake) -> Members:
    context = bounded(item.context, "context")
    if not intake.context:
        return context
    own = split(context)
    return merged(context, {name: part for name, part in intake.context.items() if name not in own})


def _occurred_ms(item: Item, intake: Intake) -> int:
    if intake.historical:
        if item.timestamp is None:
            raise Rejected(Code.MISSING_FIELD, "an imported item needs its timestamp", field="timestamp")
        occurred_ms = to_ms(item.timestamp)
    else:
        occurred_ms = _live_ms(item, intake)
    if occurred_ms < 0:
        raise Rejected(Code.INVALID_FIELD, "the time lies before 1970", field="timestamp")
    return min(occurred_ms, intake.received_ms)


def _live_ms(item: Item, intake: Intake) -> int:
    """The sender's time, corrected by how wrong its clock was when it sent."""
    sent_ms = intake.sent_ms if item.sent_at is None else to_ms(item.sent_at)
    if sent_ms is None:
        said = item.timestamp or item.original_timestamp
        return intake.received_ms if said is None else to_ms(said)
    said = item.original_timestamp or item.timestamp
    return intake.received_ms if said is None else intake.received_ms - (sent_ms - to_ms(said))
