"""The quick way through a batch gives what the careful way gives, or leaves it to that one."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from services.ingest.admission.admit import Intake, admit, admit_batch
from services.ingest.admission.envelope import read_batch
from services.ingest.admission.plain import admit_plain
from services.ingest.refusal import Code, Rejected
from shared.clock import rfc3339
from shared.event import Event, encode

NOW_MS = 1_767_225_600_000

_TIMES = st.sampled_from(
    ["2025-12-31T23:59:59.123Z", "2026-01-01T00:00:00.000Z", "2030-01-01T00:00:00.000Z", "2025-12-31T23:59:59Z",
     "2025-12-31T22:00:00.000+01:00",
     "2025-13-31T22:00:00.000Z", "1969-12-31T23:59:59.999Z", "2025-12-31 23:59:59.123Z",
     "2025-12-31T23:59:59.12\u0663Z", "2025-12-31T24:00:00.000Z", None],
)  # fmt: skip
_IDS = st.sampled_from(
    ["u1", "Zoë", "x" * 128, "x" * 129, "é" * 200, "x" * 600, "", "a\0b", 7, 2**63, -(2**63), 10**510, 10**600, None]
)
_PLAIN = {"type": "track", "event": "Order Completed", "userId": "u1", "timestamp": "2025-12-31T23:59:59.123Z"}
_OBJECTS = st.sampled_from(
    [{"a": 1}, {"a": [1, {"b": 2}]}, {"library": {"name": "x"}}, {"traits": {"a": 2}}, None, 5, {"n": 1e300},
     {"q": "\\"}, {"a": "\0"}, {"long": list(range(1_000))}, {"long": list(range(400)), "text": "x" * 2_000},
     {"": [[[[]]]] * 9}, {"name": "own", "order": "7e1234af-9d52"}],
)  # fmt: skip
_NAMES = st.sampled_from(["n", "", "a\0b", None, 5, {}])
_FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "type": st.sampled_from(["track", "page", "screen", "identify", "identify", "group", "alias", "nothing", None]),
    "event": st.sampled_from(["Cart Viewed", "$page", "", "e" * 200, None, 5]),
    "name": _NAMES, "category": _NAMES, "integrations": st.sampled_from([{}, {"All": True}]),
    "userId": _IDS, "anonymousId": _IDS, "messageId": _IDS,
    "groupId": st.sampled_from([None, "g", {}]), "previousId": st.sampled_from([None, "p", 1.5]),
    "timestamp": _TIMES, "sentAt": _TIMES, "originalTimestamp": _TIMES,
    "properties": _OBJECTS, "context": _OBJECTS, "traits": _OBJECTS,
}  # fmt: skip
_NEARLY_PLAIN = st.one_of(st.fixed_dictionaries({name: values}) for name, values in _FIELDS.items())
_IDENTIFIES = st.fixed_dictionaries({"type": st.just("identify")}, optional={"traits": _OBJECTS, "context": _OBJECTS})
_PAGES = st.fixed_dictionaries(
    {"type": st.sampled_from(["page", "screen"])}, optional={"name": _NAMES, "category": _NAMES, "properties": _OBJECTS}
)
_GROUPS = st.fixed_dictionaries({"type": st.just("group"), "groupId": _IDS}, optional={"traits": _OBJECTS})
_TIMED = st.fixed_dictionaries({"timestamp": _TIMES, "sentAt": _TIMES, "originalTimestamp": _TIMES})
_ODD = (
    st.just({}) | _NEARLY_PLAIN | _IDENTIFIES | _PAGES | _GROUPS | _TIMED | st.fixed_dictionaries({}, optional=_FIELDS)
)


def _check(event: Event) -> None:
    if event.name in ("Cart Viewed", "$identify"):
        raise Rejected(Code.INVALID_FIELD, f"{event.id} breaks its schema", field="event")


_CONTEXTS = st.sampled_from(
    [{}, {"library": b'{"name": "x"}'}, {"traits": b'{"a":3}', "library": b'"y"'}, {"traits": b"5"}]
)
_INTAKES = st.builds(
    Intake, st.just("shop"), st.just(NOW_MS), sent_ms=st.sampled_from([None, NOW_MS - 5, NOW_MS + 5, 2 * NOW_MS + 5]),
    context=_CONTEXTS.map(lambda members: {name: msgspec.Raw(text) for name, text in members.items()}),
    check=st.sampled_from([None, _check]),
)  # fmt: skip


def _batch(odd: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**_PLAIN, "messageId": f"m{number}", **item} for number, item in enumerate(odd)]


@settings(max_examples=1_000, deadline=None, derandomize=True)
@given(st.lists(_ODD, min_size=1, max_size=4), _INTAKES)
@example([{"type": "identify", "context": {"traits": {"plan": "pro"}}}], Intake("shop", NOW_MS))
def test_judging_together_gives_what_judging_one_by_one_gives(odd: list[dict[str, Any]], intake: Intake) -> None:
    texts = [msgspec.json.encode(item) for item in _batch(odd)]
    careful = admit(texts, intake)

    found = admit_batch(read_batch(b'{"batch":[' + b",".join(texts) + b"]}"), intake)

    assert [encode(event) for event in found.events] == [encode(event) for event in careful.events]
    assert found.refusals == careful.refusals


_OURS = st.sampled_from([0, NOW_MS - 1, NOW_MS, NOW_MS + 1, NOW_MS + 10**9]).map(rfc3339)
_CLOCKS = st.fixed_dictionaries({"timestamp": _OURS, "sentAt": _OURS, "originalTimestamp": _OURS})


@settings(max_examples=300, deadline=None, derandomize=True)
@given(
    st.lists(_CLOCKS, min_size=1, max_size=4),
    st.sets(st.sampled_from(["timestamp", "sentAt", "originalTimestamp"])),
    _INTAKES,
)
def test_times_that_all_items_say_alike_are_judged_together(
    clocks: list[dict[str, str]], said: set[str], intake: Intake
) -> None:
    items = _batch([{**dict.fromkeys(clock), **{name: clock[name] for name in said}} for clock in clocks])
    careful = admit([msgspec.json.encode(item) for item in items], intake)

    found = admit_batch(read_batch(msgspec.json.encode({"batch": items})), intake)

    assert [encode(event) for event in found.events] == [encode(event) for event in careful.events]


@pytest.mark.parametrize("odd", [{}, {"messageId": "é" * 200}], ids=["together", "alone"])
@pytest.mark.parametrize(
    ("beside", "traits"),
    [
        ({}, b'{"plan":"x"}'),
        ({"context": {"traits": {"plan": "y"}}}, b'{"plan":"y"}'),
        ({"traits": {"a": 1}}, b'{"a":1}'),
    ],
)
def test_traits_in_the_envelopes_context_are_those_of_an_identify_without_its_own(
    odd: dict[str, Any], beside: dict[str, Any], traits: bytes
) -> None:
    batch = _batch([{"type": "identify", **odd, **beside}])
    envelope = read_batch(msgspec.json.encode({"batch": batch, "context": {"traits": {"plan": "x"}}}))

    admission = admit_batch(envelope, Intake("shop", NOW_MS, context=envelope.context))

    assert [event.traits for event in admission.events] == [msgspec.Raw(traits)]


def _together(body: bytes, *, sent_ms: int | None = None) -> list[Event | None]:
    return admit_plain(read_batch(body).plain, source="shop", received_ms=NOW_MS, sent_ms=sent_ms, context={})


_SDKS_OWN = {
    "integrations": {}, "anonymousId": None, "context": {"library": {"name": "analytics-python", "version": "2.2.0"}},
}  # fmt: skip
_SDKS_SEND: list[dict[str, Any]] = [
    {"type": "identify", "traits": {"plan": "pro"}},
    {"type": "identify", "context": {"traits": {"plan": "pro"}}},
    {"anonymousId": "a"},
    {"userId": 42},
    {"userId": "", "anonymousId": "a"},
    {"type": "page", "name": "Home", "properties": {"url": "/"}},
    {"type": "screen", "category": "Shop"},
    {"type": "group", "groupId": "g1", "traits": {"seats": 5}},
    {"properties": {"order_id": "7e1234af-9d52"}},
    {"timestamp": None, "originalTimestamp": "2025-12-31T23:59:59.123+01:00", "sentAt": "2026-01-01T00:00:00.000Z"},
    {"timestamp": None},
]


@pytest.mark.parametrize("sent_ms", [None, NOW_MS + 5_000])
def test_what_sdks_send_is_judged_together(sent_ms: int | None) -> None:
    items = [{**_SDKS_OWN, **item} for item in _SDKS_SEND]
    body = msgspec.json.encode({"batch": _batch(items)})
    careful = admit(read_batch(body).items, Intake("shop", NOW_MS, sent_ms=sent_ms))

    together = _together(body, sent_ms=sent_ms)

    assert together == careful.events
    assert len(careful.events) == len(items)


_ALONE: list[dict[str, Any]] = [
    {"messageId": None}, {"type": "alias", "previousId": "p"}, {"userId": "x" * 200}, {"userId": 10**600},
    {"event": 5}, {"traits": []},
    {"properties": {"a": "\0"}}, {"timestamp": "soon"}, {"integrations": "x" * 33_000}, {"userId": None},
]  # fmt: skip


@pytest.mark.parametrize("odd", _ALONE, ids=lambda odd: next(iter(odd)))
def test_only_the_item_that_stands_out_is_left_to_be_judged_alone(odd: dict[str, Any]) -> None:
    together = _together(msgspec.json.encode({"batch": _batch([{}, odd, {}])}))

    assert [event is None for event in together] == [False, True, False]


def test_an_item_that_is_no_json_is_left_to_be_judged_alone() -> None:
    good = msgspec.json.encode(_batch([{}])[0])

    together = _together(b'{"batch":[' + good + b',{"type":track},' + good + b"]}")

    assert [event is None for event in together] == [False, True, False]


def test_a_time_after_the_receipt_is_cut_to_it() -> None:
    times = ["2025-12-31T23:59:59.123Z", "2030-01-01T00:00:00.000Z"]

    together = _together(msgspec.json.encode({"batch": _batch([{"timestamp": time} for time in times])}))

    assert [event and event.occurred_at for event in together] == [
        "2025-12-31T23:59:59.123Z",
        "2026-01-01T00:00:00.000Z",
    ]


_BAD_PROPERTIES = [
    b'{"x":1e400}', b'{"x":-1E+999}', b'{"x":' + b"9" * 5000 + b"}", b'{"x":' + b"9" * 250 + b"e90}",
    b'{"a":' * 33 + b"1" + b"}" * 33, b'{"a":[' + b"0," * 1000 + b"0]}", b'{"a":"\\u0000"}', b'{"a\\u0000":1}', b"[]",
    b'"x"',
]  # fmt: skip


@pytest.mark.parametrize("bad", _BAD_PROPERTIES, ids=lambda bad: bad[:16].decode())
@pytest.mark.parametrize("field", [b"properties", b"traits", b"context"])
def test_a_bound_holds_in_a_batch_as_for_an_item_alone(field: bytes, bad: bytes) -> None:
    good = msgspec.json.encode(_batch([{}])[0])
    item = good[:-1] + b',"' + field + b'":' + bad + b"}"
    envelope = read_batch(b'{"batch":[' + good + b"," + item + b"]}")

    admission = admit_batch(envelope, Intake("shop", NOW_MS))

    assert [refusal.index for refusal in admission.refusals] == [1]
    assert len(admission.events) == 1


def test_an_event_too_large_is_refused_also_where_the_batch_may_be_larger() -> None:
    large = {**_PLAIN, "messageId": "m", "integrations": {"x": "y" * 33_000}}
    envelope = read_batch(msgspec.json.encode({"batch": [_batch([{}])[0], large]}))

    admission = admit(envelope.items, Intake("shop", NOW_MS))

    assert [refusal.code for refusal in admission.refusals] == ["event_too_large"]
