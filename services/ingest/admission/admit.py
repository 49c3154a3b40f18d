"""What clients send becomes events or refusals, item by item: a bad one never sinks its neighbours.

Plain functions of values: must not know HTTP, the log, write keys or any clock; the time of receipt is an argument.
Source: Segment's HTTP tracking API; skew by `received - (sentAt - originalTimestamp)`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeVar, assert_never

import msgspec

from services.ingest.admission.content import identify_traits, page_properties, with_shared
from services.ingest.admission.envelope import Envelope
from services.ingest.admission.item import Identifier, Item, derived_id, read_item
from services.ingest.admission.members import Members, checked
from services.ingest.admission.moment import happened_ms, moment_ms
from services.ingest.admission.plain import admit_plain
from services.ingest.refusal import Code, Refusal, Rejected
from shared.clock import rfc3339
from shared.event import IDENTIFIER_BYTES_MAX, RESERVED_NAMES, Event

Kind = Literal["track", "page", "screen", "identify", "group", "alias"]
KINDS: dict[str, Kind] = {
    "track": "track", "page": "page", "screen": "screen", "identify": "identify", "group": "group", "alias": "alias",
}  # fmt: skip
_NAMES = RESERVED_NAMES | {"alias": "$alias"}  # no lifecycle counts an alias: it is about customers, not of one

Check = Callable[[Event], None]
"""What an event has to pass when everything else is right; raises Rejected."""

T = TypeVar("T")

_UNSET = msgspec.UNSET
_SURE_LENGTH = IDENTIFIER_BYTES_MAX // 4  # text of so many characters is short enough in any script


@dataclass(frozen=True, slots=True)
class Intake:
    """What the items of one request share.

    `kind`: what the route says every item is (None: each says it itself, else it is `kind_default`); `sent_ms` and
    `context` are the envelope's; `historical` items bring their own time, which is taken as it is. `salt` is another
    text for each request: it tells apart items that carry neither an id nor a time.
    """

    source: str
    received_ms: int
    kind: Kind | None = None
    kind_default: Kind | None = None
    sent_ms: int | None = None
    context: dict[str, msgspec.Raw] = field(default_factory=dict)
    historical: bool = False
    salt: str = ""
    check: Check | None = None


@dataclass(frozen=True, slots=True)
class Admission:
    """Events in the order they were sent, and the refusals of the others."""

    events: list[Event]
    refusals: list[Refusal]


def admit(items: Iterable[bytes], intake: Intake) -> Admission:
    """Judge every item on its own."""
    return judged(items, lambda index, text: admit_item(text, intake, index=index))


def judged(items: Iterable[T], judge: Callable[[int, T], Event]) -> Admission:
    """What `judge`, which raises Rejected, makes of each item and its place."""
    events: list[Event] = []
    refusals: list[Refusal] = []
    for index, item in enumerate(items):
        try:
            events.append(judge(index, item))
        except Rejected as rejected:
            refusals.append(rejected.at(index))
    return Admission(events, refusals)


def admit_batch(envelope: Envelope, intake: Intake) -> Admission:
    """The same for a batch: its plain items are judged together, and only the others with all care."""
    plain = envelope.plain
    if not plain or intake.kind or intake.historical:
        return admit(envelope.items, intake)
    together = admit_plain(
        plain, source=intake.source, received_ms=intake.received_ms, sent_ms=intake.sent_ms, context=intake.context
    )
    events = [event for event in together if event is not None]
    if len(events) == len(together) and intake.check is None:
        return Admission(events, [])
    return _admit_others(together, envelope, intake)


def _admit_others(together: Sequence[Event | None], envelope: Envelope, intake: Intake) -> Admission:
    """Judge the items that have no event yet, and check the events that there are."""

    def judge(index: int, event: Event | None) -> Event:
        if event is None:
            return admit_item(envelope.items[index], intake, index=index)
        if intake.check is not None:
            intake.check(event)
        return event

    return judged(together, judge)


def admit_item(text: bytes, intake: Intake, *, index: int = 0) -> Event:
    """The event of one item. Errors: Rejected, with the field that is wrong."""
    item = read_item(text)
    if item.message_id is None or item.message_id == "":
        item.message_id = _derived(text, item, intake, index)
    return event_of(item, intake)


def _derived(text: bytes, item: Item, intake: Intake, index: int) -> str:
    """The same content at the same time is the same fact; what says no time happens each time it is sent."""
    has_time = item.timestamp is not None or item.original_timestamp is not None
    salt = "" if has_time else f"{intake.received_ms}/{intake.salt}/{index}"
    return derived_id(text, _kind(item, intake), salt=salt)


def event_of(item: Item, intake: Intake) -> Event:
    """The event of an item that has an id. Errors: Rejected, also for objects that its kind does not use."""
    item.properties = checked(item.properties, "properties")
    item.traits = checked(item.traits, "traits")
    item.context = checked(item.context, "context")
    kind = intake.kind or _kind(item, intake)
    customer, other = _parties(item, kind)
    message_id = _identifier(item.message_id, "messageId")
    assert message_id is not None, "items without an id have been given one"
    name = _track_name(item.event) if kind == "track" else _NAMES[kind]
    context = with_shared(item.context, intake.context) if intake.context else item.context
    properties, traits, group = (item.properties, _UNSET, None) if kind == "track" else _substance(item, kind, context)
    occurred_at = _occurred_at(item, intake)
    # By place: twelve keywords take as long as all the rest of making it.
    event = Event(
        kind, message_id, customer, name, occurred_at, properties, traits, group, other, context,
        intake.source, intake.historical,
    )  # fmt: skip
    if intake.check is not None:
        intake.check(event)
    return event


def _kind(item: Item, intake: Intake) -> Kind:
    said = item.type
    kind = intake.kind or (KINDS.get(said) if said is not None else intake.kind_default)
    if kind is not None:
        return kind
    if said is None:
        raise Rejected(Code.MISSING_FIELD, f"type is missing: one of {', '.join(KINDS)}", field="type")
    raise Rejected(Code.INVALID_FIELD, f"type must be one of {', '.join(KINDS)}", field="type")


def _parties(item: Item, kind: Kind) -> tuple[str, str | None]:
    """Who it is about, and the other id it names when that is somebody else: an anonymous one, an alias's previous."""
    customer = _identifier(item.user_id, "userId")
    other = _identifier(item.anonymous_id, "anonymousId") if item.anonymous_id is not None else None
    if kind == "alias":
        other = _identifier(item.previous_id, "previousId") or other
        if customer is None or other is None or other == customer:
            missing = "userId" if customer is None else "previousId"
            raise Rejected(Code.MISSING_FIELD, "an alias needs userId and another previousId", field=missing)
    customer = customer or other
    if customer is None:
        raise Rejected(Code.MISSING_FIELD, "userId or anonymousId is needed", field="userId")
    return customer, other if other != customer else None


