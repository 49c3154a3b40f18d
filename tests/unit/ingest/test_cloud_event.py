"""CloudEvents become events: what each format says, and how what is wrong is named."""

from __future__ import annotations

import base64
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from services.ingest.admission.admit import Intake
from services.ingest.admission.cloud_event import admit_binary, admit_list, admit_structured, read_list
from services.ingest.limits import BATCH_EVENTS_MAX
from services.ingest.refusal import Code, Rejected
from shared.event import Event

NOW_MS = 1_767_225_600_000
INTAKE = Intake("shop", NOW_MS)
ORDER = {
    "specversion": "1.0", "id": "1001", "source": "/shop", "type": "Order Completed", "subject": "u1",
    "data": {"revenue": 12.5},
}  # fmt: skip
GOOD = msgspec.json.encode(ORDER)
MARK = b"\xef\xbb\xbf"


def structured(**beside: Any) -> Event:
    return admit_structured(msgspec.json.encode({**ORDER, **beside}), INTAKE, customer="subject")


def binary(body: bytes = b'{"revenue": 12.5}', **beside: str) -> Event:
    attributes = {name: text for name, text in ORDER.items() if isinstance(text, str)}
    headers = {f"ce-{name}": text for name, text in {**attributes, **beside}.items()}
    return admit_binary(headers, body, INTAKE, customer="subject")


@pytest.mark.parametrize("event", [structured(), binary()], ids=["structured", "binary"])
def test_an_event_says_the_same_in_either_mode(event: Event) -> None:
    assert (event.customer, event.name, event.id) == ("u1", "Order Completed", "/shop/1001")
    assert msgspec.json.decode(event.properties) == {"revenue": 12.5}  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("beside", "field", "message"),
    [
        ({"subject": "x" * 513}, "subject", "subject is longer than 512 bytes"),
        ({"type": "x" * 513}, "type", "type is longer than 512 bytes"),
        ({"type": "$page"}, "type", "names that begin with $ are reserved"),
        ({"time": "yesterday"}, "time", None),
        ({"data": [1]}, "data", "data must be an object"),
        ({"data": {"a": "\0"}}, "data", "data holds a NUL character"),
        ({"id": None}, "id", "id is missing"),
    ],
)
def test_what_is_wrong_has_the_name_that_a_cloudevent_gives_it(
    beside: dict[str, Any], field: str, message: str | None
) -> None:
    with pytest.raises(Rejected) as caught:
        structured(**beside)

    assert caught.value.field == field
    assert message is None or caught.value.message == message


def test_data_may_be_base64() -> None:
    event = structured(data=None, data_base64=base64.b64encode(b'{"revenue": 7}').decode())

    assert event.properties == msgspec.Raw(b'{"revenue": 7}')


@pytest.mark.parametrize(
    "event",
    [
        structured(data=None),
        structured(data=None, data_base64=""),
        structured(data=None, data_base64=None),
        structured(data=None, data_base64=base64.b64encode(b"null").decode()),
        binary(b""),
        binary(b" null\n"),
    ],
)
def test_no_data_is_no_properties_however_it_is_said(event: Event) -> None:
    assert event.properties is msgspec.UNSET


def test_a_byte_order_mark_before_an_event_or_a_list_of_them_changes_nothing() -> None:
    assert admit_structured(MARK + GOOD, INTAKE, customer="subject") == structured()
    assert read_list(MARK + b"[" + GOOD + b"]") == [GOOD]
    assert binary(MARK + b'{"revenue":12.5}') == structured()


@pytest.mark.parametrize("name", ["subject", "type", "id", "source", "time", "specversion"])
@pytest.mark.parametrize("value", [True, 1.5, {}, []])
def test_an_attribute_must_be_text(name: str, value: Any) -> None:
    with pytest.raises(Rejected) as caught:
        structured(**{name: value})

    assert (caught.value.field, caught.value.message) == (name, f"{name} must be text")


def test_a_customer_may_be_a_number_and_an_extension_true() -> None:
    assert structured(subject=42, sampled=True).customer == "42"


@pytest.mark.parametrize("text", ["é", "%%%", "YQ", "e30=\n", "😀" * 4])
def test_data_that_is_no_base64_is_refused_by_name(text: str) -> None:
    with pytest.raises(Rejected) as caught:
        structured(data_base64=text)

    assert (caught.value.code, caught.value.field) == ("invalid_field", "data_base64")


def test_the_customer_is_named_by_the_attribute_that_the_setting_names() -> None:
    with pytest.raises(Rejected) as caught:
        admit_structured(msgspec.json.encode({**ORDER, "customerid": "x" * 513}), INTAKE, customer="customerid")

    assert caught.value.field == "customerid"


