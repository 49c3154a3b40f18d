"""From an item's bytes to an event, or to the refusal that names its field."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import msgspec
import pytest

from services.ingest.admission.admit import Intake, admit, admit_item
from services.ingest.refusal import Rejected
from shared.clock import rfc3339, to_ms
from shared.event import Event, decode, encode

NOW = "2026-01-01T00:00:00Z"
NOW_MS = to_ms(datetime.fromisoformat(NOW))
LIVE = Intake("shop", NOW_MS)
PAST = Intake("shop", NOW_MS, kind_default="track", historical=True)


def admitted(intake: Intake = LIVE, **item: Any) -> Event:
    base = {"type": "track", "event": "Order Completed", "userId": "u1", "messageId": "m1"}
    return admit_item(json.dumps({**base, **item}).encode(), intake)


def refused(intake: Intake = LIVE, **item: Any) -> tuple[str, str | None]:
    with pytest.raises(Rejected) as caught:
        admitted(intake, **item)
    return caught.value.code.value, caught.value.field


def opened(members: msgspec.Raw | msgspec.UnsetType) -> Any:
    return None if members is msgspec.UNSET else msgspec.json.decode(members)


@pytest.mark.parametrize(
    ("item", "customer", "anonymous"),
    [
        ({"userId": "u"}, "u", None),
        ({"userId": 42}, "42", None),
        ({"userId": 10**30}, str(10**30), None),
        ({"userId": "u", "anonymousId": "a"}, "u", "a"),
        ({"userId": "u", "anonymousId": "u"}, "u", None),
        ({"userId": None, "anonymousId": "a"}, "a", None),
        ({"userId": "", "anonymousId": 7}, "7", None),
        ({"userId": "u", "anonymousId": None}, "u", None),
        ({"userId": "Zoë 🦊"}, "Zoë 🦊", None),
        ({"userId": "x" * 512}, "x" * 512, None),
    ],
)
def test_the_customer_is_the_user_else_the_anonymous_id(
    item: dict[str, Any], customer: str, anonymous: str | None
) -> None:
    event = admitted(**item)

    assert (event.customer, event.anonymous_id) == (customer, anonymous)


@pytest.mark.parametrize(
    ("item", "code", "field"),
    [
        ({"userId": None}, "missing_field", "userId"),
        ({"userId": ""}, "missing_field", "userId"),
        ({"userId": True}, "invalid_field", "userId"),
        ({"userId": 1.5}, "invalid_field", "userId"),
        ({"userId": "x" * 513}, "invalid_field", "userId"),
        ({"userId": "é" * 257}, "invalid_field", "userId"),
        ({"userId": "a\0b"}, "invalid_field", "userId"),
        ({"anonymousId": {"a": 1}}, "invalid_field", "anonymousId"),
        ({"messageId": "x" * 513}, "invalid_field", "messageId"),
        ({"event": None}, "missing_field", "event"),
        ({"event": ""}, "missing_field", "event"),
        ({"event": "$page"}, "invalid_field", "event"),
        ({"event": 5}, "invalid_field", "event"),
        ({"event": "a\0"}, "invalid_field", "event"),
        ({"type": None}, "missing_field", "type"),
        ({"type": "tick"}, "invalid_field", "type"),
        ({"type": "import_end"}, "invalid_field", "type"),
        ({"properties": [1]}, "invalid_field", "properties"),
        ({"properties": "x"}, "invalid_field", "properties"),
        ({"traits": 0}, "invalid_field", "traits"),
        ({"context": []}, "invalid_field", "context"),
        ({"properties": {"a": "b\0"}}, "invalid_field", "properties"),
        ({"traits": {"a\0": 1}, "type": "identify"}, "invalid_field", "traits"),
        ({"properties": {str(n): n for n in range(1001)}}, "too_many_members", "properties"),
        ({"properties": {"a": [0] * 1001}}, "too_many_members", "properties"),
        ({"properties": {"x": "y" * 33_000}}, "event_too_large", None),
        ({"type": "group"}, "missing_field", "groupId"),
        ({"type": "page", "name": 5}, "invalid_field", "name"),
        ({"type": "identify", "context": {"traits": 5}}, "invalid_field", "context.traits"),
        ({"timestamp": "2026-01-01T00:00:00"}, "invalid_field", "timestamp"),
        ({"timestamp": "yesterday"}, "invalid_field", "timestamp"),
        ({"timestamp": 1767225600}, "invalid_field", "timestamp"),
        ({"timestamp": "0001-01-01T00:00:00Z"}, "invalid_field", "timestamp"),
        ({"sentAt": "2026-01-01T00:00:00"}, "invalid_field", "sentAt"),
    ],
)
def test_a_bad_item_is_refused_with_the_path_of_its_field(item: dict[str, Any], code: str, field: str | None) -> None:
    assert refused(**item) == (code, field)


@pytest.mark.parametrize(
    "text",
    [b"", b"nonsense", b"[1]", b'{"userId":"u"', b'{"userId":"\\ud800"}', b'{"userId":"\xff"}', b"[" * 9999],
)
def test_what_is_no_json_object_is_refused(text: bytes) -> None:
    with pytest.raises(Rejected):
        admit_item(text, LIVE)


@pytest.mark.parametrize("number", [b"1e400", b"-1e999", b"NaN", b"Infinity", b"9" * 5000])
@pytest.mark.parametrize("place", [b"properties", b"traits", b"context"])
def test_a_number_that_nobody_could_read_later_is_refused(place: bytes, number: bytes) -> None:
    text = b'{"type":"track","event":"e","userId":"u","' + place + b'":{"x":' + number + b"}}"

    with pytest.raises(Rejected):
        admit_item(text, LIVE)


def test_nesting_is_taken_up_to_32_and_refused_beyond() -> None:
    def nested(depth: int) -> dict[str, Any]:
        return {"a": nested(depth - 1)} if depth > 1 else {}

    assert opened(admitted(properties=nested(32)).properties) == nested(32)
    assert refused(properties=nested(33)) == ("too_deep", "properties")


def test_many_shallow_brackets_are_not_deep() -> None:
    properties = {"products": [{"sku": str(number)} for number in range(100)]}

    assert opened(admitted(properties=properties).properties) == properties


def test_a_backslash_before_u0000_is_no_nul() -> None:
    assert opened(admitted(properties={"path": "\\u0000"}).properties) == {"path": "\\u0000"}


@pytest.mark.parametrize(
    ("item", "occurred_at"),
    [
        ({}, NOW),
        ({"timestamp": "2025-12-31T23:00:00Z"}, "2025-12-31T23:00:00Z"),
        ({"timestamp": "2026-01-01T00:30:00+01:00"}, "2025-12-31T23:30:00Z"),
        ({"timestamp": "2030-01-01T00:00:00Z"}, NOW),
        ({"originalTimestamp": "2025-12-31T22:00:00Z"}, "2025-12-31T22:00:00Z"),
        # the sender's clock is a year behind; it waited ten minutes before it sent
        ({"originalTimestamp": "2025-01-01T00:00:00Z", "sentAt": "2025-01-01T00:10:00Z"}, "2025-12-31T23:50:00Z"),
        ({"timestamp": "2027-01-01T00:00:00Z", "sentAt": "2027-01-01T00:10:00Z"}, "2025-12-31T23:50:00Z"),
        ({"timestamp": "2025-01-01T00:10:00Z", "sentAt": "2025-01-01T00:00:00Z"}, NOW),
        ({"sentAt": "2025-01-01T00:00:00Z"}, NOW),
        ({"timestamp": None, "originalTimestamp": None, "sentAt": None}, NOW),
    ],
)
def test_the_senders_time_is_corrected_for_skew_and_cut_to_receipt(item: dict[str, Any], occurred_at: str) -> None:
    assert admitted(**item).occurred_at == occurred_at.replace("Z", ".000Z")


def test_the_envelopes_sent_at_counts_where_the_item_has_none() -> None:
    intake = Intake("shop", NOW_MS, sent_ms=NOW_MS - 60_000)

    event = admitted(intake, timestamp=rfc3339(NOW_MS - 90_000))

    assert event.occurred_at == rfc3339(NOW_MS - 30_000)


def test_history_keeps_its_own_time_whatever_the_skew() -> None:
    event = admitted(PAST, type=None, timestamp="2020-01-01T00:00:00Z", sentAt="2020-01-02T00:00:00Z")

    assert (event.type, event.occurred_at, event.historical) == ("track", "2020-01-01T00:00:00.000Z", True)


def test_history_without_a_timestamp_is_refused() -> None:
    assert refused(PAST, originalTimestamp=NOW) == ("missing_field", "timestamp")


@pytest.mark.parametrize(
    ("item", "name", "properties", "traits", "group"),
    [
        ({"properties": {"a": 1}, "traits": {"b": 1}}, "Order Completed", {"a": 1}, None, None),
        ({"properties": None}, "Order Completed", None, None, None),
        ({"type": "page"}, "$page", None, None, None),
        ({"type": "page", "name": "H", "category": "S"}, "$page", {"name": "H", "category": "S"}, None, None),
        ({"type": "page", "name": "H", "properties": {"name": 1, "u": 1}}, "$page", {"name": "H", "u": 1}, None, None),
        ({"type": "screen", "name": None, "properties": {"name": "x"}}, "$screen", {"name": "x"}, None, None),
        ({"type": "identify", "traits": {"plan": "pro"}}, "$identify", None, {"plan": "pro"}, None),
        ({"type": "identify", "context": {"traits": {"plan": "pro"}}}, "$identify", None, {"plan": "pro"}, None),
        ({"type": "identify", "traits": {"a": 1}, "context": {"traits": {"b": 1}}}, "$identify", None, {"a": 1}, None),
        ({"type": "group", "groupId": 9, "traits": {"seats": 5}}, "$group", None, {"seats": 5}, "9"),
    ],
)  # fmt: skip
def test_each_kind_carries_its_own(
    item: dict[str, Any], name: str, properties: Any, traits: Any, group: str | None
) -> None:
    event = admitted(**item)

    assert (event.name, opened(event.properties), opened(event.traits), event.group) == (
        name, properties, traits, group,
    )  # fmt: skip


def test_properties_keep_the_bytes_they_came_with() -> None:
    text = b'{"type":"track","event":"e","userId":"u","messageId":"m","properties":{"b": 1.50, "a":"\\u00e9"}}'

    assert bytes(admit_item(text, LIVE).properties) == b'{"b": 1.50, "a":"\\u00e9"}'  # type: ignore[arg-type]


def test_the_envelopes_context_is_taken_where_the_item_says_nothing_else() -> None:
    intake = Intake("shop", NOW_MS, context={"ip": msgspec.Raw(b'"1.1.1.1"'), "app": msgspec.Raw(b"1")})

    assert opened(admitted(intake, context={"app": 2}).context) == {"ip": "1.1.1.1", "app": 2}


def test_an_admitted_event_is_read_back_as_it_was() -> None:
    event = admitted(properties={"a": 1}, context={"ip": "1.1.1.1"}, anonymousId="a1")

    assert encode(decode(encode(event))) == encode(event)


def test_a_missing_id_is_derived_from_the_content_alone() -> None:
    first = admitted(messageId=None, timestamp=NOW, sentAt=NOW, properties={"a": 1, "b": 2})
    again = admitted(messageId="", sentAt="2026-01-01T00:00:05Z", properties={"b": 2, "a": 1}, timestamp=NOW)
    other = admitted(messageId=None, timestamp=NOW, properties={"a": 1, "b": 3})

    assert first.id == again.id != other.id


@pytest.mark.parametrize("odd", [b"9" * 5000, b"1e400", b"[" * 900 + b"]" * 900])
def test_an_id_is_derived_whatever_stands_in_members_that_nobody_opens(odd: bytes) -> None:
    text = b'{"type":"track","event":"e","userId":"u","integrations":{"x":' + odd + b"}}"

    assert admit_item(text, LIVE).id


def test_refusals_know_their_place_and_events_their_order() -> None:
    good = b'{"type":"track","event":"e","userId":"u","messageId":"%d"}'

    admission = admit([b"x", good % 1, b"{}", good % 3], LIVE)

    assert [refusal.index for refusal in admission.refusals] == [0, 2]
    assert [event.id for event in admission.events] == ["1", "3"]