def _identifier(value: Identifier, field_name: str) -> str | None:
    """The id as text; None for null and empty text, which are no ids."""
    if value is None or value == "":
        return None
    text = value if isinstance(value, str) else str(value)
    if len(text) > _SURE_LENGTH or "\0" in text:
        _refuse_unfit(text, field_name)
    return text


def _refuse_unfit(text: str, field_name: str) -> None:
    if len(text.encode()) > IDENTIFIER_BYTES_MAX:
        message = f"{field_name} is longer than {IDENTIFIER_BYTES_MAX} bytes"
        raise Rejected(Code.INVALID_FIELD, message, field=field_name)
    if "\0" in text:
        raise Rejected(Code.INVALID_FIELD, f"{field_name} holds a NUL character", field=field_name)


def _track_name(event: str | None) -> str:
    if not event:
        raise Rejected(Code.MISSING_FIELD, "a track needs the name of its event", field="event")
    if event[0] == "$":
        raise Rejected(Code.INVALID_FIELD, "names that begin with $ are reserved", field="event")
    if len(event) > _SURE_LENGTH or "\0" in event:
        _refuse_unfit(event, "event")
    return event


def _substance(item: Item, kind: Kind, context: Members) -> tuple[Members, Members, str | None]:
    """What the kind carries: properties, traits, group. `context` is the whole one, its envelope's part included."""
    match kind:
        case "track":
            return item.properties, _UNSET, None
        case "page" | "screen":
            properties = page_properties(item.properties, name=item.name, category=item.category)
            return properties, _UNSET, None
        case "identify":
            return _UNSET, identify_traits(item.traits, context=context), None
        case "group":
            group = _identifier(item.group_id, "groupId")
            if group is None:
                raise Rejected(Code.MISSING_FIELD, "a group call needs groupId", field="groupId")
            return _UNSET, item.traits, group
        case "alias":
            return _UNSET, _UNSET, None
        case _:
            assert_never(kind)


def _occurred_at(item: Item, intake: Intake) -> str:
    if intake.historical:
        if item.timestamp is None:
            raise Rejected(Code.MISSING_FIELD, "an imported item needs its timestamp", field="timestamp")
        occurred_ms = moment_ms(item.timestamp, "timestamp")
    else:
        occurred_ms = happened_ms(
            item.timestamp, original=item.original_timestamp, sent_at=item.sent_at,
            sent_ms=intake.sent_ms, received_ms=intake.received_ms,
        )  # fmt: skip
    if occurred_ms < 0:
        raise Rejected(Code.INVALID_FIELD, "the time lies before 1970", field="timestamp")
    return rfc3339(min(intake.received_ms, occurred_ms))