def test_a_schemas_complaint_names_the_place_in_the_data() -> None:
    def check(event: Event) -> None:
        raise Rejected(Code.SCHEMA, '"properties" is a word', field="properties.revenue")

    with pytest.raises(Rejected) as caught:
        admit_structured(msgspec.json.encode(ORDER), Intake("shop", NOW_MS, check=check), customer="subject")

    assert (caught.value.field, caught.value.message) == ("data.revenue", '"properties" is a word')


_PARTS = st.text(alphabet="a/%25F", min_size=1, max_size=4)


@given(_PARTS, _PARTS, _PARTS, _PARTS)
@example("/shop", "eu/1", "/shop/eu", "1")
@example("/", "%2F", "/", "/")
def test_two_events_have_one_id_only_when_source_and_id_are_the_same(
    source: str, id_: str, other_source: str, other_id: str
) -> None:
    first, second = structured(source=source, id=id_), structured(source=other_source, id=other_id)

    assert (first.id == second.id) is ((source, id_) == (other_source, other_id))


@pytest.mark.parametrize("beside", [{"id": "/" * 500}, {"source": "x" * 600}, {"id": "é" * 300}, {"id": "a\0b"}])
def test_an_id_fits_the_log_however_long_it_is_sent(beside: dict[str, str]) -> None:
    assert len(structured(**beside).id) == 32


_HEADERS = [
    ("Euro%20%E2%82%AC%20%F0%9F%98%80", "Euro € 😀"), ("%e2%82%ac", "€"), ("100%25", "100%"), ("%2525", "%25"),
    ("a+b", "a+b"), ('"Order Completed"', "Order Completed"), (r'"a\"b\\c"', r'a"b\c'), ('"%41"', "A"),
    ('a"b', 'a"b'),
    ("Zo\xc3\xab", "Zoë"), ("Zo\xeb", "Zoë"), ("100%", "100%"), ("%zz", "%zz"),
]  # fmt: skip


@pytest.mark.parametrize(("header", "text"), _HEADERS)
def test_a_header_is_unquoted_and_then_percent_decoded_once(header: str, text: str) -> None:
    event = binary(subject=header, type=header)

    assert (event.customer, event.name) == (text, text)


@pytest.mark.parametrize("header", ["cust%FF", "cust%FE", "%ED%A0%80", "%C0%A0", "Zo\xeb%FF"])
def test_a_header_that_is_no_percent_encoded_text_is_refused(header: str) -> None:
    with pytest.raises(Rejected) as caught:
        binary(subject=header)

    assert (caught.value.code, caught.value.field) == ("invalid_field", "subject")


_BAD_EVENTS = {
    "NaN": (GOOD.replace(b"12.5", b"NaN"), "not_json"),
    "half a character": (GOOD.replace(b"u1", b"\\ud800"), "not_json"),
    "not UTF-8": (GOOD.replace(b"u1", b"\xff"), "not_json"),
    "deep": (GOOD.replace(b"12.5", b"[" * 3_000 + b"]" * 3_000), "too_deep"),
    "no object": (b"5", "invalid_field"),
    "nothing": (b"", "not_json"),
    "half of it": (GOOD[:-2] + b"x}}", "not_json"),
    "base64": (b'{"data_base64": "\xc3\xa9", ' + GOOD[1:], "invalid_field"),
}


@pytest.mark.parametrize(("bad", "code"), _BAD_EVENTS.values(), ids=_BAD_EVENTS)
def test_a_bad_event_never_sinks_its_neighbours(bad: bytes, code: str) -> None:
    texts = read_list(b" [" + GOOD + b", " + bad + b", " + GOOD + b"]\n")

    admission = admit_list(texts, INTAKE, customer="subject")

    assert [refusal.index for refusal in admission.refusals] == [1]
    assert admission.refusals[0].code == code
    assert len(admission.events) == 2


@pytest.mark.parametrize("end", [b"", b"]]", b"] NaN", b'], "x": [NaN]', b"}"])
def test_a_list_that_is_not_whole_is_refused_as_one(end: bytes) -> None:
    with pytest.raises(Rejected) as caught:
        read_list(b"[" + GOOD + b',{"a":NaN}' + end)

    assert caught.value.code == "not_json"


def test_more_events_than_a_batch_may_have_are_refused_whatever_they_are() -> None:
    with pytest.raises(Rejected) as caught:
        read_list(b"[" + b"NaN," * BATCH_EVENTS_MAX + b"1]")

    assert caught.value.code == "too_many_events"
