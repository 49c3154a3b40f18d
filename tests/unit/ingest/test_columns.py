"""The quick way through a batch gives what the careful way gives, or leaves it to that one."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.ingest.admit import Intake, admit, admit_each, admit_read
from services.ingest.columns import admit_tracks
from services.ingest.envelope import read_batch
from services.ingest.item import Item
from shared.event import encode

NOW_MS = 1_767_225_600_000

_TIMES = st.sampled_from(
    ["2025-12-31T23:59:59.123Z", "2026-01-01T00:00:00.000Z", "2030-01-01T00:00:00.000Z", "2025-12-31T23:59:59Z",
     "2025-12-31T22:00:00.000+01:00",
     "2025-13-31T22:00:00.000Z", "1969-12-31T23:59:59.999Z", "2025-12-31 23:59:59.123Z",
     "2025-12-31T23:59:59.12\u0663Z", "2025-12-31T24:00:00.000Z", None],
)  # fmt: skip
_IDS = st.sampled_from(["u1", "Zoë", "x" * 128, "x" * 129, "é" * 200, "x" * 600, "", "a\0b", 7, None])
_PLAIN = {"type": "track", "event": "Order Completed", "userId": "u1", "timestamp": "2025-12-31T23:59:59.123Z"}
_ODD = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["track", "page", "identify", "nothing"]), "userId": _IDS, "timestamp": _TIMES,
        "messageId": _IDS, "event": st.sampled_from(["Cart Viewed", "$page", "", "e" * 200, None]),
        "anonymousId": st.sampled_from([None, "a1"]), "sentAt": _TIMES, "originalTimestamp": _TIMES,
        "properties": st.sampled_from([{"a": 1}, {"a": [1, {"b": 2}]}, None, 5, {"n": 1e300}, {"q": "\\"}]),
        "context": st.sampled_from([{"ip": "1.1.1.1"}, None]), "traits": st.just({"a": 1}),
    },
)  # fmt: skip
_INTAKES = st.builds(Intake, st.just("shop"), st.just(NOW_MS), sent_ms=st.sampled_from([None, NOW_MS - 5, NOW_MS + 5]))


def _batch(odd: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**_PLAIN, "messageId": f"m{number}", **item} for number, item in enumerate(odd)]


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.lists(st.just({}) | _ODD, min_size=1, max_size=4), _INTAKES)
def test_reading_at_once_gives_what_reading_one_by_one_gives(odd: list[dict[str, Any]], intake: Intake) -> None:
    texts = [msgspec.json.encode(item) for item in _batch(odd)]
    envelope = read_batch(b'{"batch":[' + b",".join(texts) + b"]}")
    careful = admit(texts, intake)

    found = admit_read(envelope.read, intake) if envelope.read else admit(envelope.items, intake)

    assert [encode(event) for event in found.events] == [encode(event) for event in careful.events]
    assert found.refusals == careful.refusals


def test_plain_tracks_go_the_quick_way() -> None:
    items = [Item(type="track", user_id=f"u{n}", message_id=f"m{n}", event="e", timestamp=time)
             for n, time in enumerate(["2025-12-31T23:59:59.123Z", "2030-01-01T00:00:00.000Z"])]  # fmt: skip

    quick = admit_tracks(items, source="shop", received_ms=NOW_MS, sent_ms=None)

    assert quick == admit_each(items, Intake("shop", NOW_MS), is_harmless=True).events
    assert [event.occurred_at for event in quick or []] == ["2025-12-31T23:59:59.123Z", "2026-01-01T00:00:00.000Z"]


_BAD_PROPERTIES = [
    b'{"x":1e400}', b'{"x":-1E+999}', b'{"x":' + b"9" * 5000 + b"}", b'{"x":' + b"9" * 250 + b"e90}",
    b'{"a":' * 33 + b"1" + b"}" * 33, b'{"a":[' + b"0," * 1000 + b"0]}", b'{"a":"\\u0000"}', b'{"a\\u0000":1}', b"[]",
    b'"x"',
]  # fmt: skip


@pytest.mark.parametrize("bad", _BAD_PROPERTIES, ids=lambda bad: bad[:16].decode())
@pytest.mark.parametrize("field", [b"properties", b"traits"])
def test_a_bound_holds_in_a_batch_as_for_an_item_alone(field: bytes, bad: bytes) -> None:
    good = msgspec.json.encode(_batch([{}])[0])
    item = good[:-1] + b',"' + field + b'":' + bad + b"}"
    envelope = read_batch(b'{"batch":[' + good + b"," + item + b"]}")

    admission = admit_read(envelope.read, Intake("shop", NOW_MS))

    assert [refusal.index for refusal in admission.refusals] == [1]
    assert len(admission.events) == 1


def test_an_event_too_large_is_refused_also_where_the_batch_may_be_larger() -> None:
    large = {**_PLAIN, "messageId": "m", "integrations": {"x": "y" * 33_000}}
    envelope = read_batch(msgspec.json.encode({"batch": [_batch([{}])[0], large]}))

    admission = admit(envelope.items, Intake("shop", NOW_MS))

    assert [refusal.code for refusal in admission.refusals] == ["event_too_large"]
